//! What lies in the state directory when the daemon starts: a store that earlier starts have died
//! over, broken bytes, the wrong consent, names that are no files (docs/behaviour.md 2.9, 2.10).

mod common;

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use common::disk::{
    FAST, LEFT_AT, a_film, all_there, assert_none_broken, assert_once_each, bring_collector_back,
    consent, healthy, holds, left_at, named_like, play_films, queued, send_collector_away,
    set_consent,
};
use common::{AGENT, AGENT_PATH, Info, World, film, nothing, of_type};

const FILMS: usize = 70;
const REPORTS: usize = 600;

/// Kills this many starts in a row while they open the store.
async fn kill_openings(world: &mut World, kills: usize) {
    let note = world.agent.state().join("opening");
    let mut killed = 0;
    while killed < kills {
        if note.exists() {
            // The next start makes a note of its own.
            std::fs::write(&note, "old").expect("the last note");
        }
        world.agent.launch();
        let is_new = || std::fs::read_to_string(&note).is_ok_and(|text| text != "old");
        let (mut seen, mut looks) = (false, 0);
        while !seen && (looks % 512 != 0 || !world.agent.is_named().await) {
            seen = is_new();
            looks += 1;
        }
        world.agent.kill().await;
        // One that was faster than this test begins the row anew.
        killed = if note.exists() { killed + 1 } else { 0 };
    }
}

async fn survives_kills(kills: usize) {
    let mut world = World::start(FAST).await;
    send_collector_away(&world);
    let films = play_films(&world.player().await, "film", FILMS).await;
    let waiting = queued(&world).await;
    assert!(waiting >= 200, "{waiting} wait");
    world.agent.kill().await;
    kill_openings(&mut world, kills).await;
    world.agent.start_again().await;
    assert!(healthy(&world).await);
    assert_none_broken(&world);
    assert_eq!(queued(&world).await, waiting);
    world.agent.kill().await;
    bring_collector_back(&world);
    world.agent.start_again().await;
    world.wait("every film", |hits| all_there(hits, &films));
    while queued(&world).await > 0 {}
    assert_once_each(&world.collector.hits(), &films);
}

#[tokio::test]
async fn two_kills_over_the_opening_prove_nothing() {
    survives_kills(2).await;
}

#[tokio::test]
async fn three_kills_over_the_opening_prove_nothing() {
    survives_kills(3).await;
}

/// sled's unit of writing, as the daemon sets it.
const SEGMENT: usize = 64 * 1024;

/// Stops the daemon and damages the page that tells of one of its films. It is one that was not
/// written lately: where its log goes on, sled needs every byte to open a database at all.
async fn damage(world: &mut World, films: &[String]) {
    let file = world.agent.state().join("db/db");
    let read = || std::fs::read(&file).expect("the database");
    assert!(world.agent.stop().success());
    let before = read();
    world.agent.start_again().await;
    assert!(world.agent.stop().success());
    let mut bytes = read();
    let is_old = |at: usize| {
        let segment = at / SEGMENT * SEGMENT..bytes.len().min((at / SEGMENT + 1) * SEGMENT);
        before.get(segment.clone()) == bytes.get(segment)
    };
    let places = |film: &String| -> Vec<usize> {
        let text = format!("\"{film}\"");
        let found = bytes.windows(text.len()).enumerate();
        found.filter(|(_, bytes)| *bytes == text.as_bytes()).map(|(at, _)| at).collect()
    };
    let places =
        films.iter().map(places).find(|at| !at.is_empty() && at.iter().all(|at| is_old(*at)));
    for at in places.expect("a film that was written long ago") {
        bytes[at] ^= 1;
    }
    std::fs::write(&file, bytes).expect("the damage");
}

#[tokio::test]
async fn a_broken_store_is_set_aside_once_and_what_can_be_read_is_kept() {
    let mut world = World::start(FAST).await;
    let state = world.agent.state().to_owned();
    send_collector_away(&world);
    let films = play_films(&world.player().await, "film", FILMS).await;
    let waiting = queued(&world).await;
    damage(&mut world, &films).await;
    let broken = std::fs::read(state.join("db/db")).expect("the database");
    world.agent.start_until_it_stays().await;
    assert!(healthy(&world).await);
    assert_eq!(named_like(&state, "db.broken"), ["db.broken-1"]);
    let player = world.player().await;
    // A try to deliver may have failed since.
    let problems = player.property(AGENT_PATH, AGENT, "Problems").await;
    let problems = Vec::<String>::try_from(problems).expect("texts");
    let said = |text: &String| text.starts_with("a broken store lies aside since 20");
    assert!(problems.iter().any(said), "{problems:?}");
    let aside = state.join("db.broken-1/db");
    assert_eq!(std::fs::read(&aside).expect("what was set aside").len(), broken.len());
    for film in &films {
        assert_eq!(left_at(&world, film).await, Some(LEFT_AT), "{film}, which lies elsewhere");
    }
    let left = queued(&world).await;
    assert!(left > 0 && left < waiting, "{left} of {waiting} hits could be read");
    // Another one, with less in it.
    let first = std::fs::read(&aside).expect("what was set aside");
    let films = play_films(&world.player().await, "second", FILMS).await;
    damage(&mut world, &films).await;
    let before = world.agent.log().matches("broken again").count();
    world.agent.start_until_it_stays().await;
    assert!(healthy(&world).await);
    assert_eq!(world.agent.log().matches("broken again").count(), before + 1, "it is said");
    assert_eq!(named_like(&state, "db.broken"), ["db.broken-1"]);
    assert!(std::fs::read(&aside).expect("what was set aside") == first, "the first one is kept");
}

