//! `playheadctl resume-points`: where viewers stopped.

use serde_json::Value;

use super::queue::cell;
use super::{Failure, agent, ask, output};
use crate::cli::OutputArgs;
use crate::dbus::BusAddress;

pub(super) async fn run(address: BusAddress, args: OutputArgs) -> Result<(), Failure> {
    let connection = agent::connect(address).await?;
    ask::configured(&connection).await?;
    let list = ask::list(&connection, "resume-points").await?;
    match args.json {
        true => output::print_json(&list.to_string()),
        false => output::print(&text(&list)),
    }
}

fn text(list: &Value) -> String {
    let points = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if points.is_empty() {
        return "no resume points\n".to_owned();
    }
    let row = |point: &Value| {
        let seconds = |name: &str| point[name].as_f64().unwrap_or_default();
        let length = match seconds("length") {
            unknown if unknown <= 0.0 => "-".to_owned(),
            known => output::position(known),
        };
        vec![
            cell(point, "app"),
            cell(point, "media"),
            output::position(seconds("position")),
            if point["live"] == true { "live".to_owned() } else { length },
            ask::time(&point["ended_at"]),
            if point["completed"] == true { "yes" } else { "no" }.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = points.iter().map(row).collect();
    output::table(&["APP", "MEDIA", "POSITION", "LENGTH", "ENDED", "COMPLETED"], &rows)
}
