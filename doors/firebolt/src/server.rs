//! WebSocket connections, on the loopback or a Unix socket. Each is bounded: how many there are, how
//! large a message is, how many come in a second, how long a handshake and an answer may take.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::{
    CloseFrame, WebSocketConfig, frame::coding::CloseCode,
};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use crate::apps::{Apps, Caller};
use crate::bucket::Bucket;
use crate::rpc::{self, RpcError};

/// The most connections at a time.
pub const MAX_CONNECTIONS: usize = 32;
/// The most bytes of a message, a batch included.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Messages a second of one connection, after a burst. What is more is read later.
const MESSAGES: (f64, f64) = (200.0, 400.0);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// How long a peer may take to read an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Where to listen.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    /// Errors: a sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Address::Unix(path.into()));
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Address::Tcp(address)),
            Ok(address) => Err(format!("{address} is not of the loopback")),
            Err(_) => Err("expected unix:PATH or 127.0.0.1:PORT".to_owned()),
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A door that listens.
pub struct Server {
    listener: Listener,
    /// Where, for people.
    pub url: String,
}

/// What all connections share.
#[derive(Clone)]
pub struct Doorway {
    pub apps: Apps,
    /// Origins of web pages that may connect; `*` for any.
    pub origins: Arc<Vec<String>>,
    pub gateway_grace: Duration,
}

