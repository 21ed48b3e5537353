//! `playheadctl record`: what happens on the live bus as a timeline file (behaviour.md 4), so that
//! a player can be looked at with `simulate` later.

use std::collections::HashMap;
use std::io::Write;

use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::Failure;
use crate::cli::RecordArgs;
use crate::config::MprisBus;
use crate::core::SLEPT;
use crate::core::player::PlayerId;
use crate::core::text::printable;
use crate::core::time::BootInstant;
use crate::core::tracker::info::{AT, Value, info_json};
use crate::dbus::{BusAddress, ObservedMessage, TrafficMonitor};
use crate::mpris::observe::{Observed, Observer};
use crate::mpris::settling::Change;
use crate::sim::mpris_lines::properties_json;
use crate::system::clock;

/// What players of MPRIS did, and is not written yet.
const PLAYERS_SEEN: usize = 64;

pub(super) async fn run(address: BusAddress, args: RecordArgs) -> Result<(), Failure> {
    let mut monitor = TrafficMonitor::connect(&address).await.map_err(Failure::failed)?;
    let bus = players_bus(&address, args.players.as_deref());
    let players = Observer::connect(&bus).await;
    let mut players = players.map_err(|e| Failure::failed(format!("the players' bus: {e}")))?;
    let mut out: Box<dyn Write> =
        match args.file.as_deref().filter(|f| f.as_os_str() != "-") {
            None => Box::new(std::io::stdout()),
            Some(path) => Box::new(std::fs::File::create(path).map_err(|e| {
                Failure::failed(format!("{} cannot be written: {e}", path.display()))
            })?),
        };
    let began = clock::now();
    let boot = json!({"at": 0, "event": "Boot", "unix_ms": began.wall.0,
        "trusted": clock::trusted(began)});
    write(&mut out, &boot)?;
    let mut names = Names::default();
    let (seen, mut observed) = mpsc::channel(PLAYERS_SEEN);
    tokio::spawn(async move {
        while let Some(next) = players.next().await {
            if seen.send(next).await.is_err() {
                return;
            }
        }
    });
    let (mut last, mut slept) = (began.boot, began.slept);
    loop {
        let (lines, at) = tokio::select! {
            heard = monitor.next() => {
                let Some(heard) = heard else { return Ok(()) };
                let at = clock::now().boot.max(last);
                (names.lines((at - began.boot).as_seconds(), began.boot, heard), at)
            }
            Some((observed, at)) = observed.recv() => {
                // A player is asked before its line is written.
                let at = at.max(last);
                (vec![names.observed((at - began.boot).as_seconds(), observed)], at)
            }
        };
        let before = std::mem::replace(&mut slept, clock::now().slept);
        if slept.0 - before.0 > SLEPT.0 {
            for line in asleep((last - began.boot).as_seconds(), (at - began.boot).as_seconds()) {
                write(&mut out, &line)?;
            }
        }
        last = at;
        for line in lines {
            write(&mut out, &line)?;
        }
    }
}

/// The lines of a sleep of the box, which began after the last line and ended before the next.
fn asleep(from: f64, to: f64) -> [Json; 2] {
    let line = |at: f64, event| json!({"at": at, "event": event, "silent": true});
    [line(from, "Sleep"), line(to, "Wake")]
}

/// The bus of the players of MPRIS.
fn players_bus(agent: &BusAddress, named: Option<&str>) -> MprisBus {
    match (named, agent) {
        (Some("session"), _) | (None, BusAddress::Session) => MprisBus::Session,
        (Some("system"), _) | (None, BusAddress::System) => MprisBus::System,
        (Some(address), _) => MprisBus::Address(address.to_owned()),
        (None, BusAddress::Address(address)) => MprisBus::Address(address.clone()),
    }
}

/// One line at a time, so that a recording that is cut off is whole up to there.
fn write(out: &mut dyn Write, line: &Json) -> Result<(), Failure> {
    writeln!(out, "{}", printable(&line.to_string()))
        .and_then(|()| out.flush())
        .map_err(|e| Failure::failed(format!("cannot write: {e}")))
}

/// Short names for players: `p1`, `p2`, ... in the order of their first events, and `m1`, `m2`, ...
/// for those of MPRIS.
#[derive(Default)]
struct Names {
    players: HashMap<PlayerId, String>,
    count: usize,
    mpris: HashMap<String, String>,
    mpris_count: usize,
}

impl Names {
    fn of(&mut self, player: PlayerId) -> String {
        let count = &mut self.count;
        let name = self.players.entry(player).or_insert_with(|| {
            *count += 1;
            format!("p{count}")
        });
        name.clone()
    }

