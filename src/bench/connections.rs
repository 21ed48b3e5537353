//! The connections of the bench collector: accepted, with TLS or without, and counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::server::MAX_BODY_BYTES;
use super::shared::{Options, Shared};

/// Pause after a failed accept, so that running out of descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers on `listener` until `shutdown` is ready, then drops what is still open.
///
/// Needs a tokio runtime with I/O and time. Control for other processes: `POST /bench/faults`
/// (a JSON array of rules, replaces), `GET /bench/hits` (JSON lines), `GET /bench/summary`,
/// `POST /bench/clear` (forgets hits and sums; sids and rules stay). `GET /` is a page for people, which
/// listens to `GET /bench/stream` (server-sent events).
pub async fn serve(listener: TcpListener, options: Options, shutdown: impl Future<Output = ()>) {
    serve_shared(listener, Arc::new(Shared::new(options)), shutdown).await;
}

pub(super) async fn serve_shared(
    listener: TcpListener,
    shared: Arc<Shared>,
    shutdown: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let open = Open::new(Arc::clone(&shared));
                    connections.spawn(async move { converse(stream, Arc::clone(&open.0)).await });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn converse(stream: TcpStream, shared: Arc<Shared>) {
    // Answers are small and complete: waiting for more to send with them only costs time.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else {
        return talk(stream, Arc::clone(&shared), std::future::pending()).await;
    };
    let mut presented = tls.subscribe();
    let config = Arc::clone(&presented.borrow_and_update().config);
    match TlsAcceptor::from(config).accept(stream).into_fallible().await {
        Ok(stream) => {
            let replaced = async {
                let _ = presented.changed().await;
            };
            talk(stream, Arc::clone(&shared), replaced).await;
        }
        Err((why, stream)) => {
            shared.complain(&format!("a TLS handshake failed: {why}"));
            let_go(stream).await;
        }
    }
}

/// Speaks HTTP until the client leaves; after `ends` no more than the answer that is under way.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: Arc<Shared>,
    ends: impl Future<Output = ()>,
) {
    let give_up = Arc::new(Notify::new());
    let slow = Arc::clone(&give_up);
    let service = service_fn(move |request| {
        let (shared, slow) = (Arc::clone(&shared), Arc::clone(&slow));
        async move { shared.handle(request, slow).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // An error is a client that went away, or a connection dropped on purpose.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = give_up.notified() => return,
        () = ends => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Closes a connection whose handshake failed. What the client has sent after its part of the handshake
/// is read first: a close over unread bytes is a reset, and the client would not see the alert.
async fn let_go(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let _ = tokio::io::copy(&mut stream.take(MAX_BODY_BYTES as u64), &mut tokio::io::sink()).await;
}

/// Counts a connection for as long as it is open.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Open {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        Open(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
