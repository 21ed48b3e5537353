//! `playheadctl doctor`: everything that delivery needs, one line each: ok, or what to do.

use std::time::Duration;

use serde_json::{Value, json};
use zbus::Connection;

use super::ask::{self, Properties};
use super::{Failure, agent, output};
use crate::cli::OutputArgs;
use crate::core::dialect::exchange::Cause;
use crate::core::time::WallTime;
use crate::dbus::{BusAddress, MONITOR_INTERFACE};
use crate::system::network::MANAGERS;

/// The agent asks the collector for as long as `collector.timeout_seconds` says.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a look at one thing has found.
struct Check {
    name: &'static str,
    state: State,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    /// Not wanted.
    Off,
    /// Something is to be done.
    Bad,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Off => "off",
            State::Bad => "!!",
        }
    }
}

fn check(name: &'static str, well: bool, text: impl Into<String>) -> Check {
    Check { name, state: if well { State::Ok } else { State::Bad }, text: text.into() }
}

pub(super) async fn run(address: BusAddress, args: OutputArgs) -> Result<(), Failure> {
    let there = agent::connect_with(address, PATIENCE).await;
    let asked = async {
        let connection = there?;
        let properties = Properties::of(&connection).await?;
        Ok::<_, Failure>((connection, properties))
    };
    let (connection, properties) = match asked.await {
        Ok(asked) => asked,
        Err(failure) => {
            show(&[check("bus", false, failure.message.replace('\n', "; "))], args.json)?;
            return Err(Failure::silent(failure.status));
        }
    };
    let mut problems = properties.texts("Problems");
    if properties.is_misconfigured() {
        return finish(&unconfigured(&connection, &properties, problems).await, args);
    }
    let mpris = ask::list(&connection, "mpris").await;
    let mut checks = vec![bus(&properties, &mpris)];
    checks.extend(configuration(&properties, &mut problems));
    checks.extend(clock(&properties, &mut problems));
    checks.extend(store(&properties, &mut problems));
    checks.push(consent(&properties));
    checks.push(network(&connection, &properties).await);
    checks.extend(collectors(&connection, &properties).await);
    checks.extend(delivery(&properties, &mut problems));
    // Nothing that the agent complains of is left out.
    checks.extend(problems.into_iter().map(|problem| check("other", false, problem)));
    checks.extend(mpris.ok().iter().flat_map(players));
    finish(&checks, args)
}

/// Without a configuration there is nothing else to look at.
async fn unconfigured(
    connection: &Connection,
    properties: &Properties,
    problems: Vec<String>,
) -> Vec<Check> {
    let asked = ask::list(connection, "queue").await;
    let mut checks = vec![bus(properties, &asked)];
    checks.extend(problems.into_iter().map(|problem| check("config", false, problem)));
    checks.push(network(connection, properties).await);
    let rest = ["clock", "store", "consent", "collector", "delivery", "mpris"];
    let text = "looked at as soon as there is a configuration";
    checks.extend(rest.map(|name| Check { name, state: State::Off, text: text.to_owned() }));
    checks
}

fn finish(checks: &[Check], args: OutputArgs) -> Result<(), Failure> {
    show(checks, args.json)?;
    match checks.iter().filter(|check| check.state == State::Bad).count() {
        0 => Ok(()),
        1 => Err(Failure::failed("1 line says what to do")),
        n => Err(Failure::failed(format!("{n} lines say what to do"))),
    }
}

fn show(checks: &[Check], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let row = |check: &Check| {
            json!({
                "check": check.name, "ok": check.state != State::Bad,
                "off": check.state == State::Off, "text": check.text,
            })
        };
        let well = checks.iter().all(|check| check.state != State::Bad);
        let rows: Vec<Value> = checks.iter().map(row).collect();
        return output::print_json(&json!({"ok": well, "checks": rows}).to_string());
    }
    let row = |c: &Check| vec![c.name.to_owned(), c.state.word().to_owned(), c.text.clone()];
    let rows: Vec<Vec<String>> = checks.iter().map(row).collect();
    output::print(&output::table(&["CHECK", "", "FOUND"], &rows))
}

/// Takes the problems that begin like one of these.
fn taken(problems: &mut Vec<String>, beginnings: &[&str]) -> Vec<String> {
    let is = |text: &String| beginnings.iter().any(|start| text.starts_with(start));
    let (taken, left) = std::mem::take(problems).into_iter().partition(is);
    *problems = left;
    taken
}

/// One line for each problem, or one that all is well.
fn lines(name: &'static str, problems: Vec<String>, well: Check) -> Vec<Check> {
    match problems.is_empty() {
        true => vec![well],
        false => problems.into_iter().map(|text| check(name, false, text)).collect(),
    }
}

