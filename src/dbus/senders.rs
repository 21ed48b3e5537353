//! Which connection owns which names, and the identity of each sender. A sender's messages wait, in
//! order, until its identity is known (behaviour.md 1.5). Then the rates of its uid and of all senders
//! together count; its own was checked at the door (behaviour.md 2.8).

mod waiting;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use zbus::Connection;
use zbus::message::Header;

use self::waiting::{Waiting, Waits, waits_too_long};
use super::access::{self, Right, Rights};
use super::call_bus;
use super::door::{Door, Visitor};
use super::error::Refused;
use super::identity;
use super::limits::LimitsInForce;
use super::names::SYSTEMD;
use crate::core::input::Input;
use crate::core::rate::{Bucket, COUNT_EVERY, Rate, over_the_limits};
use crate::core::rejected::{Refusal, Rejected};
use crate::core::tracker::event::EventName;
use crate::core::warnings::RefusalLog;
use crate::port::{Message, Port};
use crate::system::clock;

/// Whom a connection belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    /// Stable id of the application.
    app: String,
    rights: Rights,
}

enum IdentityState {
    /// Not looked up yet, or the bus did not answer.
    Unknown,
    /// Being looked up. Messages wait for the whole identity, reads only for the rights.
    Pending {
        rights: Option<Rights>,
        waiting: Waiting,
        asking: Vec<oneshot::Sender<Rights>>,
    },
    Known(Identity),
}

/// Reads of one connection that may wait for its rights.
const MOST_ASKING: usize = 256;

struct SenderTable {
    /// Well-known name -> unique name of its owner.
    names: HashMap<String, String>,
    /// Unique names that are connected.
    connected: HashSet<String>,
    senders: HashMap<String, IdentityState>,
    /// Messages of all senders that wait for an identity, by their costs.
    waiting: u32,
    /// Refusals of senders without a right.
    strangers: Bucket,
    refusals: RefusalLog,
}

impl SenderTable {
    /// Says in the log that a sender was refused something.
    fn say_refused(&mut self, event: &str, sender: &str, rejected: &Rejected) {
        let app = match self.senders.get(sender) {
            Some(IdentityState::Known(identity)) => identity.app.as_str(),
            _ => "",
        };
        self.refusals.say(event, sender, app, rejected, clock::now().boot);
    }
}

/// The register of senders, shared by all objects, with the connection, the port and the limits.
#[derive(Clone)]
pub(super) struct Senders {
    pub connection: Connection,
    pub port: Port,
    pub limits: LimitsInForce,
    door: Arc<Door>,
    register: Arc<Mutex<SenderTable>>,
}

impl Senders {
    pub fn new(
        connection: Connection,
        port: Port,
        limits: LimitsInForce,
        door: Arc<Door>,
    ) -> Senders {
        let register = SenderTable {
            names: HashMap::new(),
            connected: HashSet::new(),
            senders: HashMap::new(),
            waiting: 0,
            strangers: Bucket::full(Rate::of_all(&limits), clock::now().boot),
            refusals: RefusalLog::default(),
        };
        let register = Arc::new(Mutex::new(register));
        Senders { connection, port, limits, door, register }
    }

    /// Does what the door cannot do by itself, and counts what it has dropped.
    pub async fn do_errands(self) {
        let mut count = tokio::time::interval(Duration::from_millis(COUNT_EVERY.0.unsigned_abs()));
        let mut counting = false;
        loop {
            let errands = tokio::select! {
                errands = self.door.errands() => errands,
                _ = count.tick(), if counting => {
                    counting = false;
                    let (events, sender) = self.door.take_flooded();
                    let rejected = over_the_limits(events);
                    self.register().say_refused("messages", &sender, &rejected);
                    self.port.tell(Input::Flooded { events }, clock::now().boot);
                    continue;
                }
            };
            if errands.flooded {
                counting = true;
                count.reset();
            }
            for sender in errands.strangers {
                self.look_up(&mut self.register(), &sender);
            }
            for (sender, call, why) in errands.unknown {
                self.turned_away(&sender, &call, &why);
            }
            for (call, rejected) in errands.refused {
                self.say_refused(&call.header(), &rejected);
                self.note_refusal(&call, &rejected);
                let refused = Refused::from(rejected);
                if let Err(error) = self.connection.reply_dbus_error(&call.header(), refused).await
                {
                    tracing::debug!(%error, "a refusal did not reach the bus");
                }
            }
        }
    }

