//! A file that was read, section by section.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::short;
use super::merge::{Merged, unknown, unknown_key};
use super::schema::{BESIDE, INSIDE, Origin, RULES, find, is_section, section_name, sections};
use super::value::take;

/// A key of a file, with its place.
type Name<'i> = Spanned<Cow<'i, str>>;

impl Merged {
    /// Takes what a file says.
    pub(super) fn add_text(&mut self, source: usize, text: &str) {
        let lines = Lines::of(source, text);
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let message = error.message().trim().replace('\n', ", ");
                self.unreadable = true;
                let place = lines.at(error.span().unwrap_or_default());
                return self.wrong(place, String::new(), message);
            }
        };
        for (name, table) in by_line(document.get_ref()) {
            let section = name.get_ref();
            let known = is_section(section) || section == BESIDE;
            if !known && !self.has_room(source) {
                continue;
            }
            let message = match table.get_ref().as_table() {
                Some(tables) if section == BESIDE => {
                    self.add_collectors(&lines, tables);
                    continue;
                }
                Some(keys) if known => {
                    self.add_section(&lines, None, section, keys);
                    continue;
                }
                None if known => {
                    let section = if section == BESIDE { "collectors.NAME" } else { section };
                    no_section(section, table.get_ref())
                }
                table => match RULES.iter().find(|rule| rule.key == *section) {
                    Some(rule) if table.is_none() => {
                        format!("`{section}` belongs to the section [{}]", rule.section)
                    }
                    _ => unknown("section", section, sections()),
                },
            };
            self.wrong(lines.at(name.span()), String::new(), message);
        }
    }

    /// Takes the sections of the collectors beside the first.
    fn add_collectors(&mut self, lines: &Lines, tables: &DeTable<'_>) {
        for (name, table) in by_line(tables) {
            let place = lines.at(name.span());
            match table.get_ref().as_table() {
                Some(keys) => {
                    let name = name.get_ref();
                    if self.admit(name, place) {
                        self.add_section(lines, Some(name), "collector", keys);
                    }
                }
                None if self.has_room(lines.source) => {
                    let message = no_section("collectors.NAME", table.get_ref());
                    self.wrong(place, format!("{BESIDE}.{}", short(name.get_ref())), message);
                }
                None => {}
            }
        }
    }

    /// Takes the keys of a section, of a collector beside the first if one is named.
    fn add_section(
        &mut self,
        lines: &Lines,
        collector: Option<&str>,
        section: &str,
        keys: &DeTable<'_>,
    ) {
        for (key, value) in by_line(keys) {
            let name = key.get_ref();
            let inside = collector.is_some() && section == "collector";
            let inside = INSIDE.into_iter().find(|section| inside && section == name);
            match (find(section, name), inside) {
                (Some(index), _) => {
                    let taken = take(RULES[index].kind, value.get_ref());
                    self.set(collector, index, taken, lines.at(value.span()));
                }
                (None, Some(section)) => match value.get_ref().as_table() {
                    Some(keys) => self.add_section(lines, collector, section, keys),
                    None => {
                        let full = section_name(collector, section);
                        let message = no_section(&full, value.get_ref());
                        self.wrong(lines.at(key.span()), String::new(), message);
                    }
                },
                (None, None) if self.has_room(lines.source) => {
                    let (full, message) = unknown_key(collector, section, name);
                    self.wrong(lines.at(key.span()), full, message);
                }
                (None, None) => {}
            }
        }
    }
}

/// Where the lines of a text begin.
struct Lines {
    source: usize,
    ends: Vec<usize>,
}

impl Lines {
    fn of(source: usize, text: &str) -> Lines {
        Lines { source, ends: text.match_indices('\n').map(|(end, _)| end).collect() }
    }

    fn at(&self, span: std::ops::Range<usize>) -> Origin {
        let line = self.ends.partition_point(|end| *end < span.start) + 1;
        Origin::Place { source: self.source, line }
    }
}

/// What is in a table, in the order of its lines.
fn by_line<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Name<'i>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| name.span().start);
    entries
}

fn no_section(section: &str, value: &DeValue<'_>) -> String {
    format!("expected a section, [{section}], got a value of the type {}", value.type_str())
}
