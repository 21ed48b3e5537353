//! What each call is to the agent: every method of the two modules, in the states that matter.

use std::time::Duration;

use playhead::{Lifecycle, Media, Source};
use playhead_firebolt::mapping::{App, Arrival, Policy};
use playhead_firebolt::method::Method;
use playhead_firebolt::parameters::unwrapped;
use playhead_firebolt::rpc::{Params, RpcError};
use playhead_firebolt::say::{Say, UNKNOWN};
use serde_json::{Value, json};

const FOREGROUND: Say = Say::Lifecycle(Lifecycle::Foreground);
const BACKGROUND: Say = Say::Lifecycle(Lifecycle::Background);
const STOPPED: Say = Say::Lifecycle(Lifecycle::Stopped);

/// An application and what it says, a call each 100 ms.
struct Scene {
    app: App,
    policy: Policy,
    now: Duration,
    connection: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            app: App::new("tv.example.app"),
            policy: Policy::default(),
            now: Duration::ZERO,
            connection: 1,
        }
    }

    fn try_call(&mut self, name: &str, params: Value) -> Result<Vec<Say>, RpcError> {
        self.now += Duration::from_millis(100);
        let method = Method::named(name).ok_or_else(|| RpcError::method_not_found(name))?;
        let params: Params = params.as_object().cloned().unwrap_or_default();
        let arrival = Arrival { at: self.now, connection: self.connection };
        self.app.call(method, &unwrapped(params), arrival, &self.policy)
    }

    fn call(&mut self, name: &str, params: Value) -> Vec<Say> {
        match self.try_call(name, params.clone()) {
            Ok(says) => says,
            Err(error) => panic!("{name} {params}: {error:?}"),
        }
    }

    /// A media call of Metrics about this media.
    fn media(&mut self, name: &str, entity: &str) -> Vec<Say> {
        self.call(&format!("Metrics.{name}"), json!({"entityId": entity}))
    }

    /// A film of this length that plays.
    fn playing(length: f64) -> Scene {
        let mut scene = Scene::new();
        let film = json!({"entityId": "film", "playhead": {"length": length}});
        scene.call("metrics.mediaLoadStart", film);
        scene.media("mediaPlay", "film");
        let says = scene.media("mediaPlaying", "film");
        assert_eq!(says, [Say::Startup(100), play(UNKNOWN)]);
        scene
    }
}

fn play(at: f64) -> Say {
    Say::Play { at, rate: 1.0 }
}

/// The media that is opened, if the first thing said is that.
fn opened(says: &[Say]) -> &Media {
    match says.first() {
        Some(Say::Open(media)) => media,
        other => panic!("expected a session to be opened, got {other:?}"),
    }
}

/// The calls of an application that does as the requirements say, one after another.
#[test]
fn each_call_of_a_viewing() {
    let mut scene = Scene::new();
    let film = |more: Value| {
        let mut params = json!({"entityId": "film"});
        let object = params.as_object_mut().expect("an object");
        object.extend(more.as_object().cloned().expect("an object"));
        params
    };
    let length = json!({"entityId": "film", "playhead": {"length": 1000, "name": "A Film"}});
    assert_eq!(scene.call("Metrics.ready", json!({})), []);
    assert_eq!(scene.call("Metrics.appInfo", json!({"build": "4.2"})), []);
    assert_eq!(scene.call("Metrics.page", json!({"pageId": "home"})), []);
    assert_eq!(scene.call("Metrics.startContent", length), []);
    let says = scene.media("mediaPlay", "film");
    assert_eq!(
        says,
        [Say::Open(Box::new(Media {
            app: "tv.example.app".into(),
            app_version: "4.2".into(),
            name: "A Film".into(),
            length: 1000.0,
            ..Media::new("film")
        }))]
    );
    let rows: [(&str, Value, Vec<Say>); 17] = [
        ("mediaLoadStart", json!({}), vec![]),
        ("mediaPlaying", json!({}), vec![Say::Startup(200), play(UNKNOWN)]),
        ("mediaPlaying", json!({}), vec![]),
        ("mediaProgress", json!({"progress": 0.06}), vec![Say::Playhead(60.0)]),
        (
            "mediaRenditionChange",
            json!({"bitrate": 5000, "width": 1920, "height": 1080, "profile": "HDR+"}),
            vec![Say::Bitrate(5000)],
        ),
        ("mediaWaiting", json!({}), vec![Say::BufferStart(UNKNOWN)]),
        ("mediaPlaying", json!({}), vec![play(UNKNOWN)]),
        ("mediaSeeking", json!({"target": 0.5}), vec![Say::SeekStart(UNKNOWN)]),
        ("mediaSeeked", json!({"position": 0.51}), vec![Say::SeekComplete(510.0)]),
        ("mediaPlaying", json!({}), vec![]),
        ("mediaRateChange", json!({"rate": 2}), vec![Say::Play { at: UNKNOWN, rate: 2.0 }]),
        ("mediaRateChange", json!({"rate": 1}), vec![play(UNKNOWN)]),
        ("mediaProgress", json!({"progress": 0.6}), vec![Say::Playhead(600.0)]),
        ("mediaPause", json!({}), vec![Say::Pause(UNKNOWN)]),
        ("mediaPlay", json!({}), vec![]),
        ("mediaPlaying", json!({}), vec![play(UNKNOWN)]),
        ("mediaEnded", json!({}), vec![Say::Complete(1000.0)]),
    ];
    for (name, more, says) in rows {
        let params = film(more);
        assert_eq!(scene.call(&format!("Metrics.{name}"), params.clone()), says, "{name} {params}");
    }
    assert_eq!(scene.call("Metrics.stopContent", film(json!({}))), []);
}

