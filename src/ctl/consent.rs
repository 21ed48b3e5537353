//! `playheadctl consent`: what the viewer allows, and saying so.

use serde_json::json;

use super::ask::Properties;
use super::{Failure, agent, ask, output};
use crate::cli::{ConsentArgs, ConsentWord};
use crate::dbus::{AGENT_INTERFACE, BusAddress};

pub(super) async fn run(address: BusAddress, args: ConsentArgs) -> Result<(), Failure> {
    let connection = agent::connect(address).await?;
    let properties = Properties::of(&connection).await?;
    properties.configured()?;
    let before = properties.word("Consent").to_owned();
    let Some(word) = args.word else {
        return match args.json {
            true => output::print_json(&json!({"consent": before}).to_string()),
            false => output::print(&format!("{before}\n")),
        };
    };
    ask::call(&connection, AGENT_INTERFACE, "SetConsent", &(word.name(),)).await?;
    match args.json {
        true => {
            let done = json!({"consent": word.name(), "before": before});
            output::print_json(&done.to_string())
        }
        false => {
            let done = match word {
                ConsentWord::In => "hits are sent",
                ConsentWord::Out => {
                    "sessions ended without a hit, and what waited, resume points and the id of \
                     the box are deleted"
                }
                ConsentWord::Unknown => "everything is tracked and kept, nothing is sent",
            };
            output::print(&format!("{} (before: {before}): {done}\n", word.name()))
        }
    }
}
