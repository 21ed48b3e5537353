//! A web server that hands out one file, and stops in the midst of it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

/// Opened once: whoever waits goes on, and whoever comes later does not wait.
#[derive(Default)]
pub struct Gate(Mutex<bool>, Condvar);

impl Gate {
    pub fn open(&self) {
        *self.0.lock().expect("a lock") = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let open = self.0.lock().expect("a lock");
        let _open = self.1.wait_while(open, |open| !*open).expect("a lock");
    }
}

/// Serves the file to everybody. The bytes after the first `before` come when the gate is open. Without
/// `length` nobody is told how long it is.
pub fn serve(file: &Path, before: usize, length: bool) -> (String, Arc<Gate>) {
    let bytes = std::fs::read(file).expect("the file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let gate = Arc::new(Gate::default());
    let waits = gate.clone();
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (bytes, waits) = (bytes.clone(), waits.clone());
            std::thread::spawn(move || {
                // Whoever has gone away needs no answer.
                let _ = answer(&mut stream, &bytes, before, length, &waits);
            });
        }
    });
    (format!("http://{address}/{name}"), gate)
}

fn answer(
    stream: &mut TcpStream,
    bytes: &[u8],
    before: usize,
    length: bool,
    gate: &Gate,
) -> std::io::Result<()> {
    let mut request = Vec::<u8>::new();
    let mut some = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut some)? {
            0 => return Ok(()),
            read => request.extend(&some[..read]),
        }
    }
    let length =
        if length { format!("Content-Length: {}\r\n", bytes.len()) } else { String::new() };
    write!(stream, "HTTP/1.1 200 OK\r\n{length}Connection: close\r\n\r\n")?;
    stream.write_all(&bytes[..before])?;
    stream.flush()?;
    gate.wait();
    stream.write_all(&bytes[before..])
}
