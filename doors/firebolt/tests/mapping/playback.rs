//! What the calls of a playback are to the agent, in the states that matter.

use std::time::Duration;

use playhead::{Media, Source};
use playhead_firebolt::method::Method;
use playhead_firebolt::say::{Say, UNKNOWN};
use serde_json::{Value, json};

use crate::scene::{Scene, opened, play};

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
