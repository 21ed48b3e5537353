//! What is said, as the agent's interface has it: names, keys and types, without D-Bus.

use std::collections::BTreeMap;

use crate::media::{Ad, AdBreak, Chapter, Identity, Login, Media, Quality, Source};

/// A value of an info key. The comments name its type on D-Bus.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// b
    Bool(bool),
    /// i
    Int(i32),
    /// x
    Long(i64),
    /// d
    Double(f64),
    /// s
    Text(String),
    /// a{ss}
    Texts(BTreeMap<String, String>),
    /// a{sv}
    Dict(Info),
    /// a{s(si)}
    Ids(BTreeMap<String, (String, i32)>),
}

/// Info keys and their values, in no particular order.
pub(crate) type Info = Vec<(&'static str, Value)>;

/// What an event means to the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Plays or pauses from here on.
    Motion(Motion),
    /// Only the position: the newest is enough.
    Position,
    /// `End` or `Complete`.
    Last,
    Other,
}

/// What the content does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Motion {
    Play { rate: f64 },
    Pause,
}

/// An event of a session, but for its playhead and its time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) info: Info,
}

impl Motion {
    pub(crate) fn event(self) -> Event {
        let (name, info) = match self {
            // 1 is the agent's default.
            Motion::Play { rate: 1.0 } => ("Play", Info::new()),
            Motion::Play { rate } => ("Play", vec![("rate", Value::Double(rate))]),
            Motion::Pause => ("Pause", Info::new()),
        };
        Event { name, kind: Kind::Motion(self), info }
    }
}

pub(crate) fn play(rate: f64) -> Event {
    Motion::Play { rate }.event()
}

pub(crate) fn pause() -> Event {
    Motion::Pause.event()
}

pub(crate) fn playhead() -> Event {
    Event { name: "Playhead", kind: Kind::Position, info: Info::new() }
}

/// `End` or `Complete`.
pub(crate) fn last(name: &'static str) -> Event {
    Event { name, kind: Kind::Last, info: Info::new() }
}

/// An event without keys.
pub(crate) fn plain(name: &'static str) -> Event {
    with(name, Info::new())
}

pub(crate) fn ad_break(ad_break: &AdBreak) -> Event {
    let AdBreak { name, position, start } = ad_break;
    with(
        "AdBreakStart",
        vec![
            ("name", Value::Text(name.clone())),
            ("position", Value::Int(*position)),
            ("start", Value::Double(*start)),
        ],
    )
}

pub(crate) fn ad(ad: &Ad) -> Event {
    let Ad { id, name, position, length, metadata } = ad;
    let mut info = vec![
        ("id", Value::Text(id.clone())),
        ("name", Value::Text(name.clone())),
        ("position", Value::Int(*position)),
        ("length", Value::Double(*length)),
    ];
    add_texts(&mut info, "metadata", metadata);
    with("AdStart", info)
}

pub(crate) fn chapter(chapter: &Chapter) -> Event {
    let Chapter { name, position, start, length, metadata } = chapter;
    let mut info = vec![
        ("name", Value::Text(name.clone())),
        ("position", Value::Int(*position)),
        ("start", Value::Double(*start)),
        ("length", Value::Double(*length)),
    ];
    add_texts(&mut info, "metadata", metadata);
    with("ChapterStart", info)
}

/// `StateStart` or `StateEnd`.
pub(crate) fn state(event: &'static str, name: &str) -> Event {
    with(event, vec![("name", Value::Text(name.to_owned()))])
}

/// `Qoe` or `BitrateChange`.
pub(crate) fn quality(event: &'static str, quality: &Quality) -> Event {
    let Quality { bitrate, dropped_frames, fps, startup_ms } = *quality;
    let keys = [
        ("bitrate", bitrate),
        ("dropped_frames", dropped_frames),
        ("fps", fps),
        ("startup_ms", startup_ms),
    ];
    let known = keys.into_iter().filter_map(|(key, value)| Some((key, Value::Long(value?))));
    with(event, known.collect())
}

pub(crate) fn error(id: &str, source: Source) -> Event {
    let source = match source {
        Source::Player => "player",
        Source::External => "external",
    };
    with(
        "Error",
        vec![("id", Value::Text(id.to_owned())), ("source", Value::Text(source.to_owned()))],
    )
}

/// The keys of `OpenSession`. What is the agent's default is left out.
pub(crate) fn media(media: &Media) -> Info {
    let mut info = vec![("id", Value::Text(media.id.clone()))];
    add_text(&mut info, "name", &media.name);
    if media.length != 0.0 {
        info.push(("length", Value::Double(media.length)));
    }
    add_text(&mut info, "content_type", &media.content_type);
    add_text(&mut info, "stream_type", &media.stream_type);
    add_text(&mut info, "app", &media.app);
    add_text(&mut info, "channel", &media.channel);
    add_text(&mut info, "player_name", &media.player_name);
    add_text(&mut info, "app_version", &media.app_version);
    for (key, on) in [
        ("resume", media.resume),
        ("downloaded", media.downloaded),
        ("background_playback", media.background_playback),
    ] {
        if on {
            info.push((key, Value::Bool(true)));
        }
    }
    if let Some(seconds) = media.ad_ping_seconds {
        info.push(("ad_ping_seconds", Value::Int(seconds)));
    }
    if !media.track {
        info.push(("track", Value::Bool(false)));
    }
    let identity = identity(&media.identity);
    if !identity.is_empty() {
        info.push(("identity", Value::Dict(identity)));
    }
    add_texts(&mut info, "metadata", &media.metadata);
    add_text(&mut info, "instance", &media.instance);
    info
}

fn identity(identity: &Identity) -> Info {
    let mut info = Info::new();
    add_text(&mut info, "marketing_cloud_user_id", &identity.marketing_cloud_user_id);
    add_text(&mut info, "visitor_id", &identity.visitor_id);
    if !identity.customer_ids.is_empty() {
        let login = |login| match login {
            Login::Unknown => 0,
            Login::Authenticated => 1,
            Login::LoggedOut => 2,
        };
        let ids = identity.customer_ids.iter();
        let ids = ids.map(|(space, id)| (space.clone(), (id.id.clone(), login(id.login))));
        info.push(("customer_ids", Value::Ids(ids.collect())));
    }
    info
}

fn with(name: &'static str, info: Info) -> Event {
    Event { name, kind: Kind::Other, info }
}

fn add_text(info: &mut Info, key: &'static str, text: &str) {
    if !text.is_empty() {
        info.push((key, Value::Text(text.to_owned())));
    }
}

fn add_texts(info: &mut Info, key: &'static str, texts: &BTreeMap<String, String>) {
    if !texts.is_empty() {
        info.push((key, Value::Texts(texts.clone())));
    }
}
