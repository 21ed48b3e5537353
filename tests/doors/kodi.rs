//! Kodi (doors/kodi): a real one under Xvfb, with the sidecar beside it.

use std::process::Command;

use playheadd::bench::Record;

use crate::common::{World, of_type, playhead, skip, types};

/// The sessions that play so, in the order in which they began.
fn of_media<'a>(hits: &'a [Record], part: &str) -> Vec<&'a Record> {
    let starts = of_type(hits, "sessionStart").into_iter();
    starts
        .filter(|start| start.body["params"]["media.id"].as_str().unwrap().contains(part))
        .collect()
}

fn events(hits: &[Record], start: &Record) -> Vec<String> {
    types(hits, start.sid.as_deref().expect("a sid"))
}

#[tokio::test]
async fn an_evening_in_kodi_reaches_the_collector() {
    let world = World::start("").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/doors/kodi/tests/run.py");
    let mut run = Command::new("/usr/bin/python3");
    run.arg(script).arg(&world.bus.address);
    // Kodi has its own time; the daemon and the collector go on in theirs.
    let run = tokio::task::spawn_blocking(move || run.output().expect("python3"));
    let run = run.await.expect("its end");
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    if run.status.code() == Some(77) {
        return skip("doors::kodi", said.trim());
    }
    assert!(run.status.success(), "{said}\n{}", world.agent.log());

    let resumed = |hits: &[Record]| {
        let films = of_media(hits, "film");
        let last = films.last().copied();
        last.is_some_and(|start| {
            start.body["params"]["media.resume"] == true
                && events(hits, start).contains(&"sessionEnd".to_owned())
        })
    };
    let hits = world.wait("the film that goes on", resumed);
    let films = of_media(&hits, "film");
    let first = films[0];
    let seen = events(&hits, first);
    let wanted = [
        "sessionStart",
        "play",
        "pauseStart",
        "play",
        "pauseStart",
        "play",
        "pauseStart",
        "play",
        "sessionComplete",
    ];
    assert_eq!(seen, wanted, "a pause and two seeks: {said}");
    assert_eq!(first.body["params"]["media.contentType"], "vod");
    let of_first = |event: &str| -> Vec<f64> {
        let of_it = of_type(&hits, event).into_iter().filter(|hit| hit.sid == first.sid);
        of_it.map(playhead).collect()
    };
    let plays = of_first("play");
    assert!((plays[2] - 30.0).abs() <= 3.0 && (plays[3] - 57.0).abs() <= 3.0, "{plays:?}");
    assert_eq!(of_first("sessionComplete"), [60.0]);
    for film in &films[1..] {
        let seen = events(&hits, film);
        assert_eq!(seen.last().map(String::as_str), Some("sessionEnd"), "{seen:?}\n{said}");
    }

    for short in of_media(&hits, "short").iter().chain(&of_media(&hits, "song")) {
        let seen = events(&hits, short);
        assert_eq!(seen, ["sessionStart", "play", "sessionComplete"], "{said}");
    }
    assert_eq!(of_media(&hits, "short").len(), 2);
    let song = of_media(&hits, "song")[0];
    assert_eq!(song.body["params"]["media.streamType"], "audio");
    match of_media(&hits, "channel:").as_slice() {
        [] => skip("doors::kodi: a channel", "Debian package: kodi-pvr-iptvsimple"),
        [channel, ..] => assert_eq!(channel.body["params"]["media.contentType"], "live"),
    }
}
