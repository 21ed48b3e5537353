//! The kinds of collectors of Adobe's, so that one test runs with each of them: what the configuration
//! says, and hits in the same words.

use playheadd::bench::Record;

use super::from_edge;

/// A datastream, which Media Edge wants to have named.
pub const DATASTREAM: &str = "11111111-2222-4333-8444-555555555555";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    MediaCollection,
    MediaEdge,
}

impl Kind {
    /// `collector.kind`, as a line.
    pub fn key(self) -> &'static str {
        match self {
            Kind::MediaCollection => "kind = \"media-collection\"\n",
            Kind::MediaEdge => "kind = \"media-edge\"\n",
        }
    }

    /// What the configuration needs besides, and `more`.
    pub fn sections(self, more: &str) -> String {
        match self {
            Kind::MediaCollection => more.to_owned(),
            Kind::MediaEdge => format!("[edge]\ndatastream_id = \"{DATASTREAM}\"\n\n{more}"),
        }
    }
}

/// Makes a test of each function that takes a kind, for both of them.
#[macro_export]
macro_rules! with_both_kinds {
    ($($name:ident),+ $(,)?) => {
        mod media_collection {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::common::Kind::MediaCollection).await;
            })+
        }
        mod media_edge {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::common::Kind::MediaEdge).await;
            })+
        }
    };
}

/// A request in the words of the Media Collection API, whatever its kind. Its status stays.
pub fn in_the_same_words(record: &Record) -> Record {
    let mut record = record.clone();
    if record.body.get("events").is_none() {
        return record;
    }
    let mut events = from_edge::events(&record.body);
    match events.len() {
        1 if !record.path.contains("/downloaded") => {
            record.body = events.remove(0);
            record.path = match (&*record.body["eventType"].to_string(), &record.sid) {
                ("\"sessionStart\"", _) | (_, None) => "/api/v1/sessions".to_owned(),
                (_, Some(sid)) => format!("/api/v1/sessions/{sid}/events"),
            };
        }
        _ => {
            record.body = events.into();
            record.path = "/api/v1/downloaded".to_owned();
        }
    }
    record
}
