//! What the page hears: every record as server-sent events, from where the page was before.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use serde_json::json;
use tokio::sync::{Notify, mpsc};

use super::lines::Lines;
use super::shared::Shared;

/// Pages that may listen at a time.
pub(super) const MAX_READERS: usize = 32;
/// A comment line comes after this long without a record, so that a dead connection is noticed.
const COMMENT_EVERY: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 15_000 });
/// How long a page may take for what is sent to it. One that takes longer is dropped, and comes back with
/// the id of the last event that it has read.
const SLOW: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Events that wait for a page.
const WAITING: usize = 4;
/// Records in one event, and about how many bytes of them.
const RECORDS: usize = 500;
const BYTES: usize = 256 << 10;

/// The body of the answer: what the page is sent, without an end.
#[derive(Debug)]
pub(super) struct Stream(mpsc::Receiver<Bytes>);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Counts a page for as long as it listens.
struct Reader(Arc<Shared>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn reader(shared: &Arc<Shared>) -> Option<Reader> {
    let readers: &AtomicUsize = &shared.readers;
    let more = |now| (now < MAX_READERS).then_some(now + 1);
    readers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
    Some(Reader(Arc::clone(shared)))
}

/// Begins to tell a page what comes in, after the event whose id is `last`. `give_up` is told when the page
/// does not read. `None`: too many listen.
pub(super) fn listen(
    shared: &Arc<Shared>,
    last: Option<&str>,
    give_up: Arc<Notify>,
) -> Option<Stream> {
    let reader = reader(shared)?;
    let (send, receive) = mpsc::channel(WAITING);
    let place = last.and_then(Place::read);
    tokio::spawn(async move {
        if tell(&reader.0, place, &send).await.is_err() {
            give_up.notify_one();
        }
    });
    Some(Stream(receive))
}

/// Where a page is: in which log, and how many records of it it has. It is the id of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    log: i64,
    next: u64,
}

impl Place {
    fn read(id: &str) -> Option<Place> {
        let (log, next) = id.split_once('-')?;
        Some(Place { log: log.parse().ok()?, next: next.parse().ok()? })
    }
}

/// Errors: the page is gone, or does not read.
async fn tell(
    shared: &Shared,
    mut place: Option<Place>,
    send: &mpsc::Sender<Bytes>,
) -> Result<(), ()> {
    let mut news = shared.news.subscribe();
    loop {
        news.borrow_and_update();
        while let Some((event, then)) = next_event(shared, place) {
            place = Some(then);
            let sent = tokio::time::timeout(SLOW, send.send(event.into())).await;
            sent.map_err(|_| ())?.map_err(|_| ())?;
        }
        tokio::select! {
            changed = news.changed() => changed.map_err(|_| ())?,
            () = send.closed() => return Err(()),
            () = tokio::time::sleep(COMMENT_EVERY) => {
                let comment = send.send(Bytes::from_static(b": still here\n\n"));
                tokio::time::timeout(SLOW, comment).await.map_err(|_| ())?.map_err(|_| ())?;
            }
        }
    }
}

/// The next event for a page that is at `place`, and where it is then. A page of another log begins anew.
fn next_event(shared: &Shared, place: Option<Place>) -> Option<(String, Place)> {
    let state = shared.state();
    let log = state.log.id(shared.began_ms);
    let Some(at) = place.filter(|at| at.log == log && at.next <= state.log.end()) else {
        let then = Place { log, next: 0 };
        let begin = json!({"timeline": shared.timeline, "saved": shared.saved});
        return Some((event("begin", then, &begin.to_string()), then));
    };
    let mut text = String::from("[");
    let mut next = at.next.max(state.log.first());
    for record in state.log.since(next).iter().take(RECORDS) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&Lines::Json.line(record));
        next += 1;
        if text.len() > BYTES {
            break;
        }
    }
    if next == at.next {
        return None;
    }
    text.push(']');
    let then = Place { log, next };
    Some((event("hits", then, &text), then))
}

