//! A suspect store is read in a process of its own, because sled can panic, abort or hang on bytes
//! that a power cut or bad flash has damaged. That process is the daemon's own program with
//! `--read-store` (behaviour.md 2.9); it prints what it can read as a stream of entries.

use std::io::{Read, Write};
use std::ops::Bound;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::database::Database;
use super::files::io;
use super::{StoreError, threads};

/// Exit statuses of the reading process.
const COMPLETE: u8 = 0;
const BROKEN: u8 = 3;
const NOT_READ: u8 = 4;
/// No key or value is longer.
const MOST_BYTES: u32 = 1 << 20;

/// What came of reading a whole store.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every entry could be read.
    Sound,
    /// The bytes cannot be read.
    Broken(String),
    /// Nothing is known: the medium failed, or the process was stopped from outside.
    Unknown(String),
}

/// What `playheadd --read-store` does: writes every entry of the store in `path` that can be read to
/// `out`. Gives the exit status.
pub fn read_store(path: &Path, out: &mut dyn Write) -> u8 {
    let mut read = || {
        let database = Database::open(path, 0)?;
        let mut read = Ok(());
        // What cannot be read of one kind of records does not hide the other kinds.
        for kind in 0..=u8::MAX {
            read = read.and(read_kind(&database, kind, out));
        }
        out.flush().map_err(io(path, "copied"))?;
        read
    };
    match read() {
        Ok(()) => COMPLETE,
        Err(error) => {
            eprintln!("{}", error.report());
            if matches!(error, StoreError::Broken { .. }) { BROKEN } else { NOT_READ }
        }
    }
}

