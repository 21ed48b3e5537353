//! A test that cannot be carried out on this machine says so in one line, `SKIP name: why`. The harness
//! counts it as passed and hides what it says, so `make test` has the lines in a file and shows them.

use std::fmt::Display;
use std::io::Write;

/// Says that a test, or a part of it, is skipped. Appends the line to the file that `SKIPPED` names, if any.
pub fn skip(name: &str, why: impl Display) {
    let line = format!("SKIP {name}: {why}\n");
    eprint!("{line}");
    if let Some(file) = std::env::var_os("SKIPPED") {
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        // One write a line: tests run side by side.
        opened.expect("the file of SKIPPED").write_all(line.as_bytes()).expect("written");
    }
}
