//! What every command's output has in common: where it goes, tables, and the agent's properties
//! as JSON.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use serde_json::{Value, json};
use zbus::{Connection, OwnedVariant, Variant};

use super::Failure;
use crate::core::text::printable;
use crate::dbus::BUS_NAME;

/// Prints JSON on a line of its own, harmless on a terminal.
pub(super) fn print_json(json: &str) -> Result<(), Failure> {
    print(&format!("{}\n", printable(json)))
}

/// Prints to standard output; a reader that went away is no failure. What others have said in it has
/// to be printable.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write: {e}")))
        }
        _ => Ok(()),
    }
}

/// Whether to colour standard output: it is a terminal, and `NO_COLOR` is not set.
pub(super) fn colour() -> bool {
    #[allow(clippy::disallowed_methods)]
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    std::io::stdout().is_terminal() && !unwanted
}

/// Columns as wide as their widest cell, printable, without trailing blanks.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let shown = |row: &Vec<String>| row.iter().map(|c| printable(c).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(head.to_vec());
    for row in &rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

/// All properties of an interface of the agent.
pub(super) async fn properties(
    connection: &Connection,
    path: &str,
    interface: &str,
) -> Result<BTreeMap<String, Value>, Failure> {
    let reply = connection
        .call_method(
            Some(BUS_NAME),
            path,
            Some("org.freedesktop.DBus.Properties"),
            "GetAll",
            &(interface,),
        )
        .await
        .map_err(not_there)?;
    let values: BTreeMap<String, OwnedVariant> = reply.body().deserialize().map_err(unreadable)?;
    Ok(values.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
}

/// Says what to do when nobody answers.
pub(super) fn not_there(error: zbus::Error) -> Failure {
    match error {
        zbus::Error::FDO(ref known) if matches!(**known, zbus::fdo::Error::ServiceUnknown(_)) => {
            let message = "playheadd does not run: it is not on this bus; is this the right bus \
                           (--bus, --bus-address)?";
            Failure { status: 3, message: message.into() }
        }
        error => Failure::failed(format!("playheadd did not answer: {error}")),
    }
}

pub(super) fn unreadable(error: zbus::Error) -> Failure {
    Failure::failed(format!("the answer cannot be read (is playheadd another version?): {error}"))
}

pub(super) fn to_json(value: &Variant<'_>) -> Value {
    match value {
        Variant::Bool(b) => json!(b),
        Variant::I32(n) => json!(n),
        Variant::U32(n) => json!(n),
        Variant::I64(n) => json!(n),
        Variant::U64(n) => json!(n),
        Variant::F64(n) => json!(n),
        Variant::Str(s) => json!(s.as_str()),
        Variant::ObjectPath(p) => json!(p.as_str()),
        Variant::Variant(inner) => to_json(inner),
        Variant::Array(items) => items.inner().iter().map(to_json).collect(),
        Variant::Dict(dict) => {
            let member = |(key, value): (&Variant<'_>, &Variant<'_>)| {
                let key = to_json(key);
                (key.as_str().map_or_else(|| key.to_string(), str::to_owned), to_json(value))
            };
            Value::Object(dict.iter().map(member).collect())
        }
        other => json!(other.to_string()),
    }
}

/// `1:02:03` or `2:03` for a position in seconds.
pub(super) fn position(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let rows = vec![vec!["1".into(), "playing".into()], vec!["12".into(), "x".into()]];
        assert_eq!(table(&["N", "STATE"], &rows), "N   STATE\n1   playing\n12  x\n");
        assert_eq!(table(&["N"], &[]), "N\n");
        let odd = vec![vec!["a\nb\u{1b}[31m".into(), "c".into()]];
        assert_eq!(table(&["N", "M"], &odd), "N                   M\na\\u000ab\\u001b[31m  c\n");
    }
}