#[test]
fn names_in_any_case_and_of_both_versions() {
    for name in ["mediaRateChange", "mediaRateChanged"] {
        for module in ["Metrics.", "metrics.", ""] {
            let mut scene = Scene::playing(100.0);
            let params = json!({"entityId": "film", "rate": 2});
            let name = format!("{module}{name}");
            for name in [name.clone(), name.to_lowercase()] {
                assert!(scene.try_call(&name, params.clone()).is_ok(), "{name}");
            }
        }
    }
    let rendition = json!({"entityId": "film", "bitrate": 999.6, "width": 1, "height": 1});
    let says = Scene::playing(100.0).call("Metrics.mediaRenditionChanged", rendition);
    assert_eq!(says, [Say::Bitrate(1000)]);
    for name in
        ["Metrics.mediaRewind", "Device.name", "Lifecycle2.close", "x.Metrics.mediaPlay", ""]
    {
        assert_eq!(Method::named(name), None, "{name}");
    }
}

#[test]
fn what_has_no_place_in_a_playback_says_nothing() {
    let mut scene = Scene::playing(100.0);
    for name in ["signIn", "signOut", "page", "action", "event"] {
        assert_eq!(scene.call(&format!("Metrics.{name}"), json!({})), [], "{name}");
    }
    for name in ["close", "finished", "state"] {
        assert_eq!(scene.call(&format!("Lifecycle.{name}"), json!({})), [], "{name}");
    }
}

/// "startContent should be called before any media APIs", and its id is that of the session.
#[test]
fn content_names_the_session() {
    let mut scene = Scene::new();
    scene.call("Metrics.startContent", json!({"entityId": "show-1"}));
    let says = scene.media("mediaLoadStart", "asset-9");
    assert_eq!(opened(&says).id, "show-1");
    assert_eq!(scene.media("mediaPlaying", "asset-9"), [Say::Startup(100), play(UNKNOWN)]);
    assert_eq!(scene.media("mediaPause", "asset-9"), [Say::Pause(UNKNOWN)]);
    let stop = json!({"entityId": "show-1"});
    assert_eq!(scene.call("Metrics.stopContent", stop), [Say::End(UNKNOWN)]);

    // The next media of the same content has nothing but its own id.
    let mut scene = Scene::new();
    scene.call("Metrics.startContent", json!({"entityId": "show-1"}));
    scene.media("mediaPlaying", "asset-9");
    let says = scene.media("mediaPlaying", "asset-10");
    assert_eq!(says[0], Say::End(UNKNOWN));
    assert_eq!(opened(&says[1..]).id, "asset-10");
    let stop = json!({"entityId": "show-1"});
    assert_eq!(scene.call("Metrics.stopContent", stop), [Say::End(UNKNOWN)]);
}

#[test]
fn media_names_the_session_where_no_content_does() {
    let mut scene = Scene::new();
    assert_eq!(opened(&scene.media("mediaLoadStart", "asset-9")).id, "asset-9");
    // Without an id the content is whatever plays.
    let mut scene = Scene::new();
    assert_eq!(scene.call("Metrics.startContent", json!({})), []);
    assert_eq!(opened(&scene.media("mediaPlay", "asset-9")).id, "asset-9");
    assert_eq!(scene.call("Metrics.stopContent", json!({})), [Say::End(UNKNOWN)]);
}

