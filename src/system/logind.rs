//! Sleep and shutdown of the box, as logind announces them, and the lock that puts them off until
//! everything is saved (behaviour.md 1.6). Without logind all else works: the clocks tell that the box
//! slept.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::select_all;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::clock;
use crate::core::input::Input;
use crate::core::time::BootInstant;
use crate::port::Port;

const BUS: &str = "org.freedesktop.DBus";
/// Its signals are heard.
pub const LOGIND: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// A lock that was not given is asked for again: after 1 s, doubling to 60 s.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Announcements that wait for the agent.
const ANNOUNCEMENTS: usize = 16;

/// The daemon's end of the watch.
#[derive(Debug)]
pub struct SleepLock {
    wanted: watch::Sender<bool>,
    shutting_down: Arc<AtomicBool>,
}

impl SleepLock {
    /// Whether something is to be saved before the box sleeps, so that sleep is to be put off.
    pub fn want(&self, wanted: bool) {
        self.wanted.send_if_modified(|before| std::mem::replace(before, wanted) != wanted);
    }

    /// Whether logind has announced that the box is shut down.
    pub fn shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }
}

/// Something that logind says, or that is said of it.
#[derive(Debug)]
enum Announcement {
    Sleep {
        begins: bool,
    },
    Shutdown {
        begins: bool,
    },
    /// It has come, is another one, or has gone.
    Owner {
        there: bool,
    },
}

/// Makes a connection to the same bus. That of the agent passes no file descriptors, which a lock is.
pub type Connect = Arc<dyn Fn() -> BoxFuture<'static, Result<Connection, String>> + Send + Sync>;

/// Starts the watch. It ends with the connection.
pub fn watch_sleep(connection: Connection, connect: Connect, port: Port) -> SleepLock {
    let (wanted, wants) = watch::channel(false);
    let shutting_down = Arc::new(AtomicBool::new(false));
    let lock = SleepLock { wanted, shutting_down: shutting_down.clone() };
    tokio::spawn(async move {
        let said = match listen(&connection).await {
            Ok(streams) => announcements(streams),
            Err(error) => {
                tracing::warn!(%error, "logind is not heard; the clocks tell when the box slept");
                return;
            }
        };
        let there = has_owner(&connection).await;
        let watch = Watch {
            connect,
            port,
            shutting_down,
            there,
            announced: false,
            lock: Lock::Free,
            put_off: Duration::ZERO,
        };
        watch.run(said, wants).await;
    });
    lock
}

/// One lock of both, or one of each.
type Locks = Vec<OwnedFd>;

