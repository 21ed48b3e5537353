//! A player on a connection of its own, and what it plays.

use std::collections::HashMap;
use std::time::Duration;

use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant};

use super::{AGENT, AGENT_PATH, SESSION};

pub type Info = HashMap<&'static str, Variant<'static>>;

/// A film as most tests play it.
pub fn film(id: &'static str) -> Info {
    Info::from([
        ("id", id.into()),
        ("app", "tv.example.tests".into()),
        ("name", "A Film".into()),
        ("length", 600.0.into()),
    ])
}

pub fn nothing() -> Info {
    Info::new()
}

/// A player on a connection of its own.
pub struct Player {
    pub connection: Connection,
}

impl Player {
    pub async fn open(&self, playhead: f64, media: Info) -> zbus::Result<OwnedObjectPath> {
        self.connection
            .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "OpenSession", &(playhead, media))
            .await?
            .body()
            .deserialize()
    }

    pub async fn call(
        &self,
        session: &OwnedObjectPath,
        event: &str,
        playhead: f64,
        info: Info,
    ) -> zbus::Result<()> {
        self.connection
            .call_method(Some(AGENT), session, Some(SESSION), event, &(playhead, info))
            .await
            .map(|_| ())
    }

    /// An event by signal.
    pub async fn emit(&self, path: &str, event: &str, playhead: f64, info: Info) {
        self.connection
            .emit_signal(None::<&str>, path, "tv.playhead.Player1", event, &(playhead, info))
            .await
            .expect("a signal");
    }

    pub async fn resume_point(&self, app: &str, media: &str) -> HashMap<String, OwnedVariant> {
        self.connection
            .call_method(Some(AGENT), AGENT_PATH, Some(AGENT), "GetResumePoint", &(app, media))
            .await
            .expect("an answer")
            .body()
            .deserialize()
            .expect("a{sv}")
    }

    pub async fn property(&self, path: &str, interface: &str, name: &str) -> OwnedVariant {
        let properties = Some("org.freedesktop.DBus.Properties");
        self.connection
            .call_method(Some(AGENT), path, properties, "Get", &(interface, name))
            .await
            .expect("a property")
            .body()
            .deserialize()
            .expect("a variant")
    }

    /// The connection is cut, as when the process dies.
    pub async fn die(self) {
        self.connection.close().await.expect("an end");
    }
}

pub fn double(value: &OwnedVariant) -> f64 {
    f64::try_from(value).expect("a double")
}

/// The name of the error that a call was refused with, and its sentence.
pub fn refusal(result: zbus::Result<()>) -> (String, String) {
    match result {
        Err(zbus::Error::MethodError(name, why, _)) => {
            (name.to_string(), why.unwrap_or_default().to_string())
        }
        Err(zbus::Error::FDO(error)) => {
            (zbus::DBusError::name(&error).to_string(), error.to_string())
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Signals a second of a player that says too much.
pub const FLOOD_A_SECOND: usize = 10_000;
/// Signals that are sent in one go; the rest of the time until the next go is waited for.
const FLOOD_AT_ONCE: usize = 100;

/// Floods the bus with signals; gives how many there were.
pub async fn flood(player: &Player, seconds: usize) -> u64 {
    let pause = Duration::from_secs(1) / (FLOOD_A_SECOND / FLOOD_AT_ONCE) as u32;
    let mut next = tokio::time::interval(pause);
    let mut sent = 0;
    for _ in 0..seconds * FLOOD_A_SECOND / FLOOD_AT_ONCE {
        next.tick().await;
        for _ in 0..FLOOD_AT_ONCE {
            player.emit("/flood", "Playhead", 1.0, nothing()).await;
            sent += 1;
        }
    }
    sent
}
