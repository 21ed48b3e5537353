//! The socket of the agent's bus connection. Every message passes the [`Door`] before zbus sees it,
//! because zbus starts a task for each call and waits for the slowest of its streams.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zbus::Message;
use zbus::address::Address;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};

use super::door::Door;
use crate::system::watched::watch;

/// What comes before the fields of a message's header.
const FIXED: usize = 16;
/// The longest message that is taken whole. The rest of a longer one is thrown away as it comes.
const MOST_BYTES: usize = 1 << 20;
/// The longest header that is read to say so to a caller.
const MOST_HEADER: usize = 64 * 1024;
const READ_BYTES: usize = 16 * 1024;
/// Turns that are left to refusals that wait to be sent. On a bus that takes none they are dropped.
const PATIENCE: usize = 10_000;

/// A connected socket of a bus, with a door. The runtime watches it for reading alone: otherwise the daemon
/// would be woken each time that the bus has taken an answer.
#[derive(Debug)]
pub(super) struct BusSocket {
    stream: AsyncFd<OwnedFd>,
    door: Arc<Door>,
}

impl BusSocket {
    /// Errors: the bus cannot be reached, or its address is not that of a socket of this machine.
    pub async fn connect(address: &Address, door: Arc<Door>) -> zbus::Result<BusSocket> {
        let Transport::Unix(unix) = address.transport() else {
            let wanted = format!("expected the address of a unix socket, got '{address}'");
            return Err(zbus::Error::Address(wanted));
        };
        let path = match unix.path() {
            UnixSocket::File(path) => path.clone(),
            UnixSocket::Abstract(name) => {
                // A name in the abstract namespace begins with a zero byte.
                let mut path = std::ffi::OsString::from("\0");
                path.push(name);
                PathBuf::from(path)
            }
            _ => return Err(zbus::Error::Unsupported),
        };
        let failed = |e| zbus::Error::Connection(Arc::new(e), Box::new(address.clone()));
        let stream = tokio::net::UnixStream::connect(path).await.map_err(failed)?;
        let stream = stream.into_std().map_err(failed)?;
        let stream = watch(stream.into(), Interest::READABLE).map_err(failed)?;
        Ok(BusSocket { stream, door })
    }
}

impl Socket for BusSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (socket, frames) = (Arc::new(self.stream), Frames::default());
        let reader = Reader { socket: socket.clone(), frames, door: self.door.clone() };
        Split::new(reader, Writer { socket, door: self.door })
    }
}

/// The half that zbus receives through.
#[derive(Debug)]
pub(super) struct Reader {
    socket: Arc<AsyncFd<OwnedFd>>,
    frames: Frames,
    door: Arc<Door>,
}

