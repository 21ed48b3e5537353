//! Whether the clock is synchronised, from systemd-timedated (behaviour.md 2.6). It reads the kernel's
//! state outside of the sandbox that hides it from this process.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::sync::Notify;
use zbus::{Connection, OwnedVariant};

use super::clock;
use crate::core::input::Input;
use crate::port::Port;

const TIMEDATE: &str = "org.freedesktop.timedate1";
const PATH: &str = "/org/freedesktop/timedate1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What is known of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SyncState {
    /// It was not asked, or has not answered yet.
    Unknown,
    /// Nobody answers, or nothing that can be read.
    NoAnswer,
    NotSynchronised,
    Synchronised,
}

/// The last answer, and whether another one is wanted.
#[derive(Debug)]
pub struct TimeService {
    state: AtomicU8,
    /// How often it was forgotten.
    forgotten: AtomicU32,
    wanted: Notify,
}

impl Default for TimeService {
    fn default() -> TimeService {
        TimeService {
            state: AtomicU8::new(SyncState::Unknown as u8),
            forgotten: AtomicU32::new(0),
            wanted: Notify::new(),
        }
    }
}

impl TimeService {
    pub fn state(&self) -> SyncState {
        let known = [SyncState::NoAnswer, SyncState::NotSynchronised, SyncState::Synchronised];
        let state = self.state.load(Ordering::Relaxed);
        known.into_iter().find(|known| *known as u8 == state).unwrap_or(SyncState::Unknown)
    }

    pub(super) fn set(&self, state: SyncState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// Has it asked.
    pub fn ask(&self) {
        self.wanted.notify_one();
    }

    /// What it has said, or says to a question that is under way, does not count.
    pub fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        self.set(SyncState::Unknown);
    }

    /// Whether it is to be asked; it is not any more after this.
    #[cfg(test)]
    pub(super) fn is_wanted(&self) -> bool {
        use futures_util::FutureExt;
        self.wanted.notified().now_or_never().is_some()
    }

    /// Asks whenever that is wanted, one question at a time. Nobody waits for it. The question starts a
    /// service that is not running, which ends by itself.
    pub async fn watch(&self, connection: Connection, port: Port) {
        loop {
            self.wanted.notified().await;
            let before = self.forgotten.load(Ordering::Relaxed);
            let said = ask(&connection).await;
            if self.forgotten.load(Ordering::Relaxed) == before {
                self.set(said);
            }
            // Wakes the event loop, which looks at it.
            port.tell(Input::Tick, clock::now().boot);
        }
    }
}

async fn ask(connection: &Connection) -> SyncState {
    let (to, get) = (Some(TIMEDATE), Some(PROPERTIES));
    let asked = &(TIMEDATE, "NTPSynchronized");
    let reply = connection.call_method(to, PATH, get, "Get", asked).await;
    let value = reply.and_then(|reply| reply.body().deserialize::<OwnedVariant>());
    match value.and_then(bool::try_from) {
        Ok(true) => SyncState::Synchronised,
        Ok(false) => SyncState::NotSynchronised,
        Err(error) => {
            tracing::debug!(%error, "systemd-timedated does not say whether the clock is synchronised");
            SyncState::NoAnswer
        }
    }
}
