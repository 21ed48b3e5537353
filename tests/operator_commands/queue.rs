//! What waits, what was refused, where viewers stopped, what they allow, and delivery at once.

use crate::common::disk::{bring_collector_back, send_collector_away};
use crate::common::{AGENT, AGENT_PATH, World, nothing};
use crate::scene::{Came, QUIET, ctl, json, paused, plays, wait_for};

#[track_caller]
fn assert_shown(came: &Came, out: &str, err: &str, status: i32) {
    assert_eq!(
        (came.out.as_str(), came.err.as_str(), came.status),
        (out, err, status),
        "{came:#?}"
    );
}

#[tokio::test]
async fn nothing_is_said_in_words_and_as_json() {
    let world = World::start(QUIET).await;
    for (arguments, text, list) in [
        (&["queue"][..], "nothing waits\n", "logs"),
        (&["queue", "--rejected"], "the collector has refused nothing for good\n", ""),
        (&["resume-points"], "no resume points\n", ""),
    ] {
        assert_shown(&ctl(&world, arguments), text, "", 0);
        let json = json(&world, &[arguments, &["--json"]].concat());
        let list = if list.is_empty() { &json } else { &json[list] };
        assert!(list.as_array().expect("a list").is_empty(), "{json}");
    }
    assert_shown(&ctl(&world, &["flush"]), "nothing waits\n", "", 0);
    assert_shown(&ctl(&world, &["consent"]), "in\n", "", 0);
}

