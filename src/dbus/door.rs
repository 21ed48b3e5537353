//! The door of the agent's bus connection: each message is looked at before zbus sees it (behaviour.md
//! 2.8). What nobody asked for is dropped, what is over a sender's rate is refused, and reads wait
//! their turn. Signals that only pretend to come from a service that is heard stay outside.

mod reads;
mod refusals;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zbus::Message;
use zbus::message::Type;

use self::refusals::{
    MOST_READ_BYTES, MOST_UNANSWERED, expects_reply, is_from, too_long, too_many_wait, unknown,
};
use super::identity;
use super::limits::LimitsInForce;
use super::names::{AGENT_INTERFACE, AGENT_METHODS, BUS, LIFECYCLE, PLAYER, SESSION_INTERFACE};
use crate::core::rate::{self, Bucket, EventRates, Rate, UIDS};
use crate::core::rejected::Rejected;
use crate::core::time::{BootInstant, Span};
use crate::core::tracker::event::EventName;
use crate::port::SnapshotReader;
use crate::system::HEARD;
use crate::system::clock;

/// Refusals that may wait to be sent.
const MOST_REFUSALS: usize = 1024;
/// Refusals that the strangers of one uid are told. Whoever does not stop gets no answers to the rest,
/// and for a moment its calls are not even looked at. The bus lets nobody wait for more than some hundred
/// answers, so it holds such a sender back itself; answers that nobody reads would fill the bus's memory
/// and stop everybody's.
const TOLD: Rate = Rate { per_second: 1, burst: 64 };
const DEAF: Span = Span::millis(100);
/// Refusals that may wait until it is known whether their senders are strangers.
const MOST_UNDECIDED: usize = 1024;
/// Calls of what does not exist that may wait to be shown.
const MOST_UNKNOWN: usize = 64;

/// What the door cannot do by itself.
#[derive(Debug, Default)]
pub(super) struct Errands {
    /// Calls that are refused.
    pub refused: Vec<(Message, Rejected)>,
    /// Senders that have to be looked up: the door waits to learn whether they may read.
    pub strangers: BTreeSet<String>,
    /// What was asked that does not exist, for whoever watches: sender, kind of mistake, why.
    pub unknown: Vec<(String, String, String)>,
    /// Messages were dropped because of a rate, the first since `take_flooded`.
    pub flooded: bool,
}

/// Whom a sender belongs to, as far as the door has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visitor {
    /// `None` for root and the service's own user, whom no limit of a uid concerns.
    pub uid: Option<u32>,
    /// It may see how the agent's objects are made.
    pub introspects: bool,
}

#[derive(Debug)]
struct Sender {
    reads: Bucket,
    /// Nothing that it says before this is looked at.
    deaf_until: BootInstant,
    /// Reads that are held or not answered, by serial.
    unanswered: HashSet<NonZeroU32>,
    visitor: Option<Visitor>,
    /// Reads and refusals that wait until it is known who this is.
    reads_waiting: Vec<Message>,
    undecided: Vec<(Message, Rejected)>,
}

#[derive(Debug)]
struct OfUid {
    reads: Bucket,
    told: Bucket,
}

#[derive(Debug, Default)]
struct State {
    /// Our own unique name.
    own: String,
    senders: HashMap<String, Sender>,
    events: EventRates,
    /// Reads of each uid, and what it was told.
    uids: HashMap<u32, OfUid>,
    /// Events of senders that were not known at the door, by serial. Their other rates are checked
    /// when they are.
    unchecked: HashSet<(String, NonZeroU32)>,
    /// Owners of the names of services whose signals are heard.
    heard: BTreeMap<String, String>,
    /// Reads that wait for their turn; of one instant, in order.
    held: BTreeMap<BootInstant, VecDeque<Message>>,
    /// Reads whose senders were unknown and are known now.
    known_now: VecDeque<Message>,
    /// How many reads and refusals wait, for whatever.
    held_count: usize,
    undecided_count: usize,
    /// Calls that are not answered.
    unanswered: HashSet<(String, NonZeroU32)>,
    errands: Errands,
    /// Messages that were dropped because of a rate or their size, and the sender of the last one.
    flooded: u64,
    flooder: String,
}

