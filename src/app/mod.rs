//! The daemon. Its parts are made and connected here and nowhere else.

mod bus_link;
mod clients;
mod control;
mod event_loop;
pub mod log;
mod reload;
mod store_worker;
mod unconfigured;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;

use self::bus_link::BusLink;
use self::control::{Control, Missed, relay_signals};
use self::event_loop::{EventLoop, Threads};
use self::reload::{Loaded, Source};
pub use self::reload::{check, check_for};
use self::store_worker::{ConsentThread, StoreThread};
use self::unconfigured::End;
use crate::collector;
use crate::config::{Config, ConfigError, Environment};
use crate::core::delivery::backoff::Rng;
use crate::core::dialect::Dialects;
use crate::core::input::Input;
use crate::core::record::StoreState;
use crate::core::settings::Zone;
use crate::core::{Agent, StartInfo};
use crate::dbus::BusAddress;
use crate::engine::mistakes::{Mend, Mistakes};
use crate::engine::{Engine, Event};
use crate::mpris::{Adopted, ReadAgain, Watcher};
use crate::port::Port;
use crate::store::consent::ConsentFile;
use crate::store::copy::MemoryDir;
use crate::store::opening::StoreLocation;
use crate::store::reader::Reader;
use crate::store::{StoreError, sled};
use crate::system::clock;
use crate::system::clock_watcher::ClockWatcher;
use crate::system::logind::{Connect, watch_sleep};
use crate::system::notify::Notify;
use crate::system::time_service::TimeService;

/// `Control`s that may wait for the loop. When there are more, their senders wait.
const CONTROLS: usize = 8;

/// MPRIS players that wait to be read again.
const READ_AGAIN: usize = 64;

/// How long a start looks at a store over which an earlier one has died. It is looked at again
/// later.
const START_PATIENCE: Duration = Duration::from_secs(6);

/// What the command line says.
pub struct Arguments {
    pub config: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
    pub bus: BusAddress,
}

/// Why the daemon could not start or had to leave.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Collector(#[from] collector::CollectorError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(transparent)]
    Bus(#[from] crate::dbus::BusError),
    #[error("the boot id cannot be read: {0}")]
    BootId(std::io::Error),
    #[error("process {0} cannot be asked to read its configuration anew: {1}")]
    Reload(u32, std::io::Error),
    #[error("{0} cannot be set up: {1}")]
    System(&'static str, std::io::Error),
    /// The bus is gone. The service manager restarts the daemon, which goes on from its store.
    #[error("the connection to the bus is lost; everything is written, start me again")]
    BusGone,
}

impl AppError {
    /// 2 for a configuration that has to be corrected (`--check`), 1 for everything else.
    pub fn exit_status(&self) -> u8 {
        match self {
            AppError::Config(_) | AppError::Collector(_) => 2,
            _ => 1,
        }
    }

    /// Whether it is about variables or credentials, which a service keeps until it is restarted.
    pub fn needs_restart(&self) -> bool {
        matches!(self, AppError::Config(error) if error.mistakes.iter().any(|m| m.restart))
    }

    /// What is wrong with a configuration.
    fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        let AppError::Config(error) = self else {
            self.to_string().lines().for_each(|line| mistakes.add(line, Mend::Reload));
            return mistakes;
        };
        for mistake in &error.mistakes {
            let mend = if mistake.restart { Mend::Restart } else { Mend::Reload };
            match mistake.more {
                0 => mistakes.add(&mistake.to_string(), mend),
                more => mistakes.add_untold(more),
            }
        }
        mistakes
    }
}

/// Reads the configuration, with the variables of this process.
///
/// Errors: all mistakes in it, files that it names and that cannot be used, and required keys that
/// are not set.
pub fn load(arguments: &Arguments) -> Result<Config, AppError> {
    load_with(arguments, &Environment::of_process())
}

/// The same with the variables of another process.
fn load_with(arguments: &Arguments, environment: &Environment) -> Result<Config, AppError> {
    let mut config = Config::load(arguments.config.as_deref(), environment, &collector::look)?;
    if let Some(dir) = &arguments.state_dir {
        config.store.path.clone_from(dir);
    }
    config.settings.zone = Zone(clock::utc_offset_seconds);
    Ok(config)
}

/// Runs the daemon until it is asked to stop. Without a configuration that can be used it waits for one
/// (behaviour.md 3).
pub async fn run(arguments: Arguments) -> Result<(), AppError> {
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
        .map_err(|e| AppError::System("signal handling", e))?;
    let (control, mut controls) = mpsc::channel(CONTROLS);
    tokio::spawn(relay_signals(signals, control.clone()));
    let loaded = reload::read(&arguments, None);
    log::start(loaded.as_ref().map_or(tracing::Level::INFO, |(config, _)| config.log_level));
    let notify = Notify::from_environment();
    // A bus that does not answer must not keep us from stopping.
    let mut missed = Missed::default();
    let (mut link, mut messages) = tokio::select! {
        connected = BusLink::connect(&arguments.bus) => connected?,
        () = missed.until_stop(&mut controls) => return Ok(()),
    };
    let (config, clients) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            let ours = (control.clone(), &mut controls);
            let theirs = (&mut link, &mut messages);
            match unconfigured::wait(&error, &arguments, theirs, &notify, ours).await? {
                End::Configured(loaded) => *loaded,
                End::Stop => return Ok(()),
            }
        }
    };
    log::set_level(config.log_level);
    let source = Source::new(arguments, &config);
    let event_loop = tokio::select! {
        started = start(link, (config, clients), source, notify, control) => started?,
        () = missed.until_stop(&mut controls) => return Ok(()),
    };
    event_loop.run(messages, controls, missed).await
}

