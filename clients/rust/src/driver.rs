//! Carries out what the queue decides: one connection to the bus, made again when it is lost.

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use zbus::connection::Builder;
use zbus::{Connection, Message, MessageStream};

use crate::agent::Bus;
use crate::error::Reason;
use crate::queue::{Answer, Call, CallId, Failure, Micros, SECOND};
use crate::runtime::{Boxed, Timer};
use crate::shared::Shared;
use crate::wire::{self, Expected, Signal};

/// How long a connection may take to be made.
const CONNECT_LIMIT: Micros = 10 * SECOND;
/// The pauses between two tries of a bus that is away.
const PAUSE: Micros = SECOND;
const PAUSE_MAX: Micros = 30 * SECOND;
/// How many calls are handed to the socket at once.
const AT_ONCE: usize = 32;

/// How many calls are remembered before those are forgotten whose answer is of no use.
const CALLS_MAX: usize = 1_024;

const DBUS: &str = "org.freedesktop.DBus";

/// Runs until the queue was closed.
pub(crate) fn run(shared: Arc<Shared>, bus: Bus) -> impl FnOnce(Timer) -> Boxed<()> + Send {
    let over = Over(shared);
    move |timer| Box::pin(async move { drive(&over.0, &bus, &timer).await })
}

/// Says when the driver is gone, also when its runtime has dropped it.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.finish();
    }
}

