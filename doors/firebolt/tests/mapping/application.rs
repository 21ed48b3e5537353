//! What an application's lifecycle is to the agent.

use playhead_firebolt::say::{Say, UNKNOWN};
use serde_json::json;

use crate::scene::{BACKGROUND, FOREGROUND, STOPPED, Scene, opened, play};

#[test]
fn lifecycle_by_its_names() {
    let rows = [
        ("foreground", FOREGROUND),
        ("background", BACKGROUND),
        ("inactive", BACKGROUND),
        ("suspended", BACKGROUND),
        ("unloading", STOPPED),
    ];
    for (state, said) in rows {
        let capital = format!("{}{}", state[..1].to_uppercase(), &state[1..]);
        for name in [format!("lifecycle.{state}"), format!("Lifecycle.on{capital}")] {
            let value = json!({"state": state, "previous": "initializing"});
            let says = Scene::new().call(&name, value);
            assert_eq!(says, std::slice::from_ref(&said), "{name}");
        }
    }
    let rows = [
        ("active", Some(FOREGROUND)),
        ("paused", Some(BACKGROUND)),
        ("suspended", Some(BACKGROUND)),
        ("hibernated", Some(BACKGROUND)),
        ("terminating", Some(STOPPED)),
        ("unloaded", Some(STOPPED)),
        ("initializing", None),
        ("loading", None),
    ];
    for (state, said) in rows {
        let change = json!({"newState": state, "oldState": "active"});
        let expected: Vec<Say> = said.into_iter().collect();
        for params in [change.clone(), json!({"value": change}), json!({"value": [change]})] {
            let says = Scene::new().call("Lifecycle2.onStateChanged", params.clone());
            assert_eq!(says, expected, "{params}");
        }
    }
}

/// The agent pauses at `background` and waits for Play, which an application that played on does not
/// say.
#[test]
fn an_application_that_comes_back() {
    let mut scene = Scene::playing(1000.0);
    assert_eq!(scene.call("Lifecycle.onBackground", json!({})), [BACKGROUND]);
    let says = scene.call("Lifecycle.onForeground", json!({}));
    assert_eq!(says, [FOREGROUND, play(UNKNOWN)]);
    let says = scene.call("Lifecycle.onForeground", json!({}));
    assert_eq!(says, [FOREGROUND]);

    // What it says in the background counts.
    scene.call("Lifecycle.onBackground", json!({}));
    assert_eq!(scene.media("mediaPlaying", "film"), [play(UNKNOWN)]);
    scene.call("Lifecycle.onBackground", json!({}));
    let progress = json!({"entityId": "film", "progress": 0.5});
    assert_eq!(scene.call("Metrics.mediaProgress", progress), [play(500.0)]);
    scene.call("Lifecycle.onBackground", json!({}));
    scene.media("mediaPause", "film");
    let says = scene.call("Lifecycle.onForeground", json!({}));
    assert_eq!(says, [FOREGROUND]);

    // Waits and seeks are over for the agent.
    let mut scene = Scene::playing(1000.0);
    scene.media("mediaWaiting", "film");
    scene.call("Lifecycle.onBackground", json!({}));
    assert_eq!(scene.media("mediaWaiting", "film"), []);
    let says = scene.call("Lifecycle.onForeground", json!({}));
    assert_eq!(says, [FOREGROUND]);
    assert_eq!(scene.media("mediaPlaying", "film"), [play(UNKNOWN)]);

    // What may not play does not come back by itself.
    let mut scene = Scene::playing(1000.0);
    scene.call("Lifecycle.onSuspended", json!({}));
    let says = scene.call("Lifecycle.onForeground", json!({}));
    assert_eq!(says, [FOREGROUND]);
    assert_eq!(scene.media("mediaPlaying", "film"), [play(UNKNOWN)]);
}

#[test]
fn an_application_that_plays_in_the_background() {
    let mut scene = Scene::new();
    scene.policy.background_playback = true;
    assert!(opened(&scene.media("mediaPlaying", "film")).background_playback);
    assert_eq!(scene.call("Lifecycle.onBackground", json!({})), [BACKGROUND]);
    let says = scene.call("Lifecycle.onForeground", json!({}));
    assert_eq!(says, [FOREGROUND]);
    // Suspended it cannot play, and the agent does not pause it.
    scene.media("mediaWaiting", "film");
    let says = scene.call("Lifecycle.onSuspended", json!({}));
    let paused = [Say::BufferComplete(UNKNOWN), Say::Pause(UNKNOWN), BACKGROUND];
    assert_eq!(says, paused);
}

#[test]
fn an_application_that_is_unloaded_has_nothing_left() {
    let mut scene = Scene::playing(100.0);
    assert!(scene.app.is_viewing());
    assert_eq!(scene.call("Lifecycle.onUnloading", json!({})), [STOPPED]);
    assert!(!scene.app.is_viewing());
    assert_eq!(opened(&scene.media("mediaLoadStart", "film")).id, "film");
}

/// `ready` over another connection is another run: the one before did not end what it played.
#[test]
fn an_application_that_starts_anew() {
    let mut scene = Scene::playing(100.0);
    assert_eq!(scene.call("Metrics.ready", json!({})), []);
    scene.connection = 2;
    assert_eq!(scene.call("Lifecycle.ready", json!({})), [Say::End(UNKNOWN)]);
    assert_eq!(scene.call("Metrics.ready", json!({})), []);
}