    /// Says in the log that a message was refused.
    pub fn say_refused(&self, refused: &Header<'_>, rejected: &Rejected) {
        self.register().say_refused(member(refused), identity::sender(refused), rejected);
    }

    fn register(&self) -> MutexGuard<'_, SenderTable> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads which names there are and who owns them.
    pub async fn learn_names(&self) -> zbus::Result<()> {
        let names: Vec<String> =
            call_bus(&self.connection, "ListNames", &()).await?.body().deserialize()?;
        for name in names {
            if name.starts_with(':') {
                self.register().connected.insert(name);
            } else if let Ok(reply) = call_bus(&self.connection, "GetNameOwner", &name).await {
                let owner: String = reply.body().deserialize()?;
                self.door.owner_is(&name, &owner);
                self.register().names.insert(name, owner);
            }
        }
        Ok(())
    }

    pub fn present(&self) -> Vec<String> {
        self.register().connected.iter().cloned().collect()
    }

    /// `NameOwnerChanged`, as it arrives. True when a connection is gone.
    pub fn name_changed(&self, name: &str, new_owner: &str) -> bool {
        let mut register = self.register();
        if !name.starts_with(':') {
            match new_owner.is_empty() {
                true => register.names.remove(name),
                false => register.names.insert(name.to_owned(), new_owner.to_owned()),
            };
            return false;
        }
        if new_owner.is_empty() {
            register.connected.remove(name)
        } else {
            register.connected.insert(name.to_owned());
            false
        }
    }

    pub fn is_connected(&self, sender: &str) -> bool {
        self.register().connected.contains(sender)
    }

    /// Forgets a connection that is gone, after all its messages were handed in.
    pub fn forget(&self, sender: &str) {
        self.door.forget(sender);
        let mut register = self.register();
        if let Some(IdentityState::Pending { waiting, .. }) = register.senders.remove(sender) {
            self.give_back(&mut register, waiting);
        }
    }

    /// Looks up the player of a restored session before it says anything, so that what it says just
    /// before it leaves counts.
    pub fn expect(&self, player: &str) {
        if self.is_connected(player) {
            self.look_up(&mut self.register(), player);
        }
    }

