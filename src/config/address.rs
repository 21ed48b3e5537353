//! Addresses: URLs, hosts, buses, files and names, refused where they cannot work.

use super::error::short;
use super::kind::Kind;
use crate::core::text::shown_url;

/// The only variable that a path may begin with: where systemd puts a service's credentials.
pub(super) const CREDENTIALS: &str = "${CREDENTIALS_DIRECTORY}/";
/// What the names of all MPRIS players begin with; patterns leave it out.
const MPRIS_PREFIX: &str = "org.mpris.MediaPlayer2.";

/// URL of a collector: requests append their path to it, so it ends with a path.
pub(super) fn collector(url: &str) -> Result<(), String> {
    let (_, rest) = scheme(url, Kind::Url)?;
    let authority = authority(rest);
    if authority.contains('@') {
        let shown = shown_url(url);
        return Err(format!("expected a URL without user and password, got '{}'", short(&shown)));
    }
    if rest.contains(['?', '#']) {
        return Err(format!(
            "expected a URL without '?' and '#', got '{}'",
            short(&shown_url(url))
        ));
    }
    host_and_port(authority, url)
}

/// URL of a proxy; user and password may stand in it. SOCKS is not built in.
pub(super) fn proxy(url: &str) -> Result<(), String> {
    let (_, rest) = scheme(url, Kind::Proxy)?;
    let authority = authority(rest);
    host_and_port(authority.rsplit('@').next().unwrap_or_default(), url)
}

/// Scheme and rest of an http:// or https:// URL without blanks.
fn scheme(url: &str, kind: Kind) -> Result<(&str, &str), String> {
    let wrong = |why: &str| format!("expected {kind}{why}, got '{}'", short(&shown_url(url)));
    match url.split_once("://") {
        Some(("http" | "https", _))
            if url.contains(|c: char| c.is_whitespace() || c.is_control()) =>
        {
            Err(wrong(" without blanks"))
        }
        Some((scheme @ ("http" | "https"), rest)) => Ok((scheme, rest)),
        Some(("socks" | "socks4" | "socks4a" | "socks5" | "socks5h", _)) => {
            Err(wrong(" (SOCKS is not built in)"))
        }
        Some(_) => Err(wrong("")),
        // Without a scheme it may be anything.
        None => Err(format!("expected {kind}, got a text without http:// or https://")),
    }
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn host_and_port(authority: &str, url: &str) -> Result<(), String> {
    let shown = || short(&shown_url(url));
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, after)) => (Host::V6(v6), after),
        None => match authority.split_once(':') {
            Some((name, _)) => (Host::Name(name), &authority[name.len()..]),
            None => (Host::Name(authority), ""),
        },
    };
    match host {
        Host::Name("") => return Err(format!("expected a URL with a host, got '{}'", shown())),
        Host::Name(name) if !is_host(name) => {
            return Err(format!("expected a host of ASCII letters and digits in '{}'", shown()));
        }
        Host::V6(v6) if v6.parse::<std::net::Ipv6Addr>().is_err() => {
            return Err(format!("expected an IPv6 address between [ and ] in '{}'", shown()));
        }
        _ => {}
    }
    let port = port.strip_prefix(':').map_or(Ok(1), str::parse::<u16>);
    match port {
        Ok(1..) => Ok(()),
        _ => Err(format!("expected a port from 1 to 65535 in '{}'", shown())),
    }
}

