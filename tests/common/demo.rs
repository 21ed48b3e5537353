//! The demo as a newcomer runs it.

use std::path::Path;
use std::process::Command;

/// Runs the demo and holds its last line against what it has to prove.
#[allow(dead_code, reason = "not every test shows the demo")]
pub fn demo(arguments: &[&str]) {
    let programs = Path::new(env!("CARGO_BIN_EXE_playheadd")).parent().expect("a directory");
    let out = Command::new("/usr/bin/python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/demo.py"))
        .arg("--bin")
        .arg(programs)
        .args(arguments)
        .output()
        .expect("python3");
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines: Vec<&str> = text.lines().collect();
    if arguments.contains(&"--page") {
        let address = lines.pop().unwrap_or_default();
        assert!(address.ends_with("at the address http://127.0.0.1:8970/"), "{text}");
        let (_, kept) = lines.pop().and_then(|line| line.split_once("--open ")).expect("a file");
        let hits = std::fs::read_to_string(kept).expect("the hits");
        let saved = playheadd::bench::read_saved(kept, &hits).expect("hits").expect("no timeline");
        let hits = saved.hits.iter().flat_map(|record| record.hits());
        let starts = hits.filter(|hit| hit.event_type == "sessionStart").count();
        assert_eq!(starts, 2, "{kept}");
    }
    let last = lines.last().copied().unwrap_or_default();
    // With OTLP the agent makes the ids.
    let (first, second) = match arguments.contains(&"otlp") {
        true => ("", ""),
        false => ("S1", "S2 "),
    };
    assert!(
        out.status.success() && last.starts_with(&format!("PROVED: session {first}")),
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let scheme = if arguments.contains(&"--tls") { "https" } else { "http" };
    let listens = format!("the bench collector listens on {scheme}://");
    assert!(text.contains(&listens), "expected '{listens}' in: {text}");
    let went_on = format!("{second}went on with media.resume true");
    assert!(last.contains(&went_on), "expected '{went_on}' in: {last}");
    assert!(last.contains(" 0 refused"), "{last}");
}
