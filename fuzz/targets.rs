//! What is fuzzed: one function a target, shared by the fuzzers (`fuzz_targets/`) and by the plain
//! tests that replay the corpus (`tests/corpus.rs`). A target panics only when a promise is broken.

#![allow(dead_code)]

#[path = "feed.rs"]
mod feed;
#[path = "rig.rs"]
mod rig;

use playheadd::collector::retry_after;
use playheadd::config::Config;
use playheadd::core::dialect::exchange::{Cause, Outcome, Problem};
use playheadd::core::dialect::media_collection::sid_of;
use playheadd::core::input::{CallId, Input, Lifecycle, Target};
use playheadd::core::player::EventSource;
use playheadd::core::settings::Consent;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use playheadd::sim::{Options, simulate, timeline as lines};
use playheadd::store::memory::MemoryStore;

use self::feed::Feed;
use self::rig::{PLAYERS, Rig, player};

/// Where a store begins its next record; JSON cannot hold it, so mutations keep the frame.
const RECORD_END: u8 = 0x1e;
/// The longest time of a simulation: an hour holds every interval but the daily restart.
const LONGEST_SIMULATION_MS: i64 = 3_600_000;
const MOST_LINES: usize = 200;

/// Everything that players can say, with time, answers, crashes and power cuts in between.
/// Every call is answered once, the agent comes to rest, no body breaks the schemas, and what was
/// written comes back.
pub fn info(data: &[u8]) {
    let mut feed = Feed::new(data);
    let mut rig = Rig::new(MemoryStore::default());
    while !feed.is_empty() {
        step(&mut feed, &mut rig);
    }
    rig.come_back_whole();
}

fn step(feed: &mut Feed<'_>, rig: &mut Rig) {
    let app = || "tv.app".to_owned();
    match feed.below(20) {
        0 => rig.call(|call| Input::GetResumePoint { call, app: app(), media_id: "a".into() }),
        1 => rig.call(|call| Input::ForgetResumePoint { call, app: app(), media_id: "a".into() }),
        2 => {
            let sender = player(feed.below(PLAYERS)).sender;
            rig.give(Input::PlayerGone { sender });
        }
        3 => {
            let states = [Lifecycle::Foreground, Lifecycle::Background, Lifecycle::Stopped];
            let state = feed.pick(&states);
            rig.give(Input::Lifecycle { call: None, app: app(), state });
        }
        4 => rig.give(feed.pick(&[Input::Sleep, Input::Wake])),
        5 => rig.give(Input::Network { online: feed.flag() }),
        6 => rig.clock(feed.flag(), feed.pick(&[0, 1_000, -3_600_000, 1_700_000_000_000])),
        7 => {
            let consent = feed.pick(&[Consent::In, Consent::In, Consent::Unknown, Consent::Out]);
            rig.call(|call| Input::SetConsent { call: Some(call), consent });
        }
        8 => rig.call(|call| Input::Flush { call: Some(call) }),
        9 => rig.crash(feed.below(1 << PLAYERS)),
        10 => rig.power_cut(feed.flag()),
        11 | 12 => rig.answer(outcome_of(feed)),
        13 | 14 => {
            rig.pass(feed.pick(&[1, 249, 999, 10_000, 60_000, 600_000, 1_800_000, 90_000_000]));
        }
        15 => {
            let (player, playhead, info) =
                (player(feed.below(PLAYERS)), feed.number(), info_of(feed));
            let source = feed.pick(&[EventSource::Method, EventSource::Signal, EventSource::Mpris]);
            rig.call(|call| Input::Open {
                call: Some(call),
                player,
                source,
                uid: None,
                app: app(),
                playhead,
                info,
            });
        }
        _ => {
            let player = player(feed.below(PLAYERS));
            let target = match feed.below(4) {
                0 => Target::Session { number: feed.byte().into(), sender: player.sender },
                _ => Target::Player(player),
            };
            let name = feed.pick(EventName::ALL);
            let (playhead, info) = (feed.number(), info_of(feed));
            rig.call(|call| Input::Event { call: Some(call), target, name, playhead, info });
        }
    }
}

/// Every key that some event reads, so that the fuzzer need not guess them.
const KEYS: &[&str] = &[
    "id",
    "name",
    "length",
    "start",
    "position",
    "rate",
    "source",
    "metadata",
    "content_type",
    "stream_type",
    "channel",
    "player_name",
    "app_version",
    "app",
    "resume",
    "downloaded",
    "background_playback",
    "ad_ping_seconds",
    "bitrate",
    "fps",
    "dropped_frames",
    "startup_ms",
];
/// Words that mean something somewhere.
const WORDS: &[&str] =
    &["a", "b", "", "live", "vod", "audio", "video", "player", "external", "mute", "tv.app"];

/// An info dictionary: mostly complete, because half an info is refused at the first key.
fn info_of(feed: &mut Feed<'_>) -> Info {
    let mut info = Info::from([
        ("id".into(), Value::Text("a".into())),
        ("name".into(), Value::Text("mute".into())),
        ("length".into(), Value::Float(30.0)),
        ("start".into(), Value::Float(0.0)),
        ("position".into(), Value::Int(1)),
    ]);
    for _ in 0..feed.below(5) {
        let key = match feed.below(32) {
            0 => feed.text(),
            _ => feed.pick(KEYS).to_owned(),
        };
        if feed.below(8) == 7 {
            info.remove(&key);
        } else {
            info.insert(key, value_of(feed));
        }
    }
    info
}

