//! There is no bus, and the player does not notice, whatever runtime it has.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use playhead::{Agent, Bus, Media, Notice, Reason, blocking};

fn nowhere() -> Bus {
    Bus::Address("unix:path=/nonexistent/bus".into())
}

async fn plays_in_silence() {
    let agent = Agent::connect(nowhere()).unwrap();
    let mut notices = agent.notices();
    let film = agent.open(0.0, &Media::new("film"));
    film.play(0.0);
    assert_eq!(agent.pending(), 2);
    let error = agent.resume_point("film", "").await.unwrap_err();
    assert_eq!((error.event, error.kind.name()), ("GetResumePoint", "Disconnected"));
    assert_eq!(agent.close_within(Duration::ZERO).await, 2, "both were not said");

    film.pause(1.0);
    let Some(Notice::Failed { session, error }) = notices.next().await else { panic!("no notice") };
    assert_eq!((session, error.kind.name()), (Some(film.id()), "NoSession"));
    assert_eq!(notices.next().await, None, "the connection was closed");
}

#[test]
#[cfg(feature = "zruntime")]
fn on_the_runtime_of_zbus() {
    zbus::block_on(plays_in_silence());
}

#[test]
#[cfg(feature = "tokio")]
fn on_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(plays_in_silence());
}

#[test]
fn from_a_thread_without_a_runtime() {
    let agent = Agent::connect(nowhere()).unwrap();
    agent.open(0.0, &Media::new("film")).end(1.0);
    assert_eq!(agent.pending(), 2);
}

#[test]
fn blocking_without_a_runtime() {
    let agent = blocking::Agent::connect(nowhere()).unwrap();
    let notices = agent.notices();
    let film = agent.now(Some(&Media::default()), 0.0, 1.0).unwrap();
    assert!(agent.resume_point("film", "").is_err());
    assert_eq!(agent.close_within(Duration::ZERO), 2);
    let late = agent.open(0.0, &Media::new("film"));
    let closed = Notice::Closed { session: late.id(), reason: Reason::Failed };
    film.end(1.0);
    let said: Vec<Notice> = notices.collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.contains(&closed), "{said:?}");
}

#[test]
#[cfg(feature = "tokio")]
fn a_runtime_that_goes_away_takes_nobody_along() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let agent = runtime.block_on(async { Agent::connect(nowhere()).unwrap() });
    let film = agent.open(0.0, &Media::new("film"));
    drop(runtime);
    film.play(0.0);
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(other.block_on(agent.resume_point("film", "")).is_err());
    assert_eq!(other.block_on(agent.close()), 1, "the opening");
}