#[tokio::test]
async fn what_waits_for_consent_is_listed_held_and_delivered_when_it_is_given() {
    let world = World::start(QUIET).await;
    let said = "unknown (before: in): everything is tracked and kept, nothing is sent\n";
    assert_shown(&ctl(&world, &["consent", "unknown"]), said, "", 0);
    let _player = plays(&world, "ep-1").await;
    wait_for(&world, 3).await;
    let bytes = json(&world, &["queue", "--json"])["bytes"].to_string();
    let came = ctl(&world, &["queue"]);
    let line = came.out.replace(&bytes, "9999");
    let expected = "\
APP               MEDIA  COLLECTOR  HITS  BYTES  OLDEST                STATE
tv.example.tests  ep-1   main       3     9999   DATE                  waits for consent
3 hits wait, N bytes
";
    assert_eq!(line, expected);
    let queue = json(&world, &["queue", "--json"]);
    assert_eq!((&queue["state"], &queue["left_out"]), (&"waiting-consent".into(), &0.into()));
    let log = &queue["logs"][0];
    assert_eq!((&log["hits"], &log["next_try"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!(log["bytes"], queue["bytes"]);

    let held = "playheadctl: 3 hits wait: waits for the viewer's consent: `playheadctl consent in`, or \
                consent.initial in the configuration\n";
    assert_shown(&ctl(&world, &["flush"]), "3 hits wait\n", held, 1);
    let end = json(&world, &["flush", "--json"]);
    assert_eq!((&end["done"], &end["left"]), (&false.into(), &3.into()), "{end}");
    assert_eq!(end["state"], "waiting-consent");

    assert_shown(&ctl(&world, &["consent", "in"]), "in (before: unknown): hits are sent\n", "", 0);
    let end = json(&world, &["flush", "--json"]);
    assert_eq!((&end["done"], &end["left"]), (&true.into(), &0.into()), "{end}");
    world.wait("all of it", |hits| hits.len() == 3);
}

#[tokio::test]
async fn a_flush_shows_how_it_goes() {
    let world = World::start(QUIET).await;
    send_collector_away(&world);
    let _player = plays(&world, "ep-1").await;
    world.wait("a try", |hits| !hits.is_empty());
    wait_for(&world, 3).await;
    // It need not wait to know that its own try has failed.
    let failing = ctl(&world, &["flush", "--wait", "3000"]);
    assert_eq!((failing.out.as_str(), failing.status), ("3 hits wait\n", 1), "{failing:#?}");
    assert!(
        failing
            .err
            .starts_with("playheadctl: 3 hits wait: delivery fails since DATE                : ")
            && failing.err.contains("the collector answered 503"),
        "{failing:#?}"
    );
    let queue = ctl(&world, &["queue"]).out;
    let states = ["failed, next try in N s", "failed, next try now", "under way"];
    let row = queue.lines().nth(1).expect("a row");
    assert!(states.iter().any(|state| row.ends_with(state)), "{queue}");

    bring_collector_back(&world);
    let came = ctl(&world, &["flush"]);
    let lines: Vec<&str> = came.out.lines().collect();
    assert_eq!(lines.last(), Some(&"all is delivered"), "{came:#?}");
    assert_eq!((lines[0], came.status), ("3 hits wait", 0), "{came:#?}");
    world.wait("all of it", |hits| hits.len() == 3);
}

#[tokio::test]
async fn a_flush_gives_up_when_nothing_moves() {
    let world = World::start(QUIET).await;
    world
        .collector
        .set_rules_json(r#"[{"on": "sessions", "status": 503, "headers": {"Retry-After": "900"}}]"#)
        .expect("a rule");
    let _player = plays(&world, "ep-1").await;
    world.wait("a try", |hits| !hits.is_empty());
    wait_for(&world, 3).await;
    // Wait until the answer has arrived: the collector must not be asked again before its time.
    let fails = async { while json(&world, &["queue", "--json"])["state"] != "failing" {} };
    fails.await;
    let came = ctl(&world, &["flush", "--wait", "0"]);
    assert_eq!(came.status, 1, "{came:#?}");
    assert!(came.err.contains("; next try in N min"), "{came:#?}");
    assert_eq!(world.collector.hits().len(), 1, "it is obeyed");
}

#[tokio::test]
async fn refused_hits_stand_there_with_the_collectors_words_also_after_a_restart() {
    let mut world = World::start(QUIET).await;
    world
        .collector
        .set_rules_json(
            r#"[{"on": "events", "event_type": "pauseStart", "status": 400},
                {"on": "sessions", "session": "S2", "status": 422}]"#,
        )
        .expect("rules");
    let _player = plays(&world, "ep-1").await;
    paused(&world, 1).await;
    ctl(&world, &["consent", "unknown"]);
    let _second = plays(&world, "ep-2").await;
    wait_for(&world, 3).await;
    ctl(&world, &["consent", "in"]);
    wait_for(&world, 0).await;
    let expected = "\
WHEN                  APP               MEDIA  HIT           STATUS  LOST WITH IT  ANSWER
DATE                  tv.example.tests  ep-2   sessionStart  422     2             a fault rule says 422
DATE                  tv.example.tests  ep-1   pauseStart    400     0             a fault rule says 400
";
    assert_shown(&ctl(&world, &["queue", "--rejected"]), expected, "", 0);
    let list = json(&world, &["queue", "--rejected", "--json"]);
    assert_eq!((&list[0]["collector"], &list[0]["lost"]), (&"main".into(), &2.into()));
    world.agent.kill().await;
    world.agent.start_again().await;
    assert_eq!(json(&world, &["queue", "--rejected", "--json"]), list);
    // Opting out forgets them too.
    ctl(&world, &["consent", "out"]);
    assert_eq!(json(&world, &["queue", "--rejected", "--json"]), serde_json::json!([]));
}

#[tokio::test]
async fn no_more_refused_hits_are_kept_than_the_limit_says() {
    let world = World::start(&format!("{QUIET}\n[limits]\nrejected_kept = 2\n")).await;
    let rule = r#"[{"on": "events", "event_type": "pauseStart", "status": 400}]"#;
    world.collector.set_rules_json(rule).expect("a rule");
    for (films, id) in [(1, "ep-1"), (2, "ep-2"), (3, "ep-3")] {
        let _player = plays(&world, id).await;
        paused(&world, films).await;
    }
    let list = json(&world, &["queue", "--rejected", "--json"]);
    let media: Vec<_> = list.as_array().expect("a list").iter().map(|hit| &hit["media"]).collect();
    assert_eq!(media, ["ep-3", "ep-2"]);
}

#[tokio::test]
async fn resume_points_are_listed() {
    let world = World::start(QUIET).await;
    let (player, session) = plays(&world, "ep-1").await;
    player.call(&session, "End", 65.0, nothing()).await.expect("the end");
    let (player, session) = plays(&world, "ep-2").await;
    player.call(&session, "Complete", 600.0, nothing()).await.expect("all of it");
    let expected = "\
APP               MEDIA  POSITION  LENGTH  ENDED                 COMPLETED
tv.example.tests  ep-1   1:05      10:00   DATE                  no
tv.example.tests  ep-2   10:00     10:00   DATE                  yes
";
    assert_shown(&ctl(&world, &["resume-points"]), expected, "", 0);
    let points = json(&world, &["resume-points", "--json"]);
    assert_eq!((&points[0]["position"], &points[0]["live"]), (&65.0.into(), &false.into()));
    world.wait("the ends", |hits| hits.len() == 8);
    wait_for(&world, 0).await;
    let out = "out (before: in): sessions ended without a hit, and what waited, resume points and the id \
               of the box are deleted\n";
    assert_shown(&ctl(&world, &["consent", "out"]), out, "", 0);
    assert_shown(&ctl(&world, &["resume-points"]), "no resume points\n", "", 0);
    let said = json(&world, &["consent", "--json"]);
    assert_eq!(said, serde_json::json!({"consent": "out"}));
}

#[tokio::test]
async fn an_unknown_list_is_refused_with_those_that_there_are() {
    let world = World::start("").await;
    let player = world.player().await;
    let monitor = Some("tv.playhead.Monitor1");
    let asked =
        player.connection.call_method(Some(AGENT), AGENT_PATH, monitor, "List", &"all").await;
    let (name, why) = crate::common::refusal(asked.map(|_| ()));
    assert_eq!(name, "tv.playhead.Error.InvalidArgs");
    assert_eq!(why, "a list is 'queue', 'rejected', 'resume-points' or 'mpris', got 'all'");
}

#[tokio::test]
async fn a_wrong_word_is_wrong_use() {
    let world = World::start("").await;
    let came = ctl(&world, &["consent", "yes"]);
    assert_eq!(came.status, 2, "{came:#?}");
    assert_eq!(ctl(&world, &["consent"]).out, "in\n");
}