/// The lock, as far as the watch has got.
enum Lock {
    Free,
    /// It was asked for. The question is not taken back when something else is heard: logind may have
    /// given it by then.
    Asked(BoxFuture<'static, Result<Locks, String>>),
    /// Closing them gives them back.
    Held(#[allow(dead_code, reason = "they are held, not read")] Locks),
}

struct Watch {
    connect: Connect,
    port: Port,
    shutting_down: Arc<AtomicBool>,
    there: bool,
    /// A sleep or a shutdown was announced, and its end was not.
    announced: bool,
    lock: Lock,
    /// How long the next question is put off, because the last one was refused.
    put_off: Duration,
}

impl Watch {
    async fn run(
        mut self,
        mut said: mpsc::Receiver<(Announcement, BootInstant)>,
        mut wants: watch::Receiver<bool>,
    ) {
        let mut before = false;
        loop {
            let wanted = *wants.borrow_and_update();
            if wanted && !std::mem::replace(&mut before, wanted) {
                // The agent wants none while it is asleep, so it knows that the box is awake.
                self.announced = false;
            }
            before = wanted;
            if !wanted {
                self.lock = Lock::Free;
            } else if let Lock::Free = self.lock
                && self.there
                && !self.announced
            {
                self.lock = Lock::Asked(inhibit(self.connect.clone(), self.put_off));
            }
            let given = async {
                match &mut self.lock {
                    Lock::Asked(asked) => asked.await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                next = said.recv() => match next {
                    Some((said, arrived)) => self.hear(said, arrived).await,
                    None => return,
                },
                given = given => self.given(given),
                changed = wants.changed() => if changed.is_err() { return },
            }
        }
    }

    fn given(&mut self, given: Result<Locks, String>) {
        match given {
            Ok(locks) => (self.lock, self.put_off) = (Lock::Held(locks), Duration::ZERO),
            Err(why) => {
                if self.put_off.is_zero() {
                    tracing::warn!(why, "logind does not let the agent put off sleep");
                }
                self.lock = Lock::Free;
                self.put_off = (self.put_off * 2).clamp(FIRST_RETRY, LAST_RETRY);
            }
        }
    }

    async fn hear(&mut self, said: Announcement, arrived: BootInstant) {
        let begins = match said {
            Announcement::Sleep { begins } => begins,
            Announcement::Shutdown { begins } => {
                self.shutting_down.store(begins, Ordering::Relaxed);
                begins
            }
            Announcement::Owner { there } => {
                self.there = there;
                self.shutting_down.store(false, Ordering::Relaxed);
                // The lock of one that is gone counts no more, and nobody announces the end of what
                // it has announced.
                (self.lock, self.put_off) = (Lock::Free, Duration::ZERO);
                false
            }
        };
        if begins != self.announced {
            (self.announced, self.put_off) = (begins, Duration::ZERO);
            let input = if begins { Input::Sleep } else { Input::Wake };
            self.port.tell_when_room(input, arrived).await;
        }
    }
}

/// Asks for the lock. It outlives the connection that asked for it.
///
/// polkit lets a service have a lock of one kind, and for a lock of several kinds logind asks it for
/// something else, which only root has. So where both are refused together, each is asked for.
fn inhibit(connect: Connect, put_off: Duration) -> BoxFuture<'static, Result<Locks, String>> {
    let ask = async move {
        let connection = connect().await?;
        if let Ok(both) = lock_of(&connection, "sleep:shutdown").await {
            return Ok(vec![both]);
        }
        let sleep = lock_of(&connection, "sleep").await?;
        Ok(vec![sleep, lock_of(&connection, "shutdown").await?])
    };
    Box::pin(async move {
        sleep(put_off).await;
        let late = |_| Err(format!("no answer in {} s", CALL_LIMIT.as_secs()));
        timeout(CALL_LIMIT, ask).await.unwrap_or_else(late)
    })
}

async fn lock_of(connection: &Connection, what: &str) -> Result<OwnedFd, String> {
    let asked = &(what, "playheadd", "saves where viewers are", "delay");
    let reply = connection
        .call_method(Some(LOGIND), PATH, Some(MANAGER), "Inhibit", asked)
        .await
        .map_err(|error| error.to_string())?;
    let fd: zbus::OwnedFd = reply.body().deserialize().map_err(|error| error.to_string())?;
    Ok(fd.into())
}

/// The streams are read at once, because one that nobody reads stalls its connection.
fn announcements(streams: Vec<MessageStream>) -> mpsc::Receiver<(Announcement, BootInstant)> {
    let (tell, told) = mpsc::channel(ANNOUNCEMENTS);
    let mut signals = select_all(streams);
    tokio::spawn(async move {
        while let Some(signal) = signals.next().await {
            let arrived = clock::now().boot;
            if let Some(said) = signal.ok().as_ref().and_then(read)
                && tell.send((said, arrived)).await.is_err()
            {
                return;
            }
        }
    });
    told
}

fn read(signal: &Message) -> Option<Announcement> {
    let header = signal.header();
    let begins = || signal.body().deserialize::<bool>().ok();
    match header.member()?.as_str() {
        "PrepareForSleep" => Some(Announcement::Sleep { begins: begins()? }),
        "PrepareForShutdown" => Some(Announcement::Shutdown { begins: begins()? }),
        "NameOwnerChanged" => {
            let body = signal.body();
            let (_, _, owner) = body.deserialize::<(&str, &str, &str)>().ok()?;
            Some(Announcement::Owner { there: !owner.is_empty() })
        }
        _ => None,
    }
}

/// The bus routes the signals of the name's owner only; what pretends to be it and is sent to us alone
/// is stopped at the door (`dbus/door.rs`).
async fn listen(connection: &Connection) -> zbus::Result<Vec<MessageStream>> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    let owner = signal().sender(BUS).interface(BUS).member("NameOwnerChanged").arg(0, LOGIND);
    let mut rules = vec![owner.build()?];
    for member in ["PrepareForSleep", "PrepareForShutdown"] {
        let rule = signal().sender(LOGIND).path(PATH).interface(MANAGER).member(member);
        rules.push(rule.build()?);
    }
    let mut streams = Vec::new();
    for rule in rules {
        streams.push(MessageStream::for_match_rule(rule, connection, None).await?);
    }
    Ok(streams)
}

/// A call must not start a logind that is not there.
async fn has_owner(connection: &Connection) -> bool {
    let path = "/org/freedesktop/DBus";
    let asked = connection.call_method(Some(BUS), path, Some(BUS), "NameHasOwner", &LOGIND);
    let reply = timeout(CALL_LIMIT, asked).await.ok().and_then(Result::ok);
    reply.is_some_and(|reply| reply.body().deserialize().unwrap_or(false))
}
