//! `playheadctl record`: what happens on the live bus as a timeline file (behaviour.md 4), so that
//! a player can be looked at with `simulate` later.

use std::collections::HashMap;
use std::io::Write;

use serde_json::{Value as Json, json};

use super::Failure;
use crate::cli::RecordArgs;
use crate::core::player::PlayerId;
use crate::core::text::printable;
use crate::core::tracker::info::info_json;
use crate::dbus::{BusAddress, ObservedMessage, TrafficMonitor};
use crate::system::clock;

pub(super) async fn run(address: BusAddress, args: RecordArgs) -> Result<(), Failure> {
    let mut monitor = TrafficMonitor::connect(&address).await.map_err(Failure::failed)?;
    let mut out: Box<dyn Write> =
        match args.file.as_deref().filter(|f| f.as_os_str() != "-") {
            None => Box::new(std::io::stdout()),
            Some(path) => Box::new(std::fs::File::create(path).map_err(|e| {
                Failure::failed(format!("{} cannot be written: {e}", path.display()))
            })?),
        };
    let began = clock::now();
    let boot = json!({"at": 0, "event": "Boot", "unix_ms": began.wall.0,
        "trusted": clock::trusted(began, false)});
    write(&mut out, &boot)?;
    let mut names = Names::default();
    while let Some(heard) = monitor.next().await {
        let at = (clock::now().boot - began.boot).as_seconds();
        for line in names.lines(at, heard) {
            write(&mut out, &line)?;
        }
    }
    Ok(())
}

/// One line at a time, so that a recording that is cut off is whole up to there.
fn write(out: &mut dyn Write, line: &Json) -> Result<(), Failure> {
    writeln!(out, "{}", printable(&line.to_string()))
        .and_then(|()| out.flush())
        .map_err(|e| Failure::failed(format!("cannot write: {e}")))
}

/// Short names for players: `p1`, `p2`, ... in the order of their first events.
#[derive(Default)]
struct Names {
    players: HashMap<PlayerId, String>,
    count: usize,
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

    /// The timeline lines of a message. The end of a connection without events has none.
    fn lines(&mut self, at: f64, heard: ObservedMessage) -> Vec<Json> {
        match heard {
            ObservedMessage::Event { player, name, playhead, info } => {
                let from = self.of(player);
                let mut line = json!({"at": at, "event": name.name(), "from": from});
                line["playhead"] = json!(playhead);
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
    use crate::core::tracker::info::{Info, Value};
    use crate::sim::timeline;

    #[test]
    fn what_was_recorded_can_be_simulated() {
        let player = PlayerId { sender: ":1.7".into(), instance: "/p".into() };
        let info = Info::from([("id".to_owned(), Value::Text("m".into()))]);
        let name = EventName::SessionStart;
        let mut names = Names::default();
        let mut lines = names.lines(
            0.5,
            ObservedMessage::Event { player: player.clone(), name, playhead: 0.0, info },
        );
        lines.extend(names.lines(
            1.0,
            ObservedMessage::Lifecycle { app: "tv.app".into(), state: Lifecycle::Background },
        ));
        lines.extend(names.lines(2.0, ObservedMessage::Gone { sender: ":1.7".into() }));
        assert!(names.lines(3.0, ObservedMessage::Gone { sender: ":1.8".into() }).is_empty());
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        assert_eq!(timeline::parse("recorded", &text).unwrap().len(), 3);
        assert!(text.contains(r#""from":"p1""#) && text.contains("PlayerVanished"));
    }
}
