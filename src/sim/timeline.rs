//! Timeline files: what happened on a box, one JSON object a line (behaviour.md 4).

use serde::Deserialize;
use serde_json::Value as Json;

use super::backend::Rule;
use super::driver::DiskFault;
use super::mpris_lines::MprisLine;
use crate::core::input::Lifecycle;
use crate::core::settings::Consent;
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::{Info, Value};

/// One line of a timeline.
#[derive(Debug, Clone)]
pub struct Line {
    /// Milliseconds from the start.
    pub at_ms: i64,
    pub what: What,
}

/// What a line says.
#[derive(Debug, Clone)]
pub enum What {
    Playback {
        from: String,
        name: EventName,
        playhead: f64,
        info: Info,
        /// When it happened, in milliseconds from the start, if it is said later (behaviour.md 1.1).
        happened_ms: Option<i64>,
    },
    Lifecycle {
        app: String,
        state: Lifecycle,
    },
    PlayerVanished {
        from: String,
    },
    AgentCrash {
        down_ms: i64,
    },
    PowerLoss {
        down_ms: i64,
        unix_ms: Option<i64>,
        trusted: bool,
    },
    Network {
        online: bool,
        silent: bool,
    },
    /// With `silent` nobody announces it.
    Sleep {
        silent: bool,
    },
    Wake {
        silent: bool,
    },
    ClockSet {
        unix_ms: i64,
        trusted: bool,
    },
    Consent(Consent),
    Collector(Vec<Rule>),
    Disk(DiskFault),
    Mpris(Box<MprisLine>),
    Stop,
    Boot {
        unix_ms: i64,
        trusted: bool,
    },
}

impl What {
    /// The name of the event that it was read from.
    pub fn name(&self) -> &'static str {
        match self {
            What::Playback { name, .. } => name.name(),
            What::Lifecycle { state, .. } => state.name(),
            What::PlayerVanished { .. } => "PlayerVanished",
            What::AgentCrash { .. } => "AgentCrash",
            What::PowerLoss { .. } => "PowerLoss",
            What::Network { online: true, .. } => "NetworkUp",
            What::Network { online: false, .. } => "NetworkDown",
            What::Sleep { .. } => "Sleep",
            What::Wake { .. } => "Wake",
            What::ClockSet { .. } => "ClockSet",
            What::Consent(_) => "Consent",
            What::Collector(_) => "Collector",
            What::Disk(_) => "Disk",
            What::Mpris(line) => line.name(),
            What::Stop => "Stop",
            What::Boot { .. } => "Boot",
        }
    }
}

/// A line that cannot be read, with its number and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct TimelineError {
    pub file: String,
    pub line: usize,
    pub message: String,
}

/// The longest time a timeline may name: a hundred years.
const LONGEST_SECONDS: f64 = 3.2e9;

/// Reads a whole timeline. Empty lines are skipped.
///
/// Errors: the first line that is no JSON object, names an unknown event, lacks a member, has one
/// too many or goes back in time.
pub fn parse(file: &str, text: &str) -> Result<Vec<Line>, TimelineError> {
    let mut lines = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for (index, text) in text.lines().enumerate().filter(|(_, t)| !t.trim().is_empty()) {
        let error =
            |message: String| TimelineError { file: file.to_owned(), line: index + 1, message };
        let at = read_line(text, &mut lines).map_err(error)?;
        if at < last {
            return Err(error(format!("time goes back: 'at' is {at} after {last}")));
        }
        last = at;
    }
    Ok(lines)
}

fn read_line(text: &str, lines: &mut Vec<Line>) -> Result<f64, String> {
    if let Some((at, what)) = good_playback_line(text) {
        lines.push(Line { at_ms: (at * 1000.0).round() as i64, what });
        return Ok(at);
    }
    let json: Json = serde_json::from_str(text).map_err(|e| format!("no JSON: {e}"))?;
    let Json::Object(mut object) = json else {
        return Err("expected a JSON object with 'at' and 'event'".into());
    };
    let at =
        object.remove("at").as_ref().and_then(Json::as_f64).ok_or("'at' (seconds) is missing")?;
    if !(0.0..=LONGEST_SECONDS).contains(&at) {
        return Err(format!("'at' must be 0 or more seconds, got {at}"));
    }
    let Some(Json::String(event)) = object.remove("event") else {
        return Err("'event' (a name) is missing".into());
    };
    let members: &[&str] = if event.starts_with("Mpris") { MPRIS_MEMBERS } else { MEMBERS };
    if let Some(slip) = object.keys().find(|key| !members.contains(&key.as_str())) {
        return Err(format!("unknown member '{slip}'; a line has {}", members.join(", ")));
    }
    let members = Members { event: &event, rest: object };
    let what = match EventName::parse(&event) {
        Some(name) => members.read::<PlaybackLine>()?.into_what(name)?,
        None => world_event(members)?,
    };
    lines.push(Line { at_ms: (at * 1000.0).round() as i64, what });
    Ok(at)
}