    /// A sender's entry. The first time, the lookup of its identity begins.
    fn look_up<'r>(&self, register: &'r mut SenderTable, sender: &str) -> &'r mut IdentityState {
        let entry = register.senders.entry(sender.to_owned()).or_insert(IdentityState::Unknown);
        if matches!(entry, IdentityState::Unknown) {
            tokio::spawn(self.clone().identify(sender.to_owned()));
            *entry = IdentityState::Pending {
                rights: None,
                waiting: Waiting::default(),
                asking: Vec::new(),
            };
        }
        entry
    }

    /// Hands in what a message of the bus says, now or as soon as its sender is known. Never waits
    /// itself, so messages keep the order of the wire.
    pub fn hand_in(&self, heard: &zbus::Message, message: Message) {
        let (header, cost) = (heard.header(), self.door.cost(heard));
        let mut register = self.register();
        let room = register.waiting.saturating_add(cost) <= self.limits.all_event_burst;
        let refused = match self.look_up(&mut register, identity::sender(&header)) {
            IdentityState::Known(identity) => {
                let identity = identity.clone();
                return self.pass(&mut register, heard, message, &identity);
            }
            IdentityState::Pending { waiting, .. } if room || waiting.has_place(cost) => {
                waiting.push(heard, message, cost)
            }
            _ => Some(message),
        };
        match refused {
            Some(message) => self.refuse(&mut register, heard, message, waits_too_long()),
            None => register.waiting += cost,
        }
    }

    /// Refuses everything that has waited for an identity in vain.
    fn give_back(&self, register: &mut SenderTable, waiting: Waiting) {
        for Waits { heard, message, cost } in waiting.0 {
            register.waiting = register.waiting.saturating_sub(cost);
            self.refuse(register, &heard, message, left());
        }
    }

    /// Whether a caller has a right.
    ///
    /// Errors: `AccessDenied`, also for a caller that is gone.
    pub async fn check(&self, header: &Header<'_>, needed: Right) -> Result<(), Rejected> {
        let checked = self.may(header, needed).await;
        checked.inspect_err(|rejected| self.say_refused(header, rejected))
    }

    async fn may(&self, header: &Header<'_>, needed: Right) -> Result<(), Rejected> {
        let sender = identity::sender(header);
        let answer = {
            let mut register = self.register();
            match self.look_up(&mut register, sender) {
                IdentityState::Known(identity) => return identity.rights.check(needed),
                IdentityState::Pending { rights: Some(rights), .. } => return rights.check(needed),
                IdentityState::Pending { asking, .. } if asking.len() < MOST_ASKING => {
                    let (told, answer) = oneshot::channel();
                    asking.push(told);
                    answer
                }
                _ => return Err(left()),
            }
        };
        answer.await.map_err(|_| left())?.check(needed)
    }

    /// Looks a sender up. Its rights come first, because reads wait for them alone and a sender
    /// without any needs no application.
    async fn identify(self, sender: String) {
        let Some(credentials) = identity::credentials(&self.connection, &sender).await else {
            return self.unknown(&sender);
        };
        let rights = Rights::of(&credentials);
        let introspects = rights.check(Right::Play).is_ok();
        self.door.identified(&sender, Visitor { uid: rights.limited_uid(), introspects });
        let (name, systemd) = {
            let mut register = self.register();
            let Some(entry) = register.senders.get_mut(&sender) else { return };
            if let IdentityState::Pending { rights: known, asking, .. } = entry {
                *known = Some(rights);
                for told in asking.drain(..) {
                    let _ = told.send(rights);
                }
            }
            let owned = register.names.iter().filter(|(_, owner)| **owner == sender);
            (owned.map(|(name, _)| name).min().cloned(), register.names.contains_key(SYSTEMD))
        };
        let app = match name {
            Some(name) => name,
            None if rights.check(Right::Play).is_err() => String::new(),
            None => identity::app(&self.connection, &sender, &credentials, systemd).await,
        };
        let identity = Identity { app, rights };
        let mut register = self.register();
        let Some(entry) = register.senders.get_mut(&sender) else { return };
        let known = std::mem::replace(entry, IdentityState::Known(identity.clone()));
        if let IdentityState::Pending { waiting, .. } = known {
            for Waits { heard, message, cost } in waiting.0 {
                register.waiting = register.waiting.saturating_sub(cost);
                self.pass(&mut register, &heard, message, &identity);
            }
        }
    }

    /// The bus did not identify a sender, most often because it is gone. A sender that is still
    /// connected is looked up again at its next message.
    fn unknown(&self, sender: &str) {
        if !self.is_connected(sender) {
            return self.forget(sender);
        }
        self.door.identified(sender, Visitor { uid: Some(NOBODY), introspects: false });
        let mut register = self.register();
        let Some(entry) = register.senders.get_mut(sender) else { return };
        if let IdentityState::Pending { waiting, .. } =
            std::mem::replace(entry, IdentityState::Unknown)
        {
            self.give_back(&mut register, waiting);
        }
    }

    /// Hands a message to the engine if its sender has the right that it needs, and the rates allow
    /// it.
    fn pass(
        &self,
        register: &mut SenderTable,
        heard: &zbus::Message,
        mut message: Message,
        identity: &Identity,
    ) {
        if let Some(needed) = access::needed(&message.input)
            && let Err(rejected) = identity.rights.check(needed)
        {
            // Whoever may not is told so, but costs the engine little.
            let told = register.strangers.take(Rate::of_all(&self.limits), 1, clock::now().boot);
            return if told {
                self.refuse(register, heard, message, rejected)
            } else {
                self.drop_over_rate(heard, message, rejected)
            };
        }
        if let Err(rejected) = self.door.check_late(heard, identity.rights.limited_uid()) {
            if let Some((_, answer)) = message.answer {
                let _ = answer.send(Err(rejected));
            }
            return;
        }
        if let Input::Unreadable { event, why, .. } = &message.input {
            let header = heard.header();
            let rejected = Rejected::invalid(why.as_str());
            register.say_refused(event, identity::sender(&header), &rejected);
        }
        name(&mut message.input, identity);
        self.port.hand_in(message);
    }

    /// Refuses a message that is only counted.
    fn drop_over_rate(&self, heard: &zbus::Message, message: Message, rejected: Rejected) {
        self.door.flooded(identity::sender(&heard.header()));
        if let Some((_, answer)) = message.answer {
            let _ = answer.send(Err(rejected));
        }
    }

    /// Refuses a message: a caller gets the error, a signal is counted.
    fn refuse(
        &self,
        register: &mut SenderTable,
        heard: &zbus::Message,
        message: Message,
        rejected: Rejected,
    ) {
        match message.answer {
            Some((_, answer)) => {
                self.note_refusal(heard, &rejected);
                let _ = answer.send(Err(rejected));
            }
            None => {
                let header = heard.header();
                register.say_refused(member(&header), identity::sender(&header), &rejected);
                let event = match message.input {
                    Input::Open { .. } => EventName::SessionStart.name(),
                    Input::Event { name, .. } => name.name(),
                    Input::Lifecycle { state, .. } => state.name(),
                    Input::Unreadable { event, .. } => event,
                    _ => "signal",
                };
                let sender = identity::sender(&header).to_owned();
                let input = Input::Unreadable { event, sender, why: rejected.why };
                self.port.tell(input, message.arrived);
            }
        }
    }

    /// Shows whoever watches a call that is refused before it becomes an event.
    pub fn note_refusal(&self, call: &zbus::Message, rejected: &Rejected) {
        let header = call.header();
        let member = header.member().map_or("call", |member| member.as_str());
        self.turned_away(identity::sender(&header), member, &rejected.why);
    }

    fn turned_away(&self, sender: &str, call: &str, why: &str) {
        if self.port.is_watched() {
            let (sender, call, why) = (sender.to_owned(), call.to_owned(), why.to_owned());
            self.port.tell(Input::TurnedAway { call, sender, why }, clock::now().boot);
        }
    }
}

/// The uid that stands for senders which the bus does not identify.
const NOBODY: u32 = u32::MAX;

fn left() -> Rejected {
    Rejected::new(
        Refusal::AccessDenied,
        "the bus did not identify the sender, or it has left; if it is connected, try again",
    )
}

fn member<'m>(header: &'m Header<'_>) -> &'m str {
    header.member().map_or("", |member| member.as_str())
}

/// Fills in the application where the message itself names none.
fn name(input: &mut Input, identity: &Identity) {
    if let Input::Open { uid, .. } = input {
        *uid = identity.rights.limited_uid();
    }
    match input {
        Input::Open { app, .. }
        | Input::GetResumePoint { app, .. }
        | Input::SetResumePoint { app, .. }
        | Input::ForgetResumePoint { app, .. }
        | Input::Lifecycle { app, .. }
            if app.is_empty() =>
        {
            identity.app.clone_into(app);
        }
        _ => {}
    }
}
