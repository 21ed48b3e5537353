//! An application and what it says, for the tests of what each call is to the agent.

use std::time::Duration;

use playhead::{Lifecycle, Media};
use playhead_firebolt::mapping::{App, Arrival, Policy};
use playhead_firebolt::method::Method;
use playhead_firebolt::parameters::unwrapped;
use playhead_firebolt::rpc::{Params, RpcError};
use playhead_firebolt::say::{Say, UNKNOWN};
use serde_json::{Value, json};

pub const FOREGROUND: Say = Say::Lifecycle(Lifecycle::Foreground);
pub const BACKGROUND: Say = Say::Lifecycle(Lifecycle::Background);
pub const STOPPED: Say = Say::Lifecycle(Lifecycle::Stopped);

/// An application and what it says, a call each 100 ms.
pub struct Scene {
    pub app: App,
    pub policy: Policy,
    pub now: Duration,
    pub connection: u64,
}

impl Scene {
    pub fn new() -> Scene {
        Scene {
            app: App::new("tv.example.app"),
            policy: Policy::default(),
            now: Duration::ZERO,
            connection: 1,
        }
    }

    pub fn try_call(&mut self, name: &str, params: Value) -> Result<Vec<Say>, RpcError> {
        self.now += Duration::from_millis(100);
        let method = Method::named(name).ok_or_else(|| RpcError::method_not_found(name))?;
        let params: Params = params.as_object().cloned().unwrap_or_default();
        let arrival = Arrival { at: self.now, connection: self.connection };
        self.app.call(method, &unwrapped(params), arrival, &self.policy)
    }

    pub fn call(&mut self, name: &str, params: Value) -> Vec<Say> {
        match self.try_call(name, params.clone()) {
            Ok(says) => says,
            Err(error) => panic!("{name} {params}: {error:?}"),
        }
    }

    /// A media call of Metrics about this media.
    pub fn media(&mut self, name: &str, entity: &str) -> Vec<Say> {
        self.call(&format!("Metrics.{name}"), json!({"entityId": entity}))
    }

    /// A film of this length that plays.
    pub fn playing(length: f64) -> Scene {
        let mut scene = Scene::new();
        let film = json!({"entityId": "film", "playhead": {"length": length}});
        scene.call("metrics.mediaLoadStart", film);
        scene.media("mediaPlay", "film");
        let says = scene.media("mediaPlaying", "film");
        assert_eq!(says, [Say::Startup(100), play(UNKNOWN)]);
        scene
    }
}

pub fn play(at: f64) -> Say {
    Say::Play { at, rate: 1.0 }
}

/// The media that is opened, if the first thing said is that.
pub fn opened(says: &[Say]) -> &Media {
    match says.first() {
        Some(Say::Open(media)) => media,
        other => panic!("expected a session to be opened, got {other:?}"),
    }
}
