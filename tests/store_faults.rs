//! A disk that is full, read-only or failing: what was promised stays, delivery goes on, and the
//! store heals by itself (docs/behaviour.md 2.9).

mod common;

use common::disk::{
    Disk, Eio, FAST, LEFT_AT, a_film, all_there, assert_none_broken, assert_once_each,
    bring_collector_back, consent, healthy, holds, left_at, play_films, queued,
    send_collector_away, set_consent, starts_and_ends,
};
use common::{Player, World, nothing, refusal};
use playheadd::store::copy::MemoryDir;
use zbus::OwnedObjectPath;

const FILMS: usize = 40;
const STORAGE: &str = "tv.playhead.Error.Storage";

/// Opens a session that cannot be kept, which is done all the same.
async fn open_unkept(player: &Player, id: &str) -> OwnedObjectPath {
    let opened = player.open(0.0, a_film(id)).await;
    let (name, why) = refusal(opened.map(|_| ()));
    assert_eq!(name, STORAGE, "{why}");
    let number = why.strip_prefix("done as session ").and_then(|rest| rest.split(',').next());
    let number = number.unwrap_or_else(|| panic!("the session is named: {why}"));
    format!("/tv/playhead/Agent1/session/{number}").try_into().expect("a path")
}

/// Films that the collector has not taken yet, and a daemon that was stopped.
async fn films_waiting(world: &mut World) -> Vec<String> {
    send_collector_away(world);
    let films = play_films(&world.player().await, "film", FILMS).await;
    assert!(world.agent.stop().success());
    bring_collector_back(world);
    films
}

/// The disk takes no writes when the daemon starts, and does so again while it runs.
async fn starts_on(disk: &Disk, spoil: impl Fn(&Disk), mend: impl Fn(&Disk)) {
    let mut world = World::start_in(&disk.state(), FAST).await;
    let mut films = films_waiting(&mut world).await;
    // Without a service manager a copy finds a place of its own.
    world.agent.under = ["env", "-u", "RUNTIME_DIRECTORY"].map(String::from).into();
    spoil(disk);
    world.agent.start_again().await;
    assert!(!healthy(&world).await);
    assert_eq!(left_at(&world, "film-5").await, Some(LEFT_AT), "it is read all the same");
    world.wait("what waits, from a disk that takes no writes", |hits| all_there(hits, &films));
    assert!(!healthy(&world).await);
    let player = world.player().await;
    let session = open_unkept(&player, "meanwhile").await;
    player.call(&session, "Play", 1.0, nothing()).await.expect("it is there");
    mend(disk);
    while !healthy(&world).await {}
    assert_none_broken(&world);
    player.call(&session, "End", LEFT_AT, nothing()).await.expect("it can be kept now");
    films.push("meanwhile".to_owned());
    films.extend(play_films(&player, "later", 1).await);
    world.wait("what came meanwhile", |hits| all_there(hits, &films));
    assert!(world.agent.stop().success());
    assert!(MemoryDir::of(&disk.state()).existing().is_none(), "nothing of it stays in memory");
    world.agent.start_again().await;
    assert!(healthy(&world).await);
    films.extend(play_films(&world.player().await, "at-last", 1).await);
    world.wait("the last film", |hits| all_there(hits, &films));
    while queued(&world).await > 0 {}
    assert_once_each(&world.collector.hits(), &films);
    for film in films {
        assert_eq!(left_at(&world, &film).await, Some(LEFT_AT), "{film}");
    }
}

#[tokio::test]
async fn a_start_on_a_full_disk_loses_nothing_and_heals() {
    let test = "a_start_on_a_full_disk_loses_nothing_and_heals";
    let Some(disk) = Disk::mount(test) else { return };
    starts_on(&disk, Disk::fill, Disk::make_room).await;
}

/// The journal in front of sled has its room from the beginning, so what is promised there is kept.
#[tokio::test]
async fn a_full_disk_takes_what_its_journal_has_room_for() {
    let test = "a_full_disk_takes_what_its_journal_has_room_for";
    let Some(disk) = Disk::mount(test) else { return };
    let mut world = World::start_in(&disk.state(), FAST).await;
    disk.fill();
    let films = play_films(&world.player().await, "small", 2).await;
    assert!(healthy(&world).await);
    world.agent.kill().await;
    world.agent.start_again().await;
    for film in &films {
        assert_eq!(left_at(&world, film).await, Some(LEFT_AT), "{film}");
    }
    assert!(!healthy(&world).await, "a start needs room");
    disk.make_room();
    while !healthy(&world).await {}
    world.wait("both films", |hits| all_there(hits, &films));
    assert_none_broken(&world);
}

#[tokio::test]
async fn a_start_on_a_read_only_disk_loses_nothing_and_heals() {
    let test = "a_start_on_a_read_only_disk_loses_nothing_and_heals";
    let Some(disk) = Disk::mount(test) else { return };
    starts_on(&disk, Disk::take_no_writes, Disk::take_writes).await;
}

