//! Another process of this program.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

/// The arguments that a running playheadd was started with, without its own name.
///
/// Errors: there is no such process, or it is another program.
pub fn arguments(pid: u32) -> io::Result<Vec<OsString>> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    let mut words = line.strip_suffix(b"\0").unwrap_or(&line).split(|byte| *byte == 0);
    if !words.next().is_some_and(|program| program.ends_with(b"playheadd")) {
        return Err(io::Error::other("it is no playheadd"));
    }
    Ok(words.map(|word| OsStr::from_bytes(word).to_owned()).collect())
}

/// The variables of a process.
///
/// Errors: there is no such process, or the system does not let this one look.
pub fn environment(pid: u32) -> io::Result<Vec<(OsString, OsString)>> {
    let block = std::fs::read(format!("/proc/{pid}/environ"))?;
    let pair = |variable: &[u8]| {
        let at = variable.iter().position(|byte| *byte == b'=')?;
        let [name, value] = [&variable[..at], &variable[at + 1..]].map(OsStr::from_bytes);
        Some((name.to_owned(), value.to_owned()))
    };
    Ok(block.split(|byte| *byte == 0).filter_map(pair).collect())
}

/// The directory in which a process is.
///
/// Errors: there is no such process, or the system does not let this one look.
pub fn directory(pid: u32) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/cwd"))
}

/// Whether the service manager runs this process to reload that one (`ExecReload=`, systemd.exec(5)).
#[allow(clippy::disallowed_methods)]
pub fn is_reload_of(pid: u32) -> bool {
    std::env::var("MAINPID").is_ok_and(|main| main == pid.to_string())
}

/// Has it read its configuration anew. The signal would end another program.
pub fn hang_up(pid: u32) -> io::Result<()> {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let process = process.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(process, Signal::HUP)?)
}
