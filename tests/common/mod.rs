//! The real parts that tests run against: a private D-Bus daemon, the bench collector, the daemon
//! as a process of its own, and players on connections of their own.

#![allow(dead_code)]

mod agent;
mod bus;
pub mod demo;
pub mod disk;
pub mod examples;
#[path = "../conformance/from_edge.rs"]
pub mod from_edge;
mod kind;
pub mod manager;
mod player;
pub mod proxy;
pub mod raw;
pub mod service;
mod skipped;
mod world;

#[allow(unused_imports, reason = "not every test needs all of them")]
pub use self::{agent::*, bus::*, kind::*, player::*, skipped::skip, world::*};

use std::time::Duration;

use serde_json::Value as Json;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const AGENT: &str = "tv.playhead.Agent1";
pub const AGENT_PATH: &str = "/tv/playhead/Agent1";
pub const SESSION: &str = "tv.playhead.Session1";

/// A small generator, so that the moments and the damage are the same in every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

/// A process's own memory in KiB, without the files that it maps.
pub fn anonymous_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("KiB")
}

pub fn json(text: &str) -> Json {
    serde_json::from_str(text).expect("JSON")
}

/// The test's own clock, to hold the hits' times against.
#[allow(clippy::disallowed_methods)]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock after 1970").as_millis() as i64
}