/// The agent is there, and whether the caller may do what an operator does.
fn bus(properties: &Properties, asked: &Result<Value, Failure>) -> Check {
    let uid = rustix::process::geteuid().as_raw();
    let version = properties.word("Version");
    match asked {
        Ok(_) => {
            check("bus", true, format!("playheadd {version} answers, and uid {uid} may manage it"))
        }
        Err(failure) => check(
            "bus",
            false,
            format!("playheadd {version} answers, but not all: {}", failure.message),
        ),
    }
}

fn configuration(properties: &Properties, problems: &mut Vec<String>) -> Vec<Check> {
    let broken = taken(problems, &["the old configuration is in force"]);
    let mut all =
        lines("config", broken, check("config", true, "what was loaded last is in force"));
    // What works is no reason for another exit status.
    let warned = properties.texts("Warnings").into_iter();
    all.extend(warned.map(|text| check("config", true, format!("warning: {text}"))));
    all
}

fn clock(properties: &Properties, problems: &mut Vec<String>) -> Vec<Check> {
    let hidden = taken(problems, &["nothing is sent"]);
    let well = match properties.is("ClockTrusted") {
        true => {
            let now = crate::system::clock::now().wall;
            check("clock", true, format!("it shows {now}"))
        }
        false => check(
            "clock",
            false,
            "it is not right yet, and hits are kept: set the time, or look why the time daemon does \
             not (`timedatectl`)",
        ),
    };
    lines("clock", hidden, well)
}

fn store(properties: &Properties, problems: &mut Vec<String>) -> Vec<Check> {
    let wrong =
        taken(problems, &["what changes is kept in memory only", "a broken store lies aside"]);
    let (hits, bytes) = (properties.number("QueuedHits"), properties.number("QueuedBytes"));
    let text = format!("it takes what happens; {}, {bytes} bytes", ask::waiting(hits));
    lines("store", wrong, check("store", properties.is("StoreHealthy"), text))
}

fn consent(properties: &Properties) -> Check {
    match properties.word("Consent") {
        "in" => check("consent", true, "the viewer allows it"),
        "out" => check(
            "consent",
            false,
            "the viewer has opted out: nothing is tracked or sent; `playheadctl consent in` if not",
        ),
        _ => check("consent", false, ask::meaning("waiting-consent").unwrap_or_default()),
    }
}

/// What the network manager says, and which it is.
async fn network(connection: &Connection, properties: &Properties) -> Check {
    let mut source = None;
    for name in MANAGERS {
        if ask::is_on_bus(connection, name).await {
            source = source.or(Some(name));
        }
    }
    match (source, properties.is("Online")) {
        (None, _) => check("network", true, "no network manager is here: delivery just tries"),
        (Some(name), true) => check("network", true, format!("{name} says that there is one")),
        (Some(name), false) => check(
            "network",
            false,
            format!("{name} says that there is none: connect the box; delivery tries all the same"),
        ),
    }
}

/// Whether the agent itself reaches each collector, with its own proxy and certificates.
async fn collectors(connection: &Connection, properties: &Properties) -> Vec<Check> {
    let found = match ask::call(connection, MONITOR_INTERFACE, "Probe", &()).await {
        Ok(answer) => ask::json(answer),
        Err(failure) => Err(failure),
    };
    match found {
        Ok(found) => reached(&found, properties),
        Err(failure) => {
            let host = properties.word("Collector");
            vec![check("collector", false, format!("{host} was not asked: {}", failure.message))]
        }
    }
}

