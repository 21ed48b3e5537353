//! What stands between a box and its collector: a relay of TCP connections, or a proxy that makes
//! tunnels (HTTP `CONNECT`). What it does can be changed while it runs.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It goes through to the collector.
    Open,
    /// It is accepted, and nothing is ever said on it.
    Silent,
    /// The proxy answers 407 to whoever does not send this value of `Proxy-Authorization`.
    For(&'static str),
}

/// One that listens on 127.0.0.1 and leads to one collector, whatever name it is asked for.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    collector: SocketAddr,
    /// Whether `CONNECT` is expected, or the connection is the collector's from its first byte.
    tunnels: bool,
    way: Mutex<Way>,
    /// What each tunnel was asked for: `host:port`.
    asked: Mutex<Vec<String>>,
    /// Connections on which nothing is said.
    held: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy that makes tunnels to `collector`.
    pub fn start(collector: SocketAddr, way: Way) -> Proxy {
        Proxy::on(listen(), collector, way, true)
    }

    /// A relay that hands connections on as they are.
    pub fn relay(collector: SocketAddr) -> Proxy {
        Proxy::on(listen(), collector, Way::Open, false)
    }

    /// A proxy on a port where nobody answered before.
    pub fn start_on(port: u16, collector: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        Proxy::on(listener, collector, Way::Open, true)
    }

    fn on(listener: TcpListener, collector: SocketAddr, way: Way, tunnels: bool) -> Proxy {
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            collector,
            tunnels,
            way: Mutex::new(way),
            asked: Mutex::default(),
            held: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&serving);
                std::thread::spawn(move || state.lead(stream));
            }
        });
        Proxy { address, state }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes what becomes of connections from now on.
    pub fn set(&self, way: Way) {
        *self.state.way.lock().expect("no holder has panicked") = way;
    }

    /// What each tunnel so far was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().expect("no holder has panicked").clone()
    }

    /// Connections that were accepted and got no word.
    pub fn held(&self) -> usize {
        self.state.held.lock().expect("no holder has panicked").len()
    }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

impl State {
    fn lead(&self, mut near: TcpStream) {
        let way = *self.way.lock().expect("no holder has panicked");
        if way == Way::Silent {
            self.held.lock().expect("no holder has panicked").push(near);
            return;
        }
        if self.tunnels {
            let Some(head) = head(&mut near) else { return };
            let wanted = match way {
                Way::For(value) => format!("\r\nproxy-authorization: {value}\r\n"),
                _ => String::new(),
            };
            if !head.to_lowercase().contains(&wanted.to_lowercase()) {
                let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                               Proxy-Authenticate: Basic realm=\"box\"\r\nContent-Length: 0\r\n\r\n";
                let _ = near.write_all(refusal.as_bytes());
                return;
            }
            let Some(rest) = head.strip_prefix("CONNECT ") else { return };
            let asked = rest.split(' ').next().unwrap_or_default().to_owned();
            self.asked.lock().expect("no holder has panicked").push(asked);
            if near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").is_err() {
                return;
            }
        }
        let Ok(far) = TcpStream::connect(self.collector) else { return };
        let (Ok(near_out), Ok(far_out)) = (near.try_clone(), far.try_clone()) else { return };
        std::thread::spawn(move || carry(far, near_out));
        carry(near, far_out);
    }
}

/// A request's head; `None` when the connection ends before it.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).ok()
}

/// Carries bytes one way until that side ends.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
