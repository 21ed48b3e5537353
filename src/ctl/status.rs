//! `playheadctl status`: whether it works, in one look, and what keeps hits back.

use serde_json::{Value, json};

use super::ask::Properties;
use super::{Failure, agent, ask, output};
use crate::cli::OutputArgs;
use crate::core::text::printable;
use crate::core::time::WallTime;
use crate::dbus::BusAddress;
use crate::system::clock;

/// Exit status 0 only when all is well, 1 when not, 3 when the agent does not run.
pub(super) async fn run(address: BusAddress, args: OutputArgs) -> Result<(), Failure> {
    let connection = match agent::connect(address).await {
        Err(failure) if args.json => {
            let why = json!({"Running": false, "Well": false, "Why": failure.message});
            output::print_json(&why.to_string())?;
            return Err(Failure::silent(failure.status));
        }
        connected => connected?,
    };
    let mut properties = Properties::of(&connection).await?;
    let status = Status { properties: &properties, now: clock::now().wall };
    let well = status.well();
    if args.json {
        properties.0.insert("Running".into(), json!(true));
        properties.0.insert("Well".into(), json!(well));
        output::print_json(&json!(properties.0).to_string())?;
    } else {
        output::print(&status.text())?;
    }
    if well { Ok(()) } else { Err(Failure::silent(1)) }
}

fn meaning(state: &str) -> &'static str {
    ask::meaning(state).unwrap_or(match state {
        "working" => "hits are on their way",
        _ => "nothing waits",
    })
}

/// What the agent says of itself.
struct Status<'a> {
    properties: &'a Properties,
    now: WallTime,
}

