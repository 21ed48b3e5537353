//! Sends requests of any dialect over HTTP and gives the outcome of each.

mod files;
mod headers;
mod sockets;
mod tls;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use tokio::runtime::{Builder, Handle};

use self::files::{Key, Mistake};
pub use self::sockets::Mark;
use crate::config::{CollectorConfig, Finding, key_of};
use crate::core::dialect::exchange::{
    Cause, MOST_ANSWER_BYTES, Outcome, Problem, Purpose, Request, RetryAfter,
};
use crate::core::text::shown_url;
use crate::core::time::WallTime;

/// Bytes that are read of the body of an error answer, for the log.
const MESSAGE_BYTES: usize = 512;
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// A runtime of its own for requests, on a thread of its own: whatever a collector sends, and however
/// long TLS calculates, the bus is served.
///
/// Errors: when the system gives no thread.
pub fn runtime() -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let thread = std::thread::Builder::new().name("collector".into());
    thread.spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// Why a client cannot be made: a wrong file or URL.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// A key of the configuration, and what is wrong with what it names.
    #[error("{key}: {message}")]
    Key { key: String, message: String },
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

impl CollectorError {
    /// Something is wrong with a key of a collector.
    fn of(config: &CollectorConfig, (Key(section, key), message): Mistake) -> CollectorError {
        CollectorError::Key { key: key_of(&config.name, section, key), message }
    }
}

/// Looks at what a configuration names: all of what a client could not be made of, and what is surely
/// not meant.
pub fn look(config: &CollectorConfig) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, url) in [(URL, &config.url), (PROXY, &config.proxy)] {
        if let Some(message) = url.as_deref().and_then(unusable) {
            found.push((key, message));
        }
    }
    tls::look(config, &mut found);
    let (wrong, public) = files::named(&config.headers_file).map(headers::look).unwrap_or_default();
    found.extend(wrong);
    let finding = |(Key(section, key), message), only_warns| Finding {
        key: key_of(&config.name, section, key),
        message,
        only_warns,
    };
    let warned = public.into_iter().map(|found| finding(found, true));
    found.into_iter().map(|found| finding(found, false)).chain(warned).collect()
}

const URL: Key = Key("collector", "url");
const PROXY: Key = Key("collector", "proxy");

/// What is wrong with a URL, if something is.
fn unusable(url: &str) -> Option<String> {
    let why = match reqwest::Url::parse(url) {
        Err(error) => error.to_string(),
        Ok(parsed) if parsed.host_str().is_none_or(str::is_empty) => "it names no host".into(),
        Ok(_) => return None,
    };
    let shown = shown_url(url);
    Some(format!("expected a URL such as https://host/path, got '{shown}': {why}"))
}

/// Bytes that may come before an answer is there. Interim answers (103 and the like) and heads without
/// an end would cost a CPU and a mobile contract.
const MOST_BEFORE_ANSWER: u64 = 4 << 20;
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Sends requests to one collector.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    setup: Arc<Setup>,
}

/// What a client is made of.
struct Setup {
    base: String,
    config: CollectorConfig,
    /// Of the files at the time.
    fingerprint: u64,
    tls: rustls::ClientConfig,
    headers: HeaderMap,
    mark: Mark,
}

impl Client {
    /// Makes a client for a collector. No other client of the process has its mark.
    ///
    /// Errors: its URL, its proxy or one of its files cannot be used.
    pub fn new(config: &CollectorConfig, mark: Mark) -> Result<Client, CollectorError> {
        let base = config.url.clone().unwrap_or_default();
        if let Some(message) = unusable(&base) {
            return Err(CollectorError::of(config, (URL, message)));
        }
        let fingerprint = files::fingerprint(config);
        let headers = config.headers_file.as_deref().map(headers::read).transpose();
        let headers = headers.map_err(|mistake| CollectorError::of(config, mistake))?;
        Client::of(Arc::new(Setup {
            base,
            config: config.clone(),
            fingerprint,
            tls: tls::config(config)?,
            headers: headers.unwrap_or_default(),
            mark,
        }))
    }

    /// The name of its collector in the settings.
    pub fn name(&self) -> &str {
        &self.setup.config.name
    }

    pub fn mark(&self) -> Mark {
        self.setup.mark
    }

    /// Whether a client of this configuration would be the same. The files count as they are now.
    pub fn is_of(&self, config: &CollectorConfig) -> bool {
        self.setup.config == *config && self.setup.fingerprint == files::fingerprint(config)
    }

    /// The same client without the connections of this one, which may be dead after a sleep of the box
    /// or on another network. No file is read again.
    pub fn anew(&self) -> Result<Client, CollectorError> {
        Client::of(self.setup.clone())
    }

    fn of(setup: Arc<Setup>) -> Result<Client, CollectorError> {
        let Setup { config, tls, headers, mark, .. } = &*setup;
        let chain = |e: reqwest::Error| CollectorError::Client(causes(&e));
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .pool_idle_timeout(IDLE_CONNECTION)
            .tcp_keepalive(mark.keepalive())
            .default_headers(headers.clone())
            .user_agent(concat!("playheadd/", env!("CARGO_PKG_VERSION")));
        // The configuration alone names the proxy: what the environment says is for other programs.
        builder = match &config.proxy {
            Some(proxy) => {
                let refused = |e: reqwest::Error| CollectorError::of(config, (PROXY, causes(&e)));
                builder.proxy(reqwest::Proxy::all(proxy).map_err(refused)?)
            }
            None => builder.no_proxy(),
        };
        Ok(Client { http: builder.build().map_err(chain)?, setup })
    }

