//! What is played: clips of silence, and a server that hands them out with a page around them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

/// Samples a second of a clip.
const RATE: u32 = 8_000;

/// A clip of silence.
pub fn clip(seconds: u32) -> Vec<u8> {
    let data = RATE * seconds * 2;
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + data).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    wav.extend([1, 0, 1, 0]);
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(data.to_le_bytes());
    wav.resize(wav.len() + data as usize, 0);
    wav
}

/// A clip as a file.
pub fn clip_in(dir: &Path, name: &str, seconds: u32) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, clip(seconds)).expect("a clip");
    path
}

/// Serves one clip to everybody, once it may.
pub fn slow_server(clip_seconds: u32) -> (String, Arc<Barrier>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let may = Arc::new(Barrier::new(2));
    let waits = may.clone();
    std::thread::spawn(move || {
        for (nth, mut stream) in listener.incoming().flatten().enumerate() {
            let waits = waits.clone();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                if nth == 0 {
                    waits.wait();
                }
                answer(&mut stream, "200 OK", "audio/wav", "", &clip(clip_seconds));
            });
        }
    });
    (format!("http://{address}/clip.wav"), may)
}

/// Serves a page, and clips as `/SECONDS.wav`, each wanted part of them.
pub fn web_server(page: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&mut stream, page));
        }
    });
    format!("http://{address}/")
}

fn serve(stream: &mut TcpStream, page: &str) {
    let mut request = Vec::new();
    let mut some = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut some) {
            Ok(read) if read > 0 => request.extend(&some[..read]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let seconds = path.strip_prefix('/').and_then(|p| p.strip_suffix(".wav")?.parse().ok());
    let Some(clip) = seconds.map(clip) else {
        let found = path == "/" || path.starts_with("/?");
        let status = if found { "200 OK" } else { "404 Not Found" };
        return answer(stream, status, "text/html", "", page.as_bytes());
    };
    let range = request.split("range: bytes=").nth(1).and_then(|range| {
        let (from, to) = range.lines().next()?.split_once('-')?;
        let from: usize = from.parse().ok()?;
        let to = to.trim().parse().map_or(clip.len() - 1, |to: usize| to.min(clip.len() - 1));
        (from <= to).then_some((from, to))
    });
    match range {
        None => answer(stream, "200 OK", "audio/wav", "Accept-Ranges: bytes\r\n", &clip),
        Some((from, to)) => {
            let head = format!(
                "Accept-Ranges: bytes\r\nContent-Range: bytes {from}-{to}/{}\r\n",
                clip.len()
            );
            answer(stream, "206 Partial Content", "audio/wav", &head, &clip[from..=to]);
        }
    }
}

/// Whoever has gone away meanwhile needs no answer.
fn answer(stream: &mut TcpStream, status: &str, kind: &str, head: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{head}\
         Connection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
