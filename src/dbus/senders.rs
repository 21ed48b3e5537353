//! Which connection owns which names, and the identity of each sender. A sender's messages wait, in
//! order, until its identity is known (behaviour.md 1.5). A message over the sender's rate is
//! refused before it is read (behaviour.md 2.8).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use zbus::Connection;
use zbus::message::Header;

use super::access::{self, Right, Rights};
use super::identity;
use super::rate::Bucket;
use super::{SYSTEMD, call_bus};
use crate::core::input::Input;
use crate::core::rejected::{Refusal, Rejected};
use crate::core::settings::Limits;
use crate::port::{Message, Port};
use crate::system::clock;

/// How often messages over the rate are reported to the engine.
const COUNT_EVERY: Duration = Duration::from_secs(1);

struct Sender {
    bucket: Bucket,
    identity: IdentityState,
}

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

/// Messages of one connection that may wait for its identity; a burst fits.
const MOST_WAITING: usize = 256;
/// Reads of one connection that may wait for its rights.
const MOST_ASKING: usize = 256;

#[derive(Default)]
struct SenderTable {
    /// Well-known name -> unique name of its owner.
    names: HashMap<String, String>,
    /// Unique names that are connected.
    connected: HashSet<String>,
    senders: HashMap<String, Sender>,
    /// Messages over the rate that are not reported to the engine yet.
    uncounted: u64,
}

/// The register of senders, shared by all objects, with the connection, the port and the limits.
#[derive(Clone)]
pub(super) struct Senders {
    pub connection: Connection,
    pub port: Port,
    pub limits: Arc<Limits>,
    register: Arc<Mutex<SenderTable>>,
}

impl Senders {
    pub fn new(connection: Connection, port: Port, limits: Limits) -> Senders {
        Senders { connection, port, limits: Arc::new(limits), register: Arc::default() }
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
        let gone = self.register().senders.remove(sender);
        if let Some(Sender { identity: IdentityState::Pending { waiting, .. }, .. }) = gone {
            waiting.0.into_iter().for_each(|message| self.refuse(message, left()));
        }
    }

    /// Checks a sender's rate (behaviour.md 2.8) before its message is read.
    ///
    /// Errors: `LimitsExceeded`; the message is counted.
    pub fn admit(&self, sender: &str) -> Result<(), Rejected> {
        let mut register = self.register();
        if self.sender(&mut register, sender).bucket.take(&self.limits, clock::now().boot) {
            return Ok(());
        }
        register.uncounted += 1;
        if register.uncounted == 1 {
            tokio::spawn(self.clone().count());
        }
        let Limits { events_per_second, event_burst, .. } = *self.limits;
        let why = format!(
            "a sender may send {events_per_second} messages a second, {event_burst} at once; this one \
             was dropped"
        );
        Err(Rejected::new(Refusal::LimitsExceeded, why))
    }

    /// Reports all messages over the rate to the engine in one input.
    async fn count(self) {
        tokio::time::sleep(COUNT_EVERY).await;
        let events = std::mem::take(&mut self.register().uncounted);
        self.port.tell(Input::Flooded { events }, clock::now().boot);
    }