    /// Carries out one request. Never fails: an error is an outcome.
    pub async fn send(&self, request: &Request) -> Outcome {
        let url = format!("{}{}", self.setup.base, request.path);
        let request_out = match request.purpose {
            Purpose::Probe => self.http.head(url),
            _ => self
                .http
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(request.body.clone()),
        };
        let sent = tokio::select! {
            sent = request_out.send() => sent,
            () = too_much_came(self.setup.mark) => {
                let why = format!("{MOST_BEFORE_ANSWER} bytes came, and no answer among them");
                return Outcome::Unanswered(Problem::new(Cause::Connection, why));
            }
        };
        match sent {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let location = text(answer.headers(), &LOCATION);
                let retry_after =
                    text(answer.headers(), &RETRY_AFTER).as_deref().and_then(retry_after);
                let body = match (status, request.reads_answer) {
                    (_, true) => beginning(answer, MOST_ANSWER_BYTES).await,
                    (200..=299, false) => String::new(),
                    _ => beginning(answer, MESSAGE_BYTES).await,
                };
                Outcome::Answered { status, location, retry_after, body }
            }
            // Nothing has left the box, so it is safe to try again.
            Err(error) if error.is_connect() || error.is_builder() || not_let_in(&error) => {
                Outcome::Unreachable(self.problem(&error))
            }
            Err(error) => Outcome::Unanswered(self.problem(&error)),
        }
    }
}

impl Client {
    /// An error in words, and what kind it is.
    fn problem(&self, error: &reqwest::Error) -> Problem {
        let proxied = self.setup.config.proxy.is_some();
        let cause = match tls_cause(error) {
            Some(cause) => cause,
            // With a proxy it is the proxy that is looked up and connected to.
            None if proxied && error.is_connect() => Cause::Proxy,
            None if error.is_timeout() => Cause::TimedOut,
            None => connection_cause(error),
        };
        Problem::new(cause, causes(error))
    }
}

/// The errors below an error of the HTTP client.
fn below(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}

/// The error of TLS in it, if there is one.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    // An I/O error hides what it is made of, sometimes twice.
    fn inside<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
        let hidden = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        hidden.map_or_else(|| cause.downcast_ref(), |hidden| inside(hidden))
    }
    below(error).find_map(inside)
}

fn tls_cause(error: &reqwest::Error) -> Option<Cause> {
    use rustls::CertificateError as Bad;
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(bad) => Some(match bad {
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Cause::WrongName,
            Bad::Expired
            | Bad::ExpiredContext { .. }
            | Bad::NotValidYet
            | Bad::NotValidYetContext { .. } => Cause::Expired,
            _ => Cause::UnknownAuthority,
        }),
        rustls::Error::AlertReceived(_) if not_let_in(error) => Some(Cause::ClientCertificate),
        _ => Some(Cause::Connection),
    }
}

fn connection_cause(error: &reqwest::Error) -> Cause {
    for cause in below(error) {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if io == Some(std::io::ErrorKind::ConnectionRefused) {
            return Cause::Refused;
        }
        if cause.to_string().starts_with("dns error") {
            return Cause::UnknownHost;
        }
    }
    Cause::Connection
}

/// Returns when much has come in on the sockets of a client since it was called. Nothing that a collector
/// answers is that long, so it is one that never comes to its point.
async fn too_much_came(mark: Mark) {
    let before = mark.bytes_received();
    loop {
        tokio::time::sleep(LOOK).await;
        if mark.bytes_received().saturating_sub(before) > MOST_BEFORE_ANSWER {
            return;
        }
    }
}

fn text(headers: &HeaderMap, name: &reqwest::header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The first bytes of a body; an endless one is cut off.
async fn beginning(mut answer: reqwest::Response, most: usize) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(most)]),
            _ => break,
        }
    }
    bytes.truncate(most);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `Retry-After` as seconds or as an HTTP date; `None` for anything else.
pub fn retry_after(value: &str) -> Option<RetryAfter> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(RetryAfter::Seconds(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(RetryAfter::Date(WallTime(i64::try_from(since.as_millis()).ok()?)))
}

/// Whether the collector has refused the handshake. In TLS 1.3 that may come after the request was
/// sent, which it has not read then.
fn not_let_in(error: &reqwest::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let Some(rustls::Error::AlertReceived(alert)) = tls_error(error) else { return false };
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::HandshakeFailure
            | Alert::DecryptError
    )
}

/// An error with its causes, without the URL, which may hold private data.
fn causes(error: &reqwest::Error) -> String {
    let mut text = match error {
        e if e.is_timeout() => "timed out".to_owned(),
        e if e.is_connect() => "cannot connect".to_owned(),
        _ => "request failed".to_owned(),
    };
    for cause in below(error) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_comes_in_two_forms() {
        assert_eq!(retry_after("120"), Some(RetryAfter::Seconds(120)));
        assert_eq!(
            retry_after("Tue, 14 Nov 2023 22:13:20 GMT"),
            Some(RetryAfter::Date(WallTime(1_700_000_000_000)))
        );
        assert_eq!(retry_after("99999999999999999999999"), Some(RetryAfter::Seconds(u64::MAX)));
        for bad in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(bad), None, "{bad}");
        }
    }
}
