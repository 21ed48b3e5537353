//! `playheadctl monitor`: what happens, as it happens: the state of delivery, then a line for each event,
//! hit and answer, and for each change of what holds hits back.

use std::collections::HashMap;

use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use zbus::message::Type;
use zbus::{Connection, MessageStream};

use super::ask::{self, Properties};
use super::{Failure, agent, output};
use crate::cli::OutputArgs;
use crate::core::text::printable;
use crate::dbus::{BusAddress, MONITOR_INTERFACE};
use crate::system::clock;

pub(super) async fn run(address: BusAddress, args: OutputArgs) -> Result<(), Failure> {
    let connection = agent::connect(address).await?;
    ask::configured(&connection).await?;
    // Made before `Watch` is called, so that no line is missed.
    let mut lines = MessageStream::from(&connection);
    watch(&connection).await?;
    let mut screen = Screen { colour: output::colour(), ..Screen::default() };
    let state = state(&Properties::of(&connection).await?);
    match args.json {
        true => output::print_json(&state.to_string())?,
        false => output::print(&screen.line(&state))?,
    }
    while let Some(Ok(message)) = lines.next().await {
        let header = message.header();
        let member = header.member().map_or("", |member| member.as_str());
        if message.message_type() != Type::Signal || member != "Line" {
            continue;
        }
        let line: String = message.body().deserialize().map_err(output::unreadable)?;
        match args.json {
            true => output::print_json(&line)?,
            false => {
                let line: Json = serde_json::from_str(&line).map_err(Failure::failed)?;
                output::print(&screen.line(&line))?;
            }
        }
    }
    Err(Failure::failed("the bus is gone"))
}

async fn watch(connection: &Connection) -> Result<(), Failure> {
    ask::call(connection, MONITOR_INTERFACE, "Watch", &()).await.map(|_| ())
}

/// The state of delivery at the beginning, as a line.
fn state(properties: &Properties) -> Json {
    json!({
        "what": "state", "unix_ms": clock::now().wall.0, "state": properties.word("DeliveryState"),
        "last_error": properties.word("LastError"), "queued": properties.number("QueuedHits"),
        "collector": properties.word("Collector"),
    })
}

/// Lines for people. Requests are remembered until they are answered.
#[derive(Default)]
struct Screen {
    colour: bool,
    requests: HashMap<u64, String>,
    /// Seconds east of UTC; looked up once.
    offset: Option<i32>,
}

/// Terminal colours: events, hits, good answers, and refusals or errors.
const CYAN: u8 = 36;
const PLAIN: u8 = 39;
const GREEN: u8 = 32;
const RED: u8 = 31;

impl Screen {
    fn line(&mut self, line: &Json) -> String {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let (colour, who, what, more) = match line["what"].as_str() {
            Some("state") => {
                let state = text("state");
                let colour = if ask::meaning(&state).is_none() { GREEN } else { RED };
                (colour, text("collector"), state, meaning(line))
            }
            Some("hit") if !line["held"].is_null() => {
                let (sid, kind, more) = hit(line);
                let held = format!("held: {}  {more}", text("held"));
                (PLAIN, sid, kind, held.trim_end().to_owned())
            }
            Some("hit") => {
                let (sid, kind, more) = hit(line);
                self.requests.insert(line["id"].as_u64().unwrap_or(0), sid.clone());
                (PLAIN, sid, kind, more)
            }
            Some("answer") => {
                let sid = self.requests.remove(&line["id"].as_u64().unwrap_or(0));
                let (good, status, more) = answer(line);
                (if good { GREEN } else { RED }, sid.unwrap_or_default(), status, more)
            }
            _ => {
                let refused = text("refused");
                let who = ["from", "app"].iter().map(|key| text(key)).find(|who| !who.is_empty());
                let (colour, more) = match refused.is_empty() {
                    true => (CYAN, details(line)),
                    false => (RED, format!("refused: {refused}")),
                };
                (colour, who.unwrap_or_default(), text("event"), more)
            }
        };
        let time = self.time(line["unix_ms"].as_i64().unwrap_or_default());
        let kind = text("what");
        let playhead = playhead(line).map(|s| format!("{s:.1} s")).unwrap_or_default();
        let [who, what, more] = [&who, &what, &more].map(|text| printable(text));
        let row = format!("{time}  {kind:<6}  {who:<12}  {what:<16}  {playhead:>10}  {more}");
        match self.colour {
            true => format!("\u{1b}[{colour}m{}\u{1b}[0m\n", row.trim_end()),
            false => format!("{}\n", row.trim_end()),
        }
    }

