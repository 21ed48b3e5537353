//! What the pages say is what the programs do: docs/dbus.md is made of the interfaces, the quoted
//! commands print what is quoted, and links lead somewhere.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use playheadd::core::input::Lifecycle;
use playheadd::core::tracker::event::EventName;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn printed(command: &mut Command) -> String {
    let out = command.current_dir(root()).output().expect("a process");
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && complaint.is_empty(), "{command:?}: {complaint}");
    String::from_utf8(out.stdout).expect("text")
}

#[test]
fn the_page_of_the_interfaces_is_made_of_them() {
    let made = printed(Command::new("/usr/bin/python3").arg("docs/dbus.py"));
    assert!(made == read("docs/dbus.md"), "docs/dbus.md is old: run `make docs`");
    for member in ["`OpenSession(d playhead, a{sv} media) -> o session`", "`Closed(s reason)`"] {
        assert!(made.contains(&format!("#### {member}\n")), "{member} is missing");
    }
}

/// `name(types)` of each method or signal of an interface.
fn members(interface: &str, kind: &str) -> BTreeSet<String> {
    let xml = read(&format!("dbus/{interface}.xml"));
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    xml.split(&format!("<{kind} "))
        .skip(1)
        .map(|text| {
            let text = format!(" {}", text.split(&format!("</{kind}>")).next().expect("a member"));
            let types: Vec<String> =
                text.split("<arg").skip(1).filter_map(|arg| attribute(arg, "type")).collect();
            format!("{}({})", attribute(&text, "name").expect("a name"), types.join(" "))
        })
        .collect()
}

#[test]
fn players_signals_and_session_methods_are_the_vocabulary() {
    let all = |but: &[EventName]| -> BTreeSet<String> {
        let names = EventName::ALL.iter().filter(|name| !but.contains(name));
        names.map(|name| format!("{}(d a{{sv}})", name.name())).collect()
    };
    assert_eq!(members("tv.playhead.Player1", "signal"), all(&[]));
    assert_eq!(members("tv.playhead.Session1", "method"), all(&[EventName::SessionStart]));
    let lifecycle = members("tv.playhead.Lifecycle1", "signal");
    assert_eq!(lifecycle.len(), 3);
    for signal in lifecycle {
        let word = signal.strip_suffix("(s)").expect("one string").to_ascii_lowercase();
        assert!(Lifecycle::parse(&word).is_some(), "{signal}");
    }
}

/// The commands of a page's `console` blocks, each with what it is said to print.
fn quoted(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        for line in block.split("```").next().expect("its end").lines() {
            match line.strip_prefix("$ ") {
                Some(command) => found.push((command.to_owned(), String::new())),
                None => {
                    let (_, output) = found.last_mut().expect("a command comes first");
                    output.push_str(line);
                    output.push('\n');
                }
            }
        }
    }
    found
}

#[test]
fn the_mistakes_are_quoted_to_the_letter() {
    let programs = Path::new(env!("CARGO_BIN_EXE_playheadctl")).parent().expect("a directory");
    let mut path = OsString::from(programs);
    path.push(":/usr/bin:/bin");
    let page = read("docs/integrating-a-player.md");
    let commands = quoted(&page);
    for (command, output) in &commands {
        // Warnings stand on a terminal too.
        let both = format!("{{ {command}; }} 2>&1");
        let real = printed(Command::new("/bin/sh").args(["-ec", &both]).env("PATH", &path));
        assert_eq!(*output, real, "{command}");
    }
    // Each timeline is shown, and simulated.
    let mut timelines = 0;
    for entry in std::fs::read_dir(root().join("docs/mistakes")).expect("the timelines") {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        if name.ends_with(".jsonl") {
            timelines += 1;
            let of = |c: &&(String, String)| c.0.contains(&format!("docs/mistakes/{name}"));
            assert_eq!(commands.iter().filter(of).count(), 2, "{name}");
        }
    }
    assert_eq!(timelines * 2, commands.len());
}

#[test]
fn links_lead_somewhere() {
    let pipeline = "examples/pipeline/README.md";
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", pipeline];
    let mut pages: Vec<PathBuf> = top.iter().map(|page| root().join(page)).collect();
    for entry in std::fs::read_dir(root().join("docs")).expect("docs") {
        pages.push(entry.expect("an entry").path());
    }
    let mut followed = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(page).expect("text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            let target: PathBuf = page.parent().expect("a directory").join(file);
            assert!(target.exists(), "{}: {link}", page.display());
            followed += 1;
        }
    }
    assert!(followed > 5, "{followed}");
}

/// The lines of a file that say something.
fn lines_of(text: &str) -> Vec<&str> {
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    text.lines().map(str::trim_end).filter(said).collect()
}

#[test]
fn what_a_session_bus_needs_is_quoted_as_it_is() {
    let page = read("docs/operating.md");
    let policy = read("dbus/examples/session-bus.conf");
    let policy = policy.split_once("-->\n").expect("its comment").1;
    let drop_in = read("systemd/examples/session-bus.conf");
    let page: Vec<&str> = lines_of(&page);
    for file in [lines_of(policy), lines_of(&drop_in)] {
        assert!(file.len() >= 5 && page.windows(file.len()).any(|part| part == file), "{file:?}");
    }
}
