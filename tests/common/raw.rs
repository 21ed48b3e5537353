//! A connection to the bus without a library: what is written is what the bus gets.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use zbus::Message;

use super::PATIENCE;

/// The socket of a bus after authentication: what follows is messages, the first of them `hello`.
pub fn raw(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).expect("the bus");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let uid = rustix::process::geteuid().as_raw().to_string();
    let hex: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
    write!(stream, "\0AUTH EXTERNAL {hex}\r\n").expect("written");
    let mut answer = [0; 256];
    let read = stream.read(&mut answer).expect("an answer");
    assert!(answer[..read].starts_with(b"OK "), "the bus does not know us");
    stream.write_all(b"BEGIN\r\n").expect("written");
    stream
}

pub fn hello() -> Message {
    let bus = "org.freedesktop.DBus";
    Message::method_call("/org/freedesktop/DBus", "Hello")
        .interface(bus)
        .destination(bus)
        .build(&())
        .expect("a message")
}
