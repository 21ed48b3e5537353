//! The page of the bench collector: its files, and what a browser may do with them.

use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap};
use hyper::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, header::HeaderValue};

use super::mistakes_page;

/// Nothing but the page's own script and style, from where the page is, and no other site around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const DOCUMENT: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/page.css");
const ICON: &str = include_str!("page/icon.svg");
/// One script; its parts are files of their own to be read.
const SCRIPT: &str = concat!(
    "'use strict';\n",
    include_str!("page/model.js"),
    include_str!("page/player.js"),
    include_str!("page/figures.js"),
    include_str!("page/findings.js"),
    include_str!("page/files.js"),
    include_str!("page/look.js"),
    include_str!("page/draw.js"),
    include_str!("page/move.js"),
    include_str!("page/panels.js"),
    include_str!("page/main.js"),
);

/// The file at this path of the page; `None`: the page has no such.
pub(super) fn file(path: &str) -> Option<Response<Bytes>> {
    let path = path.split('?').next().unwrap_or_default();
    let (kind, text) = match path {
        "/" => ("text/html", DOCUMENT.into()),
        "/bench/page.js" => ("text/javascript", SCRIPT.into()),
        "/bench/page.css" => ("text/css", STYLE.into()),
        "/bench/icon.svg" => ("image/svg+xml", ICON.into()),
        "/bench/integrating-a-player" => ("text/html", mistakes_page::html()),
        _ => return None,
    };
    let mut answer = Response::new(Bytes::from(text));
    protect(answer.headers_mut());
    let kind = HeaderValue::from_str(&format!("{kind}; charset=utf-8"));
    answer.headers_mut().insert(CONTENT_TYPE, kind.expect("a name and a word"));
    Some(answer)
}

/// What a browser is told with the page and with what the page reads.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whether the page was asked for by an address or as `localhost`. Under any other name it could be the page
/// of a stranger whose name leads here, and its script would read the hits.
pub(super) fn is_own_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    host.parse::<std::net::SocketAddr>().is_ok()
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
        || host.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_host(host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header"));
        is_own_host(&headers)
    }

    #[test]
    fn a_name_that_leads_here_is_not_this_host() {
        for own in
            ["127.0.0.1:8970", "127.0.0.1", "[::1]:8970", "[::1]", "localhost", "localhost:1"]
        {
            assert!(of_host(own), "{own}");
        }
        for other in ["evil.example:8970", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!of_host(other), "{other}");
        }
        assert!(!is_own_host(&HeaderMap::new()));
    }

    #[test]
    fn the_page_takes_nothing_from_elsewhere() {
        let elsewhere = ["http://", "https://", "style=", "onclick", "<style"];
        for file in [DOCUMENT, STYLE] {
            for word in elsewhere {
                assert!(!file.contains(word), "{word} in {file}");
            }
        }
        assert_eq!(DOCUMENT.matches("<script").count(), 1);
        assert_eq!(DOCUMENT.matches("rel=\"stylesheet\"").count(), 1);
        for word in ["innerHTML", "eval(", "insertAdjacentHTML", "document.write"] {
            assert!(!SCRIPT.contains(word), "{word} in the script");
        }
    }
}