impl Reader {
    /// Waits for bytes. May be dropped while it waits: what has come is kept.
    async fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ_BYTES];
        loop {
            let mut ready = self.socket.readable().await?;
            match rustix::io::read(ready.get_inner(), &mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    if read < READ_BYTES {
                        // That was all; what comes from now on is told anew.
                        ready.clear_ready();
                    }
                    self.frames.push(&bytes[..read]);
                    return Ok(());
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[async_trait]
impl ReadHalf for Reader {
    async fn receive_message(
        &mut self,
        seq: u64,
        early: &mut Vec<u8>,
        fds: &mut Vec<OwnedFd>,
    ) -> zbus::Result<Message> {
        self.frames.push_front(early);
        early.clear();
        loop {
            if let Some(message) = self.door.due() {
                return Ok(message);
            }
            if let Some(cut) = self.frames.whole() {
                if self.frames.is_call()
                    && self.frames.sender().is_some_and(|sender| !self.door.listens_to(sender))
                {
                    self.frames.drop_whole();
                    continue;
                }
                let message = self.frames.receive_message(seq, early, fds).await?;
                if let Some(message) = self.door.judge(message, cut) {
                    return Ok(message);
                }
                for _ in 0..PATIENCE {
                    if !self.door.is_behind() {
                        break;
                    }
                    // Whoever sends them needs a turn.
                    tokio::task::yield_now().await;
                }
                continue;
            }
            let door = self.door.clone();
            tokio::select! {
                filled = self.fill() => filled?,
                () = door.something_due() => {}
            }
        }
    }

    /// The handshake reads through this; nothing is a message yet.
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        if self.frames.bytes.is_empty() {
            self.fill().await?;
        }
        Ok((self.frames.take(buffer), Vec::new()))
    }
}

/// Bytes that came, cut into messages.
#[derive(Debug, Default)]
struct Frames {
    bytes: VecDeque<u8>,
    /// Bytes of the body of a message that is too long, still to come.
    skip: usize,
}

impl Frames {
    fn push(&mut self, bytes: &[u8]) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.bytes.extend(&bytes[skipped..]);
    }

    /// Puts bytes back that came before all the others.
    fn push_front(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().rev() {
            self.bytes.push_front(*byte);
        }
    }

    /// Moves the first bytes into a buffer.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let taken = buffer.len().min(self.bytes.len());
        for (to, byte) in buffer.iter_mut().zip(self.bytes.drain(..taken)) {
            *to = byte;
        }
        taken
    }

    /// Whether the first message is there: `Some(true)` for the mere header of one that is too long.
    fn whole(&mut self) -> Option<bool> {
        loop {
            if self.bytes.len() < FIXED {
                return None;
            }
            let body = self.number(4);
            let header = FIXED.saturating_add(self.number(12)).next_multiple_of(8);
            let length = header.saturating_add(body);
            if length <= MOST_BYTES {
                return (self.bytes.len() >= length).then_some(false);
            }
            if header <= MOST_HEADER {
                if self.bytes.len() < header {
                    return None;
                }
                for at in 4..8 {
                    self.bytes[at] = 0;
                }
                self.drop_from(header, body);
                return Some(true);
            }
            self.drop_from(0, length);
        }
    }

    fn is_call(&self) -> bool {
        self.bytes.get(1) == Some(&1)
    }

    /// The sender of the message that is there, read with as little work as possible. `None` also for
    /// a header that only zbus can read.
    fn sender(&mut self) -> Option<&str> {
        const SENDER: u8 = 7;
        if *self.bytes.front()? != b'l' {
            return None;
        }
        let bytes = self.bytes.make_contiguous();
        let number = |at: usize| {
            let four = bytes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(four)).ok()
        };
        let end = FIXED + number(12)?;
        let mut at = FIXED;
        while at < end {
            // A field: its code, its type (a signature of one letter), its value.
            let (code, kind) = (*bytes.get(at)?, *bytes.get(at + 2)?);
            let value = at + 4;
            at = match kind {
                b's' | b'o' if code == SENDER => {
                    let text = bytes.get(value + 4..value + 4 + number(value)?)?;
                    return std::str::from_utf8(text).ok();
                }
                b's' | b'o' => value + 4 + number(value)? + 1,
                b'g' => value + 1 + usize::from(*bytes.get(value)?) + 1,
                b'u' => value + 4,
                _ => return None,
            }
            .next_multiple_of(8);
        }
        None
    }

    /// Drops the message that is there.
    fn drop_whole(&mut self) {
        let header = FIXED.saturating_add(self.number(12)).next_multiple_of(8);
        let length = header.saturating_add(self.number(4));
        self.drop_from(0, length.min(self.bytes.len()));
    }

    /// Throws away `count` bytes that come after the first `from`.
    fn drop_from(&mut self, from: usize, count: usize) {
        let there = count.min(self.bytes.len() - from);
        self.bytes.drain(from..from + there);
        self.skip = count - there;
    }

    /// The four bytes at a place, in the byte order of the message.
    fn number(&self, at: usize) -> usize {
        let bytes: [u8; 4] = std::array::from_fn(|n| self.bytes[at + n]);
        let number = match self.bytes[0] {
            b'B' => u32::from_be_bytes(bytes),
            _ => u32::from_le_bytes(bytes),
        };
        number as usize
    }
}

/// What is there is read like a socket.
#[async_trait]
impl ReadHalf for Frames {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        Ok((self.take(buffer), Vec::new()))
    }
}

/// The half that zbus sends through.
#[derive(Debug)]
pub(super) struct Writer {
    socket: Arc<AsyncFd<OwnedFd>>,
    door: Arc<Door>,
}

