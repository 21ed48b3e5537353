//! Notifies the service manager (sd_notify): ready, status, watchdog, stopping. Without a service
//! manager every call does nothing.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::core::time::{BootInstant, Span};

/// The socket of the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<(UnixDatagram, SocketAddr)>,
    told: Mutex<Told>,
    /// `None`: there is no watchdog.
    watchdog_period: Option<Duration>,
}

/// What the service manager has heard.
#[derive(Debug, Default)]
struct Told {
    status: String,
    /// When the watchdog was last notified.
    fed: Option<BootInstant>,
}

/// The watchdog is notified no more often than this part of its period: each time wakes the service
/// manager, too.
const WATCHDOG_PARTS: u32 = 8;

#[allow(clippy::disallowed_methods)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

impl Notify {
    /// Reads `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    pub fn from_environment() -> Notify {
        let address = variable("NOTIFY_SOCKET").and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        Notify { socket, watchdog_period: Notify::watchdog_period(), ..Notify::default() }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, state: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::debug!(%error, "the service manager did not take a message");
        }
    }

    /// Everything is up, or a reload is over, well or not.
    pub fn ready(&self, status: &str) {
        status.clone_into(&mut self.told().status);
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// One line for `systemctl status`; sent only when it changes.
    pub fn status(&self, status: &str) {
        if self.told().status != status {
            status.clone_into(&mut self.told().status);
            self.say(&format!("STATUS={status}"));
        }
    }

    /// The configuration is about to be read, at this time of CLOCK_MONOTONIC. `ready` ends it.
    pub fn reloading(&self, monotonic_us: u64) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={monotonic_us}"));
    }

    /// A full turn of the engine has been made. Without a watchdog nobody is told.
    pub fn watchdog(&self, now: BootInstant) {
        let Some(period) = self.watchdog_period else { return };
        let pause = Span((period / WATCHDOG_PARTS).as_millis() as i64);
        if self.told().fed.is_none_or(|fed| now - fed >= pause) {
            self.told().fed = Some(now);
            self.say("WATCHDOG=1");
        }
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=Writing everything out and leaving");
    }

    /// The watchdog's period, when it watches this process (`WATCHDOG_USEC`, `WATCHDOG_PID`).
    pub fn watchdog_period() -> Option<Duration> {
        let micros: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        (ours && micros > 0).then(|| Duration::from_micros(micros))
    }
}