async fn drive(shared: &Shared, bus: &Bus, timer: &Timer) {
    let mut pause = PAUSE;
    loop {
        let why = match in_time(shared, timer, connect(bus.clone()), CONNECT_LIMIT).await {
            Ended::Closed => return,
            Ended::Late => "the bus does not answer".to_owned(),
            Ended::Done(Err(error)) => error.to_string(),
            Ended::Done(Ok(link)) => {
                pause = PAUSE;
                shared.step(|queue, _| queue.connected());
                if link.serve(shared, timer).await {
                    return;
                }
                "the connection to the bus is lost".to_owned()
            }
        };
        shared.step(|queue, _| queue.disconnected(&why));
        if let Ended::Closed = in_time(shared, timer, std::future::pending::<()>(), pause).await {
            return;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// How a wait has ended.
enum Ended<T> {
    Done(T),
    Late,
    /// The queue was closed, and nothing more is to be said.
    Closed,
}

async fn in_time<T>(
    shared: &Shared,
    timer: &Timer,
    future: impl Future<Output = T> + Send,
    limit: Micros,
) -> Ended<T> {
    let mut future = Box::pin(future);
    let mut alarm = Alarm::default();
    let mut until = None;
    poll_fn(|context| {
        loop {
            let (now, over, deadline) = shared.drive(context, |queue, now| {
                queue.tick(now);
                (now, queue.is_over(now), queue.deadline(now))
            });
            let until = *until.get_or_insert(now.saturating_add(limit));
            if over {
                return Poll::Ready(Ended::Closed);
            }
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(Ended::Done(done));
            }
            if until <= now {
                return Poll::Ready(Ended::Late);
            }
            let wake = deadline.map_or(until, |deadline| deadline.min(until));
            if alarm.poll(context, timer, now, Some(wake)).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// A timer for one moment, which may change.
#[derive(Default)]
struct Alarm {
    set: Option<(Micros, Boxed<()>)>,
}

impl Alarm {
    /// Ready when the moment has come; the clock is to be read again then.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        timer: &Timer,
        now: Micros,
        at: Option<Micros>,
    ) -> Poll<()> {
        let Some(at) = at else {
            self.set = None;
            return Poll::Pending;
        };
        if self.set.as_ref().is_none_or(|(set, _)| *set != at) {
            let micros = u64::try_from(at.saturating_sub(now)).unwrap_or_default();
            self.set = Some((at, timer.sleep(Duration::from_micros(micros))));
        }
        let Some((_, sleep)) = &mut self.set else { return Poll::Pending };
        let ready = sleep.as_mut().poll(context);
        if ready.is_ready() {
            self.set = None;
        }
        ready
    }
}

/// A connection, everything that comes over it, and who the agent is on it.
struct Link {
    connection: Connection,
    messages: MessageStream,
    owner: Option<String>,
    calls: HashMap<NonZeroU32, (CallId, Expected)>,
}

async fn connect(bus: Bus) -> zbus::Result<Link> {
    let builder = match &bus {
        Bus::System => Builder::system(),
        Bus::Session => Builder::session(),
        Bus::Address(address) => Builder::address(address.as_str()),
    };
    let connection = builder.build().await?;
    // Everything in the order of the wire, answers too. Read from here on, so that no change of the
    // owner is missed.
    let messages = MessageStream::from(&connection);
    let ask = async |member, argument: &str| {
        let path = "/org/freedesktop/DBus";
        connection.call_method(Some(DBUS), path, Some(DBUS), member, &argument).await
    };
    for rule in wire::MATCHES {
        ask("AddMatch", rule).await?;
    }
    let owner = match ask("GetNameOwner", wire::AGENT).await {
        Ok(answer) => Some(answer.body().deserialize()?),
        Err(_) => None, // nobody has the name
    };
    Ok(Link { connection, messages, owner, calls: HashMap::new() })
}

impl Link {
    /// Says what is to be said. True when the queue was closed, false when the connection is lost.
    async fn serve(mut self, shared: &Shared, timer: &Timer) -> bool {
        let mut sending: Option<Boxed<zbus::Result<()>>> = None;
        let mut alarm = Alarm::default();
        let closed = poll_fn(|context| {
            loop {
                if let Some(calls) = &mut sending
                    && let Poll::Ready(sent) = calls.as_mut().poll(context)
                {
                    if sent.is_err() {
                        return Poll::Ready(false);
                    }
                    sending = None;
                }
                while let Poll::Ready(message) = Pin::new(&mut self.messages).poll_next(context) {
                    let Some(Ok(message)) = message else { return Poll::Ready(false) };
                    self.take(shared, &message);
                }
                let free = sending.is_none();
                let (now, over, calls, deadline) = shared.drive(context, |queue, now| {
                    queue.tick(now);
                    let next = || if free { queue.next_call(now) } else { None };
                    let calls: Vec<_> = std::iter::from_fn(next).take(AT_ONCE).collect();
                    (now, queue.is_over(now), calls, queue.deadline(now))
                });
                if over {
                    return Poll::Ready(true);
                }
                if !calls.is_empty() {
                    sending = self.send(shared, calls);
                    continue;
                }
                if alarm.poll(context, timer, now, deadline).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        drop(sending); // it may hold the socket
        if closed {
            let _ = self.connection.close().await; // it is over anyway
        }
        closed
    }

    /// Makes messages of the calls, and begins to send them.
    fn send(&mut self, shared: &Shared, calls: Vec<Call>) -> Option<Boxed<zbus::Result<()>>> {
        if self.calls.len() > CALLS_MAX {
            // Nobody waits any more for the answers of an agent that hung.
            shared.step(|queue, _| self.calls.retain(|_, (call, _)| queue.waits_for(*call)));
        }
        let mut messages = Vec::new();
        for call in calls {
            match wire::message(&call.request) {
                Ok((message, expected)) => {
                    let serial = message.primary_header().serial_num();
                    self.calls.insert(serial, (call.id, expected));
                    messages.push(message);
                }
                Err(error) => {
                    let why = format!("this cannot be said over D-Bus: {error}");
                    self.answer(shared, call.id, Err(Failure::new("InvalidArgs", &why)));
                }
            }
        }
        let connection = self.connection.clone();
        let some = !messages.is_empty();
        some.then(|| -> Boxed<_> { Box::pin(async move { connection.send_all(&messages).await }) })
    }

    /// Something has come over the bus.
    fn take(&mut self, shared: &Shared, message: &Message) {
        if let Some(serial) = message.header().reply_serial() {
            if let Some((call, expected)) = self.calls.remove(&serial) {
                self.answer(shared, call, wire::answer(message, expected));
            }
            return;
        }
        match wire::signal(message) {
            Some(Signal::Owner(owner)) => {
                let there = owner.is_some();
                self.owner = owner;
                shared.step(|queue, now| queue.owner_changed(now, there));
            }
            Some(Signal::Closed { sender, path, reason })
                if self.owner.as_ref() == Some(&sender) =>
            {
                shared.step(|queue, _| queue.closed(&path, Reason::named(&reason)));
            }
            _ => {}
        }
    }

    fn answer(&self, shared: &Shared, call: CallId, answer: Result<Answer, Failure>) {
        shared.step(|queue, now| queue.answered(now, call, answer));
    }
}
