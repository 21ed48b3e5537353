//! The programs that read pages and scripts.

use std::process::{Command, Output};

use super::root;
use super::skipped::skip;

/// Runs a tool. `None` where the machine has none, which is said.
pub fn tool(name: &str, arguments: &[&str]) -> Option<Output> {
    let run =
        Command::new(name).args(arguments).env("LC_ALL", "C.UTF-8").current_dir(root()).output();
    match run {
        Ok(output) => Some(output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            skip(&format!("what {name} reads"), "it is not installed");
            None
        }
        Err(e) => panic!("{name}: {e}"),
    }
}

pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b).into_owned()).concat()
}
