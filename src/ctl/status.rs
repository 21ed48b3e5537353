//! `playheadctl status`: whether it works, in one look.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Failure, output};
use crate::cli::OutputArgs;
use crate::core::text::printable;
use crate::dbus::{AGENT_INTERFACE, AGENT_PATH, BusAddress};

pub(super) async fn run(address: BusAddress, args: OutputArgs) -> Result<(), Failure> {
    let connection = address.connect().await.map_err(Failure::failed)?;
    let properties = output::properties(&connection, AGENT_PATH, AGENT_INTERFACE).await?;
    match args.json {
        true => output::print_json(&json!(properties).to_string()),
        false => output::print(&text(&properties)),
    }
}

/// The status as text; what keeps hits from being sent stands first.
fn text(p: &BTreeMap<String, Value>) -> String {
    let get = |name: &str| p.get(name).cloned().unwrap_or(Value::Null);
    let number = |name: &str| get(name).as_u64().unwrap_or_default();
    let word = |name: &str| printable(get(name).as_str().unwrap_or_default()).into_owned();
    let is = |name: &str| get(name) == json!(true);
    let mut obstacles = Vec::new();
    match word("Consent").as_str() {
        "in" => {}
        "out" => obstacles.push("the viewer has opted out: nothing is tracked or sent".to_owned()),
        _ => obstacles.push(
            "waiting for the viewer's consent: SetConsent of tv.playhead.Agent1 gives it, or \
             consent.initial in the configuration"
                .to_owned(),
        ),
    }
    if !is("ClockTrusted") {
        obstacles.push("the clock is not right yet: hits are kept until it is".to_owned());
    }
    if !is("Online") {
        obstacles.push(
            "the network manager says that there is no network: delivery tries all the same"
                .to_owned(),
        );
    }
    if !is("StoreHealthy") {
        obstacles.push("the store cannot be written: state is kept in memory only".to_owned());
    }
    let state = match obstacles.is_empty() {
        true => "working".to_owned(),
        false => obstacles.join("\n            "),
    };
    let last_error = match word("LastError") {
        none if none.is_empty() => none,
        error => format!("last error  {error}\n"),
    };
    format!(
        "playheadd   {} reporting to {}\nstate       {state}\nsessions    {} open\nhits        {} \
         delivered, {} waiting, {} given up\nevents      {} refused\n{last_error}",
        word("Version"),
        word("Collector"),
        number("ActiveSessions"),
        number("DeliveredHits"),
        number("QueuedHits"),
        number("DroppedHits"),
        number("RejectedEvents"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_hits_back_is_said_with_what_to_do() {
        let mut p = BTreeMap::from([
            ("Consent".to_owned(), json!("in")),
            ("ClockTrusted".to_owned(), json!(true)),
            ("Online".to_owned(), json!(true)),
            ("StoreHealthy".to_owned(), json!(true)),
        ]);
        assert!(text(&p).contains("state       working"));
        assert!(!text(&p).contains("last error"));
        p.insert("LastError".into(), json!("a\u{1b}b"));
        assert!(text(&p).ends_with("\nlast error  a\\u001bb\n"));
        p.insert("Consent".into(), json!("unknown"));
        assert!(text(&p).contains("SetConsent"));
    }
}
