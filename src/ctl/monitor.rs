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
use crate::sim::hits::{self, Hit, Protocol};
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
    /// The rows of a line: one, or one for each hit of a request that has several.
    fn line(&mut self, line: &Json) -> String {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let rows = match line["what"].as_str() {
            Some("state") => {
                let state = text("state");
                let colour = if ask::meaning(&state).is_none() { GREEN } else { RED };
                let more = meaning(line);
                vec![Row { colour, who: text("collector"), what: state, playhead: None, more }]
            }
            Some("hit") => {
                let (who, rows) = hit_rows(line);
                if let Some(id) = line["id"].as_u64() {
                    self.requests.insert(id, who);
                }
                rows
            }
            Some("answer") => {
                let who = self.requests.remove(&line["id"].as_u64().unwrap_or(0));
                let (good, what, more) = answer(line);
                let colour = if good { GREEN } else { RED };
                vec![Row { colour, who: who.unwrap_or_default(), what, playhead: None, more }]
            }
            _ => {
                let refused = text("refused");
                let who = ["from", "app"].iter().map(|key| text(key)).find(|who| !who.is_empty());
                let (colour, more) = match refused.is_empty() {
                    true => (CYAN, details(line)),
                    false => (RED, format!("refused: {refused}")),
                };
                let playhead = line["playhead"].as_f64().filter(|s| *s >= 0.0);
                let who = who.unwrap_or_default();
                vec![Row { colour, who, what: text("event"), playhead, more }]
            }
        };
        let time = self.time(line["unix_ms"].as_i64().unwrap_or_default());
        let start = format!("{time}  {:<6}", text("what"));
        rows.iter().map(|row| row.show(&start, self.colour)).collect()
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

/// What stands behind the time and the kind of a line.
struct Row {
    colour: u8,
    who: String,
    what: String,
    /// Seconds.
    playhead: Option<f64>,
    more: String,
}

impl Row {
    fn show(&self, start: &str, colour: bool) -> String {
        let playhead = self.playhead.map(|s| format!("{s:.1} s")).unwrap_or_default();
        let [who, what, more] = [&self.who, &self.what, &self.more].map(|text| printable(text));
        let row = format!("{start}  {who:<12}  {what:<16}  {playhead:>10}  {more}");
        match colour {
            true => format!("\u{1b}[{}m{}\u{1b}[0m\n", self.colour, row.trim_end()),
            false => format!("{}\n", row.trim_end()),
        }
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

/// The rows of a request's hits, and whose it is: the session, or how many hits if it has several. A
/// downloaded session is one row.
fn hit_rows(line: &Json) -> (String, Vec<Row>) {
    let path = line["path"].as_str().unwrap_or_default();
    let hits = hits::of(path, &line["body"]);
    let held = line["held"].as_str().map(|why| format!("held: {why}"));
    let row = |who: &str, what: String, playhead, words: Vec<String>| {
        let more: Vec<String> = held.clone().into_iter().chain(words).collect();
        let more: Vec<String> = more.into_iter().chain(named(line)).collect();
        let more = more.join("  ");
        Row { colour: PLAIN, who: who.to_owned(), what, playhead, more }
    };
    if hits::is_download(path, &line["body"]) {
        let who = "downloaded";
        let what = format!("{} hits", hits.len());
        return (who.to_owned(), vec![row(who, what, None, Vec::new())]);
    }
    let session = |hit: &Hit<'_>| match (hit.session, Protocol::of(path)) {
        (None, _) => "sessions".to_owned(),
        (Some(id), Some(Protocol::MediaEdge | Protocol::Otlp)) => hits::short(id).to_owned(),
        (Some(id), _) => id.to_owned(),
    };
    let of_hit = |hit: &Hit<'_>| {
        let what = if hit.event_type.is_empty() { "?" } else { hit.event_type };
        let resume = hit.resumes().then(|| "resume".to_owned());
        let late = late(hit, line);
        row(&session(hit), what.to_owned(), hit.playhead, resume.into_iter().chain(late).collect())
    };
    let mut rows: Vec<Row> = hits.iter().map(of_hit).collect();
    if rows.is_empty() {
        rows.push(row("", "?".to_owned(), None, Vec::new()));
    }
    let several = rows.iter().any(|row| row.who != rows[0].who);
    let who = if several { format!("{} hits", rows.len()) } else { rows[0].who.clone() };
    (who, rows)
}

/// How late a hit is sent, if it is.
fn late(hit: &Hit<'_>, line: &Json) -> Option<String> {
    let late = line["unix_ms"].as_i64()?.saturating_sub(hit.ts?);
    (late >= LATE_MS).then(|| format!("{:.1} s late", late as f64 / 1000.0))
}

/// The collector's name, where there are several.
fn named(line: &Json) -> Option<String> {
    line["collector"].as_str().map(|name| format!("to {name}"))
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

    #[test]
    fn the_other_protocols_are_as_readable() {
        let mut screen = Screen { offset: Some(0), ..Screen::default() };
        let at = 1_700_000_000_000_i64;
        let mut show = |what: &str, more: Json| {
            let mut line = json!({"what": what, "unix_ms": at, "id": 3});
            line.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
            screen.line(&line)
        };
        let edge = |kind: &str, content: Json| {
            json!({"path": format!("/ee/or2/va/v1/{kind}?configId=c"),
                "body": {"events": [{"xdm": {"eventType": format!("media.{kind}"),
                    "timestamp": "2023-11-14T22:11:45.000Z", "mediaCollection": content}}]}})
        };
        let start = json!({"playhead": 0, "sessionDetails": {"hasResume": true}});
        assert_eq!(
            show("hit", edge("sessionStart", start)),
            "22:13:20.000  hit     sessions      sessionStart           0.0 s  resume  95.0 s late\n"
        );
        let id = "0f".repeat(32);
        let mut ping = edge("ping", json!({"playhead": 12, "sessionID": id}));
        assert_eq!(
            show("hit", ping.clone()),
            "22:13:20.000  hit     0f0f0f0f      ping                  12.0 s  95.0 s late\n"
        );
        assert_eq!(
            show("answer", json!({"status": 204, "ms": 41})),
            "22:13:20.000  answer  0f0f0f0f      204                           41 ms\n"
        );
        ping["held"] = "waiting-consent".into();
        assert_eq!(
            show("hit", ping),
            "22:13:20.000  hit     0f0f0f0f      ping                  12.0 s  \
             held: waiting-consent  95.0 s late\n"
        );
        let states = json!({"playhead": 1, "sessionID": id, "statesStart": [{"name": "mute"}],
            "statesEnd": [{"name": "fullScreen"}]});
        assert_eq!(
            show("hit", edge("statesUpdate", states)),
            "22:13:20.000  hit     0f0f0f0f      stateEnd               1.0 s  95.0 s late\n\
             22:13:20.000  hit     0f0f0f0f      stateStart             1.0 s  95.0 s late\n"
        );
        let one = json!({"mediaEventType": "media.play", "mediaCollection": {"playhead": 1}});
        let stored = json!({"path": "/ee/va/v1/downloaded?configId=c",
            "body": {"events": [{"xdm": {"mediaDownloadedEvents": [one, one]}}]}});
        assert_eq!(show("hit", stored), "22:13:20.000  hit     downloaded    2 hits\n");
        let record = |session: &str, kind: &str, seconds: f64| {
            json!({"timeUnixNano": "1700000000000000000", "eventName": format!("media.{kind}"),
                "attributes": [{"key": "session.id", "value": {"stringValue": session}},
                    {"key": "media.playhead", "value": {"doubleValue": seconds}}]})
        };
        let (one, two) = ("5c2a9f00-0000-4000", "77aa0000-0000-4000");
        let logs = |records: Json| {
            json!({"path": "/v1/logs", "collector": "own",
                "body": {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}})
        };
        assert_eq!(
            show("hit", logs(json!([record(one, "play", 3.5), record(two, "ping", 60.0)]))),
            "22:13:20.000  hit     5c2a9f00      play                   3.5 s  to own\n\
             22:13:20.000  hit     77aa0000      ping                  60.0 s  to own\n"
        );
        assert_eq!(
            show("answer", json!({"status": 200, "ms": 7})),
            "22:13:20.000  answer  2 hits        200                           7 ms\n"
        );
        show("hit", logs(json!([record(one, "play", 3.5), record(one, "ping", 60.0)])));
        assert_eq!(
            show("answer", json!({"error": "timed out"})),
            "22:13:20.000  answer  5c2a9f00      no answer                     timed out\n"
        );
    }
}
