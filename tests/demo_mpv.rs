//! The demo with mpv, which knows nothing of the agent (`make test-peers`, because mpv is large).

mod common;

#[test]
fn a_playback_in_mpv_survives_the_death_of_mpv() {
    common::demo::demo(&["--mpv"]);
}