impl Status<'_> {
    fn word(&self, name: &str) -> String {
        printable(self.properties.word(name)).into_owned()
    }

    fn number(&self, name: &str) -> u64 {
        self.properties.number(name)
    }

    fn is(&self, name: &str) -> bool {
        self.properties.is(name)
    }

    fn collectors(&self) -> &[Value] {
        let list = self.properties.0.get("Collectors").and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    }

    /// One of several collectors in a line.
    fn collector(&self, of: &Value) -> String {
        let word = |name: &str| printable(of[name].as_str().unwrap_or_default()).into_owned();
        let time =
            |name: &str| of[name].as_i64().filter(|ms| *ms != 0).map(|ms| self.dated(WallTime(ms)));
        let number = |name: &str| of[name].as_u64().unwrap_or_default();
        let mut text = format!("{}: {} ({})", word("name"), word("host"), word("kind"));
        match number("hits") {
            0 => text.push_str("; nothing waits"),
            hits => {
                let waiting = ask::waiting(hits);
                text.push_str(&format!("; {waiting} ({} bytes)", number("bytes")));
            }
        }
        if let Some(since) = time("failing_since") {
            text.push_str(&format!("; fails since {since}"));
        }
        let delivered = time("last_delivered");
        text.push_str("; delivered ");
        text.push_str(delivered.as_deref().unwrap_or("nothing since the start"));
        if let Some(at) = time("last_answer_at") {
            text.push_str(&format!("; last heard {} at {at}", word("last_answer")));
        }
        text
    }

    fn problems(&self) -> Vec<String> {
        let problems = self.properties.texts("Problems").into_iter();
        problems.map(|problem| printable(&problem).into_owned()).collect()
    }

    fn well(&self) -> bool {
        let moves = matches!(self.word("DeliveryState").as_str(), "working" | "idle");
        moves && self.is("StoreHealthy") && self.problems().is_empty()
    }

    /// A time of the agent, with how long ago it was or how far off it is; `None` when there is none.
    fn time(&self, name: &str) -> Option<String> {
        self.properties.time(name).map(|at| self.dated(at))
    }

    fn dated(&self, at: WallTime) -> String {
        let seconds = (self.now.0 - at.0) / 1000;
        let span = match seconds.unsigned_abs() {
            s @ 0..120 => format!("{s} s"),
            s @ 120..7200 => format!("{} min", s / 60),
            s @ 7200..172_800 => format!("{} h", s / 3600),
            s => format!("{} days", s / 86_400),
        };
        let way = if seconds < 0 { format!("in {span}") } else { format!("{span} ago") };
        format!("{at} ({way})")
    }

    fn text(&self) -> String {
        let state = self.word("DeliveryState");
        if self.properties.is_misconfigured() {
            // Nothing else is known yet.
            let about = [("playheadd", self.word("Version"))].into_iter();
            let about = about.chain([("state", format!("{state}: {}", meaning(&state)))]);
            let problems = self.problems().into_iter().map(|problem| ("problem", problem));
            return about.chain(problems).map(line).collect();
        }
        let collectors = self.collectors();
        let reporting = match collectors.len() {
            0 | 1 => format!("{} ({})", self.word("Collector"), self.word("CollectorKind")),
            several => format!("{several} collectors"),
        };
        // Media Edge and OpenTelemetry have none.
        let suite = match self.word("ReportSuite") {
            suite if suite.is_empty() => suite,
            suite => format!(", report suite {suite}"),
        };
        let version = self.word("Version");
        let mut lines = vec![
            ("playheadd", format!("{version}, reporting to {reporting}{suite}")),
            ("state", format!("{state}: {}", meaning(&state))),
        ];
        // What does not show, because another state comes first.
        for (also, holds) in
            [("waiting-clock", !self.is("ClockTrusted")), ("waiting-network", !self.is("Online"))]
        {
            if holds && also != state {
                lines.push(("", format!("{also}: {}", meaning(also))));
            }
        }
        lines.extend(self.problems().into_iter().map(|problem| ("problem", problem)));
        lines.extend(self.time("NextTry").map(|at| ("next try", at)));
        if let Some(at) = self.time("LastAnswerAt") {
            lines.push(("last heard", format!("{} at {at}", self.word("LastAnswer"))));
        }
        if collectors.len() > 1 {
            lines.extend(collectors.iter().map(|of| ("collector", self.collector(of))));
        }
        let delivered = self.time("LastDelivered");
        lines.push(("delivered", delivered.unwrap_or_else(|| "nothing yet".into())));
        lines.push(("sessions", format!("{} open", self.number("ActiveSessions"))));
        let oldest = self.time("OldestQueued");
        let queued = match (self.number("QueuedHits"), oldest) {
            (0, _) => "nothing waits".to_owned(),
            (hits, oldest) => format!(
                "{hits} hits wait ({} bytes){}",
                self.number("QueuedBytes"),
                oldest.map_or_else(String::new, |at| format!(", the oldest of {at}"))
            ),
        };
        lines.push(("queue", queued));
        let since = self.time("CountingSince");
        let counted = |delivered: u64, dropped: u64, refused: u64, since: Option<String>| {
            format!(
                "{delivered} hits delivered, {dropped} given up, {refused} events refused since {}",
                since.unwrap_or_else(|| "an unknown time".into())
            )
        };
        let of_start = counted(
            self.number("DeliveredHits"),
            self.number("DroppedHits"),
            self.number("RejectedEvents"),
            since.map(|at| format!("the start, {at}")),
        );
        lines.push(("counted", of_start));
        let totals = self.properties.0.get("Totals").cloned().unwrap_or_default();
        let total = |name: &str| totals[name].as_u64().unwrap_or_default();
        let since = totals["since"].as_i64().filter(|ms| *ms > 0).map(WallTime);
        let of_all = counted(
            total("delivered"),
            total("dropped"),
            total("rejected_events"),
            since.map(|at| self.dated(at)),
        );
        lines.push(("in all", of_all));
        lines.into_iter().map(line).collect()
    }
}

