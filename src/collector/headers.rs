//! Further headers of requests: a file of `Name: value` lines. What it holds is secret and is never
//! shown.

use std::path::Path;

use reqwest::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, TRANSFER_ENCODING,
};

use super::files::{self, Key, Mistake};

const HEADERS: Key = Key("otlp", "headers_file");
/// The most of them, and the most bytes of all lines.
const MOST: usize = 32;
const MOST_BYTES: usize = 16 * 1024;
/// What the agent or the HTTP client says of a request.
const OURS: [HeaderName; 6] =
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING];

/// Reads the headers. Blank lines and those that begin with `#` say nothing.
///
/// Errors: the file cannot be read, or the number of a line that is no header.
pub(super) fn read(path: &Path) -> Result<HeaderMap, Mistake> {
    let bytes = files::read(path, HEADERS)?;
    parse(&bytes).map_err(|(line, why)| {
        let place = path.display();
        let line = if line > 0 { format!(":{line}") } else { String::new() };
        (HEADERS, format!("{place}{line}: {why}"))
    })
}

/// What a look at the file finds: what is wrong, and what is surely not meant.
pub(super) fn look(path: &Path) -> (Option<Mistake>, Option<Mistake>) {
    let public = || {
        let path = path.display();
        (HEADERS, format!("everybody may read {path}, which holds secrets: `chmod 600 {path}`"))
    };
    (read(path).err(), files::is_public(path).then(public))
}

fn parse(bytes: &[u8]) -> Result<HeaderMap, (usize, String)> {
    if bytes.len() > MOST_BYTES {
        return Err((0, format!("expected at most {MOST_BYTES} bytes of headers")));
    }
    let mut headers = HeaderMap::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let wrong = |why: &str| (number, why.to_owned());
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or_default();
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        let name = HeaderName::from_bytes(name).map_err(|_| wrong("expected 'Name: value'"))?;
        let mut value = HeaderValue::from_bytes(value.trim_ascii())
            .map_err(|_| wrong("expected a value without control characters"))?;
        if OURS.contains(&name) {
            return Err(wrong("the agent sets this header itself"));
        }
        if headers.len() == MOST {
            return Err((number, format!("expected at most {MOST} headers")));
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_headers_and_a_bad_one_is_named_by_its_number() {
        let good = parse(b"# of the lab\nX-Key:  a:b \r\n\nx-key: c\nAuthorization: Bearer t")
            .expect("good");
        let of = |name: &str| -> Vec<_> {
            good.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
        };
        assert_eq!((of("x-key"), of("authorization")), (vec!["a:b", "c"], vec!["Bearer t"]));
        for (text, line, why) in [
            ("a: b\nsecret", 2, "Name: value"),
            (": secret", 1, "Name: value"),
            ("se cret: x", 1, "Name: value"),
            ("x: sec\u{1}ret", 1, "control"),
            ("Content-Type: secret", 1, "itself"),
            ("host: secret", 1, "itself"),
        ] {
            let (number, found) = parse(text.as_bytes()).expect_err(text);
            assert!(number == line && found.contains(why), "{text}: {number}, {found}");
            assert!(!found.contains("secret"), "{found}");
        }
        let many: String = (0..33).map(|n| format!("x-{n}: y\n")).collect();
        assert_eq!(parse(many.as_bytes()).expect_err("many").0, 33);
        assert_eq!(parse("x: y\n".repeat(4_000).as_bytes()).expect_err("long").0, 0);
    }
}
