//! Policies, what the RDK side adds, and parameters that are refused.

use playhead_firebolt::method::Method;
use serde_json::{Value, json};

use crate::scene::{Scene, opened};

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
    let file: Value = serde_json::from_str(include_str!("../../resolution.playhead.json"))
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
