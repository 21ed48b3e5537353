//! Stories: what players and application managers say, and when.

use playheadd::core::input::Lifecycle;
use playheadd::core::tracker::event::EventName;
use playheadd::core::tracker::info::{Info, Value};
use proptest::prelude::*;

/// The application of the one player, and that of every second player of a crowd.
pub const APP: &str = "tv.example.app";
const OTHER_APP: &str = "tv.example.other";
/// The connections of a crowd, and the players of each.
pub const SENDERS: usize = 4;
const INSTANCES: usize = 3;
/// Messages of each connection in a flood.
pub const FLOOD: usize = 30;

/// A player of the crowd; the one player of a simple story is the first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Who {
    pub sender: usize,
    pub instance: usize,
}

/// One thing that a player or an application manager says, or that happens to a player.
#[derive(Debug, Clone)]
pub enum Said {
    Event(Who, EventName, f64, Info),
    /// To the session object of this number.
    Numbered(Who, u32, EventName),
    /// From every connection, beginning with this one: more of an event than the rates allow.
    Flood(usize, EventName),
    Lifecycle(Lifecycle),
    Vanish(usize),
}

pub type Story = Vec<(i64, Said)>;

pub fn text(s: &str) -> Value {
    Value::Text(s.into())
}

pub fn info(pairs: &[(&str, Value)]) -> Info {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect()
}

pub fn media() -> Info {
    info(&[("id", text("m")), ("app", text(APP)), ("length", Value::Float(3000.0))])
}

/// What a player says of its own playback.
fn playback() -> impl Strategy<Value = (EventName, f64, Info)> {
    use EventName::*;
    let playhead = prop_oneof![2 => Just(-1.0), 1 => 0.0..3000.0];
    let plain = prop::sample::select(vec![
        Play,
        Play,
        Play,
        Pause,
        Pause,
        BufferStart,
        BufferComplete,
        Stall,
        SeekStart,
        SeekComplete,
        AdBreakComplete,
        AdComplete,
        AdSkip,
        ChapterComplete,
        ChapterSkip,
        Playhead,
        End,
        Complete,
    ])
    .prop_map(|name| (name, Info::new()));
    let numbered = (prop::sample::select(vec![AdBreakStart, AdStart, ChapterStart]), 1_i64..3)
        .prop_map(|(name, n)| {
            let named = info(&[
                ("id", text(&format!("id{n}"))),
                ("name", text(&format!("name{n}"))),
                ("position", Value::Int(n)),
                ("start", Value::Float(0.0)),
                ("length", Value::Float(30.0)),
            ]);
            (name, named)
        });
    let state = (prop::sample::select(vec![StateStart, StateEnd]), 0..12)
        .prop_map(|(name, n)| (name, info(&[("name", text(&format!("s{n}")))])));
    let other = prop_oneof![
        Just((SessionStart, media())),
        Just((SessionStart, info(&[("id", text("other")), ("app", text(APP))]))),
        Just((Error, info(&[("id", text("E1"))]))),
        Just((BitrateChange, info(&[("bitrate", Value::Int(800))]))),
        Just((Qoe, info(&[("fps", Value::Int(25))]))),
    ];
    (prop_oneof![4 => plain, 3 => numbered, 1 => state, 1 => other], playhead)
        .prop_map(|((name, info), playhead)| (name, playhead, info))
}

fn lifecycle() -> impl Strategy<Value = Said> {
    prop::sample::select(vec![Lifecycle::Background, Lifecycle::Foreground])
        .prop_map(Said::Lifecycle)
}

/// The one player of a simple story.
fn said() -> impl Strategy<Value = Said> {
    let event = playback()
        .prop_map(|(name, playhead, info)| Said::Event(Who::default(), name, playhead, info));
    prop_oneof![12 => event, 1 => lifecycle()]
}