#[tokio::test]
async fn a_disk_that_leaves_no_way_to_read_its_store_is_joined_when_it_takes_writes() {
    let test = "a_disk_that_leaves_no_way_to_read_its_store_is_joined_when_it_takes_writes";
    let Some(disk) = Disk::mount(test) else { return };
    let mut world = World::start_in(&disk.state(), FAST).await;
    let mut films = films_waiting(&mut world).await;
    disk.take_no_writes();
    // Nor is there a place for a copy.
    world.agent.under = ["env", "RUNTIME_DIRECTORY=/nonexistent"].map(String::from).into();
    world.agent.start_again().await;
    assert!(!healthy(&world).await);
    assert_eq!(left_at(&world, "film-5").await, None);
    let player = world.player().await;
    // A film again, and not to where it was left the first time.
    let session = open_unkept(&player, "film-5").await;
    let ended = player.call(&session, "End", LEFT_AT + 1.0, nothing()).await;
    assert_eq!(refusal(ended).0, STORAGE);
    disk.take_writes();
    while !healthy(&world).await {}
    assert_eq!(left_at(&world, "film-4").await, Some(LEFT_AT));
    assert_eq!(left_at(&world, "film-5").await, Some(LEFT_AT + 1.0), "the newest counts");
    world.wait("what waited", |hits| all_there(hits, &films));
    while queued(&world).await > 0 {}
    assert_none_broken(&world);
    assert!(world.agent.stop().success());
    world.agent.start_again().await;
    films.extend(play_films(&world.player().await, "later", 1).await);
    world.wait("the last film", |hits| all_there(hits, &films));
    while queued(&world).await > 0 {}
    let hits = world.collector.hits();
    assert_eq!(starts_and_ends(&hits).get("film-5"), Some(&(2, 2)), "both times it was played");
    films.retain(|film| film != "film-5");
    assert_once_each(&hits, &films);
    assert_eq!(left_at(&world, "film-5").await, Some(LEFT_AT + 1.0), "also after a restart");
}

#[tokio::test]
async fn what_waits_outlives_a_daemon_that_only_knew_a_full_disk() {
    let test = "what_waits_outlives_a_daemon_that_only_knew_a_full_disk";
    let Some(disk) = Disk::mount(test) else { return };
    let mut world = World::start_in(&disk.state(), FAST).await;
    let films = films_waiting(&mut world).await;
    send_collector_away(&world);
    disk.fill();
    for killed in [true, false] {
        world.agent.start_again().await;
        assert!(!healthy(&world).await);
        assert!(queued(&world).await >= 2 * FILMS as u64, "all of it waits");
        if killed {
            world.agent.kill().await;
        } else {
            assert!(world.agent.stop().success());
        }
    }
    disk.make_room();
    bring_collector_back(&world);
    world.agent.start_again().await;
    assert!(healthy(&world).await);
    world.wait("what waited", |hits| all_there(hits, &films));
    while queued(&world).await > 0 {}
    assert_once_each(&world.collector.hits(), &films);
    assert_none_broken(&world);
}