/// "Apps should wait until any loading is complete before calling startContent."
#[test]
fn content_may_be_named_after_its_media() {
    for (content, over) in [("asset-9", "asset-9"), ("show-1", "show-1"), ("show-1", "asset-9")] {
        let mut scene = Scene::new();
        scene.media("mediaPlay", "asset-9");
        assert_eq!(scene.call("Metrics.startContent", json!({"entityId": content})), []);
        assert_eq!(scene.media("mediaPlaying", "asset-9"), [Say::Startup(200), play(UNKNOWN)]);
        let stop = json!({"entityId": over});
        assert_eq!(scene.call("Metrics.stopContent", stop), [Say::End(UNKNOWN)], "{over}");
    }
    // Content that starts while another plays is another.
    let mut scene = Scene::playing(100.0);
    let says = scene.call("Metrics.startContent", json!({"entityId": "show-1"}));
    assert_eq!(says, [Say::End(UNKNOWN)]);
    // The same content is told once more.
    let mut scene = Scene::playing(100.0);
    scene.call("Metrics.startContent", json!({"entityId": "film"}));
    assert_eq!(scene.call("Metrics.startContent", json!({"entityId": "film"})), []);
    assert_eq!(scene.media("mediaPause", "film"), [Say::Pause(UNKNOWN)]);
}

#[test]
fn another_media_ends_the_first() {
    let mut scene = Scene::playing(100.0);
    let says = scene.media("mediaLoadStart", "next");
    assert_eq!(says[0], Say::End(UNKNOWN));
    assert_eq!(opened(&says[1..]).id, "next");
    // What still comes from the first changes nothing.
    for name in ["mediaPause", "mediaWaiting", "mediaEnded"] {
        assert_eq!(scene.media(name, "film"), [], "{name}");
    }
    for (name, key) in
        [("mediaSeeking", "target"), ("mediaSeeked", "position"), ("mediaProgress", "progress")]
    {
        let params = json!({"entityId": "film", key: 0.5});
        assert_eq!(scene.call(&format!("Metrics.{name}"), params), [], "{name}");
    }
    let stop = json!({"entityId": "film"});
    assert_eq!(scene.call("Metrics.stopContent", stop), []);
}

#[test]
fn what_comes_after_the_end_opens_nothing() {
    for end in ["mediaEnded", "stopContent"] {
        let mut scene = Scene::playing(100.0);
        scene.media(end, "film");
        for name in ["mediaPause", "mediaWaiting", "mediaEnded", "stopContent"] {
            assert_eq!(scene.media(name, "film"), [], "{name}");
        }
        let progress = json!({"entityId": "film", "progress": 0.99});
        assert_eq!(scene.call("Metrics.mediaProgress", progress), []);
        assert_eq!(opened(&scene.media("mediaPlay", "film")).id, "film");
    }
}

/// The door was started anew while an application played.
#[test]
fn a_playback_that_is_under_way_is_taken_up() {
    let mut scene = Scene::new();
    let progress = json!({"entityId": "film", "progress": 0.5, "playhead": {"length": 1000}});
    let says = scene.call("Metrics.mediaProgress", progress);
    assert_eq!(opened(&says).id, "film");
    assert_eq!(says[1..], [play(500.0)]);

    let mut scene = Scene::new();
    let says = scene.media("mediaPause", "film");
    opened(&says);
    assert_eq!(says[1..], [Say::Pause(UNKNOWN)]);

    let mut scene = Scene::new();
    let says = scene.media("mediaWaiting", "film");
    opened(&says);
    assert_eq!(says[1..], [Say::BufferStart(UNKNOWN)]);

    // What does not tell that anything plays opens nothing.
    for name in ["mediaEnded", "stopContent"] {
        assert_eq!(Scene::new().media(name, "film"), [], "{name}");
    }
    let seeked = json!({"entityId": "film", "position": 0.5});
    assert_eq!(Scene::new().call("Metrics.mediaSeeked", seeked), []);
    let rate = json!({"entityId": "film", "rate": 2});
    assert_eq!(Scene::new().call("Metrics.mediaRateChange", rate), []);
}

