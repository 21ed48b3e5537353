//! What has come in on the TCP sockets of a client. The HTTP library does not show what it reads before
//! an answer, and not which sockets are a client's: the time after which a silent connection is looked
//! at tells that, because each client has another one.

use std::os::fd::RawFd;
use std::time::Duration;

/// Where `struct tcp_info` of the kernel (4.1 and later) has the bytes received, in 8-byte words.
const BYTES_RECEIVED: usize = 16;
/// The time of the first client, in seconds.
const KEEPALIVE: u16 = 30;

/// Tells the sockets of one client from those of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u16);

impl Mark {
    /// The first of these that nobody has.
    pub fn unlike(others: &[Mark]) -> Mark {
        (0..).map(Mark).find(|mark| !others.contains(mark)).unwrap_or(Mark(0))
    }

    /// How long a connection of the client is silent before it is looked at.
    pub fn keepalive(self) -> Duration {
        Duration::from_secs(u64::from(KEEPALIVE.saturating_add(self.0)))
    }

    /// Bytes that were received on all TCP sockets of the client that are open, headers of packets not
    /// counted; 0 where the kernel does not tell.
    pub fn bytes_received(self) -> u64 {
        let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return 0 };
        let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours =
            numbers.filter(|fd| keepalive_of(*fd).is_some_and(|time| time == self.keepalive()));
        ours.filter_map(received_on).sum()
    }
}

fn keepalive_of(fd: RawFd) -> Option<Duration> {
    let (words, _) = option(fd, libc::TCP_KEEPIDLE)?;
    let [a, b, c, d, ..] = words[0].to_ne_bytes();
    Some(Duration::from_secs(u64::from(u32::from_ne_bytes([a, b, c, d]))))
}

fn received_on(fd: RawFd) -> Option<u64> {
    let (words, length) = option(fd, libc::TCP_INFO)?;
    (length >= (BYTES_RECEIVED + 1) * 8).then(|| words[BYTES_RECEIVED])
}

/// An option of a TCP socket, and how many bytes it has; `None` for what is no such socket.
#[allow(unsafe_code, reason = "no safe crate reads TCP_INFO")]
fn option(fd: RawFd, name: libc::c_int) -> Option<([u64; 32], usize)> {
    let mut words = [0_u64; 32];
    let mut length = libc::socklen_t::try_from(size_of_val(&words)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes into `words`. A number that is no TCP socket, or
    // not open any more, is an error.
    let told = unsafe {
        libc::getsockopt(fd, libc::IPPROTO_TCP, name, words.as_mut_ptr().cast(), &mut length)
    };
    (told == 0).then_some((words, length as usize))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn what_a_socket_has_received_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut near =
            TcpStream::connect(listener.local_addr().expect("an address")).expect("a peer");
        let (mut far, _) = listener.accept().expect("a connection");
        let before = received_on(far.as_raw_fd()).expect("a socket");
        near.write_all(&[1; 100_000]).expect("written");
        far.read_exact(&mut vec![0; 100_000]).expect("read");
        assert_eq!(received_on(far.as_raw_fd()), Some(before + 100_000));
        let file = std::fs::File::open("/dev/null").expect("a file");
        assert_eq!((received_on(file.as_raw_fd()), keepalive_of(file.as_raw_fd())), (None, None));
    }

    #[test]
    fn each_client_has_a_mark_of_its_own() {
        let mut marks: Vec<Mark> = Vec::new();
        (0..9).for_each(|_| marks.push(Mark::unlike(&marks)));
        marks.remove(4);
        let again = Mark::unlike(&marks);
        assert_eq!((again, marks.contains(&again)), (Mark(4), false));
        assert_eq!(again.keepalive(), Duration::from_secs(34));
    }
}
