//! The door's program, built and started, and an application's connection to it: a WebSocket of a few
//! lines, because the tests carry none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::common::PATIENCE;

/// The program. `make test-peers` has built it; cargo looks whether it is the newest.
fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/clients");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(root.join("doors/firebolt/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .expect("cargo");
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{said}");
    target.join("debug/playhead-firebolt")
}

/// The door as a process.
pub struct Door {
    child: Child,
    host: String,
}

impl Door {
    /// Starts it for the agent on this bus, and waits until it listens.
    pub fn start(bus: &str) -> Door {
        let mut child = Command::new(program())
            .args(["--listen", "127.0.0.1:0", "--bus-address", bus])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the door");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("where it listens");
        let host = line.trim().strip_prefix("listening on ws://").expect("an address").to_owned();
        Door { child, host }
    }

    pub fn connect(&self, path: &str) -> Application {
        let mut stream = TcpStream::connect(&self.host).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let host = &self.host;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        Application { stream, calls: 0 }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to the door.
pub struct Application {
    stream: TcpStream,
    calls: u64,
}

impl Application {
    /// A call that is done.
    pub fn call(&mut self, method: &str, params: Value) {
        self.calls += 1;
        let call = json!({"jsonrpc": "2.0", "id": self.calls, "method": method, "params": params});
        self.send(&call.to_string());
        let answer: Value = serde_json::from_str(&self.hear()).expect("JSON");
        let done = json!({"jsonrpc": "2.0", "id": self.calls, "result": null});
        assert_eq!(answer, done, "{call}");
    }

    /// A call of Metrics about this media.
    pub fn media(&mut self, method: &str, entity: &str) {
        self.call(&format!("Metrics.{method}"), json!({"entityId": entity}));
    }

    /// One frame with a text (RFC 6455, 5.2). The mask is zero, which changes nothing.
    fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("a short text");
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).expect("sent");
    }

    /// The text of the next frame.
    fn hear(&mut self) -> String {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).expect("a frame");
        assert_eq!(head[0], 0x81, "a whole text");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length).expect("a length");
                u16::from_be_bytes(length).into()
            }
            short => usize::from(short),
        };
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).expect("a text");
        String::from_utf8(text).expect("UTF-8")
    }
}
