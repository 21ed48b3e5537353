//! `playheadctl flush`: delivers now, and shows how what waits becomes less.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use zbus::Connection;

use super::ask::Properties;
use super::{Failure, agent, ask, output};
use crate::cli::FlushArgs;
use crate::dbus::{AGENT_INTERFACE, BusAddress};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);

/// How it has ended.
enum End {
    Delivered,
    /// Nothing goes any more, because of this.
    Held(String),
}

pub(super) async fn run(address: BusAddress, args: FlushArgs) -> Result<(), Failure> {
    let connection = agent::connect(address).await?;
    let before = Properties::of(&connection).await?;
    before.configured()?;
    let answer = ask::call(&connection, AGENT_INTERFACE, "Flush", &()).await?;
    let pending: u64 = answer.body().deserialize().map_err(output::unreadable)?;
    let (end, after) = watch(&connection, &before, pending, &args).await?;
    let more = |name: &str| after.number(name).saturating_sub(before.number(name));
    let (delivered, given_up) = (more("DeliveredHits"), more("DroppedHits"));
    let why = match end {
        End::Held(why) => Some(why),
        End::Delivered if given_up > 0 => {
            let hits = ask::hits(given_up);
            Some(format!("{hits} given up: see `playheadctl queue --rejected` and the log"))
        }
        End::Delivered => None,
    };
    if args.json {
        let end = json!({
            "pending": pending, "delivered": delivered, "given_up": given_up,
            "left": after.number("QueuedHits"), "state": after.word("DeliveryState"),
            "last_error": after.word("LastError"), "done": why.is_none(), "why": why,
        });
        output::print_json(&end.to_string())?;
    } else if why.is_none() {
        output::print(match pending {
            0 => "nothing waits\n",
            _ => "all is delivered\n",
        })?;
    }
    why.map_or(Ok(()), |why| Err(Failure::failed(why)))
}

/// Looks until nothing waits, or nothing moves any more.
async fn watch(
    connection: &Connection,
    before: &Properties,
    pending: u64,
    args: &FlushArgs,
) -> Result<(End, Properties), Failure> {
    let say = |left: u64| match args.json || left == 0 {
        true => Ok(()),
        false => output::print(&format!("{}\n", ask::waiting(left))),
    };
    say(pending)?;
    let patience = Duration::from_secs(args.wait.into());
    // Hits that come meanwhile are no step back: what counts is the fewest so far.
    let (mut fewest, mut moved) = (pending, Instant::now());
    loop {
        let now = Properties::of(connection).await?;
        let left = now.number("QueuedHits");
        if left < fewest {
            (fewest, moved) = (left, Instant::now());
            say(left)?;
        }
        if left == 0 {
            return Ok((End::Delivered, now));
        }
        let late = moved.elapsed() >= patience;
        if let Some(why) = held(before, &now, left, late) {
            return Ok((End::Held(why), now));
        }
        sleep(LOOK).await;
    }
}

/// Why nothing goes any more.
fn held(before: &Properties, now: &Properties, left: u64, late: bool) -> Option<String> {
    let (state, error) = (now.word("DeliveryState"), now.word("LastError"));
    // A try that was made since then has failed too.
    let tried = now.time("LastAnswerAt") != before.time("LastAnswerAt");
    let over = match state {
        "misconfigured" | "opted-out" | "waiting-consent" | "waiting-clock" | "held-metered"
        | "held-budget" => true,
        "failing" => tried || late,
        _ => late,
    };
    over.then(|| {
        let mut why = match (state, error) {
            ("failing", error) if !error.is_empty() => error.to_owned(),
            (_, "") => ask::meaning(state).unwrap_or("nothing moves").to_owned(),
            _ => format!("{}; {error}", ask::meaning(state).unwrap_or("nothing moves")),
        };
        why = format!("{}: {why}", ask::waiting(left));
        if let Some(at) = now.time("NextTry") {
            why = format!("{why}; next try {}", ask::until(at.0));
        }
        why
    })
}