#[tokio::test]
async fn syncs_that_fail_break_promises_only_and_the_store_heals() {
    let test = "syncs_that_fail_break_promises_only_and_the_store_heals";
    let mut world = World::start(FAST).await;
    send_collector_away(&world);
    let player = world.player().await;
    let mut films = play_films(&player, "film", FILMS).await;
    let Some(eio) = Eio::inject(test, &world.agent, "fsync,fdatasync", None) else { return };
    for n in 0..5 {
        let film = format!("meanwhile-{n}");
        let session = open_unkept(&player, &film).await;
        assert!(!healthy(&world).await);
        let ended = player.call(&session, "End", LEFT_AT, nothing()).await;
        assert_eq!(refusal(ended).0, STORAGE);
        assert_eq!(left_at(&world, &film).await, Some(LEFT_AT));
        films.push(film);
    }
    drop(eio);
    while !healthy(&world).await {}
    assert_none_broken(&world);
    films.extend(play_films(&player, "later", 1).await);
    world.agent.kill().await;
    bring_collector_back(&world);
    world.agent.start_again().await;
    assert!(healthy(&world).await);
    world.wait("every film", |hits| all_there(hits, &films));
    while queued(&world).await > 0 {}
    assert_once_each(&world.collector.hits(), &films);
    assert_none_broken(&world);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_at_the_start_is_joined_later() {
    let test = "a_store_that_cannot_be_read_at_the_start_is_joined_later";
    let mut world = World::start(FAST).await;
    let player = world.player().await;
    send_collector_away(&world);
    let mut films = play_films(&player, "film", FILMS).await;
    let open = player.open(0.0, a_film("open")).await.expect("a session");
    player.call(&open, "Play", LEFT_AT, nothing()).await.expect("play");
    world.agent.kill().await;
    bring_collector_back(&world);
    // It stops before it is the daemon, so that no read of it is missed.
    world.agent.under = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"].map(String::from).into();
    world.agent.launch();
    while !world.agent.is_stopped() {}
    let database = world.agent.state().join("db/db");
    const READS: &str = "read,pread64,readv,preadv,preadv2,copy_file_range,sendfile,splice";
    let Some(eio) = Eio::inject(test, &world.agent, READS, Some(&database)) else { return };
    world.agent.go_on();
    world.agent.named().await;
    assert!(!healthy(&world).await);
    assert_eq!(left_at(&world, "film-5").await, None, "nothing of it can be read");
    let session = open_unkept(&player, "meanwhile").await;
    player.call(&session, "Play", LEFT_AT, nothing()).await.expect("it is there");
    world.wait("live delivery", |hits| !common::of_type(hits, "play").is_empty());
    drop(eio);
    films.push("open".to_owned());
    world.wait("what waited, and the end of what was open", |hits| all_there(hits, &films));
    while !healthy(&world).await {}
    assert_eq!(left_at(&world, "film-5").await, Some(LEFT_AT));
    let gone = player.call(&open, "Pause", LEFT_AT, nothing()).await;
    assert!(gone.is_err(), "its session is not continued");
    player.call(&session, "End", LEFT_AT, nothing()).await.expect("kept");
    films.push("meanwhile".to_owned());
    world.agent.under.clear();
    assert!(world.agent.stop().success());
    world.agent.start_again().await;
    world.wait("every film", |hits| all_there(hits, &films));
    while queued(&world).await > 0 {}
    assert_once_each(&world.collector.hits(), &films);
    assert_none_broken(&world);
}

/// Opts out on a full disk, with the store open or a copy of it in memory.
async fn opts_out_on_a_full_disk(disk: &Disk, full_at_the_start: bool) {
    let mut world = World::start_in(&disk.state(), FAST).await;
    send_collector_away(&world);
    play_films(&world.player().await, "private", FILMS).await;
    assert!(holds(&disk.state(), "private-7"));
    if full_at_the_start {
        world.agent.stop();
        disk.fill();
        world.agent.start_again().await;
        assert!(!healthy(&world).await);
        assert!(holds(&world.agent.runtime(), "private-7"), "a copy is read");
    } else {
        disk.fill();
    }
    set_consent(&world.player().await, "out").await.expect("what is deleted makes room");
    while holds(&disk.state(), "private-") || holds(&world.agent.runtime(), "private-") {}
    bring_collector_back(&world);
    world.agent.kill().await;
    world.agent.start_again().await;
    assert_eq!(consent(&world).await, "out");
    disk.make_room();
    let player = world.player().await;
    // Whatever was left would go before this.
    set_consent(&player, "in").await.expect("in again");
    while !healthy(&world).await {}
    let films = play_films(&player, "new", 1).await;
    let hits = world.wait("the new film", |hits| all_there(hits, &films));
    assert!(hits.iter().all(|hit| !hit.body.to_string().contains("private-")));
    assert_eq!(left_at(&world, "private-7").await, None);
}

#[tokio::test]
async fn opting_out_works_on_a_disk_that_has_become_full() {
    let test = "opting_out_works_on_a_disk_that_has_become_full";
    let Some(disk) = Disk::mount(test) else { return };
    opts_out_on_a_full_disk(&disk, false).await;
}

#[tokio::test]
async fn opting_out_works_on_a_disk_that_was_full_at_the_start() {
    let test = "opting_out_works_on_a_disk_that_was_full_at_the_start";
    let Some(disk) = Disk::mount(test) else { return };
    opts_out_on_a_full_disk(&disk, true).await;
}

#[tokio::test]
async fn opting_out_on_a_read_only_disk_stops_everything_at_once() {
    let test = "opting_out_on_a_read_only_disk_stops_everything_at_once";
    let Some(disk) = Disk::mount(test) else { return };
    let mut world = World::start_in(&disk.state(), FAST).await;
    films_waiting(&mut world).await;
    send_collector_away(&world);
    disk.take_no_writes();
    world.agent.start_again().await;
    let player = world.player().await;
    let (name, why) = refusal(set_consent(&player, "out").await);
    assert_eq!(name, STORAGE, "{why}");
    bring_collector_back(&world);
    assert_eq!((consent(&world).await.as_str(), queued(&world).await), ("out", 0));
    assert_eq!(left_at(&world, "film-5").await, None);
    // Its word outlives the daemon, though the disk has the old one.
    world.agent.kill().await;
    world.agent.start_again().await;
    assert_eq!((consent(&world).await.as_str(), queued(&world).await), ("out", 0));
    disk.take_writes();
    let file = disk.state().join("consent");
    while !std::fs::read_to_string(&file).is_ok_and(|text| text.contains("\"out\"")) {}
    while holds(&disk.state(), "film-") {}
    world.agent.kill().await;
    std::fs::remove_dir_all(world.agent.runtime()).expect("memory does not outlive the box");
    world.agent.start_again().await;
    assert_eq!(consent(&world).await, "out");
    let player = world.player().await;
    set_consent(&player, "in").await.expect("in again");
    let films = play_films(&player, "new", 1).await;
    let hits = world.wait("the new film", |hits| all_there(hits, &films));
    assert!(hits.iter().all(|hit| !hit.body.to_string().contains("film-")));
}
