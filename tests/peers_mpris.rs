//! Real players that speak MPRIS (`make test-peers`, because they are large): what the viewer saw is
//! what the collector gets (docs/behaviour.md 1.7).

mod common;

#[path = "peers_mpris/media.rs"]
mod media;
#[path = "peers_mpris/mpv.rs"]
mod mpv;
#[path = "peers_mpris/players.rs"]
mod players;
#[path = "peers_mpris/together.rs"]
mod together;
#[path = "peers_mpris/vlc.rs"]
mod vlc;
#[path = "peers_mpris/web.rs"]
mod web;