    /// The line of what a player of MPRIS did.
    fn observed(&mut self, at: f64, observed: Observed) -> Json {
        let unique = match &observed {
            Observed::Name { unique, .. }
            | Observed::Changed { unique, .. }
            | Observed::Seeked { unique, .. }
            | Observed::Gone { unique, .. } => unique.clone(),
        };
        let count = &mut self.mpris_count;
        let from = self.mpris.entry(unique.clone()).or_insert_with(|| {
            *count += 1;
            format!("m{count}")
        });
        let mut line = json!({"at": at, "event": "", "from": from});
        let state = |line: &mut Json, change: &Change| {
            line["properties"] = properties_json(change);
            if let Some(position) = change.position {
                line["position"] = position.into();
            }
        };
        line["event"] = match observed {
            Observed::Name { name, state: change, .. } => {
                line["name"] = name.into();
                state(&mut line, &change);
                "MprisPlayer".into()
            }
            Observed::Changed { change, .. } => {
                state(&mut line, &change);
                "MprisChanged".into()
            }
            Observed::Seeked { position, .. } => {
                line["position"] = position.into();
                "MprisSeeked".into()
            }
            Observed::Gone { name, .. } => {
                match name {
                    Some(name) => line["name"] = name.into(),
                    None => drop(self.mpris.remove(&unique)),
                }
                "MprisGone".into()
            }
        };
        line
    }

    /// The timeline lines of a message, in a recording that began at `began`. The end of a
    /// connection without events has none.
    fn lines(&mut self, at: f64, began: BootInstant, heard: ObservedMessage) -> Vec<Json> {
        match heard {
            ObservedMessage::Event { player, name, playhead, mut info } => {
                let from = self.of(player);
                // What happened before the recording counts from its arrival.
                let happened = match info.remove(AT) {
                    Some(Value::Int(micros)) => Some((micros / 1000 - began.0) as f64 / 1000.0),
                    _ => None,
                };
                let mut line = json!({"at": at, "event": name.name(), "from": from});
                line["playhead"] = json!(playhead);
                if let Some(happened) = happened.filter(|s| *s >= 0.0) {
                    line["happened"] = happened.into();
                }
                if !info.is_empty() {
                    line["info"] = info_json(&info);
                }
                vec![line]
            }
            ObservedMessage::Lifecycle { app, state } => {
                vec![json!({"at": at, "event": state.name(), "app": app})]
            }
            ObservedMessage::Consent(value) => {
                vec![json!({"at": at, "event": "Consent", "value": value})]
            }
            ObservedMessage::Gone { sender } => {
                let gone: Vec<PlayerId> =
                    self.players.keys().filter(|p| p.sender == sender).cloned().collect();
                let mut lines: Vec<Json> = gone
                    .into_iter()
                    .filter_map(|player| self.players.remove(&player))
                    .map(|from| json!({"at": at, "event": "PlayerVanished", "from": from}))
                    .collect();
                lines.sort_by_key(|line| line["from"].to_string());
                lines
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::input::Lifecycle;
    use crate::core::tracker::event::EventName;
    use crate::core::tracker::info::Info;
    use crate::sim::timeline;

    const BOOT: BootInstant = BootInstant(7_000);

    #[test]
    fn what_was_recorded_can_be_simulated() {
        let player = PlayerId { sender: ":1.7".into(), instance: "/p".into() };
        let info = Info::from([
            ("id".to_owned(), Value::Text("m".into())),
            (AT.to_owned(), Value::Int(7_200_999)),
        ]);
        let name = EventName::SessionStart;
        let mut names = Names::default();
        let mut lines = names.lines(
            0.5,
            BOOT,
            ObservedMessage::Event { player: player.clone(), name, playhead: 0.0, info },
        );
        lines.extend(names.lines(
            1.0,
            BOOT,
            ObservedMessage::Lifecycle { app: "tv.app".into(), state: Lifecycle::Background },
        ));
        lines.extend(names.lines(2.0, BOOT, ObservedMessage::Gone { sender: ":1.7".into() }));
        assert!(names.lines(3.0, BOOT, ObservedMessage::Gone { sender: ":1.8".into() }).is_empty());
        lines.extend(asleep(2.0, 3602.0));
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        assert_eq!(timeline::parse("recorded", &text).unwrap().len(), 5);
        assert!(text.contains(r#""happened":0.2,"info":{"id":"m"}"#), "{text}");
        assert!(text.contains(r#""from":"p1""#) && text.contains("PlayerVanished"));
    }
}