/// The daemon's files.
struct StateDir {
    consent: ConsentFile,
    store: StoreLocation,
}

impl StateDir {
    /// A directory that cannot be used keeps no daemon from starting (behaviour.md 2.9).
    ///
    /// Errors: `InUse`.
    fn open(config: &Config) -> Result<StateDir, AppError> {
        let dir = config.store.path.clone();
        sled::note_panics(&dir);
        let memory = MemoryDir::of(&dir);
        let consent = ConsentFile::new(&dir, memory.clone());
        // The name of the program may be another one's after an upgrade.
        let reader = Reader { program: "/proc/self/exe".into(), patience: START_PATIENCE };
        let max_bytes = config.store.max_bytes;
        let store = StoreLocation { dir, max_bytes, memory, reader, lock: Default::default() };
        match store.take() {
            Err(error @ StoreError::InUse { .. }) => Err(error.into()),
            // The opening says what is wrong.
            _ => Ok(StateDir { consent, store }),
        }
    }
}

/// Makes the parts and connects them. When this is done, the daemon can be called.
async fn start(
    link: BusLink,
    (config, clients): Loaded,
    source: Source,
    notify: Notify,
    control: mpsc::Sender<Control>,
) -> Result<EventLoop, AppError> {
    link.bus.limit(config.settings.limits.clone());
    let state = StateDir::open(&config)?;
    let (consent, consent_state) = state.consent.open(|| Rng::new(clock::seed()).hex128());
    let (store, stored, store_state) = StoreThread::start(state.store, consent.generation)
        .map_err(|e| AppError::System("the store's thread", e))?;
    let now = clock::now();
    let time_service = Arc::new(TimeService::default());
    let watch = ClockWatcher::new(now, config.require_sync, time_service.clone());
    let start = StartInfo {
        bus: link.bus.id(),
        boot: clock::boot_id().map_err(AppError::BootId)?,
        clock_trusted: watch.trusted(),
        online: true,
        seed: clock::seed(),
        dialects: Dialects::default(),
        unread: matches!(store_state, StoreState::Unread(_)),
        consent,
    };
    let agent = Agent::new(config.settings.clone(), stored, start, now);
    let port = link.port.clone();
    let (read_again, to_read) = mpsc::channel(READ_AGAIN);
    let watcher = watch_mpris(&config, &agent, port.clone(), to_read).await;
    // The agent learns which players are still connected before anybody can call it.
    let mut present = link.bus.present();
    present.extend(watcher.iter().flat_map(Watcher::present));
    let threads = Threads {
        store,
        consent: ConsentThread::start(state.consent)
            .map_err(|e| AppError::System("the consent file's thread", e))?,
        collector: collector::runtime()
            .map_err(|e| AppError::System("the collector's thread", e))?,
    };
    let engine = Engine::new(agent, store_state, consent_state, now);
    let address = source.bus().clone();
    let parts = (engine, clients, source, threads);
    let mut event_loop = EventLoop::new(parts, link, watch, notify);
    event_loop.warn(config.warnings);
    event_loop.look_for_hidden_clock();
    event_loop.look_for_broken_store();
    event_loop.read_again = watcher.is_some().then_some(read_again);
    event_loop.tell(Event::Message { input: Input::Recovered { present }, arrived: now.boot });
    let agent = event_loop.engine.agent();
    let players = agent.sessions().filter_map(|(_, session)| session.owner.as_ref());
    event_loop.link.bus.expect(players.map(|player| player.sender.as_str())).await;
    let snapshot = event_loop.engine.snapshot(clock::now());
    event_loop.link.open(snapshot, control).await?;
    if let Some(watcher) = watcher {
        tokio::spawn(watcher.run());
    }
    let connection = event_loop.link.bus.connection().clone();
    tokio::spawn(crate::system::network::watch(connection.clone(), port.clone()));
    event_loop.sleep_lock = Some(watch_sleep(connection.clone(), anew(address), port.clone()));
    tokio::spawn(async move { time_service.watch(connection, port).await });
    event_loop.ready();
    Ok(event_loop)
}

/// Makes further connections to the bus.
fn anew(address: BusAddress) -> Connect {
    Arc::new(move || {
        let address = address.clone();
        Box::pin(async move { address.connect().await.map_err(|error| error.to_string()) })
    })
}

/// MPRIS is optional. Without its bus the daemon still serves all other players.
async fn watch_mpris(
    config: &Config,
    agent: &Agent,
    port: Port,
    read_again: mpsc::Receiver<ReadAgain>,
) -> Option<Watcher> {
    if !config.mpris.enabled {
        return None;
    }
    port.mpris.show("[]".into());
    let limits = &config.settings.limits;
    let mut watcher = Watcher::start(&config.mpris, limits, port, read_again).await;
    let now = clock::now();
    for adopted in agent.sessions().filter_map(|(_, session)| Adopted::of(session, now.boot)) {
        watcher.adopt(adopted, now);
    }
    Some(watcher)
}
