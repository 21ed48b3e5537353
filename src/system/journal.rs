//! The journal of systemd, spoken to natively (systemd.journal-fields(7)): entries with fields.

use std::os::unix::net::UnixDatagram;

const SOCKET: &str = "/run/systemd/journal/socket";

/// The way to the journal.
#[derive(Debug)]
pub struct Journal(UnixDatagram);

impl Journal {
    /// `None` without a socket to send from.
    pub fn new() -> Option<Journal> {
        let socket = UnixDatagram::unbound().ok()?;
        // A journal that is behind keeps nobody waiting.
        socket.set_nonblocking(true).ok()?;
        Some(Journal(socket))
    }

    /// Sends an entry: `NAME=value` lines, no value with a line feed in it. False when it did not
    /// get there.
    pub fn send(&self, entry: &str) -> bool {
        self.0.send_to(entry.as_bytes(), SOCKET).is_ok()
    }
}

/// Whether standard error leads to the journal (systemd.exec(5), `JOURNAL_STREAM`).
pub fn is_standard_error() -> bool {
    #[allow(clippy::disallowed_methods)]
    let told = std::env::var("JOURNAL_STREAM");
    let stat = rustix::fs::fstat(std::io::stderr());
    let (Ok(told), Ok(stat)) = (told, stat) else { return false };
    told == format!("{}:{}", stat.st_dev, stat.st_ino)
}