/// Reads a line of a player without a tree of values in between: long timelines are nearly all made
/// of these. `None` is every other line, and one with a mistake.
fn good_playback_line(text: &str) -> Option<(f64, What)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole<'a> {
        at: f64,
        event: &'a str,
        playhead: Option<f64>,
        #[serde(default)]
        info: serde_json::Map<String, Json>,
        #[serde(default = "first_player")]
        from: String,
        happened: Option<f64>,
    }
    let Whole { at, event, playhead, info, from, happened } = serde_json::from_str(text).ok()?;
    let name = EventName::parse(event)?;
    let line = PlaybackLine { playhead, info, from, happened };
    let what = line.into_what(name).ok()?;
    (0.0..=LONGEST_SECONDS).contains(&at).then_some((at, what))
}

/// Milliseconds of so many seconds.
fn seconds(s: f64, key: &str) -> Result<i64, String> {
    match (0.0..=LONGEST_SECONDS).contains(&s) {
        true => Ok((s * 1000.0).round() as i64),
        false => Err(format!("'{key}' must be 0 or more seconds, got {s}")),
    }
}

fn world_event(line: Members<'_>) -> Result<What, String> {
    let event = line.event;
    Ok(match event {
        "Foreground" => line.lifecycle(Lifecycle::Foreground)?,
        "Background" => line.lifecycle(Lifecycle::Background)?,
        "Stopped" => line.lifecycle(Lifecycle::Stopped)?,
        "PlayerVanished" => What::PlayerVanished { from: line.read::<FromLine>()?.from },
        "AgentCrash" => {
            What::AgentCrash { down_ms: seconds(line.read::<DownLine>()?.down_s, "down_s")? }
        }
        "PowerLoss" => {
            let line: DownLine = line.read()?;
            What::PowerLoss {
                down_ms: seconds(line.down_s, "down_s")?,
                unix_ms: line.unix_ms,
                trusted: line.trusted.unwrap_or(true),
            }
        }
        "NetworkDown" | "NetworkUp" => What::Network {
            online: event == "NetworkUp",
            silent: line.read::<SilentLine>()?.silent,
        },
        "Sleep" => What::Sleep { silent: line.read::<SilentLine>()?.silent },
        "Wake" => What::Wake { silent: line.read::<SilentLine>()?.silent },
        "Stop" => line.read::<BareLine>().map(|_| What::Stop)?,
        "ClockSet" | "Boot" => {
            let line: ClockLine = line.read()?;
            match event {
                "Boot" => What::Boot { unix_ms: line.unix_ms, trusted: line.trusted },
                _ => What::ClockSet { unix_ms: line.unix_ms, trusted: line.trusted },
            }
        }
        "Consent" => {
            let value = line.read::<ConsentLine>()?.value;
            What::Consent(
                Consent::parse(&value)
                    .ok_or_else(|| format!("'value' is 'in', 'out' or 'unknown', got '{value}'"))?,
            )
        }
        "Collector" => {
            let rules = Rule::list(&line.read::<CollectorLine>()?.rules);
            What::Collector(rules.map_err(|e| format!("Collector: {e}"))?)
        }
        "Disk" => {
            let DiskLine { full, read_only, fails } = line.read()?;
            What::Disk(DiskFault { full, read_only, fails })
        }
        "MprisPlayer" | "MprisChanged" | "MprisSeeked" | "MprisGone" => {
            What::Mpris(Box::new(MprisLine::read(event, line.rest)?))
        }
        other => return Err(format!("unknown event '{other}'")),
    })
}

/// Every member that a line can have, and `comment`. Any other is taken for a typing mistake.
const MEMBERS: &[&str] = &[
    "at",
    "event",
    "playhead",
    "info",
    "happened",
    "from",
    "app",
    "down_s",
    "unix_ms",
    "trusted",
    "silent",
    "value",
    "rules",
    "full",
    "read_only",
    "fails",
    "comment",
];

/// The same for a line of a player of MPRIS.
const MPRIS_MEMBERS: &[&str] = &[
    "at",
    "event",
    "from",
    "name",
    "properties",
    "invalidated",
    "position",
    "says",
    "silent",
    "answers",
    "delay_s",
    "comment",
];

/// The members of a line, without `at` and `event`, which have been read already.
struct Members<'a> {
    event: &'a str,
    rest: serde_json::Map<String, Json>,
}

