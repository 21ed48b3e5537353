//! Who is who on the bus: which connection owns which names, and the identity of a sender. What a
//! sender says waits, in order, until its identity is known (api.md 1.5).

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;

use super::call_bus;
use crate::core::input::Input;
use crate::core::rejected::{Refusal, Rejected};
use crate::port::{Port, Said};

/// What a sender may say before its identity is known.
const MOST_WAITING: usize = 8192;
/// How long the service manager may take to say whose process it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom a connection belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Stable id of the application (api.md 1.2).
    pub app: String,
}

enum Sender {
    Known(Identity),
    /// Being looked up; this waits meanwhile.
    Asked(VecDeque<Said>),
}

#[derive(Default)]
struct Register {
    /// Well-known name -> unique name of its owner.
    names: HashMap<String, String>,
    /// Unique names that are connected.
    connected: std::collections::HashSet<String>,
    senders: HashMap<String, Sender>,
}

/// The register of senders, shared by all doors.
#[derive(Clone)]
pub(super) struct Owners {
    connection: Connection,
    port: Port,
    register: Arc<Mutex<Register>>,
}

impl Owners {
    pub fn new(connection: Connection, port: Port) -> Owners {
        Owners { connection, port, register: Arc::default() }
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
        if let Some(Sender::Asked(waiting)) = self.register().senders.remove(sender) {
            for _ in waiting {
                let why = "the sender left before it was known".to_owned();
                self.port.tell(Input::Unreadable { event: "signal", why });
            }
        }
    }

    /// Hands in what `sender` said, now or as soon as the sender is known. Never waits itself, so
    /// the order is that of the wire.
    pub fn hand_in(&self, sender: &str, said: Said) {
        let mut register = self.register();
        match register.senders.get_mut(sender) {
            Some(Sender::Known(identity)) => self.port.hand_in(named(said, identity)),
            Some(Sender::Asked(waiting)) if waiting.len() < MOST_WAITING => waiting.push_back(said),
            Some(Sender::Asked(_)) => self.too_much(said),
            None => {
                register.senders.insert(sender.to_owned(), Sender::Asked([said].into()));
                tokio::spawn(self.clone().identify(sender.to_owned()));
            }
        }
    }

    /// Over the bound: a caller is told, a signal is counted.
    fn too_much(&self, said: Said) {
        let why = "too much was said before the sender was known; wait for an answer first";
        match said.answer {
            Some((_, answer)) => {
                let _ = answer.send(Err(Rejected::new(Refusal::LimitsExceeded, why)));
            }
            None => self.port.tell(Input::Unreadable { event: "signal", why: why.into() }),
        }
    }

    async fn identify(self, sender: String) {
        let identity = self.look_up(&sender).await;
        let mut register = self.register();
        let Some(entry) = register.senders.get_mut(&sender) else { return };
        if let Sender::Asked(waiting) = std::mem::replace(entry, Sender::Known(identity.clone())) {
            for said in waiting {
                self.port.hand_in(named(said, &identity));
            }
        }
    }

    /// The application of a sender: its well-known name, else its service, else its program.
    async fn look_up(&self, sender: &str) -> Identity {
        if let Some(app) = self.well_known(sender) {
            return Identity { app };
        }
        let Some(pid) = self.process(sender).await else {
            return Identity { app: sender.to_owned() };
        };
        if let Ok(Some(app)) = timeout(PATIENCE, self.service(pid)).await {
            return Identity { app };
        }
        let comm = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/comm")));
        let app = comm.map_or_else(|_| sender.to_owned(), |c| c.trim_end().to_owned());
        Identity { app }
    }

    fn well_known(&self, sender: &str) -> Option<String> {
        let register = self.register();
        register.names.iter().filter(|(_, owner)| *owner == sender).map(|(n, _)| n).min().cloned()
    }

    async fn process(&self, sender: &str) -> Option<u32> {
        let reply = call_bus(&self.connection, "GetConnectionUnixProcessID", &sender).await.ok()?;
        reply.body().deserialize().ok()
    }

    /// The systemd service of a process, without `.service`. Scopes are named after logins and
    /// would not be stable.
    async fn service(&self, pid: u32) -> Option<String> {
        const SYSTEMD: &str = "org.freedesktop.systemd1";
        if !self.register().names.contains_key(SYSTEMD) {
            return None;
        }
        let manager = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");
        let reply = self
            .connection
            .call_method(Some(SYSTEMD), manager.0, Some(manager.1), "GetUnitByPID", &(pid,))
            .await
            .ok()?;
        let unit: zbus::OwnedObjectPath = reply.body().deserialize().ok()?;
        let properties = Some("org.freedesktop.DBus.Properties");
        let asked = &("org.freedesktop.systemd1.Unit", "Id");
        let reply = self
            .connection
            .call_method(Some(SYSTEMD), &unit, properties, "Get", asked)
            .await
            .ok()?;
        let id: zbus::OwnedVariant = reply.body().deserialize().ok()?;
        let id = String::try_from(id).ok()?;
        id.strip_suffix(".service").map(str::to_owned)
    }
}

/// Fills in the application where the message itself names none.
fn named(mut said: Said, identity: &Identity) -> Said {
    match &mut said.input {
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
    said
}
