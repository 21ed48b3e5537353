//! A step of an hour in virtual time. Everything is sent at the moment at which it is sent without the
//! step, and says the same; only the sids that are opened after it are dated by the new clock.

use playheadd::config::Config;
use playheadd::sim::{Exchange, Options, simulate, timeline};
use serde_json::{Value, json};

const START_MS: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// A story, and the moments at which the clock steps, in seconds.
struct Story {
    name: &'static str,
    lines: &'static str,
    steps: &'static [f64],
}

const STORIES: &[Story] = &[
    Story {
        name: "in play",
        lines: r#"
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":40,"event":"AdBreakStart","info":{"name":"mid","position":1,"start":40}}
            {"at":40,"event":"AdStart","info":{"id":"ad","position":1,"length":20}}
            {"at":60,"event":"AdComplete"}
            {"at":60,"event":"AdBreakComplete"}
            {"at":100,"event":"Pause","playhead":79}
            {"at":130,"event":"Play","playhead":79}
            {"at":200,"event":"Complete","playhead":6000}
            {"at":210,"event":"SessionStart","playhead":0,"info":{"id":"next","length":6000}}
            {"at":211,"event":"Play","playhead":0}
            {"at":240,"event":"End","playhead":29}"#,
        steps: &[0.5, 20.0, 50.0, 60.0, 110.0, 205.0, 220.0],
    },
    Story {
        name: "paused until it is idle, and revived",
        lines: r#"
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":50,"event":"Pause","playhead":49}
            {"at":2500,"event":"Play","playhead":49}
            {"at":2600,"event":"End","playhead":149}"#,
        steps: &[60.0, 900.0, 1849.0, 1851.0, 2000.0],
    },
    Story {
        name: "asleep, within the grace and beyond it",
        lines: r#"
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":50,"event":"Sleep"}
            {"at":90,"event":"Wake"}
            {"at":95,"event":"Play","playhead":49}
            {"at":150,"event":"Sleep"}
            {"at":400,"event":"Wake"}
            {"at":410,"event":"Play","playhead":104}
            {"at":450,"event":"End","playhead":144}"#,
        steps: &[60.0, 89.0, 92.0, 160.0, 300.0, 405.0],
    },
    Story {
        name: "in the background, and gone",
        lines: r#"
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":50,"event":"Background","app":"p1"}
            {"at":80,"event":"Foreground","app":"p1"}
            {"at":85,"event":"Play","playhead":49}
            {"at":120,"event":"PlayerVanished","from":"p1"}"#,
        steps: &[60.0, 82.0, 130.0, 179.0],
    },
    Story {
        name: "while tries fail",
        lines: r#"
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":30,"event":"NetworkDown"}
            {"at":60,"event":"Pause","playhead":59}
            {"at":90,"event":"Play","playhead":59}
            {"at":200,"event":"NetworkUp"}
            {"at":300,"event":"Collector","rules":[{"on":"events","status":503,"times":5}]}
            {"at":500,"event":"End","playhead":469}"#,
        steps: &[45.0, 100.0, 199.0, 202.0, 320.0],
    },
    Story {
        name: "while the collector asks for time",
        lines: r#"
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":20,"event":"Collector",
             "rules":[{"on":"events","status":429,"headers":{"Retry-After":"100"},"times":1}]}
            {"at":400,"event":"End","playhead":399}"#,
        steps: &[25.0, 60.0, 119.0, 130.0],
    },
    Story {
        name: "the agent dies",
        lines: r#"
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":50,"event":"AgentCrash","down_s":20}
            {"at":120,"event":"End","playhead":119}"#,
        steps: &[40.0, 60.0, 75.0],
    },
];

/// One line for each of the story, because some are written over two.
fn lines(story: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(story).into_iter::<Value>();
    values.map(|line| line.expect("a line")).collect()
}

/// What is sent when the clock steps by so much.
fn run(story: &Story, step: Option<(f64, i64)>) -> Vec<Exchange> {
    let mut lines = lines(story.lines);
    if let Some((at, by)) = step {
        let unix_ms = START_MS + (at * 1000.0) as i64 + by;
        lines.push(json!({"at": at, "event": "ClockSet", "unix_ms": unix_ms, "trusted": true}));
    }
    lines.sort_by(|one, other| {
        one["at"].as_f64().unwrap().total_cmp(&other["at"].as_f64().unwrap())
    });
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let config = Config::from_overrides(&[]).expect("settings");
    let lines = timeline::parse(story.name, &text).expect("a timeline");
    simulate(&lines, Options { config, until_ms: None, seed: 7 })
}

/// The time of an exchange, which is then taken out of it.
fn take_ts(exchange: &mut Exchange) -> i64 {
    exchange.body["playerTime"]["ts"].take().as_i64().expect("a time")
}

#[test]
fn a_step_of_an_hour_bends_nothing() {
    for story in STORIES {
        let plain = run(story, None);
        assert!(plain.len() > 4, "{}", story.name);
        for at in story.steps {
            for by in [HOUR_MS, -HOUR_MS] {
                let stepped = run(story, Some((*at, by)));
                let name = format!("{}: {by} ms at {at}", story.name);
                assert_eq!(stepped.len(), plain.len(), "{name}: {stepped:#?}");
                // A sid takes its anchor with its sessionStart.
                let mut anchored = std::collections::HashMap::new();
                for (mut before, mut after) in plain.iter().cloned().zip(stepped) {
                    let opens = before.body["eventType"] == "sessionStart";
                    let moved = take_ts(&mut after) - take_ts(&mut before);
                    assert_eq!(after, before, "{name}");
                    let (Some(sid), Some(_)) = (before.sid.clone(), before.status) else {
                        continue;
                    };
                    if opens {
                        anchored.insert(sid.clone(), moved);
                        let expected = if before.at < *at { 0 } else { by };
                        assert_eq!(moved, expected, "{name}: {before:?}");
                    }
                    assert_eq!(moved, anchored[&sid], "{name}: {before:?}");
                }
            }
        }
    }
}

/// A step before anything of a sid was taken: the box did not know the hour, and learns it.
#[test]
fn a_sid_of_which_nothing_was_taken_is_anchored_anew() {
    let story = Story {
        name: "offline from the start",
        lines: r#"
            {"at":0,"event":"NetworkDown"}
            {"at":0,"event":"SessionStart","playhead":0,"info":{"id":"film","length":6000}}
            {"at":1,"event":"Play","playhead":0}
            {"at":50,"event":"Pause","playhead":49}
            {"at":70,"event":"End","playhead":49}
            {"at":200,"event":"NetworkUp"}"#,
        steps: &[20.0, 60.0, 100.0, 199.0],
    };
    let plain = run(&story, None);
    let taken = |e: &&Exchange| e.status.is_some_and(|status| status < 300);
    assert!(plain.iter().filter(taken).count() >= 4);
    for at in story.steps {
        for by in [HOUR_MS, -HOUR_MS] {
            let stepped = run(&story, Some((*at, by)));
            let pairs = plain.iter().filter(taken).zip(stepped.iter().filter(taken));
            for (before, after) in pairs {
                let (mut before, mut after) = (before.clone(), after.clone());
                let moved = take_ts(&mut after) - take_ts(&mut before);
                assert_eq!(after, before, "{by} ms at {at}");
                assert_eq!(moved, by, "{by} ms at {at}: {before:?}");
            }
        }
    }
}
