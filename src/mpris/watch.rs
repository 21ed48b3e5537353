//! The bus of the MPRIS players: hears their signals, carries questions to them, and is looked for
//! again when it is gone (behaviour.md 1.7). What it all means is decided in `map`.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::adopted::Adopted;
use super::bus::{Bus, Heard};
use super::map::Players;
use crate::config::MprisConfig;
use crate::core::input::Input;
use crate::core::message_ids as ids;
use crate::core::player::PlayerId;
use crate::core::settings::Limits;
use crate::core::time::Now;
use crate::port::Port;
use crate::system::clock;

/// How long the start of the daemon waits for the bus; one that is slower is waited for meanwhile.
const FIRST_TRY: Duration = Duration::from_millis(300);
/// How long a bus may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time between two attempts to reach the bus: 1 s doubling to 60 s.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// After signals were lost, so long passes before everything is read anew once more.
const READ_ANEW_EVERY: Duration = Duration::from_secs(1);

/// What the agent tells of its players: an interrupt of this one's session has ended, at this
/// position in seconds.
pub type ReadAgain = (PlayerId, f64);

/// A bus, and the players on it.
struct PlayersBus {
    bus: Bus,
    players: Players,
}

/// A try to reach the bus, until it has taken too long.
type Connecting =
    Pin<Box<dyn Future<Output = Result<zbus::Result<PlayersBus>, Elapsed>> + Send + 'static>>;

/// Listens to players, whether their bus is there or not.
pub struct Watcher {
    config: MprisConfig,
    limits: Limits,
    port: Port,
    bus: Option<PlayersBus>,
    /// The first try, which goes on while the daemon runs.
    connecting: Option<Connecting>,
    read_again: mpsc::Receiver<ReadAgain>,
    /// Why the bus is away, as the log has it.
    said: String,
}

impl Watcher {
    /// Connects, if the bus is there, and begins to listen. A bus that does not answer at once does
    /// not hold up the daemon.
    pub async fn start(
        config: &MprisConfig,
        limits: &Limits,
        port: Port,
        read_again: mpsc::Receiver<ReadAgain>,
    ) -> Watcher {
        let (config, limits, said) = (config.clone(), limits.clone(), String::new());
        let mut watcher =
            Watcher { config, limits, port, bus: None, connecting: None, read_again, said };
        let mut connecting = watcher.connecting();
        match timeout(FIRST_TRY, &mut connecting).await {
            Ok(connected) => watcher.connected(connected),
            Err(_) => watcher.connecting = Some(connecting),
        }
        watcher
    }

    /// Tries to reach the bus once.
    fn connecting(&self) -> Connecting {
        let connect = PlayersBus::connect(self.config.clone(), self.limits.clone());
        Box::pin(timeout(CONNECT_TIMEOUT, connect))
    }