/// Writes the entries whose keys begin with one byte. Behind a page that cannot be read it goes on at
/// the next key that can be found, in steps that double.
fn read_kind(database: &Database, kind: u8, out: &mut dyn Write) -> Result<(), StoreError> {
    let end = kind.checked_add(1).map_or(Bound::Unbounded, |next| Bound::Excluded(vec![next]));
    let mut read = Ok(());
    let (mut from, mut step) = (vec![kind], Some(1_u64));
    let mut last = [vec![kind], vec![0; 8]].concat();
    loop {
        let mut failed = None;
        for entry in database.range((Bound::Included(from), end.clone())) {
            match entry {
                Ok((key, value)) => {
                    write_entry(&key, &value, out).map_err(io(&database.path, "copied"))?;
                    (last, step) = (key, Some(1));
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let Some(error) = failed else { return read };
        read = read.and(Err(error));
        let Some(next) = step.and_then(|step| beyond(&last, step)) else { return read };
        step = step.and_then(|step| step.checked_mul(2));
        from = next;
    }
}

/// The key that is so much greater, as a number of its last eight bytes; `None` beyond the last one.
fn beyond(key: &[u8], step: u64) -> Option<Vec<u8>> {
    let at = key.len().saturating_sub(8).max(1);
    let number = key.get(at..)?.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let bits = 8 * (key.len() - at) as u32;
    let next = number.checked_add(step).filter(|next| bits == 64 || next >> bits == 0)?;
    let bytes = next.to_be_bytes();
    Some([&key[..at], &bytes[8 - (key.len() - at)..]].concat())
}

fn write_entry(key: &[u8], value: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
    for part in [key, value] {
        out.write_all(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes())?;
        out.write_all(part)?;
    }
    Ok(())
}

/// Starts the reading processes.
#[derive(Debug, Clone)]
pub struct Reader {
    /// The daemon's program.
    pub program: PathBuf,
    /// How long one process may take.
    pub patience: Duration,
}

impl Reader {
    /// Reads all of a store and keeps nothing.
    pub(super) fn check(&self, store: &Path) -> Verdict {
        let started = self.command(store).stdout(Stdio::null()).spawn();
        match started.and_then(|child| self.watched(child)) {
            Ok((child, watchdog)) => Reader::judge(child, watchdog),
            Err(error) => Verdict::Unknown(format!("no process to read it: {error}")),
        }
    }

    /// Hands each entry that can be read to `take`.
    pub(super) fn salvage(
        &self,
        store: &Path,
        take: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<(), StoreError>,
    ) -> Result<Verdict, StoreError> {
        let started = self.command(store).stdout(Stdio::piped()).spawn();
        let (mut child, watchdog) =
            started.and_then(|child| self.watched(child)).map_err(io(&self.program, "started"))?;
        let mut taken = Ok(());
        if let Some(out) = child.stdout.take() {
            let mut out = std::io::BufReader::new(out);
            while let Some((key, value)) = next_entry(&mut out) {
                taken = take(key, value);
                if taken.is_err() {
                    break;
                }
            }
        }
        let verdict = Reader::judge(child, watchdog);
        taken.map(|()| verdict)
    }

    fn watched(&self, mut child: Child) -> std::io::Result<(Child, Watchdog)> {
        match Watchdog::over(&child, self.patience) {
            Ok(watchdog) => Ok((child, watchdog)),
            Err(error) => {
                // Nobody would end it.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn command(&self, store: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--read-store").arg(store).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Waits for the process, which `watchdog` ends at the latest.
    fn judge(mut child: Child, watchdog: Watchdog) -> Verdict {
        let process = rustix::process::Pid::from_child(&child);
        // It stays a process until the watchdog cannot kill any more, so that its number is its own.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(process), ended));
        let killed = watchdog.call_off();
        match child.wait() {
            Ok(_) if killed => Verdict::Unknown("reading it takes too long".to_owned()),
            Ok(status) => verdict(status),
            Err(error) => Verdict::Unknown(error.to_string()),
        }
    }
}

/// Kills a process that takes too long.
struct Watchdog {
    alive: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
    killed: Arc<AtomicBool>,
}

impl Watchdog {
    /// Errors: when there can be no further thread.
    fn over(child: &Child, patience: Duration) -> std::io::Result<Watchdog> {
        let (alive, ended) = mpsc::channel();
        let process = rustix::process::Pid::from_child(child);
        let killed = Arc::new(AtomicBool::new(false));
        let kills = killed.clone();
        let watches = move || {
            threads::in_time();
            if ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                kills.store(true, Ordering::Relaxed);
                // It may have ended by itself meanwhile.
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
        };
        let thread = threads::start("watchdog", Box::new(watches))?;
        Ok(Watchdog { alive, thread, killed })
    }

    /// Whether it has killed. It does not any more.
    fn call_off(self) -> bool {
        drop(self.alive);
        self.thread.join().is_err() || self.killed.load(Ordering::Relaxed)
    }
}

fn verdict(status: ExitStatus) -> Verdict {
    use rustix::process::Signal;
    let crashes = [Signal::ABORT, Signal::SEGV, Signal::BUS, Signal::ILL, Signal::TRAP];
    match (status.code().and_then(|code| u8::try_from(code).ok()), status.signal()) {
        (Some(COMPLETE), _) => Verdict::Sound,
        (Some(BROKEN), _) => Verdict::Broken("its bytes make no sense".to_owned()),
        // A panic that unwinds ends a program with 101.
        (Some(101), _) => Verdict::Broken("sled panics over it".to_owned()),
        (_, Some(signal)) if crashes.iter().any(|crash| crash.as_raw() == signal) => {
            Verdict::Broken("sled crashes over it".to_owned())
        }
        _ => Verdict::Unknown(format!("it could not be read ({status})")),
    }
}

/// The next entry of a stream; `None` at its end, or where it is cut off.
fn next_entry(from: &mut impl Read) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut part = || {
        let mut length = [0; 4];
        from.read_exact(&mut length).ok()?;
        let length = u32::from_be_bytes(length);
        if length > MOST_BYTES {
            return None;
        }
        let mut bytes = vec![0; length as usize];
        from.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    Some((part()?, part()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_beyond_a_broken_page_are_found_in_steps() {
        assert_eq!(
            beyond(&[b'H', 0, 0, 0, 1, 0, 0, 0, 255], 1),
            Some(vec![b'H', 0, 0, 0, 1, 0, 0, 1, 0])
        );
        assert_eq!(beyond(b"Rab", 1), Some(b"Rac".to_vec()));
        assert_eq!(beyond(&[b'R', 255, 255], 1), None, "that is another kind");
        assert_eq!(beyond(b"M", 1), None, "there is one only");
        assert_eq!(beyond(&[b'H', 255, 255, 255, 255, 255, 255, 255, 255], 1), None);
    }
}
