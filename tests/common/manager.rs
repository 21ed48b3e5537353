//! The service manager, as the daemon knows it.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::PATIENCE;

/// The service manager's end of `NOTIFY_SOCKET`.
pub struct Manager(UnixDatagram);

impl Manager {
    pub fn listen(place: &Path) -> Manager {
        let socket = UnixDatagram::bind(place).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Manager(socket)
    }

    /// The next message that begins with one of these.
    pub fn next(&self, names: &[&str]) -> String {
        let mut bytes = [0; 4096];
        loop {
            let length = self.0.recv(&mut bytes).expect("a message in time");
            let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if names.iter().any(|name| message.starts_with(name)) {
                return message;
            }
        }
    }

    /// A pair: when the reload began by CLOCK_MONOTONIC, in microseconds, and the status after it.
    pub fn reload(&self) -> (u64, String) {
        (self.begins(), self.ends())
    }

    pub fn begins(&self) -> u64 {
        let message = self.next(&["RELOADING=1", "READY=1"]);
        let stamp = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        stamp.unwrap_or_else(|| panic!("no beginning: {message}")).parse().expect("microseconds")
    }

    pub fn ends(&self) -> String {
        let message = self.next(&["RELOADING=1", "READY=1"]);
        let status = message.strip_prefix("READY=1\nSTATUS=");
        status.unwrap_or_else(|| panic!("no end: {message}")).to_owned()
    }
}
