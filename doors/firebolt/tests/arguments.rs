//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use playhead::Bus;
use playhead_firebolt::arguments::{Arguments, Command, HELP, parse};
use playhead_firebolt::server::Address;

fn read(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from))
}

fn run(line: &str) -> Arguments {
    match read(line) {
        Ok(Command::Run(arguments)) => *arguments,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn what_is_left_out() {
    let arguments = run("--listen 127.0.0.1:3475");
    assert_eq!(arguments.listen, Address::Tcp("127.0.0.1:3475".parse().expect("an address")));
    assert_eq!(arguments.bus, Bus::System);
    assert!(!arguments.policy.background_playback);
    assert!(arguments.policy.untracked.is_empty() && arguments.origins.is_empty());
    assert_eq!(arguments.gateway_grace, Duration::from_secs(60));
}

#[test]
fn what_is_said() {
    let arguments = run("--listen unix:/run/door --bus-address unix:path=/run/bus \
                         --background-playback --no-track app:child --no-track app:teen \
                         --allow-origin https://app.example --gateway-grace 5");
    assert_eq!(arguments.listen, Address::Unix("/run/door".into()));
    assert_eq!(arguments.bus, Bus::Address("unix:path=/run/bus".into()));
    assert!(arguments.policy.background_playback);
    assert_eq!(arguments.policy.untracked, ["app:child", "app:teen"]);
    assert_eq!(arguments.origins, ["https://app.example"]);
    assert_eq!(arguments.gateway_grace, Duration::from_secs(5));
    assert_eq!(run("--listen [::1]:1 --bus session").bus, Bus::Session);
    assert_eq!(read("--help"), Ok(Command::Help));
    assert_eq!(read("-V"), Ok(Command::Version));
}

#[test]
fn what_is_refused() {
    for (line, why) in [
        ("", "--listen is missing"),
        ("--listen", "missing argument"),
        ("--listen 0.0.0.0:3475", "0.0.0.0:3475 is not of the loopback"),
        ("--listen 192.0.2.1:3475", "is not of the loopback"),
        ("--listen unix:", "expected unix:PATH or 127.0.0.1:PORT"),
        ("--listen 3475", "expected unix:PATH or 127.0.0.1:PORT"),
        ("--listen unix:/a --bus user", "expected system or session"),
        ("--listen unix:/a --gateway-grace -1", "-1"),
        ("--listen unix:/a --port 1", "--port"),
        ("--listen unix:/a more", "more"),
    ] {
        let said = read(line).expect_err(line);
        assert!(said.contains(why), "{line}: {said}");
        assert!(said.ends_with("--help has the options"), "{said}");
    }
}

/// Every option is in the help, and every one of the help is an option.
#[test]
fn help_has_all() {
    let options: Vec<&str> = HELP
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.trim_end_matches(','))
        .collect();
    for option in &options {
        let line = format!("{option} 1");
        let said = read(&line);
        let unknown = |why: &String| why.contains("invalid option");
        assert!(!said.as_ref().is_err_and(unknown), "{option}: {said:?}");
    }
    assert_eq!(options.len(), 10, "{options:?}");
}
