//! Introspection from the checked-in XML under `dbus/` (build.rs removes its comments).
//! docs/dbus.md has the same source, so it cannot differ from the live object.

use std::fmt::Write;

/// Writes the `<interface>` of an XML file, at zbus's own indentation.
pub(super) fn write(writer: &mut dyn Write, level: usize, xml: &str) {
    let from = xml.find("<interface").unwrap_or(xml.len());
    let to = xml.rfind("</interface>").map_or(from, |at| at + "</interface>".len());
    for line in xml[from..to].lines() {
        let line = line.strip_prefix("  ").unwrap_or(line);
        // Writing into a string does not fail.
        let _ = writeln!(writer, "{:level$}{line}", "");
    }
}