#[derive(Debug)]
pub(super) struct Door {
    limits: LimitsInForce,
    view: SnapshotReader,
    errands: Notify,
    changed: Notify,
    state: Mutex<State>,
}

/// What a message wants.
enum Wish {
    Nothing,
    Pass,
    Event,
    Read,
    Refusal(Rejected),
}

impl Door {
    pub fn new(limits: LimitsInForce, view: SnapshotReader) -> Door {
        let (errands, changed) = (Notify::new(), Notify::new());
        Door { limits, view, errands, changed, state: Mutex::default() }
    }

    /// Waits until there is something to do.
    pub async fn errands(&self) -> Errands {
        self.errands.notified().await;
        std::mem::take(&mut self.state().errands)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_rate(&self) -> Rate {
        Rate { per_second: self.limits.reads_per_second, burst: self.limits.unread_answers }
    }

    /// Our own name. What we say to ourselves is not limited.
    pub fn we_are(&self, own: &str) {
        self.state().own = own.to_owned();
    }

    /// The owner of a well-known name; empty when it has none.
    pub fn owner_is(&self, name: &str, owner: &str) {
        if HEARD.contains(&name) {
            let heard = &mut self.state().heard;
            match owner.is_empty() {
                true => heard.remove(name),
                false => heard.insert(name.to_owned(), owner.to_owned()),
            };
        }
    }

    /// A sender was looked up.
    pub fn identified(&self, sender: &str, visitor: Visitor) {
        let mut state = self.state();
        // One that has left meanwhile is not noted anew.
        let Some(entry) = state.senders.get_mut(sender) else { return };
        entry.visitor = Some(visitor);
        let reads = std::mem::take(&mut entry.reads_waiting);
        let undecided = std::mem::take(&mut entry.undecided);
        state.known_now.extend(reads);
        state.undecided_count -= undecided.len();
        drop(state);
        for (message, rejected) in undecided {
            self.refuse(message, rejected);
        }
        self.changed.notify_one();
    }

    /// A connection is gone.
    pub fn forget(&self, sender: &str) {
        let mut state = self.state();
        if let Some(gone) = state.senders.remove(sender) {
            state.held_count -= gone.reads_waiting.len();
            state.undecided_count -= gone.undecided.len();
        }
        state.events.forget(sender);
        state.unanswered.retain(|(of, _)| of != sender);
        state.unchecked.retain(|(of, _)| of != sender);
        let mut dropped = 0;
        let State { held, known_now, held_count, .. } = &mut *state;
        for messages in held.values_mut().chain([known_now]) {
            let before = messages.len();
            messages.retain(|message| !is_from(message, sender));
            dropped += before - messages.len();
        }
        held.retain(|_, messages| !messages.is_empty());
        *held_count -= dropped;
    }

    /// Messages over the rates since the last call, and the sender of the last one.
    pub fn take_flooded(&self) -> (u64, String) {
        let mut state = self.state();
        (std::mem::take(&mut state.flooded), state.flooder.clone())
    }

    /// Counts a message that was dropped because of a rate or its size.
    pub fn flooded(&self, sender: &str) {
        let mut state = self.state();
        sender.clone_into(&mut state.flooder);
        state.flooded += 1;
        if state.flooded == 1 {
            state.errands.flooded = true;
            self.errands.notify_one();
        }
    }

    fn sender<'s>(&self, state: &'s mut State, sender: &str) -> &'s mut Sender {
        let now = clock::now().boot;
        state.senders.entry(sender.to_owned()).or_insert_with(|| Sender {
            reads: Bucket::full(self.read_rate(), now),
            deaf_until: BootInstant(i64::MIN),
            unanswered: HashSet::new(),
            visitor: None,
            reads_waiting: Vec::new(),
            undecided: Vec::new(),
        })
    }

    /// Whether many refusals wait to be sent.
    pub fn is_behind(&self) -> bool {
        self.state().errands.refused.len() > MOST_REFUSALS / 16
    }

    /// Whether a sender's calls are looked at. Those of one that floods are not, for a moment.
    pub fn listens_to(&self, sender: &str) -> bool {
        let now = clock::now().boot;
        self.state().senders.get(sender).is_none_or(|sender| sender.deaf_until <= now)
    }

    /// Gives a message that may go on. `cut`: it was too long, and only its header is there.
    pub fn judge(&self, message: Message, cut: bool) -> Option<Message> {
        match self.wish(&message) {
            Wish::Nothing => None,
            // The bus and whom we called say nothing that is too long to be read.
            Wish::Pass => (!cut).then_some(message),
            Wish::Event if cut => {
                self.flooded(identity::sender(&message.header()));
                self.refuse(message, too_long())
            }
            Wish::Event => self.event(message),
            Wish::Read if cut || message.data().len() > MOST_READ_BYTES => {
                self.refuse(message, too_long())
            }
            Wish::Read => self.read(message),
            Wish::Refusal(rejected) => self.refuse(message, rejected),
        }
    }

    fn wish(&self, message: &Message) -> Wish {
        let header = message.header();
        let Some(sender) = header.sender().map(|sender| sender.as_str()) else {
            return Wish::Nothing;
        };
        let interface = header.interface().map_or("", |interface| interface.as_str());
        let member = header.member().map_or("", |member| member.as_str());
        match message.message_type() {
            Type::MethodReturn | Type::Error => Wish::Pass,
            Type::Signal => match interface {
                PLAYER | LIFECYCLE => Wish::Event,
                _ if sender == BUS => {
                    self.name_changed(message, member);
                    Wish::Pass
                }
                _ => match self.state().heard.values().any(|owner| owner == sender) {
                    true => Wish::Pass,
                    false => Wish::Nothing,
                },
            },
            Type::MethodCall if sender == self.state().own => Wish::Pass,
            Type::MethodCall => match interface {
                AGENT_INTERFACE if AGENT_METHODS.contains(&member) => Wish::Event,
                SESSION_INTERFACE if EventName::parse(member).is_some() => {
                    // Without a configuration its object is not there, to say so itself.
                    self.view.not_configured().map_or(Wish::Event, Wish::Refusal)
                }
                _ => Wish::Read,
            },
        }
    }

    fn name_changed(&self, message: &Message, member: &str) {
        if member == "NameOwnerChanged"
            && let Ok((name, _, owner)) = message.body().deserialize::<(&str, &str, &str)>()
        {
            self.owner_is(name, owner);
        }
    }

    /// An event is within its sender's rate, or it is dropped and counted.
    fn event(&self, message: Message) -> Option<Message> {
        let (now, cost) = (clock::now().boot, self.cost(&message));
        let mut state = self.state();
        let header = message.header();
        let sender = header.sender().map_or("", |sender| sender.as_str());
        let visitor = self.sender(&mut state, sender).visitor;
        let within = match (state.events.of_sender(&self.limits, sender, cost, now), visitor) {
            (Err(over), _) => Err(over),
            (Ok(()), _) if state.unanswered.len() >= MOST_UNANSWERED => Err(too_many_wait()),
            (Ok(()), Some(Visitor { uid, .. })) => {
                state.events.of_others(&self.limits, uid, cost, now)
            }
            (Ok(()), None) => {
                state.unchecked.insert((sender.to_owned(), header.primary().serial_num()));
                Ok(())
            }
        };
        match within {
            Ok(()) => {
                note_call(&mut state, &message);
                Some(message)
            }
            Err(rejected) => {
                drop(state);
                self.flooded(sender);
                self.refuse(message, rejected)
            }
        }
    }

    /// Checks the rates of a uid and of all senders together for a message of a sender that was not
    /// known at the door, and counts it if it is over one.
    ///
    /// Errors: `LimitsExceeded`.
    pub fn check_late(&self, message: &Message, uid: Option<u32>) -> Result<(), Rejected> {
        let header = message.header();
        let sender = identity::sender(&header);
        let mut state = self.state();
        if !state.unchecked.remove(&(sender.to_owned(), header.primary().serial_num())) {
            return Ok(());
        }
        let (now, cost) = (clock::now().boot, self.cost(message));
        let within = state.events.of_others(&self.limits, uid, cost, now);
        drop(state);
        if within.is_err() {
            self.flooded(sender);
        }
        within
    }

    fn of_uid<'s>(&self, state: &'s mut State, uid: u32, now: BootInstant) -> &'s mut OfUid {
        let rate = Rate::of_uid(&self.limits);
        if state.uids.len() > UIDS {
            let idle = |of: &mut OfUid| of.reads.is_full(rate, now) && of.told.is_full(TOLD, now);
            state.uids.retain(|_, of| !idle(of));
        }
        let fresh = || OfUid { reads: Bucket::full(rate, now), told: Bucket::full(TOLD, now) };
        state.uids.entry(uid).or_insert_with(fresh)
    }

    /// As how many messages one counts.
    pub fn cost(&self, message: &Message) -> u32 {
        rate::cost(message.body().len(), &self.limits)
    }

    /// A message has left for the bus.
    pub fn sent(&self, message: &Message) {
        if !matches!(message.message_type(), Type::MethodReturn | Type::Error) {
            return;
        }
        let header = message.header();
        let (Some(to), Some(serial)) = (header.destination(), header.reply_serial()) else {
            return;
        };
        let mut state = self.state();
        if let Some((kind, why)) = unknown(message)
            && state.errands.unknown.len() < MOST_UNKNOWN
        {
            state.errands.unknown.push((to.to_string(), kind, why));
            self.errands.notify_one();
        }
        let call = (to.to_string(), serial);
        state.unanswered.remove(&call);
        state.unchecked.remove(&call);
        if let Some(sender) = state.senders.get_mut(to.as_str()) {
            sender.unanswered.remove(&serial);
        }
    }

    /// Answers a call with an error. A signal has nobody to tell.
    fn refuse(&self, message: Message, rejected: Rejected) -> Option<Message> {
        if !expects_reply(&message) {
            return None;
        }
        let now = clock::now().boot;
        let mut state = self.state();
        let sender = message.header().sender().map_or_else(String::new, ToString::to_string);
        match self.sender(&mut state, &sender).visitor {
            None => {
                if state.undecided_count < MOST_UNDECIDED && message.data().len() <= MOST_READ_BYTES
                {
                    self.sender(&mut state, &sender).undecided.push((message, rejected));
                    state.undecided_count += 1;
                    state.errands.strangers.insert(sender);
                    self.errands.notify_one();
                }
                return None;
            }
            Some(Visitor { introspects: false, uid }) => {
                let of_uid = self.of_uid(&mut state, uid.unwrap_or(u32::MAX), now);
                if !of_uid.told.take(TOLD, 1, now) {
                    self.sender(&mut state, &sender).deaf_until = now + DEAF;
                    return None;
                }
            }
            Some(_) => {}
        }
        if state.errands.refused.len() < MOST_REFUSALS {
            state.errands.refused.push((message, rejected));
            self.errands.notify_one();
        }
        None
    }
}

fn note_call(state: &mut State, message: &Message) {
    let header = message.header();
    if expects_reply(message)
        && let Some(sender) = header.sender()
    {
        state.unanswered.insert((sender.to_string(), header.primary().serial_num()));
    }
}
