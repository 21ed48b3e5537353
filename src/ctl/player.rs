//! `playheadctl player`: plays a timeline file to the agent in real time, by its public interface,
//! for trying a box out without a player.

use std::collections::HashMap;

use serde_json::json;
use tokio::time::{Duration, Instant, sleep_until};
use zbus::{Connection, OwnedObjectPath, Variant};

use super::{Failure, agent, ask, output, simulate};
use crate::cli::PlayerArgs;
use crate::core::text::printable;
use crate::core::time::{BootInstant, Span};
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::{AT, Info, Value};
use crate::dbus::{AGENT_INTERFACE, AGENT_PATH, BUS_NAME, BusAddress, SESSION_INTERFACE};
use crate::sim::timeline::{self, What};
use crate::system::clock;

pub(super) async fn run(address: BusAddress, args: PlayerArgs) -> Result<(), Failure> {
    let (name, text) = simulate::read(&args.file)?;
    let lines = timeline::parse(&name, &text).map_err(Failure::usage)?;
    let began = clock::now().boot;
    let mut stage = TimelinePlayer { address, began, players: HashMap::new(), refused: 0 };
    // Fails before the first line if the agent is not there, or has no configuration.
    ask::configured(&stage.player("").await?.connection).await?;
    let start = Instant::now();
    for line in lines {
        let at = Duration::from_millis(line.at_ms.unsigned_abs());
        sleep_until(start + at).await;
        let (what, came) = stage.play(line.what).await?;
        if came.is_err() {
            stage.refused += 1;
        }
        let at = at.as_secs_f64();
        if args.json {
            let mut line = json!({"at": at, "event": what});
            match came {
                Ok(came) => line["answer"] = came.into(),
                Err(why) => line["refused"] = why.into(),
            }
            output::print_json(&line.to_string())?;
        } else {
            let came = came.unwrap_or_else(|why| why);
            output::print(&format!("{at:>9.3} s  {what:<18}  {}\n", printable(&came)))?;
        }
    }
    match stage.refused {
        0 => Ok(()),
        n => Err(Failure::failed(format!("{n} events were refused"))),
    }
}

/// A player of the file: a connection of its own, and the session that it has open.
struct Player {
    connection: Connection,
    session: Option<OwnedObjectPath>,
}

struct TimelinePlayer {
    address: BusAddress,
    began: BootInstant,
    players: HashMap<String, Player>,
    refused: usize,
}

impl TimelinePlayer {
    async fn player(&mut self, from: &str) -> Result<&mut Player, Failure> {
        if !self.players.contains_key(from) {
            let connection = agent::connect(self.address.clone()).await?;
            self.players.insert(from.to_owned(), Player { connection, session: None });
        }
        self.players.get_mut(from).ok_or_else(|| Failure::failed("no such player"))
    }

    /// Calls a method of the agent, as an application manager or a settings page does.
    async fn manage<B>(&mut self, member: &str, body: &B) -> Result<Result<String, String>, Failure>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let manager = self.player("").await?;
        let came = manager.call(AGENT_PATH, AGENT_INTERFACE, member, body).await;
        Ok(came.map(|_| "ok".to_owned()))
    }

    /// Carries out a line. Gives its name and its answer, or why it was refused.
    async fn play(&mut self, what: What) -> Result<(String, Result<String, String>), Failure> {
        Ok(match what {
            What::Playback { from, name, playhead, mut info, happened_ms } => {
                if let Some(happened) = happened_ms {
                    let micros = (self.began + Span::millis(happened)).0.saturating_mul(1000);
                    info.insert(AT.to_owned(), Value::Int(micros));
                }
                let came = self.player(&from).await?.say(name, playhead, &info).await;
                (name.name().to_owned(), came)
            }
            What::Lifecycle { app, state } => {
                let body = (app, state.name().to_ascii_lowercase());
                (state.name().to_owned(), self.manage("NotifyLifecycle", &body).await?)
            }
            What::Consent(consent) => {
                ("Consent".to_owned(), self.manage("SetConsent", &consent.name()).await?)
            }
            What::PlayerVanished { from } => {
                if let Some(player) = self.players.remove(&from) {
                    player.connection.close().await.map_err(Failure::failed)?;
                }
                ("PlayerVanished".to_owned(), Ok("gone".to_owned()))
            }
            other => (other.name().to_owned(), Ok("only simulate can do that".to_owned())),
        })
    }
}

impl Player {
    /// Sends a playback event as a method call.
    async fn say(&mut self, name: EventName, playhead: f64, info: &Info) -> Result<String, String> {
        let mut variants = HashMap::new();
        for (key, value) in info {
            variants.insert(key.as_str(), variant(key, value)?);
        }
        let body = (playhead, variants);
        if name == EventName::SessionStart {
            let reply = self.call(AGENT_PATH, AGENT_INTERFACE, "OpenSession", &body).await?;
            let session: OwnedObjectPath = reply.body().deserialize().map_err(|e| e.to_string())?;
            let said = session.to_string();
            self.session = Some(session);
            return Ok(said);
        }
        let session = self.session.clone().ok_or("no session: SessionStart comes first")?;
        self.call(&session, SESSION_INTERFACE, name.name(), &body).await?;
        Ok("ok".to_owned())
    }

    async fn call<B>(
        &self,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> Result<zbus::Message, String>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let call = self.connection.call_method(Some(BUS_NAME), path, Some(interface), member, body);
        call.await.map_err(|error| match error {
            zbus::Error::MethodError(name, why, _) => {
                let why = why.unwrap_or_default();
                format!("{}: {why}", name.rsplit('.').next().unwrap_or_default())
            }
            other => other.to_string(),
        })
    }
}

/// A value as the bus carries it.
fn variant(key: &str, value: &Value) -> Result<Variant<'static>, String> {
    Ok(match value {
        Value::Text(s) => s.clone().into(),
        Value::Int(n) => (*n).into(),
        Value::Float(f) => (*f).into(),
        Value::Bool(b) => (*b).into(),
        Value::Dict(texts) => HashMap::<String, String>::from_iter(texts.clone()).into(),
        Value::Map(map) => match customer_ids(map) {
            Some(ids) => ids.into(),
            None => {
                let mut inner = HashMap::new();
                for (key, value) in map {
                    inner.insert(key.clone(), variant(key, value)?);
                }
                inner.into()
            }
        },
        Value::List(_) => return Err(format!("'{key}': a list cannot be sent")),
        Value::Other(what) => return Err(format!("'{key}': {what} cannot be sent")),
    })
}

/// `a{s(si)}`, if every value is a text and a number.
fn customer_ids(map: &Info) -> Option<HashMap<String, (String, i32)>> {
    let id = |(name, value): (&String, &Value)| match value {
        Value::List(parts) => match parts.as_slice() {
            [Value::Text(id), Value::Int(n)] => {
                Some((name.clone(), (id.clone(), i32::try_from(*n).ok()?)))
            }
            _ => None,
        },
        _ => None,
    };
    map.iter().map(id).collect()
}
