//! Who is who on the bus: which connection owns which names, and the identity of a sender. What a
//! sender says waits, in order, until its identity is known (api.md 1.5); who says too much is told so
//! before anything of it is read (api.md 2.8).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use zbus::message::Header;
use zbus::{Connection, fdo};

use super::access::{self, Right};
use super::identity::{self, Identity};
use super::rate::Bucket;
use super::{SYSTEMD, call_bus};
use crate::core::input::Input;
use crate::core::rejected::{Refusal, Rejected};
use crate::core::settings::Limits;
use crate::port::{Port, Said};
use crate::system::clock;

/// What a flood has lost is counted this often.
const COUNT_EVERY: Duration = Duration::from_secs(1);

struct Sender {
    bucket: Bucket,
    identity: Known,
}

enum Known {
    Yes(Identity),
    /// Being looked up; these wait for it meanwhile.
    Asked {
        said: VecDeque<Said>,
        asking: Vec<oneshot::Sender<Identity>>,
    },
}

#[derive(Default)]
struct Register {
    /// Well-known name -> unique name of its owner.
    names: HashMap<String, String>,
    /// Unique names that are connected.
    connected: HashSet<String>,
    senders: HashMap<String, Sender>,
    /// Messages over the limits that nobody has counted yet.
    uncounted: u64,
}

/// The register of senders, shared by all doors.
#[derive(Clone)]
pub(super) struct Owners {
    connection: Connection,
    port: Port,
    limits: Arc<Limits>,
    register: Arc<Mutex<Register>>,
}

impl Owners {
    pub fn new(connection: Connection, port: Port, limits: &Limits) -> Owners {
        Owners { connection, port, limits: Arc::new(limits.clone()), register: Arc::default() }
    }

    fn register(&self) -> MutexGuard<'_, Register> {
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

    /// A connection is gone and everything it sent was handed in: its identity is forgotten.
    pub fn forget(&self, sender: &str) {
        let gone = self.register().senders.remove(sender);
        if let Some(Sender { identity: Known::Asked { said, .. }, .. }) = gone {
            said.into_iter().for_each(|said| self.refuse(said, left()));
        }
    }

    /// Whether a sender may say one more thing; asked before anything of it is read.
    ///
    /// Errors: `LimitsExceeded`; it is counted.
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

    /// One word to the engine for all that a flood has lost meanwhile.
    async fn count(self) {
        tokio::time::sleep(COUNT_EVERY).await;
        let events = std::mem::take(&mut self.register().uncounted);
        self.port.tell(Input::Flooded { events });
    }

    /// A sender's entry. The first time, its identity is asked for.
    fn sender<'r>(&self, register: &'r mut Register, sender: &str) -> &'r mut Sender {
        register.senders.entry(sender.to_owned()).or_insert_with(|| {
            tokio::spawn(self.clone().identify(sender.to_owned()));
            Sender {
                bucket: Bucket::full(&self.limits, clock::now().boot),
                identity: Known::Asked { said: VecDeque::new(), asking: Vec::new() },
            }
        })
    }

    /// Hands in what `sender` said, now or as soon as the sender is known. Never waits itself, so
    /// the order is that of the wire.
    pub fn hand_in(&self, sender: &str, what: Said) {
        let mut register = self.register();
        match &mut self.sender(&mut register, sender).identity {
            Known::Yes(identity) => self.pass(what, identity),
            Known::Asked { said, .. } => said.push_back(what),
        }
    }

    /// Whether a caller has a right; without a header it is ourselves.
    ///
    /// Errors: `AccessDenied`, also for a caller that is gone.
    pub async fn check(&self, header: Option<&Header<'_>>, needed: Right) -> fdo::Result<()> {
        let Some(header) = header else { return Ok(()) };
        let sender = header.sender().map_or("", |sender| sender.as_str());
        let known = {
            let mut register = self.register();
            match &mut self.sender(&mut register, sender).identity {
                Known::Yes(identity) => Ok(identity.rights),
                Known::Asked { asking, .. } => {
                    let (told, answer) = oneshot::channel();
                    asking.push(told);
                    Err(answer)
                }
            }
        };
        let rights = match known {
            Ok(rights) => rights,
            Err(answer) => {
                let gone = |_| fdo::Error::AccessDenied("the caller is gone".into());
                answer.await.map_err(gone)?.rights
            }
        };
        rights.check(needed).map_err(|rejected| fdo::Error::AccessDenied(rejected.why))
    }

    async fn identify(self, sender: String) {
        let (name, systemd) = {
            let register = self.register();
            let owned = register.names.iter().filter(|(_, owner)| **owner == sender);
            (owned.map(|(name, _)| name).min().cloned(), register.names.contains_key(SYSTEMD))
        };
        let Some(identity) = identity::look_up(&self.connection, &sender, name, systemd).await
        else {
            return self.forget(&sender);
        };
        let mut register = self.register();
        let Some(entry) = register.senders.get_mut(&sender) else { return };
        let known = std::mem::replace(&mut entry.identity, Known::Yes(identity.clone()));
        if let Known::Asked { said, asking } = known {
            said.into_iter().for_each(|said| self.pass(said, &identity));
            for told in asking {
                let _ = told.send(identity.clone());
            }
        }
    }

    /// To the engine, if the sender may say it.
    fn pass(&self, mut said: Said, identity: &Identity) {
        if let Some(needed) = access::needed(&said.input)
            && let Err(rejected) = identity.rights.check(needed)
        {
            return self.refuse(said, rejected);
        }
        name(&mut said.input, identity);
        self.port.hand_in(said);
    }

    /// A caller is told, a signal is counted.
    fn refuse(&self, said: Said, rejected: Rejected) {
        match said.answer {
            Some((_, answer)) => {
                let _ = answer.send(Err(rejected));
            }
            None => self.port.tell(Input::Unreadable { event: "signal", why: rejected.why }),
        }
    }
}

fn left() -> Rejected {
    Rejected::new(Refusal::AccessDenied, "the sender left before it was known")
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
