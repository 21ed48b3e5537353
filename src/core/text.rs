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
    fn long_texts_and_numbers_are_short() {
        assert_eq!(shortened("äöü".into(), 3), "ä ...");
        assert_eq!(shortened("abc".into(), 3), "abc");
        assert!(why("x".repeat(5_000)).len() < 1_100);
        let numbers = [0.0, 12.5, -3.0, 1e308, 1e-300, f64::INFINITY, 1e9].map(number);
        assert_eq!(numbers, ["0", "12.5", "-3", "1e308", "1e-300", "inf", "1000000000"]);
    }
}