fn line((name, text): (&str, String)) -> String {
    format!("{name:<11} {text}\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const NOW: WallTime = WallTime(1_800_000_000_000);

    fn text(change: impl FnOnce(&mut BTreeMap<String, Value>)) -> (String, bool) {
        let mut properties = BTreeMap::from(
            [
                ("Version", json!("1.0.0")),
                ("Collector", json!("collector.example")),
                ("CollectorKind", json!("media-collection")),
                ("ReportSuite", json!("suite")),
                ("DeliveryState", json!("idle")),
                ("ClockTrusted", json!(true)),
                ("Online", json!(true)),
                ("StoreHealthy", json!(true)),
                ("Problems", json!([])),
                ("CountingSince", json!(NOW.0 - 600_000)),
                ("Totals", json!({"since": NOW.0 - 864_000_000, "delivered": 70, "dropped": 1})),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        change(&mut properties);
        let status = Status { properties: &Properties(properties), now: NOW };
        (status.text(), status.well())
    }

    #[test]
    fn all_is_well() {
        let (text, well) = text(|p| {
            p.insert("DeliveredHits".into(), json!(12));
            p.insert("LastDelivered".into(), json!(NOW.0 - 30_000));
        });
        assert!(well);
        assert_eq!(
            text,
            "playheadd   1.0.0, reporting to collector.example (media-collection), report suite suite\n\
             state       idle: nothing waits\n\
             delivered   2027-01-15T07:59:30Z (30 s ago)\n\
             sessions    0 open\n\
             queue       nothing waits\n\
             counted     12 hits delivered, 0 given up, 0 events refused since the start, \
             2027-01-15T07:50:00Z (10 min ago)\n\
             in all      70 hits delivered, 1 given up, 0 events refused since \
             2027-01-05T08:00:00Z (10 days ago)\n"
        );
    }

    #[test]
    fn each_of_several_collectors_has_a_line() {
        let (text, _) = text(|p| {
            p.insert("Collectors".into(), json!([
                {"name": "main", "kind": "media-collection", "host": "a.example", "hits": 0, "bytes": 0,
                 "last_delivered": NOW.0 - 5_000, "last_answer": "204",
                 "last_answer_at": NOW.0 - 5_000, "failing_since": 0},
                {"name": "lab", "kind": "otlp", "host": "b.example\u{1b}", "hits": 1, "bytes": 120,
                 "last_delivered": 0, "last_answer": "cannot connect",
                 "last_answer_at": NOW.0 - 1_000, "failing_since": NOW.0 - 60_000},
            ]));
        });
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("s")).collect();
        assert_eq!(lines[0], "playheadd   1.0.0, reporting to 2 collectors, report suite suite");
        assert_eq!(
            lines[1],
            "collector   main: a.example (media-collection); nothing waits; delivered \
             2027-01-15T07:59:55Z (5 s ago); last heard 204 at 2027-01-15T07:59:55Z (5 s ago)"
        );
        assert_eq!(
            lines[2],
            "collector   lab: b.example\\u001b (otlp); 1 hit waits (120 bytes); fails since \
             2027-01-15T07:59:00Z (60 s ago); delivered nothing since the start; last heard cannot \
             connect at 2027-01-15T07:59:59Z (1 s ago)"
        );
    }

    #[test]
    fn what_is_wrong_stands_on_top_with_what_to_do() {
        let (text, well) = text(|p| {
            p.insert("DeliveryState".into(), json!("failing"));
            p.insert("Problems".into(), json!(["delivery fails since T: \u{1b}x", "another"]));
            p.insert("NextTry".into(), json!(NOW.0 + 61_000));
            p.insert("QueuedHits".into(), json!(3));
            p.insert("ClockTrusted".into(), json!(false));
        });
        assert!(!well);
        let lines: Vec<&str> = text.lines().skip(1).take(5).collect();
        assert_eq!(lines[0], "state       failing: delivery fails: hits are kept and tried again");
        assert!(lines[1].starts_with("            waiting-clock: the clock is not right yet"));
        assert_eq!(lines[2], "problem     delivery fails since T: \\u001bx");
        assert_eq!(lines[3], "problem     another");
        assert_eq!(lines[4], "next try    2027-01-15T08:01:01Z (in 61 s)");
    }

    #[test]
    fn every_hold_is_not_well_and_says_what_to_do() {
        let held = ["opted-out", "waiting-consent", "waiting-clock", "held-metered", "held-budget"];
        for state in held.into_iter().chain(["waiting-network"]) {
            let (text, well) = text(|p| {
                p.insert("DeliveryState".into(), json!(state));
            });
            assert!(!well && text.contains(&format!("state       {state}: ")), "{text}");
            assert!(text.lines().nth(1).is_some_and(|line| line.len() > 50), "{text}");
        }
    }
}
