//! `playheadctl simulate`: the agent over a timeline, in virtual time (behaviour.md 4).

use std::io::Read;
use std::path::Path;

use super::{Failure, output, warnings};
use crate::cli::SimulateArgs;
use crate::config::Config;
use crate::core::settings::Zone;
use crate::core::text::{number, printable};
use crate::sim::{self, timeline};
use crate::system::clock;

pub(super) fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let (name, text) = read(&args.file)?;
    let lines = timeline::parse(&name, &text).map_err(Failure::usage)?;
    let mut config = match &args.config {
        Some(path) => Config::load_with(path, &args.settings),
        None => Config::from_overrides(&args.settings),
    }
    .map_err(Failure::usage)?;
    sim::check_rules(&lines, &config).map_err(Failure::usage)?;
    config.settings.zone = Zone(clock::utc_offset_seconds);
    let until_ms = match args.until {
        Some(seconds) if !(0.0..=1e11).contains(&seconds) => {
            return Err(Failure::usage(format!(
                "--until is 0 or more seconds, got {}",
                number(seconds)
            )));
        }
        until => until.map(|s| (s * 1000.0).round() as i64),
    };
    let options = sim::Options { config, until_ms, seed: args.seed };
    let exchanges = warnings::shown(|| sim::simulate(&lines, options));
    let mut text = String::new();
    for exchange in exchanges {
        text.push_str(&printable(&serde_json::to_string(&exchange).map_err(Failure::failed)?));
        text.push('\n');
    }
    output::print(&text)
}

/// A timeline file's name and text.
pub(super) fn read(file: &Path) -> Result<(String, String), Failure> {
    let mut text = String::new();
    let name = file.display().to_string();
    if name == "-" {
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|e| Failure::usage(format!("standard input cannot be read: {e}")))?;
        return Ok(("standard input".into(), text));
    }
    text = std::fs::read_to_string(file)
        .map_err(|e| Failure::usage(format!("{name} cannot be read: {e}")))?;
    Ok((name, text))
}
