//! What is one viewing, and what it is called (behaviour.md 1.7, "What is one viewing").

use std::collections::BTreeMap;

use crate::core::text::number;
use crate::core::tracker::info::{Info, Value};

/// A longer URL, and every `data:` URL, is cut and ends in a hash.
const MOST_URL_BYTES: usize = 512;
const MOST_DATA_URL_BYTES: usize = 64;
/// Other texts are cut here (behaviour.md 2.8).
const MOST_TEXT_BYTES: usize = 4096;

/// The part of `Metadata` that matters here. Texts that are not there are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    pub track_id: String,
    pub url: String,
    pub title: String,
    pub album: String,
    pub artist: String,
    /// Seconds.
    pub length: Option<f64>,
}

impl Track {
    /// Whether nothing in it tells what is played. The track id alone does not: many players have
    /// one for everything.
    pub fn blank(&self) -> bool {
        self.url.is_empty() && self.title.is_empty()
    }

    /// `media.id`: the URL, else title, album and length, which are the same after a restart.
    pub fn media_id(&self) -> String {
        if !self.url.is_empty() {
            return self.url.clone();
        }
        let mut id = self.title.clone();
        if !self.album.is_empty() {
            id.push_str(" / ");
            id.push_str(&self.album);
        }
        if let Some(length) = self.length {
            id.push_str(" / ");
            id.push_str(&number(length.round()));
            id.push_str(" s");
        }
        fit(&id, MOST_URL_BYTES)
    }

    /// Whether `new` is still the viewing of this track. `continuous`: the position goes on as
    /// expected, as far as anybody knows.
    pub fn goes_on(&self, new: &Track, continuous: bool) -> bool {
        let named_alike = self.track_id == new.track_id && self.title == new.title;
        match (self.url.is_empty(), new.url.is_empty()) {
            (false, false) => self.url == new.url,
            (true, true) => {
                let lengths = (self.length, new.length);
                let other = matches!(lengths, (Some(a), Some(b)) if a != b);
                named_alike && self.album == new.album && (continuous || !other)
            }
            // The URL came late, or is missing for once.
            _ => named_alike && continuous,
        }
    }

    /// Whether `new` describes the same thing in other words: fields come piecemeal and out of
    /// order.
    fn completes(&self, new: &Track) -> bool {
        let clash = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
        let shared = |a: &str, b: &str| !a.is_empty() && a == b;
        !clash(&self.url, &new.url)
            && !clash(&self.title, &new.title)
            && !clash(&self.track_id, &new.track_id)
            && (shared(&self.url, &new.url)
                || shared(&self.title, &new.title)
                || shared(&self.track_id, &new.track_id)
                    && (self.url.is_empty() != new.url.is_empty()
                        || self.title.is_empty() != new.title.is_empty()))
    }

    /// Takes what is missing here from what was said before of the same thing.
    pub fn fill_from(&mut self, before: &Track) {
        if !before.completes(self) {
            return;
        }
        for (into, from) in [
            (&mut self.url, &before.url),
            (&mut self.title, &before.title),
            (&mut self.track_id, &before.track_id),
            (&mut self.album, &before.album),
            (&mut self.artist, &before.artist),
        ] {
            if into.is_empty() {
                into.clone_from(from);
            }
        }
        self.length = self.length.or(before.length);
    }

    /// The info of a session of this track (behaviour.md 1.2).
    pub fn info(&self, id: &str) -> Info {
        let text = |s: &str| Value::Text(s.to_owned());
        let mut info = Info::from([("id".to_owned(), text(id))]);
        if !self.title.is_empty() {
            info.insert("name".to_owned(), text(&self.title));
        }
        if let Some(length) = self.length {
            info.insert("length".to_owned(), Value::Float(length));
        }
        let mut metadata = BTreeMap::new();
        for (key, value) in [("media.artist", &self.artist), ("media.album", &self.album)] {
            if !value.is_empty() {
                metadata.insert(key.to_owned(), value.clone());
            }
        }
        if !metadata.is_empty() {
            info.insert("metadata".to_owned(), Value::Dict(metadata));
        }
        info
    }
}

