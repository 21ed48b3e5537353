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

use super::log::Lines;
use super::server::Shared;

/// Pages that may listen at a time.
pub(super) const MAX_READERS: usize = 32;
/// A comment line comes after this long without a record, so that a dead connection is noticed.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
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
