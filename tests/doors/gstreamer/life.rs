//! What is a viewing and what is none, how one ends with its application, and that nothing of the
//! application waits or is kept.

use zbus::fdo;

use super::server::serve;
use super::{has, near, params, workshop};
use crate::common::{World, of_type, playhead, types};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_watches_is_no_viewing() {
    let Some(workshop) = workshop("what_nobody_watches_is_no_viewing") else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    let film = workshop.uri("film.avi");
    let copy = world.bus.dir.path().join("copy").display().to_string();
    // A picture for a menu, a search for loud places, a copy, a test tone, a click of the menu.
    app.tell(&format!("bin picture playbin {film}"));
    app.tell("pause picture");
    app.hears("paused picture");
    app.tell(&format!("hurried search playbin {film}"));
    let song = workshop.uri("first.ogg");
    app.tell(&format!("launch copy uridecodebin uri={song} ! filesink sync=true location={copy}"));
    app.tell("launch tone audiotestsrc num-buffers=20 ! fakesink sync=true");
    app.tell(&format!("bin click playbin {}", workshop.uri("click.wav")));
    for name in ["search", "copy", "tone", "click"] {
        app.tell(&format!("play {name}"));
        app.hears(&format!("end {name}"));
    }
    let names = fdo::DBusProxy::new(&world.agent.watcher).await.expect("the bus");
    let before = names.list_names().await.expect("names").len();
    app.tell(&format!("bin film playbin {film}"));
    app.tell("play film");
    app.hears("end film");
    let hits = world.wait("the one viewing", has("sessionComplete", 1));
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
    // Who plays nothing has no connection.
    assert_eq!(names.list_names().await.expect("names").len(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_is_killed_goes_on_where_it_is_started() {
    let test = "an_application_that_is_killed_goes_on_where_it_is_started";
    let Some(workshop) = workshop(test) else { return };
    let world = World::start("").await;
    let film = workshop.uri("film.avi");
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin film playbin {film}"));
    app.tell("play film");
    app.reaches("film", 5.0);
    app.dies();
    let hits = world.wait("the pause", has("pauseStart", 1));
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "pauseStart"]);
    let left = playhead(of_type(&hits, "pauseStart")[0]);
    assert!((4.9..9.0).contains(&left), "{left}");
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin film playbin {film}"));
    app.tell("pause film");
    app.hears("paused film");
    app.tell("seek film 5 1");
    app.hears("paused film");
    app.tell("play film");
    let hits = world.wait("another session", has("play", 2));
    let start = of_type(&hits, "sessionStart")[1];
    assert_eq!(params(start)["media.resume"], true);
    near(playhead(start), 5.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_exits_has_ended() {
    let Some(workshop) = workshop("an_application_that_exits_has_ended") else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin film playbin {}", workshop.uri("film.avi")));
    app.tell("play film");
    app.reaches("film", 3.0);
    app.exits();
    let hits = world.wait("the end", has("sessionEnd", 1));
    assert_eq!(types(&hits, "S1"), ["sessionStart", "play", "sessionEnd"]);
    let left = playhead(of_type(&hits, "sessionEnd")[0]);
    assert!((2.9..7.0).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_is_dropped_is_gone() {
    let Some(workshop) = workshop("a_pipeline_that_is_dropped_is_gone") else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    for nth in 1..=10 {
        app.tell(&format!("bin film{nth} playbin {}", workshop.uri("film.avi")));
        app.tell(&format!("play film{nth}"));
        app.reaches(&format!("film{nth}"), 0.2);
        app.tell(&format!("drop film{nth}"));
        app.hears(&format!("gone film{nth}"));
    }
    let hits = world.wait("the last end", has("sessionEnd", 10));
    assert_eq!(of_type(&hits, "sessionStart").len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_hangs_stops_no_picture() {
    let Some(workshop) = workshop("a_bus_that_hangs_stops_no_picture") else { return };
    let world = World::start("").await;
    let mut app = workshop.start(&world.bus, "");
    app.tell(&format!("bin film playbin {}", workshop.uri("film.avi")));
    app.tell("play film");
    world.wait("play", has("play", 1));
    world.bus.freeze();
    app.reaches("film", 3.0);
    app.tell("pause film");
    app.hears("paused film");
    app.tell("play film");
    app.hears("playing film");
    app.tell("seek film 16 1");
    app.hears("end film");
    world.bus.go_on();
    let hits = world.wait("the completion", has("sessionComplete", 1));
    assert_eq!(of_type(&hits, "sessionStart").len(), 1);
    near(playhead(of_type(&hits, "sessionComplete")[0]), 20.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_say_how_it_is_told() {
    let Some(workshop) = workshop("parameters_say_how_it_is_told") else { return };
    let world = World::start("").await;
    let (url, _gate) = serve(&workshop.path("half-minute.wav"), 80_000, true);
    let url = url.replace("http://", "http://me:secret@");
    let more = ",channel=Harbour,player_name=\"A Box\",app_version=7,query=drop";
    let mut app = workshop.start(&world.bus, more);
    app.tell(&format!("bin radio playbin {url}?token=1"));
    app.tell("play radio");
    let hits = world.wait("play", has("play", 1));
    let start = params(of_type(&hits, "sessionStart")[0]);
    assert_eq!(start["media.id"], url.replace("me:secret@", ""));
    assert_eq!(start["media.channel"], "Harbour");
    assert_eq!(start["media.playerName"], "A Box");
    assert_eq!(start["media.sdkVersion"], "7", "{start}");
}
