//! What players of MPRIS do, for `playheadctl record`.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;

use super::bus::{Bus, Heard};
use super::questions::Question;
use super::settling::Change;
use crate::config::MprisBus;
use crate::core::settings::Limits;
use crate::core::time::{BootInstant, Now};
use crate::system::clock;

/// How long a recording waits for a player's position.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a player did.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed {
    /// It has this name on the bus, without `org.mpris.MediaPlayer2.`.
    Name {
        unique: String,
        name: String,
        state: Change,
    },
    /// It has changed; `position` is what it answered then.
    Changed {
        unique: String,
        change: Change,
    },
    Seeked {
        unique: String,
        position: f64,
    },
    /// It has given up a name, or its connection is gone (`None`).
    Gone {
        unique: String,
        name: Option<String>,
    },
}

/// A bus with players.
pub struct Observer {
    bus: Bus,
    /// Names without the prefix, by unique name.
    names: HashMap<String, Vec<String>>,
    waiting: Vec<(String, String, Now)>,
    /// What was heard while an answer was waited for.
    held: std::collections::VecDeque<Heard>,
}

impl Observer {
    pub async fn connect(bus: &MprisBus) -> zbus::Result<Observer> {
        let bus = Bus::connect(bus, &Limits::default()).await?;
        let now = clock::now();
        let owners = bus.owners().await?.into_iter();
        let waiting = owners.map(|(name, unique)| (name, unique, now)).collect();
        Ok(Observer { bus, names: HashMap::new(), waiting, held: Default::default() })
    }

    /// The next thing, and when it was heard; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<(Observed, BootInstant)> {
        loop {
            if let Some((name, unique, at)) = self.waiting.pop() {
                let name = name.strip_prefix(super::names::PREFIX).unwrap_or(&name).to_owned();
                self.names.entry(unique.clone()).or_default().push(name.clone());
                let state = self.ask(&unique, Question::All).await.unwrap_or_default();
                return Some((Observed::Name { unique, name, state }, at.boot));
            }
            let heard = match self.held.pop_front() {
                Some(heard) => heard,
                None => self.bus.heard.recv().await?,
            };
            match heard {
                Heard::BusGone => return None,
                Heard::Changed(unique, mut change, at) if self.names.contains_key(&unique) => {
                    // What is invalidated is as good as said, once it is asked for.
                    let question =
                        if change.invalidated { Question::All } else { Question::Position };
                    let answer = self.ask(&unique, question).await.unwrap_or_default();
                    change.status = change.status.or(answer.status);
                    change.track = change.track.or(answer.track);
                    change.rate = change.rate.or(answer.rate);
                    change.position = answer.position;
                    return Some((Observed::Changed { unique, change }, at.boot));
                }
                Heard::Seeked(unique, position, at) if self.names.contains_key(&unique) => {
                    return Some((Observed::Seeked { unique, position }, at.boot));
                }
                Heard::Owner(name, old, new, at) => {
                    if !old.is_empty() {
                        self.bus.leaves(name.clone(), old, at);
                    }
                    if !new.is_empty() {
                        self.waiting.push((name, new, at));
                    }
                }
                Heard::Gone(name, unique, at) => {
                    let Some(names) = self.names.get_mut(&unique) else { continue };
                    let name = name.strip_prefix(super::names::PREFIX).unwrap_or(&name).to_owned();
                    names.retain(|known| *known != name);
                    let last = names.is_empty();
                    if last {
                        self.names.remove(&unique);
                    }
                    let name = (!last).then_some(name);
                    return Some((Observed::Gone { unique, name }, at.boot));
                }
                Heard::Changed(..) | Heard::Seeked(..) | Heard::Answer(..) | Heard::Uid(..) => {}
            }
        }
    }

    /// Asks a player, and holds what else is heard meanwhile.
    async fn ask(&mut self, unique: &str, question: Question) -> Option<Change> {
        self.bus.ask(unique.to_owned(), question);
        let answer = async {
            loop {
                match self.bus.heard.recv().await {
                    Some(Heard::Answer(from, to, change, _))
                        if from == unique && to == question =>
                    {
                        return change;
                    }
                    Some(heard) => self.held.push_back(heard),
                    None => return None,
                }
            }
        };
        timeout(PATIENCE, answer).await.ok().flatten()
    }
}