/// What a start does not read can be broken too; it is found when it is to be delivered.
#[tokio::test]
async fn reports_that_cannot_be_read_any_more_do_not_stop_the_store() {
    let mut world = World::start(FAST).await;
    let state = world.agent.state().to_owned();
    send_collector_away(&world);
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "Play", 0.0, nothing()).await.expect("play");
    while queued(&world).await < 2 {}
    let ids: Vec<String> = (0..REPORTS).map(|n| format!("error-{n}")).collect();
    for id in &ids {
        let info = Info::from([("id", id.clone().into())]);
        player.call(&session, "Error", 1.0, info).await.expect("an error");
    }
    damage(&mut world, &ids).await;
    world.agent.start_again().await;
    assert_none_broken(&world);
    assert!(healthy(&world).await, "the start has not seen it");
    bring_collector_back(&world);
    while named_like(&state, "db.broken") != ["db.broken-1"] || !healthy(&world).await {}
    player.call(&session, "End", 2.0, nothing()).await.expect("promises are kept again");
    while queued(&world).await > 0 {}
    let player = world.player().await;
    player.open(0.0, film("ep-2")).await.expect("a session");
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()));
}

#[tokio::test]
async fn a_store_from_before_an_opting_out_is_deleted_unread() {
    let mut world = World::start(FAST).await;
    let state = world.agent.state().to_owned();
    let elsewhere = world.bus.dir.path().join("copy");
    send_collector_away(&world);
    play_films(&world.player().await, "private", FILMS).await;
    assert!(world.agent.stop().success());
    copy(&state.join("db"), &elsewhere);
    world.agent.start_again().await;
    set_consent(&world.player().await, "out").await.expect("opted out");
    while holds(&state, "private-") {}
    assert!(world.agent.stop().success());
    let _ = std::fs::remove_dir_all(state.join("db"));
    for name in ["db", "db.old", "db.new", "db.broken-1"] {
        copy(&elsewhere, &state.join(name));
    }
    assert!(holds(&state, "private-"));
    bring_collector_back(&world);
    world.agent.start_again().await;
    assert!(!holds(&state, "private-"), "it goes before anything is served");
    assert_eq!((consent(&world).await.as_str(), queued(&world).await), ("out", 0));
    assert_eq!(left_at(&world, "private-7").await, None);
    let player = world.player().await;
    // What was left would go before this.
    set_consent(&player, "in").await.expect("in again");
    let films = play_films(&player, "new", 1).await;
    let hits = world.wait("the new film", |hits| all_there(hits, &films));
    assert!(hits.iter().all(|hit| !hit.body.to_string().contains("private-")));
}

#[tokio::test]
async fn without_its_consent_file_a_store_waits_for_a_word() {
    let mut world = World::start(FAST).await;
    send_collector_away(&world);
    let mut films = play_films(&world.player().await, "film", 3).await;
    assert!(world.agent.stop().success());
    std::fs::remove_file(world.agent.state().join("consent")).expect("the consent file");
    bring_collector_back(&world);
    for _ in 0..2 {
        // The configuration says `in`, and does not count.
        world.agent.start_again().await;
        assert_eq!(consent(&world).await, "unknown");
        assert!(world.agent.stop().success());
    }
    world.agent.start_again().await;
    films.extend(play_films(&world.player().await, "later", 1).await);
    assert_eq!(left_at(&world, "film-1").await, Some(LEFT_AT), "everything is kept");
    let said = common::now_ms();
    set_consent(&world.player().await, "in").await.expect("in");
    let hits = world.wait("all that was kept", |hits| all_there(hits, &films));
    assert!(hits.iter().all(|hit| hit.at_ms >= said), "nothing was sent before");
}