    fn connected(&mut self, connected: Result<zbus::Result<PlayersBus>, Elapsed>) {
        match connected {
            Ok(Ok(bus)) => {
                tracing::info!("listening to MPRIS players");
                self.bus = Some(bus);
                self.said.clear();
            }
            Ok(Err(error)) => self.away(error.to_string()),
            Err(_) => self.away(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
        }
        self.port.players_away(self.bus.is_none(), clock::now().boot);
    }

    /// The bus cannot be reached. The log says so once for each reason, because it is tried again
    /// and again.
    fn away(&mut self, why: String) {
        if why != self.said {
            let message_id = ids::PLAYERS_AWAY;
            let why = why.as_str();
            tracing::error!(
                message_id,
                why,
                "the bus of the MPRIS players is away; it is tried again"
            );
            self.said = why.to_owned();
        }
    }

    /// Takes over a session of an earlier run of the agent, so that what its player did meanwhile
    /// is noticed.
    pub fn adopt(&mut self, session: Adopted, now: Now) {
        if let Some(bus) = &mut self.bus {
            bus.players.adopt(session, now);
        }
    }

    /// The connected players, by the sender names that sessions use.
    pub fn present(&self) -> Vec<String> {
        self.bus.as_ref().map(|bus| bus.players.present()).unwrap_or_default()
    }

    /// Runs for as long as the program.
    pub async fn run(mut self) {
        let mut backoff = Duration::from_secs(1);
        if let Some(connecting) = self.connecting.take() {
            self.connected(connecting.await);
        }
        loop {
            if let Some(bus) = self.bus.take() {
                backoff = Duration::from_secs(1);
                bus.listen(&self.port, &mut self.read_again).await;
                self.away("it was closed".to_owned());
                self.port.players_away(true, clock::now().boot);
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            // Nobody is there to be read again.
            while self.read_again.try_recv().is_ok() {}
            let connected = self.connecting().await;
            self.connected(connected);
        }
    }
}

impl PlayersBus {
    async fn connect(config: MprisConfig, limits: Limits) -> zbus::Result<PlayersBus> {
        let bus = Bus::connect(&config.bus, &limits).await?;
        let now = clock::now();
        let mut players = Players::new(&config, limits, &bus.id(), now);
        for (name, owner) in bus.owners().await? {
            players.appeared(&name, &owner, now);
            bus.ask_uid(owner);
        }
        Ok(PlayersBus { bus, players })
    }

    /// Listens until the bus is gone.
    async fn listen(mut self, port: &Port, read_again: &mut mpsc::Receiver<ReadAgain>) {
        let mut read_anew_at = Instant::now();
        self.show(port);
        loop {
            self.carry_out(port).await;
            let due = self.players.deadline();
            let wait =
                due.map(|due| Duration::from_millis((due - clock::now().boot).0.max(0) as u64));
            let missed = self.bus.missed();
            tokio::select! {
                biased;
                heard = self.bus.heard.recv() => match heard {
                    None | Some(Heard::BusGone) => break,
                    Some(heard) => {
                        let names = matches!(heard, Heard::Owner(..) | Heard::Gone(..));
                        self.hear(heard);
                        if names {
                            self.show(port);
                        }
                    }
                },
                Some((owner, position)) = read_again.recv() => {
                    self.players.read_again(&owner, position, clock::now());
                }
                // What has waited is heard first.
                () = sleep_until(read_anew_at), if missed => {
                    self.bus.forget_missed();
                    read_anew_at = Instant::now() + READ_ANEW_EVERY;
                    tracing::warn!("players signal more than can be heard; all of them are read anew");
                    if let Ok(owners) = self.bus.owners().await {
                        self.players.read_anew(&owners, clock::now());
                        for (_, owner) in owners {
                            self.bus.ask_uid(owner);
                        }
                    }
                }
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {
                    self.players.tick(clock::now());
                }
            }
        }
        self.players.all_gone(clock::now());
        self.show(port);
        self.carry_out(port).await;
    }

    fn show(&self, port: &Port) {
        port.mpris.show(self.players.seen().to_string());
    }

    fn hear(&mut self, heard: Heard) {
        let players = &mut self.players;
        match heard {
            Heard::Changed(unique, change, at) => players.changed(&unique, &change, at),
            Heard::Seeked(unique, position, at) => players.seeked(&unique, position, at),
            Heard::Answer(unique, question, answer, at) => {
                players.answered(&unique, question, answer.as_ref(), at);
            }
            Heard::Owner(name, old, new, at) => {
                if !old.is_empty() {
                    self.bus.leaves(name.clone(), old, at);
                }
                if !new.is_empty() {
                    players.appeared(&name, &new, at);
                    self.bus.ask_uid(new);
                }
            }
            Heard::Uid(unique, uid) => players.belongs_to(&unique, uid),
            Heard::Gone(name, old, at) => players.name_lost(&name, &old, at),
            Heard::BusGone => {}
        }
    }

    async fn carry_out(&mut self, port: &Port) {
        let out = self.players.take();
        for (unique, question) in out.questions {
            self.bus.ask(unique, question);
        }
        for (input, at) in out.inputs {
            match input {
                gone @ Input::PlayerGone { .. } => port.tell_when_room(gone, at).await,
                input => port.tell(input, at),
            }
        }
    }
}