/// Firebolt gives a part of the length, or seconds.
#[test]
fn positions() {
    let rows = [
        (json!(0), 1000.0, Some(0.0)),
        (json!(0.0), 0.0, Some(0.0)),
        (json!(0.75), 1000.0, Some(750.0)),
        (json!(0.999), 1000.0, Some(999.0)),
        // The length is not known.
        (json!(0.75), 0.0, None),
        (json!(120), 0.0, Some(120.0)),
        (json!(120.5), 1000.0, Some(120.5)),
        (json!(86400), 0.0, Some(86400.0)),
        // The first second, or all of it.
        (json!(1), 1000.0, None),
        (json!(1.0), 0.0, None),
    ];
    for (position, length, seconds) in rows {
        let mut scene = Scene::playing(length);
        let params = json!({"entityId": "film", "progress": position});
        let says = scene.call("Metrics.mediaProgress", params);
        let expected: Vec<Say> = seconds.map(Say::Playhead).into_iter().collect();
        assert_eq!(says, expected, "{position} of {length}");

        let mut scene = Scene::playing(length);
        let target = json!({"entityId": "film", "target": 0.5});
        assert_eq!(scene.call("Metrics.mediaSeeking", target), [Say::SeekStart(UNKNOWN)]);
        let params = json!({"entityId": "film", "position": position});
        let says = scene.call("Metrics.mediaSeeked", params);
        // What is not known of the result is known of the target.
        let target = if length > 0.0 { length / 2.0 } else { UNKNOWN };
        assert_eq!(says, [Say::SeekComplete(seconds.unwrap_or(target))], "{position} of {length}");
    }
}

#[test]
fn a_length_that_is_told_later_counts_from_then_on() {
    let mut scene = Scene::playing(0.0);
    let part = |length: Value| json!({"entityId": "film", "progress": 0.5, "playhead": length});
    assert_eq!(scene.call("Metrics.mediaProgress", part(json!({}))), []);
    let says = scene.call("Metrics.mediaProgress", part(json!({"length": 600})));
    assert_eq!(says, [Say::Playhead(300.0)]);
    assert_eq!(scene.media("mediaEnded", "film"), [Say::Complete(600.0)]);
}

/// The agent counts the second of the day of what is live; Firebolt counts from the beginning of the
/// broadcast.
#[test]
fn live_content_has_no_position_of_firebolts() {
    let mut scene = Scene::new();
    let live = json!({"entityId": "news", "playhead": {"content_type": "Live", "channel": "One"}});
    let says = scene.call("Metrics.mediaLoadStart", live);
    assert_eq!(opened(&says).content_type, "Live");
    assert_eq!(opened(&says).channel, "One");
    scene.media("mediaPlaying", "news");
    let progress = json!({"entityId": "news", "progress": 1800});
    assert_eq!(scene.call("Metrics.mediaProgress", progress), []);
    let seeking = json!({"entityId": "news", "target": 900});
    scene.call("Metrics.mediaSeeking", seeking);
    let seeked = json!({"entityId": "news", "position": 900});
    assert_eq!(scene.call("Metrics.mediaSeeked", seeked), [Say::SeekComplete(UNKNOWN)]);
    assert_eq!(scene.media("mediaEnded", "news"), [Say::Complete(UNKNOWN)]);
}