    /// The box's own time of day.
    fn time(&mut self, unix_ms: i64) -> String {
        let offset =
            *self.offset.get_or_insert_with(|| clock::utc_offset_seconds(clock::now().wall));
        let ms = (unix_ms + i64::from(offset) * 1000).rem_euclid(86_400_000);
        let (s, ms) = (ms / 1000, ms % 1000);
        format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// How much waits, why, and what is wrong.
fn meaning(line: &Json) -> String {
    let queued = line["queued"].as_u64().map(ask::waiting);
    let meaning = line["state"].as_str().and_then(ask::meaning).map(str::to_owned);
    let error = line["last_error"].as_str().filter(|error| !error.is_empty()).map(str::to_owned);
    let parts: Vec<String> = [queued, meaning, error].into_iter().flatten().collect();
    parts.join("; ")
}

/// A hit this old when it is sent is shown as late.
const LATE_MS: i64 = 1_000;

/// Session, event type, and whether the hit is a resume and how late it is sent.
fn hit(line: &Json) -> (String, String, String) {
    let path = line["path"].as_str().unwrap_or_default();
    let sid = path.split('/').nth(4).unwrap_or(path.rsplit('/').next().unwrap_or_default());
    let body = &line["body"];
    match body {
        Json::Array(hits) => (sid.to_owned(), format!("{} hits", hits.len()), String::new()),
        one => {
            let kind = one["eventType"].as_str().unwrap_or("?").to_owned();
            let resume = one["params"]["media.resume"] == true;
            let happened = one["playerTime"]["ts"].as_i64();
            let late = happened.zip(line["unix_ms"].as_i64()).map(|(then, now)| now - then);
            let late = late.filter(|ms| *ms >= LATE_MS);
            let late = late.map(|ms| format!("{:.1} s late", ms as f64 / 1000.0));
            let words = resume.then(|| "resume".to_owned()).into_iter().chain(late);
            let words = words.chain(line["collector"].as_str().map(|name| format!("to {name}")));
            (sid.to_owned(), kind, words.collect::<Vec<_>>().join("  "))
        }
    }
}

fn answer(line: &Json) -> (bool, String, String) {
    let ms = line["ms"].as_i64().map(|ms| format!("{ms} ms")).unwrap_or_default();
    let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    match line["status"].as_u64() {
        Some(status) => {
            let more = format!("{ms}  {}", word("message"));
            ((200..300).contains(&status), status.to_string(), more.trim_end().to_owned())
        }
        None => (false, "no answer".into(), word("error")),
    }
}

/// What an event says beside its name.
fn details(line: &Json) -> String {
    let mut info = line["info"].as_object().cloned().unwrap_or_default();
    for key in ["value", "trusted", "dropped"] {
        if !line[key].is_null() {
            info.insert(key.to_owned(), line[key].clone());
        }
    }
    let pairs = info.iter().map(|(key, value)| match value {
        Json::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    });
    pairs.collect::<Vec<_>>().join(" ")
}

fn playhead(line: &Json) -> Option<f64> {
    let of_event = line["playhead"].as_f64().filter(|s| *s >= 0.0);
    of_event.or_else(|| line["body"]["playerTime"]["playhead"].as_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_line_for_each_event_hit_and_answer() {
        let mut screen = Screen { offset: Some(3600), ..Screen::default() };
        let at = 1_700_000_000_000_i64;
        let mut show = |line: Json| screen.line(&line);
        assert_eq!(
            show(json!({"what": "event", "unix_ms": at, "from": ":1.7", "event": "Play",
                "playhead": 12.0, "info": {"rate": 2.0}})),
            "23:13:20.000  event   :1.7          Play                  12.0 s  rate=2.0\n"
        );
        assert_eq!(
            show(
                json!({"what": "hit", "unix_ms": at, "id": 3, "path": "/api/v1/sessions/S1/events",
                "body": {"eventType": "play", "playerTime": {"playhead": 12.0}}})
            ),
            "23:13:20.000  hit     S1            play                  12.0 s\n"
        );
        assert_eq!(
            show(
                json!({"what": "hit", "unix_ms": at, "id": 3, "path": "/api/v1/sessions/S1/events",
                "body": {"eventType": "play",
                    "playerTime": {"playhead": 12.0, "ts": at - 95_000}}})
            ),
            "23:13:20.000  hit     S1            play                  12.0 s  95.0 s late\n"
        );
        assert_eq!(
            show(json!({"what": "answer", "unix_ms": at, "id": 3, "status": 204, "ms": 41})),
            "23:13:20.000  answer  S1            204                           41 ms\n"
        );
        assert_eq!(
            show(json!({"what": "event", "unix_ms": at, "from": ":1.7", "event": "AdStart",
                "playhead": -1.0, "refused": "there is no ad break"})),
            "23:13:20.000  event   :1.7          AdStart                       refused: there is no ad \
             break\n"
        );
        assert_eq!(
            show(json!({"what": "hit", "held": "waiting-consent", "unix_ms": at,
                "path": "/api/v1/sessions/-/events",
                "body": {"eventType": "play", "playerTime": {"playhead": 12.0, "ts": at}}})),
            "23:13:20.000  hit     -             play                  12.0 s  held: waiting-consent\n"
        );
        assert_eq!(
            show(json!({"what": "state", "unix_ms": at, "state": "held-budget", "queued": 2,
                "collector": "c.example", "last_error": "x"})),
            "23:13:20.000  state   c.example     held-budget                   2 hits wait; \
             delivery.daily_bytes is spent: hits are kept until the next day (UTC); x\n"
        );
        let odd = json!({"what": "event", "unix_ms": at, "from": ":1.7\u{1b}[2J", "event": "Play",
            "info": {"id": "\u{9b}31m\u{202e}"}});
        assert_eq!(
            screen.line(&odd),
            "23:13:20.000  event   :1.7\\u001b[2J  Play                          \
             id=\\u009b31m\\u202e\n"
        );
        screen.colour = true;
        let failed = json!({"what": "answer", "unix_ms": at, "id": 9, "error": "timed out"});
        assert!(screen.line(&failed).starts_with("\u{1b}[31m23:13:20.000  answer"));
    }
}
