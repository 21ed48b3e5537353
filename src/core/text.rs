//! Texts and numbers of others, fit to be shown to people: in errors, in the log, on a terminal.

use std::borrow::Cow;

/// Bytes of an error's text. What it quotes may be longer.
const MOST_WHY: usize = 1024;

/// Whether a character could do something to a terminal, or to the order of what is around it: C0 and
/// C1 controls, line separators, and the controls of bidirectional text.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// A text with every character that acts written as JSON escapes it (`\u001b`). JSON stays the same
/// JSON.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match acts(c) {
            true => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => shown.push(c),
        }
    }
    shown.into()
}

/// The beginning of a text that is too long.
pub fn shortened(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

/// An error's text, however much it quotes.
pub fn why(text: String) -> String {
    shortened(text, MOST_WHY)
}

/// The known word that somebody most likely meant: capitals do not count, and at most a third of
/// the letters differ (two of a short word). `None` when nothing is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let word: Vec<char> = word.to_lowercase().chars().take(LONGEST).collect();
    let near = known.into_iter().map(|known| (distance(&word, known), known));
    let (distance, known) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.len() / 3).max(2).min(word.len() / 2)).then_some(known)
}

/// How many letters differ, are missing, are too many or have changed places with their neighbour.
fn distance(word: &[char], known: &str) -> usize {
    let known: Vec<char> = known.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; known.len() + 1]; word.len() + 1];
    for i in 0..=word.len() {
        for j in 0..=known.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let differs = usize::from(word[i - 1] != known[j - 1]);
                let mut least = rows[i - 1][j - 1] + differs;
                least = least.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && word[i - 1] == known[j - 2] && word[i - 2] == known[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[word.len()][known.len()]
}

/// A URL for everybody: without user, password and path.
pub fn shown_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{}", host(url)),
        None => host(url),
    }
}

/// The host of a URL with its port, and nothing more of it. A password may hold any character.
pub fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit('@').next().unwrap_or_default();
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}

/// A number in few digits: `1e308` is not written out.
pub fn number(n: f64) -> String {
    match n == 0.0 || !n.is_finite() || (1e-6..1e15).contains(&n.abs()) {
        true => n.to_string(),
        false => format!("{n:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        assert!(matches!(printable("Café 日本 \u{1f600}"), Cow::Borrowed(_)));
        for (text, shown) in [
            ("\u{1b}[2J", r"\u001b[2J"),
            ("a\r\nb\tc\u{7f}", r"a\u000d\u000ab\u0009c\u007f"),
            ("\u{9b}31m", r"\u009b31m"),
            ("\u{202e}gpj\u{2066}\u{2028}", r"\u202egpj\u2066\u2028"),
        ] {
            assert_eq!(printable(text), shown);
        }
        let json = serde_json::json!({"a": "\u{9b}x\u{202e}\u{7f}"});
        let shown = printable(&json.to_string()).into_owned();
        assert!(shown.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), json);
    }

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["id", "name", "length", "content_type", "downloaded"];
        for (word, meant) in [
            ("Length", Some("length")),
            ("lenght", Some("length")),
            ("contentType", Some("content_type")),
            ("download", Some("downloaded")),
            ("nam", Some("name")),
            ("ID", Some("id")),
            ("x", None),
            ("", None),
            ("resolution", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"l".repeat(100_000), known), None);
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("http://10.0.0.1/va", "http://10.0.0.1"),
            ("ftp://user:secret@x", "ftp://x"),
            ("https://user:se/cr@et@host:8080/path?token=1", "https://host:8080"),
            ("user:secret@host/path", "host"),
            ("https://", "https://"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn long_texts_and_numbers_are_short() {
        assert_eq!(shortened("äöü".into(), 3), "ä ...");
        assert_eq!(shortened("abc".into(), 3), "abc");
        assert!(why("x".repeat(5_000)).len() < 1_100);
        let numbers = [0.0, 12.5, -3.0, 1e308, 1e-300, f64::INFINITY, 1e9].map(number);
        assert_eq!(numbers, ["0", "12.5", "-3", "1e308", "1e-300", "inf", "1000000000"]);
    }
}
