//! `playheadctl queue`: what waits and for what; with `--rejected` what the collector refused for good.

use serde_json::Value;

use super::{Failure, agent, ask, output};
use crate::cli::QueueArgs;
use crate::dbus::BusAddress;

pub(super) async fn run(address: BusAddress, args: QueueArgs) -> Result<(), Failure> {
    let connection = agent::connect(address).await?;
    ask::configured(&connection).await?;
    let what = if args.rejected { "rejected" } else { "queue" };
    let list = ask::list(&connection, what).await?;
    match (args.json, args.rejected) {
        (true, _) => output::print_json(&list.to_string()),
        (false, true) => output::print(&rejected(&list)),
        (false, false) => output::print(&queue(&list)),
    }
}

/// A member of a row as a cell.
pub(super) fn cell(row: &Value, name: &str) -> String {
    match &row[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn queue(list: &Value) -> String {
    let logs = list["logs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if logs.is_empty() {
        return "nothing waits\n".to_owned();
    }
    let row = |log: &Value| {
        let mut row: Vec<String> =
            ["app", "media", "collector", "hits", "bytes"].map(|name| cell(log, name)).into();
        row.extend([ask::time(&log["oldest"]), state(log)]);
        row
    };
    let rows: Vec<Vec<String>> = logs.iter().map(row).collect();
    let head = ["APP", "MEDIA", "COLLECTOR", "HITS", "BYTES", "OLDEST", "STATE"];
    let number = |name: &str| list[name].as_u64().unwrap_or_default();
    let mut text = output::table(&head, &rows);
    if number("left_out") > 0 {
        text.push_str(&format!("and {} more logs\n", number("left_out")));
    }
    text.push_str(&format!("{}, {} bytes\n", ask::waiting(number("hits")), number("bytes")));
    text
}

/// What a log waits for.
fn state(log: &Value) -> String {
    let next = log["next_try"].as_i64().map(ask::until);
    let word = log["state"].as_str().unwrap_or_default();
    let fixed = match word {
        "failing" => {
            return format!("failed, next try {}", next.unwrap_or_else(|| "now".to_owned()));
        }
        "behind" => {
            return format!("behind: at its rate, next {}", next.unwrap_or_else(|| "now".into()));
        }
        "held-budget" => {
            return format!("the bytes of the day are spent; goes on {}", next.unwrap_or_default());
        }
        "opted-out" => "opted out",
        "waiting-consent" => "waits for consent",
        "waiting-clock" => "waits for the clock",
        "held-metered" => "held: the connection is metered",
        "under-way" => "under way",
        "waiting-end" => "a download: goes when it has ended",
        "waiting-turn" => "waits for its turn",
        "reading" => "is read from the store",
        "next" => "goes now",
        other => other,
    };
    fixed.to_owned()
}

fn rejected(list: &Value) -> String {
    let hits = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if hits.is_empty() {
        return "the collector has refused nothing for good\n".to_owned();
    }
    let row = |hit: &Value| {
        let mut row = vec![ask::time(&hit["at"])];
        row.extend(
            ["app", "media", "event_type", "status", "lost", "message"].map(|name| cell(hit, name)),
        );
        row
    };
    let rows: Vec<Vec<String>> = hits.iter().map(row).collect();
    output::table(&["WHEN", "APP", "MEDIA", "HIT", "STATUS", "LOST WITH IT", "ANSWER"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_state_of_a_log_has_words() {
        for (word, shown) in [
            ("waiting-consent", "waits for consent"),
            ("under-way", "under way"),
            ("failing", "failed, next try now"),
            ("behind", "behind: at its rate, next now"),
            ("something new", "something new"),
        ] {
            assert_eq!(state(&json!({"state": word, "next_try": null})), shown);
        }
        let failing = json!({"state": "failing", "next_try": 1});
        assert_eq!(state(&failing), "failed, next try now", "a time that has come");
        let many = json!({"logs": [{"state": "next"}], "left_out": 7, "hits": 1, "bytes": 2});
        assert!(queue(&many).ends_with("and 7 more logs\n1 hit waits, 2 bytes\n"));
    }
}