/// A URL as an id.
pub fn url(url: &str) -> String {
    let data = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    match data {
        true => cut(url, MOST_DATA_URL_BYTES),
        false => fit(url, MOST_URL_BYTES),
    }
}

/// A text, cut at the limit of every text.
pub fn text(text: &str) -> String {
    text[..boundary(text, MOST_TEXT_BYTES)].to_owned()
}

fn fit(text: &str, most: usize) -> String {
    if text.len() <= most { text.to_owned() } else { cut(text, most) }
}

/// The beginning of a text and a hash of all of it.
fn cut(text: &str, most: usize) -> String {
    // FNV-1a: the same on every box and in every version.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{}#{hash:016x}", &text[..boundary(text, most - 17)])
}

fn boundary(text: &str, most: usize) -> usize {
    if text.len() <= most {
        return text.len();
    }
    (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(id: &str, url: &str, title: &str, length: Option<f64>) -> Track {
        let (track_id, url, title) = (id.into(), url.into(), title.into());
        Track { track_id, url, title, length, ..Track::default() }
    }

    #[test]
    fn ids_are_short_stable_and_tell_apart() {
        let long = |end: &str| url(&format!("http://h.example/{}{end}", "x".repeat(5 << 20)));
        assert_eq!(long("a").len(), 512);
        assert_ne!(long("a"), long("b"));
        assert_eq!(url("file:///a"), "file:///a");
        let data = url("data:video/mp4;base64,AAAA");
        assert!(data.starts_with("data:video/mp4") && data.len() == 26 + 17, "{data}");
        assert!(url(&"ä".repeat(400)).len() <= 512, "cut at a character");
        let clip = track("/t", "", "Clip", Some(100.2));
        assert_eq!(clip.media_id(), "Clip / 100 s");
        assert_eq!(Track { album: "Album".into(), ..clip }.media_id(), "Clip / Album / 100 s");
    }

    #[test]
    fn each_case_of_the_rule_of_one_viewing() {
        let film = track("/t/1", "file:///f", "Film", Some(600.0));
        let clip = track("/t", "", "Clip", Some(100.0));
        let endless = track("/t", "", "Clip", None);
        for (name, old, new, continuous, same) in [
            ("the url alone counts", &film, track("/t/9", "file:///f", "x", None), false, true),
            ("another url", &film, track("/t/1", "file:///g", "Film", None), true, false),
            ("another title", &clip, track("/t", "", "Clap", Some(100.0)), true, false),
            ("another track id", &clip, track("/u", "", "Clip", Some(100.0)), true, false),
            ("another length, goes on", &clip, track("/t", "", "Clip", Some(90.0)), true, true),
            ("another length, jumps", &clip, track("/t", "", "Clip", Some(90.0)), false, false),
            ("a length at last", &endless, clip.clone(), false, true),
            ("the url is late", &clip, track("/t", "file:///c", "Clip", None), true, true),
        ] {
            assert_eq!(old.goes_on(&new, continuous), same, "{name}");
        }
    }

    #[test]
    fn fields_come_piecemeal_and_another_track_takes_nothing_over() {
        let full = track("/t/2", "file:///l", "Lanterns", Some(300.0));
        let mut part = track("/t/2", "", "Lanterns", None);
        part.fill_from(&full);
        assert_eq!(part, full);
        let mut only_url = track("/t/2", "file:///l", "", None);
        only_url.fill_from(&track("/t/2", "", "Lanterns", Some(300.0)));
        assert_eq!(only_url, full);
        let mut next = track("/ff", "", "Second", None);
        next.fill_from(&track("/ff", "", "First", Some(100.0)));
        assert_eq!(next.length, None);
    }
}