impl Server {
    /// Errors: the address cannot be had; a file that is no socket lies at the path.
    pub async fn listen(address: &Address) -> io::Result<Server> {
        match address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let url = format!("ws://{}", listener.local_addr()?);
                Ok(Server { listener: Listener::Tcp(listener), url })
            }
            Address::Unix(path) => {
                let listener = bind(path).await?;
                let url = format!("ws+unix://{}", path.display());
                Ok(Server { listener: Listener::Unix(listener), url })
            }
        }
    }

    /// Serves until it is dropped.
    pub async fn serve(self, doorway: Doorway) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let gateways = watch::Sender::new(0usize);
        tokio::spawn(watch_gateways(gateways.subscribe(), doorway.clone()));
        let mut number = 0;
        loop {
            number += 1;
            let connection =
                Connection { number, doorway: doorway.clone(), gateways: gateways.clone() };
            let accepted = match &self.listener {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                    // An answer is small and not followed by another.
                    let _ = stream.set_nodelay(true);
                    start(&places, connection, stream);
                }),
                Listener::Unix(listener) => {
                    listener.accept().await.map(|(stream, _)| start(&places, connection, stream))
                }
            };
            if let Err(error) = accepted {
                // Out of file descriptors, say: they come back.
                eprintln!("playhead-firebolt: no connection: {error}");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// A socket of mode 0660 at this path, in the place of one that nobody serves.
async fn bind(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let left_over = std::fs::symlink_metadata(path)?.file_type().is_socket()
                && UnixStream::connect(path).await.is_err();
            if !left_over {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

fn start<S>(places: &Arc<Semaphore>, connection: Connection, mut stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match places.clone().try_acquire_owned() {
        Ok(place) => tokio::spawn(async move {
            connection.run(stream).await;
            drop(place);
        }),
        Err(_) => tokio::spawn(async move {
            let refusal = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n";
            let _ = timeout(HANDSHAKE_LIMIT, stream.write_all(refusal)).await;
        }),
    };
}

/// Counts an application as gone whose gateway does not come back within the grace.
async fn watch_gateways(mut gateways: watch::Receiver<usize>, doorway: Doorway) {
    loop {
        if gateways.wait_for(|gateways| *gateways > 0).await.is_err() {
            return;
        }
        if gateways.wait_for(|gateways| *gateways == 0).await.is_err() {
            return;
        }
        let back = timeout(doorway.gateway_grace, gateways.wait_for(|gateways| *gateways > 0));
        if back.await.is_err() {
            eprintln!("playhead-firebolt: the gateway is gone, and what it had open is over");
            doorway.apps.gateway_gone();
        }
    }
}

struct Connection {
    number: u64,
    doorway: Doorway,
    gateways: watch::Sender<usize>,
}

impl Connection {
    async fn run<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut app = None;
        let origins = self.doorway.origins.clone();
        #[expect(clippy::result_large_err, reason = "the type is that of the handshake")]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            app = admit(request, &origins).map_err(|(status, why)| {
                let mut refusal = ErrorResponse::new(Some(why.to_owned()));
                *refusal.status_mut() = status;
                refusal
            })?;
            Ok(with_protocol(request, response))
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * MAX_MESSAGE)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE))
            // Thunder's own client masks what it sends only if it is told to.
            .accept_unmasked_frames(true);
        let handshake = accept_hdr_async_with_config(stream, check, Some(config));
        let Ok(Ok(mut socket)) = timeout(HANDSHAKE_LIMIT, handshake).await else { return };
        let caller = Caller { number: self.number, app };
        if let Err(error) = self.doorway.apps.came(&caller) {
            close(&mut socket, CloseCode::Again, &error.message).await;
            return;
        }
        if caller.app.is_none() {
            self.gateways.send_modify(|gateways| *gateways += 1);
        }
        self.talk(&mut socket, &caller).await;
        if caller.app.is_none() {
            self.gateways.send_modify(|gateways| *gateways -= 1);
        }
        self.doorway.apps.left(&caller);
    }

    async fn talk<S>(&self, socket: &mut WebSocketStream<S>, caller: &Caller)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let began = Instant::now();
        let mut messages = Bucket::new(MESSAGES.0, MESSAGES.1);
        while let Some(message) = socket.next().await {
            if let Err(wait) = messages.take(began.elapsed()) {
                sleep(wait).await;
                // What was waited for.
                let _ = messages.take(began.elapsed());
            }
            let answer = match message {
                Ok(Message::Text(text)) => self.answer(&text, caller),
                Ok(Message::Binary(bytes)) => match std::str::from_utf8(&bytes) {
                    Ok(text) => self.answer(text, caller),
                    Err(_) => {
                        let why = RpcError::parse("no JSON: not UTF-8");
                        Some(rpc::failure(serde_json::Value::Null, &why).to_string())
                    }
                },
                Ok(Message::Close(_)) => return,
                Ok(_) => None,
                Err(Error::Capacity(_)) => {
                    let why = format!("a message has at most {MAX_MESSAGE} bytes");
                    return close(socket, CloseCode::Size, &why).await;
                }
                Err(_) => return,
            };
            if let Some(answer) = answer {
                let sent = timeout(ANSWER_LIMIT, socket.send(Message::text(answer))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }

    fn answer(&self, text: &str, caller: &Caller) -> Option<String> {
        rpc::answer(text, |method, params| self.doorway.apps.call(caller, method, params))
    }
}

async fn close<S>(socket: &mut WebSocketStream<S>, code: CloseCode, why: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame { code, reason: why.into() };
    let _ = timeout(ANSWER_LIMIT, socket.close(Some(frame))).await;
}

/// Who connects: `/` is a gateway (`None`), `/app/ID` an application.
fn admit(
    request: &Request,
    origins: &[String],
) -> Result<Option<String>, (StatusCode, &'static str)> {
    // A browser names the page that wants to connect. No other client needs an origin.
    let origin = request.headers().get(header::ORIGIN).filter(|origin| !origin.is_empty());
    if let Some(origin) = origin
        && !origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    {
        return Err((StatusCode::FORBIDDEN, "web pages of this origin may not connect"));
    }
    let path = request.uri().path();
    if path == "/" {
        return Ok(None);
    }
    let id = path.strip_prefix("/app/").and_then(decoded);
    match id.filter(|id| !id.is_empty() && id.len() <= 256 && !id.chars().any(char::is_control)) {
        Some(id) => Ok(Some(id)),
        None => Err((StatusCode::NOT_FOUND, "expected / or /app/ID")),
    }
}

/// Browsers want one of the subprotocols that they offer. Thunder's is `jsonrpc`.
fn with_protocol(request: &Request, mut response: Response) -> Response {
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut names =
        offered.iter().filter_map(|names| names.to_str().ok()).flat_map(|n| n.split(','));
    if names.any(|name| name.trim() == "jsonrpc") {
        let name = HeaderValue::from_static("jsonrpc");
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    response
}

/// The text that `%41` and the like stand for; `None` where it is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (char::from(rest.next()?), char::from(rest.next()?));
                (high.to_digit(16)? * 16 + low.to_digit(16)?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