/// The agent refuses a pause, a wait and a seek in a wait or a seek.
#[test]
fn waits_and_seeks_end_first() {
    let seeking = json!({"entityId": "film", "target": 0.2});
    let seeked = json!({"entityId": "film", "position": 0.21});

    let mut scene = Scene::playing(1000.0);
    scene.media("mediaWaiting", "film");
    assert_eq!(scene.media("mediaWaiting", "film"), []);
    let says = scene.media("mediaPause", "film");
    assert_eq!(says, [Say::BufferComplete(UNKNOWN), Say::Pause(UNKNOWN)]);

    let mut scene = Scene::playing(1000.0);
    scene.media("mediaWaiting", "film");
    let says = scene.call("Metrics.mediaSeeking", seeking.clone());
    assert_eq!(says, [Say::BufferComplete(UNKNOWN), Say::SeekStart(UNKNOWN)]);
    // A wait for the data of the place that is sought is part of the seek, and so is another target.
    assert_eq!(scene.media("mediaWaiting", "film"), []);
    assert_eq!(scene.call("Metrics.mediaSeeking", seeking.clone()), []);
    let progress = json!({"entityId": "film", "progress": 0.9});
    assert_eq!(scene.call("Metrics.mediaProgress", progress), []);
    assert_eq!(scene.call("Metrics.mediaSeeked", seeked.clone()), [Say::SeekComplete(210.0)]);

    // A pause in a seek, and the seek's end after it.
    let mut scene = Scene::playing(1000.0);
    scene.call("Metrics.mediaSeeking", seeking.clone());
    let says = scene.media("mediaPause", "film");
    assert_eq!(says, [Say::SeekComplete(200.0), Say::Pause(UNKNOWN)]);
    assert_eq!(scene.call("Metrics.mediaSeeked", seeked.clone()), [Say::Playhead(210.0)]);

    // A seek in a pause stays one.
    let mut scene = Scene::playing(1000.0);
    scene.media("mediaPause", "film");
    assert_eq!(scene.call("Metrics.mediaSeeking", seeking.clone()), [Say::SeekStart(UNKNOWN)]);
    assert_eq!(scene.call("Metrics.mediaSeeked", seeked), [Say::SeekComplete(210.0)]);
    assert_eq!(scene.media("mediaWaiting", "film"), []);
    assert_eq!(scene.media("mediaPause", "film"), []);
    assert_eq!(scene.media("mediaPlaying", "film"), [play(UNKNOWN)]);

    // An application that does not tell the end of a seek.
    scene.call("Metrics.mediaSeeking", seeking);
    assert_eq!(scene.media("mediaPlaying", "film"), [play(200.0)]);
}

/// To start in the middle: a seek before the first frame.
#[test]
fn a_seek_before_it_ever_played() {
    let mut scene = Scene::new();
    let load = json!({"entityId": "film", "playhead": {"length": 1000}});
    scene.media("mediaPlay", "film");
    scene.call("Metrics.mediaLoadStart", load);
    let seeking = json!({"entityId": "film", "target": 0.4});
    assert_eq!(scene.call("Metrics.mediaSeeking", seeking), [Say::SeekStart(UNKNOWN)]);
    let seeked = json!({"entityId": "film", "position": 0.4});
    assert_eq!(scene.call("Metrics.mediaSeeked", seeked), [Say::SeekComplete(400.0)]);
    let says = scene.media("mediaPlaying", "film");
    assert_eq!(says, [Say::Startup(400), play(UNKNOWN)]);
}

/// The intent to play begins the wait; a load ahead of it does not.
#[test]
fn startup_time() {
    let mut scene = Scene::new();
    scene.media("mediaLoadStart", "film");
    scene.now += Duration::from_secs(60);
    scene.media("mediaPlay", "film");
    scene.now += Duration::from_millis(1400);
    let says = scene.media("mediaPlaying", "film");
    assert_eq!(says, [Say::Startup(1500), play(UNKNOWN)]);
    // Only the first time.
    scene.media("mediaPause", "film");
    scene.media("mediaPlay", "film");
    assert_eq!(scene.media("mediaPlaying", "film"), [play(UNKNOWN)]);

    let mut scene = Scene::new();
    let says = scene.media("mediaPlaying", "film");
    opened(&says);
    assert_eq!(says[1..], [play(UNKNOWN)], "nobody knows since when");
}

/// An application that never calls mediaPlaying is believed when its position moves.
#[test]
fn progress_tells_that_it_plays() {
    let progress = |at: f64| json!({"entityId": "film", "progress": at});
    let mut scene = Scene::new();
    scene.media("mediaPlay", "film");
    assert_eq!(scene.call("Metrics.mediaProgress", progress(0.0)), [Say::Playhead(0.0)]);
    assert_eq!(scene.call("Metrics.mediaProgress", progress(60.0)), [play(60.0)]);
    assert_eq!(scene.call("Metrics.mediaProgress", progress(120.0)), [Say::Playhead(120.0)]);
    // In a pause that nobody has ended it is a position.
    scene.media("mediaPause", "film");
    assert_eq!(scene.call("Metrics.mediaProgress", progress(121.0)), [Say::Playhead(121.0)]);
    scene.media("mediaPlay", "film");
    assert_eq!(scene.call("Metrics.mediaProgress", progress(122.0)), [play(122.0)]);
    // A wait ends with mediaPlaying.
    scene.media("mediaWaiting", "film");
    assert_eq!(scene.call("Metrics.mediaProgress", progress(130.0)), [Say::Playhead(130.0)]);
}

