//! The commands of `playheadctl` for whoever is asked why the numbers are missing: their text, their
//! JSON and their exit status, against a daemon that runs (docs/behaviour.md 5).

mod common;
#[path = "operator_commands/doctor.rs"]
mod doctor;
#[path = "operator_commands/monitor.rs"]
mod monitor;
#[path = "operator_commands/queue.rs"]
mod queue;
#[path = "operator_commands/scene.rs"]
mod scene;
