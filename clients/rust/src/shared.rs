//! What the player's threads and the driver share: the queue behind a lock, and who waits for news.
//! The lock is held for as long as a decision takes, never over I/O.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock;
use crate::error::{Notice, SessionId};
use crate::info::Event;
use crate::media::Media;
use crate::queue::{AskId, Micros, PointAnswer, Queue};

#[derive(Debug)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    queue: Queue,
    driver: Option<Waker>,
    /// Who waits for a notice, for an answer or for the end.
    readers: Vec<Waker>,
    /// The driver is gone; nothing more is said.
    finished: bool,
}

impl State {
    fn wait(&mut self, context: &Context<'_>) {
        if !self.readers.iter().any(|reader| reader.will_wake(context.waker())) {
            self.readers.push(context.waker().clone());
        }
    }
}

impl Shared {
    pub(crate) fn new() -> Shared {
        let queue = Queue::new();
        Shared(Mutex::new(State { queue, driver: None, readers: Vec::new(), finished: false }))
    }

    pub(crate) fn open(&self, playhead: f64, media: &Media) -> SessionId {
        self.change(|queue, now| queue.open(now, playhead, media))
    }

    pub(crate) fn say(&self, session: SessionId, playhead: f64, event: Event) {
        self.change(|queue, now| queue.say(now, session, playhead, event));
    }

    pub(crate) fn now(
        &self,
        media: Option<&Media>,
        playhead: f64,
        rate: f64,
    ) -> (Option<SessionId>, bool) {
        self.change(|queue, now| queue.now(now, media, playhead, rate))
    }

    pub(crate) fn lifecycle(&self, app: &str, state: &'static str) {
        self.change(|queue, now| queue.lifecycle(now, app, state));
    }

    pub(crate) fn forget(&self, session: SessionId, end: bool) {
        self.change(|queue, now| queue.forget(now, session, end));
    }

    pub(crate) fn pending(&self) -> usize {
        self.lock().queue.pending()
    }

    pub(crate) fn ask(
        self: &Arc<Self>,
        app: &str,
        media_id: &str,
    ) -> impl Future<Output = PointAnswer> + Send + use<> {
        let id = self.change(|queue, now| queue.ask(now, app, media_id));
        let asked = Asked { shared: self.clone(), id };
        async move { poll_fn(|context| asked.poll(context)).await }
    }

    pub(crate) fn begin_close(&self, limit: Duration) {
        let limit = Micros::try_from(limit.as_micros()).unwrap_or(Micros::MAX);
        self.change(|queue, now| queue.close(now, limit));
    }

    /// Closes, and waits until that is done. Gives the number of messages that were not said.
    pub(crate) fn close(
        self: &Arc<Self>,
        limit: Duration,
    ) -> impl Future<Output = usize> + Send + use<> {
        self.begin_close(limit);
        let shared = self.clone();
        async move {
            poll_fn(|context| {
                let mut state = shared.lock();
                if state.finished {
                    return Poll::Ready(state.queue.pending());
                }
                state.wait(context);
                Poll::Pending
            })
            .await
        }
    }

    pub(crate) fn take_notice(&self) -> Option<Notice> {
        self.lock().queue.next_notice()
    }

    pub(crate) fn poll_notice(&self, context: &Context<'_>) -> Poll<Option<Notice>> {
        let mut state = self.lock();
        match state.queue.next_notice() {
            Some(notice) => Poll::Ready(Some(notice)),
            None if state.finished => Poll::Ready(None),
            None => {
                state.wait(context);
                Poll::Pending
            }
        }
    }

    /// The driver does something with the queue, and hears of what players do to it from now on.
    pub(crate) fn drive<R>(
        &self,
        context: &Context<'_>,
        step: impl FnOnce(&mut Queue, Micros) -> R,
    ) -> R {
        self.lock().driver = Some(context.waker().clone());
        self.step(step)
    }

    /// The driver does something with the queue.
    pub(crate) fn step<R>(&self, step: impl FnOnce(&mut Queue, Micros) -> R) -> R {
        let mut state = self.lock();
        let result = step(&mut state.queue, clock::now());
        let readers = match state.queue.has_news() {
            true => std::mem::take(&mut state.readers),
            false => Vec::new(),
        };
        drop(state);
        readers.into_iter().for_each(Waker::wake);
        result
    }

    /// The driver is gone.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.finished = true;
        state.queue.abandon(clock::now());
        let readers = std::mem::take(&mut state.readers);
        drop(state);
        readers.into_iter().for_each(Waker::wake);
    }

    /// The player does something with the queue, and the driver looks at it.
    fn change<R>(&self, change: impl FnOnce(&mut Queue, Micros) -> R) -> R {
        let result = self.step(change);
        let driver = self.lock().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that somebody waits for.
struct Asked {
    shared: Arc<Shared>,
    id: AskId,
}

impl Asked {
    fn poll(&self, context: &Context<'_>) -> Poll<PointAnswer> {
        let mut state = self.shared.lock();
        if let Some(answer) = state.queue.take_answer(self.id) {
            return Poll::Ready(answer);
        }
        state.wait(context);
        Poll::Pending
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.shared.lock().queue.forget_ask(self.id);
    }
}