impl Members<'_> {
    fn read<T: for<'de> Deserialize<'de>>(self) -> Result<T, String> {
        T::deserialize(Json::Object(self.rest)).map_err(|e| format!("{}: {e}", self.event))
    }

    fn lifecycle(self, state: Lifecycle) -> Result<What, String> {
        self.read::<AppLine>().map(|line| What::Lifecycle { app: line.app, state })
    }
}

fn first_player() -> String {
    "p1".into()
}

#[derive(Deserialize)]
struct PlaybackLine {
    playhead: Option<f64>,
    #[serde(default)]
    info: serde_json::Map<String, Json>,
    #[serde(default = "first_player")]
    from: String,
    happened: Option<f64>,
}

impl PlaybackLine {
    fn into_what(self, name: EventName) -> Result<What, String> {
        let happened_ms = self.happened.map(|s| seconds(s, "happened")).transpose()?;
        let info = self.info.into_iter().map(|(key, value)| (key, value_of(value))).collect();
        let playhead = self.playhead.unwrap_or(-1.0);
        Ok(What::Playback { from: self.from, name, playhead, info, happened_ms })
    }
}

/// A JSON value as the bus would have carried it.
fn value_of(json: Json) -> Value {
    match json {
        Json::String(s) => Value::Text(s),
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => Value::Int(i),
            (None, Some(f)) if f.fract() == 0.0 && f.abs() < 9.0e15 => Value::Int(f as i64),
            (None, f) => Value::Float(f.unwrap_or(f64::MAX)),
        },
        Json::Object(map) if map.values().all(Json::is_string) => Value::Dict(
            map.into_iter().map(|(k, v)| (k, v.as_str().unwrap_or_default().to_owned())).collect(),
        ),
        Json::Object(map) => {
            Value::Map(map.into_iter().map(|(key, inner)| (key, value_of(inner))).collect())
        }
        Json::Array(list) => Value::List(list.into_iter().map(value_of).collect()),
        Json::Null => Value::Other("null".into()),
    }
}

#[derive(Deserialize)]
struct DiskLine {
    #[serde(default)]
    full: bool,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    fails: bool,
}

#[derive(Deserialize)]
struct AppLine {
    app: String,
}

#[derive(Deserialize)]
struct FromLine {
    #[serde(default = "first_player")]
    from: String,
}

#[derive(Deserialize)]
struct DownLine {
    #[serde(default)]
    down_s: f64,
    unix_ms: Option<i64>,
    trusted: Option<bool>,
}

#[derive(Deserialize)]
struct SilentLine {
    #[serde(default)]
    silent: bool,
}

#[derive(Deserialize)]
struct BareLine {}

#[derive(Deserialize)]
struct ClockLine {
    unix_ms: i64,
    #[serde(default = "yes")]
    trusted: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct ConsentLine {
    value: String,
}

#[derive(Deserialize)]
struct CollectorLine {
    rules: Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_lines_at_one_instant_than_an_agent_may_turn_are_no_loop() {
        let lines = "{\"at\":0,\"event\":\"Wake\"}\n".repeat(120_000);
        let lines = parse("f", &lines).expect("a timeline");
        let config = crate::config::Config::from_overrides(&[]).expect("a configuration");
        let options = crate::sim::Options { config, until_ms: Some(1000), seed: 0 };
        assert!(crate::sim::simulate(&lines, options).is_empty());
    }

    #[test]
    fn a_bad_line_is_named_with_its_number_and_reason() {
        for (text, part) in [
            ("{", "f:1: no JSON"),
            ("[]", "f:1: expected a JSON object"),
            ("{\"event\":\"Play\"}", "'at' (seconds) is missing"),
            ("{\"at\":0}", "'event' (a name) is missing"),
            ("{\"at\":0,\"event\":\"Jump\"}", "unknown event 'Jump'"),
            ("{\"at\":0,\"event\":\"Play\",\"position\":3}", "unknown member 'position'"),
            ("{\"at\":0,\"event\":\"Play\",\"playhead\":\"3\"}", "Play: invalid type"),
            ("{\"at\":-1,\"event\":\"Play\"}", "'at' must be 0 or more"),
            (
                "{\"at\":5,\"event\":\"Play\"}\n\n{\"at\":4,\"event\":\"Pause\"}",
                "f:3: time goes back",
            ),
            ("{\"at\":0,\"event\":\"Background\"}", "missing field `app`"),
            ("{\"at\":0,\"event\":\"Consent\",\"value\":\"yes\"}", "'value' is 'in'"),
            ("{\"at\":0,\"event\":\"PowerLoss\",\"down_s\":-1}", "'down_s' must be 0 or more"),
            (
                "{\"at\":0,\"event\":\"Collector\",\"rules\":[{\"on\":\"events\",\"status\":99}]}",
                "Collector: rule [0]: status: expected 200 to 599, got 99",
            ),
        ] {
            let error = parse("f", text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