#[async_trait]
impl WriteHalf for Writer {
    async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
        let mut left = message.data().bytes();
        while !left.is_empty() {
            let written = self.sendmsg(left, &[]).await?;
            left = &left[written..];
        }
        self.door.sent(message);
        Ok(())
    }

    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.socket.get_ref(), buffer) {
                Err(Errno::AGAIN) => {
                    let full = self.socket.get_ref().try_clone()?;
                    let full = watch(full, Interest::WRITABLE)?;
                    let _ = full.writable().await?;
                }
                Err(Errno::INTR) => {}
                written => return Ok(written?),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        UnixStream::from(self.socket.get_ref().try_clone()?).shutdown(Shutdown::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(bytes: usize) -> Message {
        let call = Message::method_call("/a", "B").interface("c.D");
        call.build(&"x".repeat(bytes)).expect("a message")
    }

    async fn read(frames: &mut Frames) -> Message {
        let (mut early, mut fds) = (Vec::new(), Vec::new());
        frames.receive_message(1, &mut early, &mut fds).await.expect("a message")
    }

    #[tokio::test]
    async fn messages_are_whole_however_the_bytes_come() {
        let (one, two) = (call(3), call(40));
        let bytes = [one.data().bytes(), two.data().bytes()].concat();
        for step in [1, 7, 16, 1000] {
            let (mut frames, mut lengths) = (Frames::default(), Vec::new());
            for some in bytes.chunks(step) {
                frames.push(some);
                while frames.whole() == Some(false) {
                    lengths.push(read(&mut frames).await.body().len());
                }
            }
            assert_eq!(lengths, [one.body().len(), two.body().len()], "{step} at a time");
        }
    }

    #[tokio::test]
    async fn what_the_handshake_has_read_too_much_comes_first() {
        let (one, two) = (call(3), call(40));
        let bytes = [one.data().bytes(), two.data().bytes()].concat();
        let mut frames = Frames::default();
        frames.push(&bytes[20..]);
        frames.push_front(&bytes[..20]);
        for message in [one, two] {
            assert_eq!(frames.whole(), Some(false));
            assert_eq!(read(&mut frames).await.body().len(), message.body().len());
        }
    }

    #[tokio::test]
    async fn of_a_message_that_is_too_long_only_the_header_is_kept() {
        let (long, next) = (call(3 * MOST_BYTES), call(5));
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        let bytes = [long.data().bytes(), next.data().bytes()].concat();
        for some in bytes.chunks(READ_BYTES) {
            frames.push(some);
            assert!(frames.bytes.len() <= 2 * READ_BYTES, "{} bytes are kept", frames.bytes.len());
            while let Some(cut) = frames.whole() {
                seen.push((cut, read(&mut frames).await.body().len()));
            }
        }
        assert_eq!(seen, [(true, 0), (false, next.body().len())]);
    }

    #[test]
    fn a_sender_is_found_without_zbus() {
        let call = Message::method_call("/tv/playhead/Agent1", "Play").sender(":1.42");
        let call = call.interface("tv.playhead.Session1").build(&("x", 5_u32));
        let (call, next) = (call.expect("a message"), self::call(5));
        let mut frames = Frames::default();
        frames.push(&[call.data().bytes(), next.data().bytes()].concat());
        assert_eq!((frames.whole(), frames.sender()), (Some(false), Some(":1.42")));
        frames.drop_whole();
        assert_eq!((frames.whole(), frames.sender()), (Some(false), None));
        frames.drop_whole();
        assert!(frames.bytes.is_empty());
    }

    #[test]
    fn a_header_without_an_end_is_thrown_away() {
        let mut frames = Frames::default();
        let mut bytes = vec![b'l', 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend((50_u32 << 20).to_le_bytes());
        frames.push(&bytes);
        for _ in 0..(50 << 20) / READ_BYTES {
            assert_eq!(frames.whole(), None);
            frames.push(&[b'x'; READ_BYTES]);
            assert!(frames.bytes.is_empty());
        }
        let next = call(5);
        frames.push(next.data().bytes());
        assert_eq!((frames.whole(), frames.bytes.len()), (Some(false), next.data().len()));
    }
}