    /// A sender's entry. The first time, the lookup of its identity begins.
    fn sender<'r>(&self, register: &'r mut SenderTable, sender: &str) -> &'r mut Sender {
        let entry = register.senders.entry(sender.to_owned()).or_insert_with(|| Sender {
            bucket: Bucket::full(&self.limits, clock::now().boot),
            identity: IdentityState::Unknown,
        });
        if matches!(entry.identity, IdentityState::Unknown) {
            tokio::spawn(self.clone().identify(sender.to_owned()));
            entry.identity = IdentityState::Pending {
                rights: None,
                waiting: Waiting::default(),
                asking: Vec::new(),
            };
        }
        entry
    }

    /// Hands in a message of `sender`, now or as soon as the sender is known. Never waits itself,
    /// so messages keep the order of the wire.
    pub fn hand_in(&self, sender: &str, message: Message) {
        let mut register = self.register();
        match &mut self.sender(&mut register, sender).identity {
            IdentityState::Known(identity) => self.pass(message, identity),
            IdentityState::Pending { waiting, .. } => {
                if let Some(message) = waiting.push(message) {
                    self.refuse(message, waits_too_long());
                }
            }
            IdentityState::Unknown => self.refuse(message, left()),
        }
    }

    /// Whether a caller has a right.
    ///
    /// Errors: `AccessDenied`, also for a caller that is gone.
    pub async fn check(&self, header: &Header<'_>, needed: Right) -> Result<(), Rejected> {
        let sender = identity::sender(header);
        let answer = {
            let mut register = self.register();
            match &mut self.sender(&mut register, sender).identity {
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
        let (name, systemd) = {
            let mut register = self.register();
            let Some(entry) = register.senders.get_mut(&sender) else { return };
            if let IdentityState::Pending { rights: known, asking, .. } = &mut entry.identity {
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
        let known = std::mem::replace(&mut entry.identity, IdentityState::Known(identity.clone()));
        if let IdentityState::Pending { waiting, .. } = known {
            waiting.0.into_iter().for_each(|message| self.pass(message, &identity));
        }
    }

    /// The bus did not identify a sender, most often because it is gone. A sender that is still
    /// connected is looked up again at its next message.
    fn unknown(&self, sender: &str) {
        if !self.is_connected(sender) {
            return self.forget(sender);
        }
        let mut register = self.register();
        let Some(entry) = register.senders.get_mut(sender) else { return };
        if let IdentityState::Pending { waiting, .. } =
            std::mem::replace(&mut entry.identity, IdentityState::Unknown)
        {
            waiting.0.into_iter().for_each(|message| self.refuse(message, left()));
        }
    }

    /// Hands a message to the engine if its sender has the right that it needs.
    fn pass(&self, mut message: Message, identity: &Identity) {
        if let Some(needed) = access::needed(&message.input)
            && let Err(rejected) = identity.rights.check(needed)
        {
            return self.refuse(message, rejected);
        }
        name(&mut message.input, identity);
        self.port.hand_in(message);
    }

    /// Refuses a message: a caller gets the error, a signal is counted.
    fn refuse(&self, message: Message, rejected: Rejected) {
        match message.answer {
            Some((_, answer)) => {
                let _ = answer.send(Err(rejected));
            }
            None => {
                let input = Input::Unreadable { event: "signal", why: rejected.why };
                self.port.tell(input, message.arrived);
            }
        }
    }
}

/// Messages that wait for their sender's identity, in order.
#[derive(Default)]
struct Waiting(VecDeque<Message>);

impl Waiting {
    /// Gives the message back when there is no room.
    fn push(&mut self, message: Message) -> Option<Message> {
        if self.0.len() >= MOST_WAITING {
            return Some(message);
        }
        self.0.push_back(message);
        None
    }
}

fn waits_too_long() -> Rejected {
    let why = format!(
        "{MOST_WAITING} messages of this sender wait until the bus says who it is; this one was \
         dropped; wait for the first answer"
    );
    Rejected::new(Refusal::LimitsExceeded, why)
}

fn left() -> Rejected {
    Rejected::new(
        Refusal::AccessDenied,
        "the bus did not identify the sender, or it has left; if it is connected, try again",
    )
}

/// Fills in the application where the message itself names none.
fn name(input: &mut Input, identity: &Identity) {
    match input {
        Input::Open { app, .. }
        | Input::GetResumePoint { app, .. }
        | Input::ForgetResumePoint { app, .. }
        | Input::Lifecycle { app, .. }
            if app.is_empty() =>
        {
            identity.app.clone_into(app);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::BootInstant;

    #[test]
    fn what_a_sender_says_before_it_is_known_is_bounded_and_keeps_its_order() {
        let said = |events| Message {
            input: Input::Flooded { events },
            arrived: BootInstant(0),
            answer: None,
        };
        let mut waiting = Waiting::default();
        for n in 0..MOST_WAITING as u64 {
            assert!(waiting.push(said(n)).is_none());
        }
        let refused = waiting.push(said(7)).expect("no more room");
        assert_eq!(refused.input, Input::Flooded { events: 7 });
        assert_eq!(waits_too_long().kind, Refusal::LimitsExceeded);
        let order: Vec<_> = waiting.0.into_iter().map(|message| message.input).collect();
        assert!(order.iter().zip(0..).all(|(input, n)| *input == Input::Flooded { events: n }));
    }
}
