//! A process of a uid without any right that asks for the agent's properties as fast as it can, on many
//! connections, and never reads an answer.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};

use zbus::Message;

use crate::common::raw::{hello, raw};
use crate::common::{AGENT, AGENT_PATH};
use crate::place::{OTHER, Place};

/// Names the socket of the bus to the process.
const SOCKET: &str = "PLAYHEADD_BENCH_FLOODS";
pub const CONNECTIONS: usize = 20;
const AT_ONCE: usize = 20;

/// Starts the process. It goes on until it is killed.
pub fn start(place: &Place, address: &str) -> Child {
    let program = std::env::current_exe().expect("this program");
    place
        .command(OTHER, &place.program(&program))
        .env(SOCKET, address.trim_start_matches("unix:path="))
        .stdin(Stdio::null())
        .spawn()
        .expect("a stranger")
}

/// Floods the bus if this is that process; never returns then.
pub fn floods() -> bool {
    #[allow(clippy::disallowed_methods)]
    let Ok(socket) = std::env::var(SOCKET) else { return false };
    let properties = "org.freedesktop.DBus.Properties";
    let call = Message::method_call(AGENT_PATH, "GetAll").interface(properties).destination(AGENT);
    let call = call.build(&(AGENT,)).expect("a message");
    let mut serial = 1_u32;
    let mut streams: Vec<UnixStream> = (0..CONNECTIONS).map(|_| connected(&socket)).collect();
    // What the socket has not taken of each.
    let mut left = vec![Vec::new(); CONNECTIONS];
    loop {
        for (stream, left) in streams.iter_mut().zip(&mut left) {
            if left.is_empty() {
                *left = several(call.data().bytes(), &mut serial);
            }
            match stream.write(left) {
                Ok(written) => drop(left.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(_) => return true,
            }
        }
    }
}

/// Calls with serials of their own, as the bus demands.
fn several(call: &[u8], serial: &mut u32) -> Vec<u8> {
    let mut calls = call.repeat(AT_ONCE);
    for one in calls.chunks_mut(call.len()) {
        *serial += 1;
        one[8..12].copy_from_slice(&serial.to_ne_bytes());
    }
    calls
}

fn connected(socket: &str) -> UnixStream {
    let mut stream = raw(Path::new(socket));
    stream.write_all(hello().data().bytes()).expect("written");
    stream.set_nonblocking(true).expect("set");
    stream
}
