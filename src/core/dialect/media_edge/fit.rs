//! A download as one request: its pings are thinned evenly until it fits (edge 8).

use crate::core::dialect::members::Members;

/// The largest request that Edge is known to take (edge 2).
const MOST_BYTES: usize = 64 * 1024;

/// Ends every ping while a download is put together: the members of an event are in the order of their
/// names.
const PING: &str = r#""mediaEventType":"media.ping"}"#;

/// Adds an event to a download that is being put together: a line of its own.
pub(super) fn add(body: &mut String, event: &Members) {
    let text = serde_json::to_string(event).unwrap_or_default();
    body.push_str(&text);
    body.push('\n');
}

/// Makes one request of the events and of what stands around them, a request with one event that has
/// no `mediaDownloadedEvents` yet. Gives how many pings were left out.
pub(super) fn finish(body: &mut String, around: &str) -> usize {
    let events: Vec<&str> = body.lines().collect();
    let is_ping = |event: &&str| event.ends_with(PING);
    let pings: Vec<usize> = (0..events.len()).filter(|at| is_ping(&events[*at])).collect();
    // A comma behind each.
    let bytes_of = |event: &str| event.len() + ",".len();
    let others: usize = events.iter().filter(|event| !is_ping(event)).map(|e| bytes_of(e)).sum();
    let room = MOST_BYTES.saturating_sub(around.len() + MEMBER.len() + "[],".len() + others);
    let mut kept = pings.len();
    let fits = |kept: usize| {
        let bytes: usize = evenly(pings.len(), kept).map(|at| bytes_of(events[pings[at]])).sum();
        bytes <= room
    };
    // The first and the last one stay, whatever the others take.
    while kept > ENDS && !fits(kept) {
        kept = (kept - 1 - kept / 64).max(ENDS);
    }
    let mut chosen = evenly(pings.len(), kept).map(|at| pings[at]).peekable();
    let mut list = String::with_capacity(MOST_BYTES);
    for (at, event) in events.iter().enumerate() {
        if is_ping(event) && chosen.next_if_eq(&at).is_none() {
            continue;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(event);
    }
    // It becomes the last member of the one event.
    let (before, after) = around.split_at(around.len() - "}}]}".len());
    *body = format!("{before}{MEMBER}[{list}]{after}");
    pings.len() - kept
}

/// Pings at the ends.
const ENDS: usize = 2;
const MEMBER: &str = r#","mediaDownloadedEvents":"#;

/// `some` places of `all`, from the first to the last, at even distances.
fn evenly(all: usize, some: usize) -> impl Iterator<Item = usize> {
    let last = all.saturating_sub(1);
    (0..some).map(move |n| if some > 1 { n * last / (some - 1) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const AROUND: &str = r#"{"events":[{"xdm":{"eventType":"media.downloaded"}}]}"#;

    fn download(pings: usize, last: &str) -> (Value, usize, usize) {
        let mut body = String::new();
        let mut event = |kind: &str, at: usize| {
            let event = json!({
                "mediaEventType": format!("media.{kind}"),
                "mediaEventTimestamp": at,
                "mediaCollection": {"playhead": at, "text": "\"mediaEventType\":\"media.ping\"}"},
            });
            add(&mut body, event.as_object().expect("an object"));
        };
        event("sessionStart", 0);
        (1..=pings).for_each(|at| event("ping", at));
        event(last, pings + 1);
        let left_out = finish(&mut body, AROUND);
        let value: Value = serde_json::from_str(&body).expect("JSON");
        (value["events"][0]["xdm"]["mediaDownloadedEvents"].clone(), left_out, body.len())
    }

    #[test]
    fn a_short_download_is_sent_whole() {
        let (events, left_out, _) = download(3, "sessionComplete");
        assert_eq!(left_out, 0);
        assert_eq!(events.as_array().map(Vec::len), Some(5));
    }

    #[test]
    fn a_long_one_loses_pings_at_even_distances_and_nothing_else() {
        let (events, left_out, bytes) = download(2000, "sessionEnd");
        let events = events.as_array().expect("events");
        assert_eq!(events.len(), 2 + 2000 - left_out);
        assert!((60 * 1024..=64 * 1024).contains(&bytes), "{bytes}");
        assert_eq!(events[0]["mediaEventType"], "media.sessionStart");
        assert_eq!(events[events.len() - 1]["mediaEventType"], "media.sessionEnd");
        let times: Vec<u64> =
            events.iter().filter_map(|e| e["mediaEventTimestamp"].as_u64()).collect();
        assert_eq!((times[1], times[times.len() - 2]), (1, 2000), "the ends are kept");
        let gaps: Vec<u64> = times[1..times.len() - 1].windows(2).map(|t| t[1] - t[0]).collect();
        let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(most - least <= 1, "{least} to {most}");
    }

    #[test]
    fn the_numbers_are_even() {
        assert_eq!(evenly(5, 5).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(9, 3).collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(evenly(9, 1).collect::<Vec<_>>(), [0]);
        assert_eq!(evenly(0, 0).count(), 0);
    }
}