#[test]
fn rates() {
    let rate = |rate: f64| json!({"entityId": "film", "rate": rate});
    let at = |rate: f64| Say::Play { at: UNKNOWN, rate };
    let mut scene = Scene::playing(1000.0);
    assert_eq!(scene.call("Metrics.mediaRateChange", rate(1.0)), []);
    assert_eq!(scene.call("Metrics.mediaRateChange", rate(-8.0)), [at(-8.0)]);
    // A rate of 0 stands still.
    assert_eq!(scene.call("Metrics.mediaRateChange", rate(0.0)), [Say::Pause(UNKNOWN)]);
    assert_eq!(scene.call("Metrics.mediaRateChange", rate(0.5)), [at(0.5)]);
    // In a pause it counts from the next Play on.
    scene.media("mediaPause", "film");
    assert_eq!(scene.call("Metrics.mediaRateChange", rate(2.0)), []);
    assert_eq!(scene.media("mediaPlaying", "film"), [at(2.0)]);
    scene.media("mediaWaiting", "film");
    assert_eq!(scene.call("Metrics.mediaRateChange", rate(1.0)), []);
    assert_eq!(scene.media("mediaPlaying", "film"), [at(1.0)]);
    // Other media play at their own rate.
    scene.call("Metrics.mediaRateChange", rate(2.0));
    assert_eq!(scene.media("mediaPlaying", "next").last(), Some(&play(UNKNOWN)));
}

/// "The metrics flow should restart from mediaLoadStart" after an error.
#[test]
fn errors() {
    let error = |kind: &str| json!({"type": kind, "code": "E42", "description": "no picture", "visible": true});
    let said = |source| Say::Error { id: "E42".into(), source };
    let mut scene = Scene::playing(100.0);
    assert_eq!(scene.call("Metrics.error", error("media")), [said(Source::Player)]);
    for kind in ["network", "restriction", "entitlement", "other"] {
        assert_eq!(scene.call("Metrics.error", error(kind)), [said(Source::External)], "{kind}");
    }
    assert_eq!(scene.media("mediaLoadStart", "film"), [Say::BufferStart(UNKNOWN)]);
    assert_eq!(scene.media("mediaPlaying", "film"), [play(UNKNOWN)]);
    assert_eq!(Scene::new().call("Metrics.error", error("media")), [], "nothing plays");
}

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

#[test]
fn age_policies() {
    for params in [
        json!({"entityId": "film", "agePolicy": "app:child"}),
        json!({"entityId": "film", "options": {"agePolicy": "app:child"}}),
    ] {
        let mut scene = Scene::new();
        let says = scene.call("Metrics.mediaLoadStart", params.clone());
        assert!(opened(&says).track);
        assert_eq!(opened(&says).metadata["agePolicy"], "app:child");
        let mut scene = Scene::new();
        scene.policy.untracked = vec!["app:child".into()];
        assert!(!opened(&scene.call("Metrics.mediaLoadStart", params.clone())).track);
        // That of the content counts as well.
        let mut scene = Scene::new();
        scene.policy.untracked = vec!["app:child".into()];
        scene.call("Metrics.startContent", params);
        assert!(!opened(&scene.media("mediaLoadStart", "film")).track);
    }
    let mut scene = Scene::new();
    scene.policy.untracked = vec!["app:child".into()];
    let adult = json!({"entityId": "film", "agePolicy": "app:adult"});
    assert!(opened(&scene.call("Metrics.mediaLoadStart", adult)).track);
}

#[test]
fn what_the_rdk_side_adds() {
    let mut scene = Scene::new();
    let content = json!({"entityId": "show-1", "playhead": {
        "length": 1500, "name": "Pilot", "stream_type": "video", "metadata": {"media.show": "S", "x": ""}
    }});
    scene.call("Metrics.startContent", content);
    let load = json!({"entityId": "asset-9", "playhead": {
        "name": "The Pilot", "metadata": {"media.season": "1"}
    }});
    let says = scene.call("Metrics.mediaLoadStart", load);
    let media = opened(&says);
    assert_eq!((media.length, media.name.as_str()), (1500.0, "The Pilot"));
    assert_eq!(media.stream_type, "video");
    let metadata: Vec<(&str, &str)> =
        media.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(metadata, [("media.season", "1"), ("media.show", "S")]);

    // `additionalContext` in a resolution file puts the parameters one level deeper.
    let mut scene = Scene::new();
    let wrapped = json!({
        "params": {"entityId": "film"},
        "_additionalContext": {"origin": "org.rdk.AppGateway"},
        "playhead": {"length": 10},
    });
    let says = scene.call("Metrics.mediaPlay", wrapped);
    assert_eq!((opened(&says).id.as_str(), opened(&says).length), ("film", 10.0));
}

