//! `playheadctl sessions`: the sessions that are open.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use zbus::{OwnedObjectPath, OwnedVariant};

use super::{Failure, agent, ask, output};
use crate::cli::OutputArgs;
use crate::dbus::{AGENT_PATH, BUS_NAME, BusAddress, SESSION_INTERFACE};

type Objects = HashMap<OwnedObjectPath, BTreeMap<String, BTreeMap<String, OwnedVariant>>>;

pub(super) async fn run(address: BusAddress, args: OutputArgs) -> Result<(), Failure> {
    let connection = agent::connect(address).await?;
    ask::configured(&connection).await?;
    let manager = Some("org.freedesktop.DBus.ObjectManager");
    let reply = connection
        .call_method(Some(BUS_NAME), AGENT_PATH, manager, "GetManagedObjects", &())
        .await
        .map_err(output::not_there)?;
    let objects: Objects = reply.body().deserialize().map_err(output::unreadable)?;
    let mut sessions: Vec<(u64, BTreeMap<String, Value>)> = objects
        .iter()
        .filter_map(|(path, interfaces)| {
            let number = path.as_str().rsplit('/').next()?.parse().ok()?;
            let properties = interfaces.get(SESSION_INTERFACE)?;
            let values = properties.iter().map(|(k, v)| (k.clone(), output::to_json(v)));
            Some((number, values.collect()))
        })
        .collect();
    sessions.sort_by_key(|(number, _)| *number);
    match args.json {
        true => {
            let list: Vec<Value> = sessions
                .into_iter()
                .map(|(number, mut values)| {
                    values.insert("Session".into(), json!(number));
                    json!(values)
                })
                .collect();
            output::print_json(&Value::Array(list).to_string())
        }
        false => output::print(&text(&sessions)),
    }
}

fn text(sessions: &[(u64, BTreeMap<String, Value>)]) -> String {
    if sessions.is_empty() {
        return "no sessions\n".into();
    }
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|(number, p)| {
            let word = |name: &str| p.get(name).and_then(Value::as_str).unwrap_or_default();
            let is = |name: &str| p.get(name) == Some(&json!(true));
            let playhead = p.get("Playhead").and_then(Value::as_f64).unwrap_or_default();
            vec![
                number.to_string(),
                word("App").to_owned(),
                word("MediaId").to_owned(),
                word("State").to_owned(),
                output::position(playhead),
                if is("Resumed") { "yes" } else { "no" }.to_owned(),
                if is("Opened") { "yes" } else { "not yet" }.to_owned(),
                p.get("Queued").map(Value::to_string).unwrap_or_default(),
            ]
        })
        .collect();
    output::table(
        &["N", "APP", "MEDIA", "STATE", "POSITION", "RESUMED", "OPENED", "WAITING"],
        &rows,
    )
}