/// Every path below a directory, and itself, that others may do anything with.
fn open_to_others(path: &Path) -> Vec<String> {
    let meta = path.symlink_metadata().expect("a file");
    let mut found = Vec::new();
    if meta.permissions().mode() & 0o077 != 0 {
        found.push(format!("{:o} {}", meta.permissions().mode(), path.display()));
    }
    if meta.is_dir() {
        let entries = std::fs::read_dir(path).expect("a directory").flatten();
        found.extend(entries.flat_map(|entry| open_to_others(&entry.path())));
    }
    found
}

#[tokio::test]
async fn nobody_else_may_read_the_state_whatever_the_umask() {
    let mut world = World::start(FAST).await;
    let state = world.agent.state().to_owned();
    assert!(world.agent.stop().success());
    std::fs::remove_dir_all(&state).expect("the state");
    world.agent.under = ["sh", "-c", "umask 0; exec \"$@\"", "sh"].map(String::from).into();
    world.agent.start_again().await;
    let player = world.player().await;
    // Large enough for files of their own.
    let mut media = a_film("film");
    media.insert("name", "n".repeat(3_000).into());
    player.open(0.0, media).await.expect("a session");
    play_films(&player, "film", FILMS).await;
    assert_eq!(open_to_others(&state), [""; 0], "while it runs");
    // A start over which the last one has died looks at the store and copies it.
    world.agent.kill().await;
    let note = state.join("opening");
    std::fs::write(&note, "").expect("a note");
    std::fs::set_permissions(&note, Permissions::from_mode(0o600)).expect("its mode");
    world.agent.start_again().await;
    assert_eq!(open_to_others(&state), [""; 0], "after a restart");
    let looked = world.agent.log().contains("it is looked at first");
    assert!(looked, "{}", world.agent.log());
    set_consent(&world.player().await, "unknown").await.expect("a word");
    assert!(world.agent.stop().success());
    assert_eq!(open_to_others(&state), [""; 0], "at the end");
    assert!(state.join("consent").exists() && state.join("db/db").exists());
}

#[tokio::test]
async fn what_is_no_file_neither_hangs_a_start_nor_is_followed() {
    let mut world = World::start(FAST).await;
    let state = world.agent.state().to_owned();
    let victim = world.bus.dir.path().join("victim");
    play_films(&world.player().await, "film", 3).await;
    // What somebody would gain who is followed: panics that condemn the store, and consent.
    let texts = ["9", r#"{"consent":"in","installation":"x","generation":9,"revision":99}"#];
    for name in ["lock", "opening", "opening.new", "consent", "consent.new", "panicked"] {
        for text in [None, Some(texts[0]), Some(texts[1])] {
            assert!(world.agent.stop().success());
            let place = state.join(name);
            let _ = std::fs::remove_file(&place);
            match text {
                None => {
                    let made = Command::new("mkfifo").arg(&place).status();
                    assert!(made.is_ok_and(|status| status.success()));
                }
                Some(text) => {
                    std::fs::write(&victim, text).expect("a victim");
                    symlink(&victim, &place).expect("a symbolic link");
                }
            }
            world.agent.start_again().await;
            assert!(healthy(&world).await, "{name}");
            let wanted = if name == "consent" { "unknown" } else { "in" };
            assert_eq!(consent(&world).await, wanted, "{name}");
            assert_eq!(left_at(&world, "film-1").await, Some(LEFT_AT), "{name}");
            set_consent(&world.player().await, "in").await.expect("a word");
            assert!(state.join("consent").symlink_metadata().expect("consent").is_file());
            if let Some(text) = text {
                assert_eq!(std::fs::read_to_string(&victim).expect("the victim"), text, "{name}");
            }
            assert_none_broken(&world);
        }
    }
    let player = world.player().await;
    let session = player.open(0.0, film("ep-1")).await.expect("a session");
    player.call(&session, "End", LEFT_AT, nothing()).await.expect("the end");
}

#[test]
fn an_empty_state_directory_is_refused() {
    let run = Command::new(common::daemon()).args(["--state-dir", ""]).output().expect("a run");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("--state-dir is empty"), "{said}");
}

/// Nobody can make a directory there.
#[tokio::test]
async fn a_state_directory_that_cannot_be_made_keeps_no_daemon_from_starting() {
    let world = World::start_in(Path::new("/proc/none"), FAST).await;
    assert!(!healthy(&world).await);
    let player = world.player().await;
    let refused = player.open(0.0, film("ep-1")).await.expect_err("it cannot be kept");
    assert!(refused.to_string().contains("tv.playhead.Error.Storage"), "{refused}");
    world.wait("its hit all the same", |hits| !of_type(hits, "sessionStart").is_empty());
}
