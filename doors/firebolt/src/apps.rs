//! The applications: what each has said, and its own connection to the agent. So none waits for
//! another, each has the agent's limits for itself, and one that is gone has vanished there too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use playhead::{Agent, Bus, Notice, Quality, Reason, Session};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::mapping::{App, Arrival, Policy};
use crate::method::Method;
use crate::parameters::{Context, unwrapped};
use crate::rpc::{Params, RpcError};
use crate::say::{Say, UNKNOWN};

/// The most applications that are known at a time.
pub const MAX_APPS: usize = 32;
/// Calls a second of one application, after a burst.
const CALLS: (f64, f64) = (50.0, 200.0);
/// Lines a second in the log about what the agent refused, after a burst.
const LINES: (f64, f64) = (1.0, 20.0);
/// What tells an application's own connections from those that a gateway numbers.
const OWN: u64 = 1 << 63;

/// A connection to the door.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    pub number: u64,
    /// The application that it belongs to (`/app/ID`); `None`: a gateway, which calls for many.
    pub app: Option<String>,
}

/// All applications.
#[derive(Clone)]
pub struct Apps(Arc<Mutex<Table>>);

struct Table {
    bus: Bus,
    policy: Policy,
    began: Instant,
    entries: HashMap<String, Entry>,
    lines: Bucket,
}

struct Entry {
    app: App,
    agent: Option<Agent>,
    session: Option<Session>,
    calls: Bucket,
    /// When it called last.
    used: Duration,
    by_gateway: bool,
    connections: usize,
}

