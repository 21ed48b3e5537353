//! Does what lines on standard input say, for tests: each line is one call of the crate.
//!
//! usage: evening BUS_ADDRESS
//!
//! A line is an operation, its playhead and its arguments as key=value, with + for a blank in a value:
//!
//!     open 0 id=film name=The+Film length=3600 metadata.media.show=Show
//!     play 0 rate=2
//!     ad-start 10 id=a1 name=Ad position=1 length=30
//!
//! `ok LINE` is printed as soon as the call has returned; `error EVENT NAME SENTENCE`, `closed REASON`,
//! `point POSITION` and `pending N` when they come. The exit status is 0 when everything was said.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::thread;

use playhead::blocking::Agent;
use playhead::{
    Ad, AdBreak, Bus, Chapter, CustomerId, Media, Notice, Quality, ResumePoint, Session, Source,
};

type Mistake = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Mistake> {
    let address = std::env::args().nth(1).ok_or("usage: evening BUS_ADDRESS")?;
    let agent = Agent::connect(Bus::Address(address))?;
    let notices = agent.notices();
    let reader = thread::spawn(move || notices.for_each(tell));
    let mut session = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        carry_out(&agent, &mut session, &line)?;
        say(format_args!("ok {line}"));
    }
    let unsaid = agent.close();
    reader.join().map_err(|_| "the reader of notices has died")?;
    Ok(if unsaid == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn carry_out(agent: &Agent, current: &mut Option<Session>, line: &str) -> Result<(), Mistake> {
    let mut words = line.split_whitespace();
    let operation = words.next().ok_or("an empty line")?;
    match operation {
        "pending" => {
            say(format_args!("pending {}", agent.pending()));
            return Ok(());
        }
        "resume-point" => {
            let id = words.next().ok_or("resume-point ID")?.to_owned();
            let agent = agent.clone();
            // It waits for the answer, and the lines go on meanwhile.
            thread::spawn(move || match agent.resume_point(&id, "") {
                Ok(Some(ResumePoint { position, .. })) => say(format_args!("point {position}")),
                Ok(None) => say(format_args!("point none")),
                Err(error) => say(format_args!("point error {}", error.message)),
            });
            return Ok(());
        }
        _ => {}
    }
    let playhead: f64 = words.next().ok_or("no playhead")?.parse()?;
    let values = Values::read(words)?;
    match operation {
        "open" => {
            *current = Some(agent.open(playhead, &media(&values)?));
            return Ok(());
        }
        "now" => {
            let media = values.0.contains_key("id").then(|| media(&values)).transpose()?;
            *current = agent.now(media.as_ref(), playhead, values.number("rate")?.unwrap_or(1.0));
            return Ok(());
        }
        _ => {}
    }
    let session = current.as_ref().ok_or("no session is open")?;
    match operation {
        "play" => match values.number("rate")? {
            Some(rate) => session.play_at_rate(playhead, rate),
            None => session.play(playhead),
        },
        "pause" => session.pause(playhead),
        "buffer-start" => session.buffer_start(playhead),
        "buffer-complete" => session.buffer_complete(playhead),
        "stall" => session.stall(playhead),
        "seek-start" => session.seek_start(playhead),
        "seek-complete" => session.seek_complete(playhead),
        "ad-break-start" => session.ad_break_start(
            playhead,
            &AdBreak {
                name: values.text("name"),
                position: values.number("position")?.unwrap_or_default(),
                start: values.number("start")?.unwrap_or_default(),
            },
        ),
        "ad-break-complete" => session.ad_break_complete(playhead),
        "ad-start" => session.ad_start(
            playhead,
            &Ad {
                id: values.text("id"),
                name: values.text("name"),
                position: values.number("position")?.unwrap_or_default(),
                length: values.number("length")?.unwrap_or_default(),
                metadata: values.below("metadata."),
            },
        ),
        "ad-complete" => session.ad_complete(playhead),
        "ad-skip" => session.ad_skip(playhead),
        "chapter-start" => session.chapter_start(
            playhead,
            &Chapter {
                name: values.text("name"),
                position: values.number("position")?.unwrap_or_default(),
                start: values.number("start")?.unwrap_or_default(),
                length: values.number("length")?.unwrap_or_default(),
                metadata: values.below("metadata."),
            },
        ),
        "chapter-complete" => session.chapter_complete(playhead),
        "chapter-skip" => session.chapter_skip(playhead),
        "state-start" => session.state_start(playhead, &values.text("name")),
        "state-end" => session.state_end(playhead, &values.text("name")),
        "qoe" => session.qoe(playhead, &quality(&values)?),
        "bitrate-change" => session.bitrate_change(playhead, &quality(&values)?),
        "error" => {
            let external = values.text("source") == "external";
            let source = if external { Source::External } else { Source::Player };
            session.error(playhead, &values.text("id"), source);
        }
        "playhead" => session.playhead(playhead),
        "complete" => session.complete(playhead),
        "end" => session.end(playhead),
        other => return Err(format!("there is no operation '{other}'").into()),
    }
    Ok(())
}

fn media(values: &Values) -> Result<Media, Mistake> {
    let customer = |(space, id)| (space, CustomerId { id, ..CustomerId::default() });
    let mut media = Media {
        name: values.text("name"),
        length: values.number("length")?.unwrap_or_default(),
        content_type: values.text("content_type"),
        stream_type: values.text("stream_type"),
        app: values.text("app"),
        channel: values.text("channel"),
        player_name: values.text("player_name"),
        app_version: values.text("app_version"),
        resume: values.number("resume")?.unwrap_or(false),
        downloaded: values.number("downloaded")?.unwrap_or(false),
        background_playback: values.number("background_playback")?.unwrap_or(false),
        ad_ping_seconds: values.number("ad_ping_seconds")?,
        track: values.number("track")?.unwrap_or(true),
        metadata: values.below("metadata."),
        instance: values.text("instance"),
        ..Media::new(values.text("id"))
    };
    media.identity.marketing_cloud_user_id = values.text("identity.marketing_cloud_user_id");
    media.identity.visitor_id = values.text("identity.visitor_id");
    let ids = values.below("identity.customer_ids.");
    media.identity.customer_ids = ids.into_iter().map(customer).collect();
    Ok(media)
}

fn quality(values: &Values) -> Result<Quality, Mistake> {
    Ok(Quality {
        bitrate: values.number("bitrate")?,
        dropped_frames: values.number("dropped_frames")?,
        fps: values.number("fps")?,
        startup_ms: values.number("startup_ms")?,
    })
}

/// The arguments of a line.
struct Values(BTreeMap<String, String>);

impl Values {
    fn read<'a>(words: impl Iterator<Item = &'a str>) -> Result<Values, Mistake> {
        let pair = |word: &str| {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("no value: {word}"))?;
            Ok((key.to_owned(), value.replace('+', " ")))
        };
        words.map(pair).collect::<Result<_, Mistake>>().map(Values)
    }

    /// Empty if it is not there.
    fn text(&self, key: &str) -> String {
        self.0.get(key).cloned().unwrap_or_default()
    }

    /// A number, or true or false.
    fn number<T>(&self, key: &str) -> Result<Option<T>, Mistake>
    where
        T: std::str::FromStr<Err: std::error::Error + 'static>,
    {
        Ok(self.0.get(key).map(|value| value.parse()).transpose()?)
    }

    /// The values whose keys begin like this, by the rest of the key.
    fn below(&self, start: &str) -> BTreeMap<String, String> {
        let rest = |(key, value): (&String, &String)| {
            Some((key.strip_prefix(start)?.to_owned(), value.clone()))
        };
        self.0.iter().filter_map(rest).collect()
    }
}

fn tell(notice: Notice) {
    match notice {
        Notice::Closed { reason, .. } => say(format_args!("closed {}", reason.name())),
        Notice::Failed { error, .. } => {
            let name = error.kind.name();
            say(format_args!("error {} {name} {}", error.event, error.message));
        }
        _ => {}
    }
}

/// One line, at once. Nobody may be left who reads it.
fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
