//! What each call is to the agent: every method of the two modules, in the states that matter.

#[path = "mapping/application.rs"]
mod application;
#[path = "mapping/parameters.rs"]
mod parameters;
#[path = "mapping/playback.rs"]
mod playback;
#[path = "mapping/scene.rs"]
mod scene;
