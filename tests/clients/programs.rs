//! The drivers `clients/*/tests/evening.*`: built, started, and spoken to line by line.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use crate::common::{PATIENCE, now_ms, skip};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Client {
    C,
    Python,
    Rust,
    Node,
    Gjs,
}

/// A player on one of the clients, and everything that it has printed.
pub struct Driver {
    command: Command,
    child: Option<(Child, ChildStdin)>,
    printed: Arc<(Mutex<Vec<String>>, Condvar)>,
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Runs one step of a build, once for all tests that need it.
fn build(name: &str, step: &mut Command) {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    std::fs::create_dir_all(&out).expect("a directory");
    let lock = File::create(out.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let done = step.output().unwrap_or_else(|error| panic!("{step:?}: {error}"));
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "{step:?}\n{said}");
}

/// Whether a program runs and likes its arguments.
fn works<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The driver, built, or the Debian packages that it lacks.
fn program(client: Client) -> Result<Command, &'static str> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    match client {
        Client::C => {
            if !works("pkg-config", &["libsystemd"]) {
                return Err("gcc, pkg-config and libsystemd-dev");
            }
            let out = out.join("c");
            let program = out.join("evening");
            let mut make = Command::new("make");
            make.args(["--no-print-directory", "-C"]).arg(clients().join("c"));
            make.arg(format!("OUT={}", out.display())).arg("SANITIZE=address,undefined");
            build("c", make.arg(&program));
            Ok(Command::new(program))
        }
        Client::Python => {
            if !works("/usr/bin/python3", &["--version"]) {
                return Err("python3");
            }
            let mut python = Command::new("/usr/bin/python3");
            python.arg(clients().join("python/tests/evening.py"));
            Ok(python)
        }
        Client::Rust => {
            // `make test-peers` has built it there.
            let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients");
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--locked", "--example", "evening", "--manifest-path"]);
            cargo.arg(clients().join("rust/Cargo.toml")).arg("--target-dir").arg(&target);
            build("rust", &mut cargo);
            Ok(Command::new(target.join("debug/examples/evening")))
        }
        Client::Node => {
            if !works("node", &["--version"]) {
                return Err("nodejs");
            }
            let mut node = Command::new("node");
            node.arg(clients().join("javascript/tests/evening.mjs"));
            Ok(node)
        }
        Client::Gjs => {
            if !works("gjs", &["--version"]) {
                return Err("gjs");
            }
            let mut gjs = Command::new("gjs");
            gjs.arg("-m").arg(clients().join("javascript/tests/evening.mjs"));
            Ok(gjs)
        }
    }
}

impl Driver {
    /// `None`, and a word about it, where the language is not on this machine.
    pub fn of(client: Client) -> Option<Driver> {
        match program(client) {
            Ok(command) => Some(Driver { command, child: None, printed: Arc::default() }),
            Err(packages) => {
                skip(&format!("clients {client:?}"), format!("Debian packages: {packages}"));
                None
            }
        }
    }

    pub fn start(&mut self, bus: &str) {
        // A bus that was started again has another id.
        let bus = bus.split(",guid=").next().expect("an address");
        self.command.arg(bus).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = self.command.spawn().expect("the driver");
        let input = child.stdin.take().expect("a pipe");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let printed = self.printed.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                printed.0.lock().expect("the lines").push(line);
                printed.1.notify_all();
            }
        });
        self.child = Some((child, input));
    }

    /// Has the player say something. Gives the wall clock before and after it, in milliseconds.
    pub fn say(&mut self, line: &str) -> (i64, i64) {
        let known = self.printed.0.lock().expect("the lines").len();
        let from = now_ms();
        let (_, input) = self.child.as_mut().expect("a driver");
        writeln!(input, "{line}").expect("the driver reads");
        self.wait_after(known, &format!("ok {line}"));
        (from, now_ms())
    }

    /// Waits for a line that begins so.
    pub fn wait_for(&self, start: &str) {
        self.wait_after(0, start);
    }

    fn wait_after(&self, known: usize, start: &str) {
        let (lines, came) = &*self.printed;
        let lines = lines.lock().expect("the lines");
        let missing =
            |lines: &mut Vec<String>| !lines.iter().skip(known).any(|line| line.starts_with(start));
        let (lines, waited) = came.wait_timeout_while(lines, PATIENCE, missing).expect("the lines");
        assert!(!waited.timed_out(), "'{start}' did not come; it said {lines:#?}");
    }

    pub fn said(&self) -> String {
        self.printed.0.lock().expect("the lines").join("\n")
    }

    /// The player is done: what waits is said, and it ends well.
    pub fn close(&mut self) {
        let (mut child, input) = self.child.take().expect("a driver");
        drop(input);
        let status = child.wait().expect("its end");
        assert!(status.success(), "{status}; it said {}", self.said());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