fn gap() -> impl Strategy<Value = i64> {
    let short =
        vec![0_i64, 0, 1, 20, 100, 249, 250, 251, 999, 1000, 1001, 3000, 9_999, 10_000, 10_001];
    let long = vec![25_000_i64, 59_999, 60_000, 61_000, 600_000, 1_800_000, 1_900_000];
    // A day makes thousands of pings: seldom enough to stay quick.
    prop_oneof![
        300 => prop::sample::select(short),
        60 => prop::sample::select(long),
        1 => Just(86_400_000_i64),
    ]
}

/// A player and what it says.
pub fn story() -> impl Strategy<Value = Story> {
    prop::collection::vec((gap(), said()), 1..60)
}

/// One of the crowd. Senders 0 and 1 are of one uid, 2 is of another and 3 is root's.
fn who() -> impl Strategy<Value = Who> {
    // The first player of each says the most, so that some sessions get far.
    let instance = prop_oneof![3 => Just(0), 1 => 1..INSTANCES];
    (0..SENDERS, instance).prop_map(|(sender, instance)| Who { sender, instance })
}

/// Metadata of so many texts of 200 bytes.
fn metadata(texts: usize) -> Value {
    Value::Dict((0..texts).map(|n| (format!("key{n}"), "x".repeat(200))).collect())
}

/// The start of a session, with metadata of different sizes.
fn start() -> impl Strategy<Value = Info> {
    let app = prop::sample::select(vec![APP, OTHER_APP]);
    let texts = prop::sample::select(vec![0_usize, 0, 0, 1, 4, 7, 13]);
    (0..4, app, texts).prop_map(|(n, app, texts)| {
        info(&[
            ("id", text(&format!("m{n}"))),
            ("app", text(app)),
            ("length", Value::Float(3000.0)),
            ("metadata", metadata(texts)),
        ])
    })
}

/// What needs room: chapters and ads with metadata, names of states, one of them too long.
fn large() -> impl Strategy<Value = (EventName, Info)> {
    let chapter = prop::sample::select(vec![6_usize, 7, 13]).prop_map(|texts| {
        let chapter = info(&[
            ("name", text("c")),
            ("position", Value::Int(1)),
            ("start", Value::Float(0.0)),
            ("length", Value::Float(30.0)),
            ("metadata", metadata(texts)),
        ]);
        (EventName::ChapterStart, chapter)
    });
    let state = prop::sample::select(vec![1_usize, 2, 3, 4, 5, 301])
        .prop_map(|length| (EventName::StateStart, info(&[("name", text(&"s".repeat(length)))])));
    prop_oneof![1 => chapter, 3 => state]
}

/// One of a crowd of players.
fn said_in_a_crowd() -> impl Strategy<Value = Said> {
    let playback = (who(), playback())
        .prop_map(|(who, (name, playhead, info))| Said::Event(who, name, playhead, info));
    let start =
        (who(), prop_oneof![Just(-1.0), Just(0.0)], start()).prop_map(|(who, playhead, info)| {
            Said::Event(who, EventName::SessionStart, playhead, info)
        });
    let large = (who(), large()).prop_map(|(who, (name, info))| Said::Event(who, name, -1.0, info));
    let names = vec![EventName::Play, EventName::Pause, EventName::End, EventName::AdComplete];
    let numbered = (who(), 1_u32..8, prop::sample::select(names))
        .prop_map(|(who, number, name)| Said::Numbered(who, number, name));
    let flood = (0..SENDERS, prop::sample::select(vec![EventName::Playhead, EventName::Play]))
        .prop_map(|(first, name)| Said::Flood(first, name));
    prop_oneof![
        16 => playback,
        14 => start,
        12 => large,
        4 => numbered,
        1 => flood,
        1 => lifecycle(),
        2 => (0..SENDERS).prop_map(Said::Vanish),
    ]
}

/// A crowd of players, and what it says.
pub fn crowd() -> impl Strategy<Value = Story> {
    let short = vec![0_i64, 0, 1, 250, 1_000, 3_000, 10_001];
    let gap = prop_oneof![
        40 => prop::sample::select(short),
        2 => prop::sample::select(vec![59_999_i64, 61_000]),
        1 => Just(1_800_000_i64),
    ];
    prop::collection::vec((gap, said_in_a_crowd()), 1..80)
}