/// A call that is refused changes nothing, and says what was expected.
#[test]
fn parameters_that_are_refused() {
    let long = "x".repeat(1025);
    let film = |key: &str, value: Value| json!({"entityId": "film", key: value});
    let rows = [
        ("Metrics.mediaPlay", json!({}), "entityId is missing"),
        ("Metrics.mediaPlay", json!({"entityId": ""}), "entityId is missing"),
        ("Metrics.mediaPlay", json!({"entityId": 7}), "entityId is no string"),
        ("Metrics.mediaPlay", json!({"entityId": long}), "1025 bytes; expected at most 1024"),
        ("Metrics.mediaPlay", json!({"entityId": "a\nb"}), "control characters"),
        ("Metrics.startContent", json!({"entityId": []}), "entityId is no string"),
        ("Metrics.stopContent", json!({"entityId": {}}), "entityId is no string"),
        ("Metrics.mediaProgress", film("x", json!(0)), "progress is missing"),
        ("Metrics.mediaProgress", film("progress", json!("0.5")), "progress is no number"),
        ("Metrics.mediaProgress", film("progress", json!(-0.1)), "progress is -0.1"),
        ("Metrics.mediaSeeking", film("target", json!(86401)), "target is 86401"),
        ("Metrics.mediaSeeked", film("target", json!(1)), "position is missing"),
        ("Metrics.mediaRateChange", film("rate", json!(1001)), "expected -1000 to 1000"),
        ("Metrics.mediaRateChange", film("rate", json!(null)), "rate is no number"),
        ("Metrics.mediaRenditionChange", film("bitrate", json!(-1)), "expected kbit/s"),
        ("Metrics.appInfo", json!({}), "build is missing"),
        ("Metrics.error", json!({"type": "media"}), "code is missing"),
        ("Metrics.error", json!({"type": "bad", "code": "1"}), "expected one of network, media"),
        ("Metrics.mediaPlay", film("agePolicy", json!(1)), "agePolicy is no string"),
        ("Metrics.mediaPlay", film("playhead", json!(1)), "playhead is no object"),
        ("Metrics.mediaPlay", film("playhead", json!({"length": -1})), "length is -1"),
        ("Metrics.mediaPlay", film("playhead", json!({"length": "1"})), "length is no number"),
        ("Metrics.mediaPlay", film("playhead", json!({"metadata": []})), "metadata is no object"),
        ("Lifecycle2.onStateChanged", json!({}), "newState is missing"),
    ];
    for (name, params, why) in rows {
        for mut scene in [Scene::new(), Scene::playing(1000.0)] {
            let before = format!("{:?}", scene.app);
            let error = scene.try_call(name, params.clone()).expect_err(name);
            assert_eq!(error.code, -32602, "{name} {params}");
            assert!(error.message.contains(why), "{name} {params}: {}", error.message);
            assert_eq!(format!("{:?}", scene.app), before, "{name} {params}");
        }
    }
}

/// What AppGateway has to send is what the door understands.
#[test]
fn the_resolution_file_has_every_call() {
    let file: Value = serde_json::from_str(include_str!("../resolution.playhead.json"))
        .expect("the resolution file is JSON");
    let entries = file["resolutions"].as_object().expect("resolutions");
    for (name, entry) in entries {
        assert!(Method::named(name).is_some(), "{name}");
        assert_eq!(*entry, entries["metrics.ready"], "{name}");
    }
    let names = "ready signIn signOut startContent stopContent page action error mediaLoadStart \
        mediaPlay mediaPlaying mediaPause mediaWaiting mediaProgress mediaSeeking mediaSeeked \
        mediaRateChange mediaRateChanged mediaRenditionChange mediaRenditionChanged mediaEnded \
        event appInfo";
    let names: Vec<String> =
        names.split_whitespace().map(|name| format!("metrics.{name}")).collect();
    assert_eq!(entries.len(), names.len());
    for name in names {
        assert!(entries.contains_key(&name), "{name}");
    }
}