fn value_of(feed: &mut Feed<'_>) -> Value {
    match feed.below(8) {
        0 => Value::Text(feed.text()),
        1 => Value::Int(feed.byte().into()),
        2 => Value::Int(feed.integer()),
        3 => Value::Float(feed.number()),
        4 => Value::Bool(feed.flag()),
        5 => Value::Dict([(feed.pick(WORDS).to_owned(), feed.text())].into()),
        6 => Value::Other("an array".into()),
        _ => Value::Text(feed.pick(WORDS).to_owned()),
    }
}

fn outcome_of(feed: &mut Feed<'_>) -> Option<Outcome> {
    let answered = |status| Outcome::Answered {
        status,
        location: None,
        retry_after: None,
        body: String::new(),
    };
    match feed.below(8) {
        0 => Some(Outcome::Unreachable(Problem::new(Cause::Connection, "no route"))),
        1 => Some(Outcome::Unanswered(Problem::new(Cause::TimedOut, "timed out"))),
        2 => Some(answered(feed.pick(&[400, 404, 410, 429, 500, 302, 201]))),
        // What a collector in good health says.
        _ => None,
    }
}

/// Timeline lines: what can be parsed can be simulated.
pub fn timeline(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(lines) = lines::parse("fuzz", text) else { return };
    if lines.len() > MOST_LINES {
        return;
    }
    let config = Config::from_overrides(&[]).expect("the defaults are valid");
    let last = lines.last().map_or(0, |line| line.at_ms);
    let until_ms = Some(last.saturating_add(60_000).min(LONGEST_SIMULATION_MS));
    let once = simulate(&lines, Options { config: config.clone(), until_ms, seed: 0 });
    let again = simulate(&lines, Options { config, until_ms, seed: 0 });
    assert!(once == again, "the same timeline gave other requests");
}

/// Answers of a collector, one a paragraph: a status, headers, an empty line would end it, so the
/// body is what follows a line `>`. `unreachable` and `unanswered` stand for a status.
pub fn answer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut rig = Rig::new(MemoryStore::default());
    let open = |call, id: &str| Input::Open {
        call: Some(call),
        player: player(usize::from(id != "a")),
        source: EventSource::Method,
        uid: None,
        app: "tv.app".into(),
        playhead: 0.0,
        info: Info::from([
            ("id".into(), Value::Text(id.into())),
            ("downloaded".into(), Value::Bool(id == "b")),
        ]),
    };
    rig.call(|call| open(call, "a"));
    rig.call(|call| open(call, "b"));
    let event = |number: usize, name| {
        move |call: CallId| Input::Event {
            call: Some(call),
            target: Target::Player(player(number)),
            name,
            playhead: -1.0,
            info: Info::new(),
        }
    };
    for name in [EventName::Play, EventName::Pause, EventName::Play] {
        rig.call(event(0, name));
        rig.pass(1_000);
    }
    rig.call(event(1, EventName::End));
    for paragraph in text.split("\n\n").take(64) {
        rig.answer(Some(read_answer(paragraph)));
        rig.pass(4_000);
    }
    rig.call(event(0, EventName::End));
    rig.come_back_whole();
}

fn read_answer(paragraph: &str) -> Outcome {
    let (head, body) = paragraph.split_once("\n>\n").unwrap_or((paragraph, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default().trim();
    match first {
        "unreachable" => return Outcome::Unreachable(Problem::new(Cause::Connection, body)),
        "unanswered" => return Outcome::Unanswered(Problem::new(Cause::TimedOut, body)),
        _ => {}
    }
    let (mut location, mut after) = (None, None);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        match name.to_ascii_lowercase().as_str() {
            "location" => location = Some(value.to_owned()),
            "retry-after" => after = retry_after(value),
            _ => {}
        }
    }
    if let Some(sid) = location.as_deref().and_then(sid_of) {
        assert!(!sid.is_empty() && !sid.contains(['/', '?', '#', '%', ' ']), "{sid:?} in a path");
    }
    let status = first.parse().unwrap_or(0);
    Outcome::Answered { status, location, retry_after: after, body: body.to_owned() }
}

/// Bytes in the store that another version, or chance, has written: the agent starts, comes to
/// rest and works for a new player.
pub fn stored(data: &[u8]) {
    let records = data.split(|b| *b == RECORD_END).filter_map(|record| {
        let (length, rest) = record.split_first()?;
        let (key, value) = rest.split_at_checked(usize::from(*length))?;
        Some((key.to_vec(), value.to_vec()))
    });
    let store = MemoryStore::from_raw(records.collect());
    let mut rig = Rig::new(store);
    for _ in 0..8 {
        rig.answer(None);
        rig.pass(5_000);
    }
    let info = Info::from([("id".into(), Value::Text("a".into()))]);
    rig.call(|call| Input::Open {
        call: Some(call),
        player: player(0),
        source: EventSource::Method,
        uid: None,
        app: "tv.app".into(),
        playhead: -1.0,
        info,
    });
    rig.pass(90_000_000);
    rig.power_cut(true);
    rig.pass(60_000);
    rig.come_back_whole();
}