impl Apps {
    pub fn new(bus: Bus, policy: Policy) -> Apps {
        Apps(Arc::new(Mutex::new(Table {
            bus,
            policy,
            began: Instant::now(),
            entries: HashMap::new(),
            lines: Bucket::new(LINES.0, LINES.1),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a call. Waits for nobody.
    ///
    /// Errors: -32601 and -32602 with what was expected, -32000 when it is too much.
    pub fn call(&self, caller: &Caller, name: &str, params: Params) -> Result<(), RpcError> {
        let method = Method::named(name).ok_or_else(|| RpcError::method_not_found(name))?;
        let params = unwrapped(params);
        let context = Context::read(&params)?;
        let id = match (&caller.app, context.app) {
            (Some(own), Some(named)) if *own != named => {
                let why = format!("context.appId is not \"{own}\", whose connection this is");
                return Err(RpcError::invalid_params(why));
            }
            (Some(own), _) => own.clone(),
            (None, Some(named)) => named,
            (None, None) => {
                let why = "no application: context.appId is missing, and the connection is not one \
                           of /app/ID";
                return Err(RpcError::invalid_params(why));
            }
        };
        let connection = match (&caller.app, context.connection) {
            (None, Some(number)) => number & !OWN,
            _ => caller.number | OWN,
        };
        self.carry_out(caller, &id, method, &params, connection)
    }

    fn carry_out(
        &self,
        caller: &Caller,
        id: &str,
        method: Method,
        params: &Params,
        connection: u64,
    ) -> Result<(), RpcError> {
        let mut table = self.lock();
        let now = table.began.elapsed();
        let (bus, policy) = (table.bus.clone(), table.policy.clone());
        let entry = table.entry(id, now)?;
        entry.used = now;
        entry.by_gateway = caller.app.is_none();
        entry.calls.take(now).map_err(|_| {
            RpcError::limit(format!("more than {} calls a second of one application", CALLS.0))
        })?;
        let says = entry.app.call(method, params, Arrival { at: now, connection }, &policy)?;
        let unloaded = says.contains(&Say::Lifecycle(playhead::Lifecycle::Stopped));
        for say in says {
            let agent = match &entry.agent {
                Some(agent) => agent.clone(),
                None => {
                    let agent = Agent::connect(bus.clone())
                        .map_err(|error| RpcError::limit(format!("no connection: {error}")))?;
                    tokio::spawn(listen(self.clone(), id.to_owned(), agent.notices()));
                    entry.agent.insert(agent).clone()
                }
            };
            say_it(&agent, &mut entry.session, id, say);
        }
        if unloaded {
            table.remove(id);
        }
        Ok(())
    }

    /// A connection was opened.
    pub fn came(&self, caller: &Caller) -> Result<(), RpcError> {
        let Some(id) = &caller.app else { return Ok(()) };
        let mut table = self.lock();
        let now = table.began.elapsed();
        table.entry(id, now)?.connections += 1;
        Ok(())
    }

    /// A connection is gone. With its last one an application is gone too.
    pub fn left(&self, caller: &Caller) {
        let Some(id) = &caller.app else { return };
        let mut table = self.lock();
        let Some(entry) = table.entries.get_mut(id) else { return };
        entry.connections = entry.connections.saturating_sub(1);
        if entry.connections == 0 && !entry.by_gateway {
            table.remove(id);
        }
    }

    /// The gateway is gone, and with it every application that it called for.
    pub fn gateway_gone(&self) {
        let mut table = self.lock();
        let gone: Vec<String> = table
            .entries
            .iter()
            .filter(|(_, entry)| entry.by_gateway && entry.connections == 0)
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            table.remove(&id);
        }
    }

    /// Ends every session, and waits until the agent has heard it, 2 s at most.
    pub async fn stop(&self) {
        let entries = std::mem::take(&mut self.lock().entries);
        let closing: Vec<_> = entries
            .into_values()
            .filter_map(|entry| {
                if let Some(session) = &entry.session {
                    session.end(UNKNOWN);
                }
                entry.agent.map(|agent| tokio::spawn(async move { agent.close().await }))
            })
            .collect();
        for closed in closing {
            // A task that has failed has nothing to wait for.
            let _ = closed.await;
        }
    }
}

impl Table {
    /// The application of this id, and room for it.
    ///
    /// Errors: -32000 when too many play at a time.
    fn entry(&mut self, id: &str, now: Duration) -> Result<&mut Entry, RpcError> {
        if !self.entries.contains_key(id) && self.entries.len() >= MAX_APPS {
            let idle = self.entries.iter().filter(|(_, entry)| entry.is_idle());
            let oldest = idle.min_by_key(|(_, entry)| entry.used).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else {
                let why = format!("{MAX_APPS} applications play or are connected already");
                return Err(RpcError::limit(why));
            };
            self.remove(&oldest);
        }
        Ok(self.entries.entry(id.to_owned()).or_insert_with(|| Entry {
            app: App::new(id),
            agent: None,
            session: None,
            calls: Bucket::new(CALLS.0, CALLS.1),
            used: now,
            by_gateway: false,
            connections: 0,
        }))
    }

    /// Forgets an application. A session that is open has lost its player: the agent pauses it, and
    /// ends it after its grace.
    fn remove(&mut self, id: &str) {
        let Some(entry) = self.entries.remove(id) else { return };
        if let Some(agent) = entry.agent {
            tokio::spawn(async move {
                agent.close().await;
                // Only now: a session that is dropped before says End.
                drop(entry.session);
            });
        }
    }
}

impl Entry {
    fn is_idle(&self) -> bool {
        !self.app.is_viewing() && self.connections == 0
    }
}

fn say_it(agent: &Agent, session: &mut Option<Session>, app: &str, say: Say) {
    match say {
        Say::Open(media) => {
            *session = Some(agent.open(UNKNOWN, &media));
            return;
        }
        Say::Lifecycle(state) => {
            agent.notify_lifecycle(app, state);
            return;
        }
        _ => {}
    }
    let Some(open) = &*session else { return };
    match say {
        Say::Play { at, rate } => open.play_at_rate(at, rate),
        Say::Pause(at) => open.pause(at),
        Say::BufferStart(at) => open.buffer_start(at),
        Say::BufferComplete(at) => open.buffer_complete(at),
        Say::SeekStart(at) => open.seek_start(at),
        Say::SeekComplete(at) => open.seek_complete(at),
        Say::Playhead(at) => open.playhead(at),
        Say::Startup(ms) => {
            open.qoe(UNKNOWN, &Quality { startup_ms: Some(ms), ..Quality::default() });
        }
        Say::Bitrate(kbits) => {
            open.bitrate_change(UNKNOWN, &Quality { bitrate: Some(kbits), ..Quality::default() });
        }
        Say::Error { id, source } => open.error(UNKNOWN, &id, source),
        Say::Complete(at) => open.complete(at),
        Say::End(at) => open.end(at),
        Say::Open(_) | Say::Lifecycle(_) => {}
    }
}

/// Hears what the agent says of an application's sessions, until the connection is closed.
async fn listen(apps: Apps, id: String, mut notices: playhead::Notices) {
    while let Some(notice) = notices.next().await {
        match notice {
            // With consent again, the next media call opens a session.
            Notice::Closed { session, reason: Reason::Consent } => {
                let mut table = apps.lock();
                if let Some(entry) = table.entries.get_mut(&id)
                    && entry.session.as_ref().is_some_and(|open| open.id() == session)
                {
                    entry.session = None;
                    entry.app.forget();
                }
            }
            Notice::Failed { error, .. } => {
                let mut table = apps.lock();
                let now = table.began.elapsed();
                if table.lines.take(now).is_ok() {
                    eprintln!("playhead-firebolt: {id}: {error}");
                }
            }
            _ => {}
        }
    }
}