enum Host<'a> {
    Name(&'a str),
    V6(&'a str),
}

/// Names of other alphabets are written as `xn--...`: their tables are not built in.
fn is_host(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// Name of a host, without a scheme; a port may follow.
pub(super) fn host(name: &str) -> Result<(), String> {
    let (host, port) = name.split_once(':').unwrap_or((name, "1"));
    match is_host(host) && !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0) {
        true => Ok(()),
        false => {
            let shown = short(&crate::core::text::host(name));
            Err(format!("expected the name of a host without scheme and path, got '{shown}'"))
        }
    }
}

/// Whether `host[:port][/...]` names this machine.
pub(super) fn is_loopback(rest: &str) -> bool {
    let authority = authority(rest);
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Path of a file, or of one among the service's credentials.
pub(super) fn file(path: &str) -> Result<(), String> {
    let name = path.strip_prefix(CREDENTIALS);
    let well = match name {
        // A credential is a file of that directory itself.
        Some(name) => !name.is_empty() && !name.contains('/') && !name.starts_with('.'),
        None => path.starts_with('/'),
    };
    match well && !path.contains('\0') {
        true => Ok(()),
        false => Err(format!("expected {}, got '{}'", Kind::File, short(path))),
    }
}

/// Whether it has the form of a UUID.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(n, byte)| match n {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Path in a schema: names with dots between them. A dot may stand at its end.
pub(super) fn schema_path(path: &str) -> Result<(), String> {
    let names = path.strip_suffix('.').unwrap_or(path);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match names.starts_with('_') && names.split('.').all(is_name) {
        true => Ok(()),
        false => {
            let kind = Kind::SchemaPath;
            Err(format!("expected {kind}, such as _tenant.media, got '{}'", short(path)))
        }
    }
}

/// `session`, `system` or an address of a bus.
pub(super) fn bus(name: &str) -> Result<(), String> {
    let address = |one: &str| match one.split_once(':') {
        Some(("unix" | "tcp" | "nonce-tcp" | "unixexec", pairs)) => {
            pairs.split(',').all(|pair| pair.split_once('=').is_some_and(|(k, _)| !k.is_empty()))
        }
        _ => false,
    };
    let whole = |name: &str| name.split(';').all(address);
    match matches!(name, "session" | "system") || whole(name) {
        true => Ok(()),
        false => Err(format!("expected {}, got '{}'", Kind::BusName, short(name))),
    }
}

/// A pattern over the names of MPRIS players.
pub(super) fn pattern(pattern: &str) -> Result<(), String> {
    let possible =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'*' | b'?');
    if pattern.starts_with(MPRIS_PREFIX) {
        return Err(format!("expected a pattern without {MPRIS_PREFIX}, got '{}'", short(pattern)));
    }
    match !pattern.is_empty() && pattern.bytes().all(possible) {
        true => Ok(()),
        false => Err(format!(
            "expected patterns of letters, digits, '_', '-', '.', '*' and '?', got '{}'",
            short(pattern)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (rest, loopback) in [
            ("127.0.0.1:80/x", true),
            ("localhost", true),
            ("[::1]:8080", true),
            ("127.0.0.1@evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(rest), loopback, "{rest}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_no_url() {
        for (url, why) in [
            ("https://c.example", ""),
            ("https://c.example:8443/a/b/", ""),
            ("https://[2001:db8::1]:443/", ""),
            ("https://xn--bcher-kva.example", ""),
            ("https://", "with a host"),
            ("https:///path", "with a host"),
            ("https://c.example:0", "a port from 1"),
            ("https://c.example:99999", "a port from 1"),
            ("https://c.example:", "a port from 1"),
            ("https://c example", "without blanks"),
            ("https://bücher.example", "ASCII"),
            ("https://[::g]", "IPv6"),
            ("https://u:p@c.example", "without user"),
            ("https://c.example/?a=b", "without '?'"),
            ("c.example", "without http://"),
            ("ftp://c.example", "an https:// URL, got 'ftp://c.example'"),
        ] {
            match collector(url) {
                Ok(()) => assert_eq!(why, "", "{url}"),
                Err(message) => {
                    assert!(!why.is_empty() && message.contains(why), "{url}: {message}")
                }
            }
        }
        for (url, why) in [
            ("http://proxy:3128", ""),
            ("https://user:se@cret@proxy.example:3128/", ""),
            ("socks5://proxy:1080", "SOCKS is not built in"),
            ("user:secret@proxy", "got a text without"),
            ("foo", "http:// or https:// URL of a proxy"),
            ("http://user:secret@", "with a host"),
        ] {
            match proxy(url) {
                Ok(()) => assert_eq!(why, "", "{url}"),
                Err(message) => {
                    assert!(!why.is_empty() && message.contains(why), "{url}: {message}");
                    assert!(!message.contains("secret"), "{message}");
                }
            }
        }
    }

    #[test]
    fn buses_files_hosts_and_patterns() {
        for (check, good, bad) in [
            (
                bus as fn(&str) -> Result<(), String>,
                &["session", "unix:path=/run/x", "tcp:host=h,port=1;unix:abstract=y"][..],
                &["", "Session", "loud", "http://x", "unix:", "unix:path", "unix:=x"][..],
            ),
            (
                file,
                &["/etc/a.pem", "${CREDENTIALS_DIRECTORY}/a.pem"],
                &[
                    "a.pem",
                    "./a",
                    "${HOME}/a",
                    "${CREDENTIALS_DIRECTORY}",
                    "${CREDENTIALS_DIRECTORY}/",
                    "${CREDENTIALS_DIRECTORY}/../shadow",
                    "$CREDENTIALS_DIRECTORY/a",
                ],
            ),
            (host, &["x.sc.omtrdc.net", "h:8080"], &["https://x", "x/y", "x y", "x:0", ":1"]),
            (
                pattern,
                &["vlc", "mpv*", "a?.b_c-1"],
                &["", "a b", "org.mpris.MediaPlayer2.vlc", "ä"],
            ),
        ] {
            for text in good {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{text}");
            }
        }
    }
}