/// A line for each collector that was asked, with its name and its last answer where there are several.
fn reached(found: &Value, properties: &Properties) -> Vec<Check> {
    let all = found["collectors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = properties.0.get("Collectors").and_then(Value::as_array);
    let line = |one: &Value| {
        let name = one["name"].as_str().unwrap_or_default();
        let mut line = answered(one);
        if all.len() > 1 {
            let of = known.and_then(|all| all.iter().find(|of| of["name"] == name));
            let said = of.map_or_else(|| "nothing was sent yet".to_owned(), last_answer);
            line.text = format!("{name}: {}; {said}", line.text);
        }
        line
    };
    all.iter().map(line).collect()
}

/// What a collector last said to a hit.
fn last_answer(of: &Value) -> String {
    let at = of["last_answer_at"].as_i64().filter(|ms| *ms != 0);
    match (of["last_answer"].as_str().unwrap_or_default(), at) {
        ("", _) => "nothing was sent yet".to_owned(),
        (said, None) => format!("the last answer was {said}"),
        (said, Some(at)) => format!("the last answer was {said} at {}", WallTime(at)),
    }
}

/// What became of a probe.
fn answered(found: &Value) -> Check {
    let word = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    let url = word("collector");
    let ms = found["ms"].as_i64().unwrap_or_default();
    let tls = if url.starts_with("https://") { ", and its certificate is good" } else { "" };
    match found["status"].as_u64().and_then(|status| u16::try_from(status).ok()) {
        None => check("collector", false, format!("{url}: {}; {}", word("error"), word("advice"))),
        // Anything else is no more than its opinion of a request that is none of its own.
        Some(status @ (407 | 500 | 502..=504)) => {
            let advice = Cause::Status(status).advice_for(&word("name"));
            check("collector", false, format!("{url} answers {status}: {advice}"))
        }
        Some(status) => {
            check("collector", true, format!("{url} answers in {ms} ms{tls} ({status} to a HEAD)"))
        }
    }
}

/// What it last said, and what keeps hits back.
fn delivery(properties: &Properties, problems: &mut Vec<String>) -> Vec<Check> {
    let fails = taken(problems, &["delivery fails", "the collector refuses hits"]);
    let state = properties.word("DeliveryState");
    let at = properties.time("LastAnswerAt").map(|at| at.0);
    let said =
        last_answer(&json!({"last_answer": properties.word("LastAnswer"), "last_answer_at": at}));
    let text = match ask::meaning(state) {
        Some(meaning) => format!("{state}: {meaning}; {said}"),
        None => format!("{state}: {said}"),
    };
    let mut all: Vec<Check> = fails.into_iter().map(|why| check("delivery", false, why)).collect();
    all.push(check("delivery", ask::meaning(state).is_none(), text));
    all
}

/// A line for each MPRIS player.
fn players(list: &Value) -> Vec<Check> {
    let of = |state, text: String| Check { name: "mpris", state, text };
    let Some(list) = list.as_array() else {
        return vec![of(State::Off, "mpris.enabled is false".to_owned())];
    };
    if list.is_empty() {
        return vec![of(State::Ok, "no player is seen".to_owned())];
    }
    let line = |player: &Value| {
        let word = |name: &str| player[name].as_str().unwrap_or_default();
        let state = if player["tracked"] == true { State::Ok } else { State::Off };
        of(state, format!("{}: {}", word("player"), word("why")))
    };
    list.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_problem_is_left_out_and_none_is_said_twice() {
        let mut problems: Vec<String> =
            ["delivery fails since", "a broken store lies aside since", "something new"]
                .map(str::to_owned)
                .into();
        let properties = Properties(Default::default());
        assert_eq!(store(&properties, &mut problems)[0].text, "a broken store lies aside since");
        assert_eq!(delivery(&properties, &mut problems)[0].text, "delivery fails since");
        assert_eq!(problems, ["something new"]);
    }

    #[test]
    fn each_of_several_collectors_is_named_with_what_it_last_said() {
        let good =
            json!({"name": "main", "collector": "https://a.example", "ms": 7, "status": 404});
        let bad = json!({
            "name": "lab", "collector": "https://b.example", "ms": 7, "error": "refused",
            "advice": "check collectors.lab.url",
        });
        let known = json!([
            {"name": "main", "last_answer": "204", "last_answer_at": 1_800_000_000_000_i64},
            {"name": "lab", "last_answer": "", "last_answer_at": 0},
        ]);
        let properties = Properties([("Collectors".to_owned(), known)].into());
        let shown = |found: Value| -> Vec<(&str, String)> {
            reached(&found, &properties).into_iter().map(|c| (c.state.word(), c.text)).collect()
        };
        let well = "https://a.example answers in 7 ms, and its certificate is good (404 to a HEAD)";
        assert_eq!(shown(json!({"collectors": [good]})), [("ok", well.to_owned())]);
        assert_eq!(
            shown(json!({"collectors": [good, bad]})),
            [
                ("ok", format!("main: {well}; the last answer was 204 at 2027-01-15T08:00:00Z")),
                (
                    "!!",
                    "lab: https://b.example: refused; check collectors.lab.url; nothing was sent yet"
                        .to_owned()
                ),
            ]
        );
    }

    #[test]
    fn players_of_mpris_are_off_or_none_or_a_line_each() {
        let shown = |list: Value| -> Vec<(&str, String)> {
            players(&list).into_iter().map(|c| (c.state.word(), c.text)).collect()
        };
        assert_eq!(shown(Value::Null), [("off", "mpris.enabled is false".to_owned())]);
        assert_eq!(shown(json!([])), [("ok", "no player is seen".to_owned())]);
        let list = json!([
            {"player": "org.mpris.MediaPlayer2.vlc", "tracked": true, "why": "plays a film"},
            {"player": "org.mpris.MediaPlayer2.playerctld", "tracked": false, "why": "in mpris.deny"},
        ]);
        assert_eq!(
            shown(list),
            [
                ("ok", "org.mpris.MediaPlayer2.vlc: plays a film".to_owned()),
                ("off", "org.mpris.MediaPlayer2.playerctld: in mpris.deny".to_owned()),
            ]
        );
    }
}