/// JSON of serde_json has no line break in it.
fn event(name: &str, id: Place, data: &str) -> String {
    format!("id: {}-{}\nevent: {name}\ndata: {data}\n\n", id.log, id.next)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::bench::Collector;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A page that listens.
    struct Page(BufReader<TcpStream>);

    impl Page {
        fn open(collector: &Collector, last: Option<&str>) -> Page {
            let mut to = TcpStream::connect(collector.address()).expect("it listens");
            to.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
            let host = collector.address();
            write!(to, "GET /bench/stream HTTP/1.1\r\nHost: {host}\r\n{last}\r\n").expect("sent");
            Page(BufReader::new(to))
        }

        /// The next line that begins so; what comes before is passed over.
        fn next(&mut self, begins: &str) -> String {
            loop {
                let mut line = String::new();
                assert!(
                    self.0.read_line(&mut line).expect("in time") > 0,
                    "it ended before {begins}"
                );
                if let Some(rest) = line.strip_prefix(begins) {
                    return rest.trim_end().to_owned();
                }
            }
        }

        /// Id and path of each hit of the next event with hits.
        fn hits(&mut self) -> (String, Vec<String>) {
            loop {
                let id = self.next("id: ");
                if self.next("event: ") == "hits" {
                    let hits: serde_json::Value =
                        serde_json::from_str(&self.next("data: ")).expect("JSON");
                    let path =
                        |hit: &serde_json::Value| hit["path"].as_str().expect("a path").into();
                    return (id, hits.as_array().expect("a list").iter().map(path).collect());
                }
            }
        }
    }

    fn request(collector: &Collector, path: &str, body: &str) {
        let mut to = TcpStream::connect(collector.address()).expect("it listens");
        let length = body.len();
        write!(to, "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
            .expect("sent");
        let mut answer = [0; 12];
        to.read_exact(&mut answer).expect("an answer");
    }

    #[test]
    fn a_page_goes_on_where_it_was() {
        let collector = Collector::start();
        request(&collector, "/one", "");
        request(&collector, "/two", "");
        let mut page = Page::open(&collector, None);
        assert_eq!(page.next("HTTP/1.1 "), "200 OK");
        assert_eq!(page.next("content-type: "), "text/event-stream");
        let (id, hits) = page.hits();
        assert_eq!(hits, ["/one", "/two"]);
        drop(page);
        request(&collector, "/three", "");
        let (id, hits) = Page::open(&collector, Some(&id)).hits();
        assert_eq!(hits, ["/three"]);
        // One that has it all is told that the connection lives, and then what is new.
        let mut page = Page::open(&collector, Some(&id));
        assert_eq!(page.next(": "), "still here");
        request(&collector, "/four", "");
        assert_eq!(page.hits().1, ["/four"]);
    }

    #[test]
    fn a_page_of_another_log_begins_anew() {
        let collector = Collector::start();
        request(&collector, "/one", "");
        let (id, _) = Page::open(&collector, None).hits();
        request(&collector, "/bench/clear", "");
        request(&collector, "/two", "");
        for stale in [id.as_str(), "7-1", "nonsense", "-", "7-99999999999999999999"] {
            let mut page = Page::open(&collector, Some(stale));
            assert_eq!(page.next("event: "), "begin", "{stale}");
            assert_eq!(page.hits().1, ["/two"], "{stale}");
        }
    }

    #[test]
    fn a_page_that_does_not_read_is_dropped() {
        let collector = Collector::start();
        let mut page = Page::open(&collector, None);
        assert_eq!(page.next("event: "), "begin");
        let body = format!("\"{}\"", "x".repeat(7 << 20));
        // More than the buffers of a connection hold.
        for _ in 0..8 {
            request(&collector, "/large", &body);
        }
        while collector.connections() > 0 {
            std::thread::yield_now();
        }
        // When it reads at last there is what the buffers held, and then the end.
        let mut rest = 0;
        let mut part = vec![0; 1 << 20];
        while let Ok(read @ 1..) = page.0.read(&mut part) {
            rest += read;
        }
        assert!(rest < 7 * (8 << 20), "{rest} bytes came");
    }

    #[test]
    fn only_so_many_pages_listen() {
        let collector = Collector::start();
        let mut pages: Vec<Page> = Vec::new();
        for _ in 0..MAX_READERS {
            let mut page = Page::open(&collector, None);
            page.next("event: ");
            pages.push(page);
        }
        assert_eq!(Page::open(&collector, None).next("HTTP/1.1 "), "503 Service Unavailable");
        // A page that leaves makes room.
        pages.pop();
        while Page::open(&collector, None).next("HTTP/1.1 ") != "200 OK" {}
    }
}
