//! A player without a runtime, which only knows its status: it tells once a second what plays.
//!
//! usage: blocking [MEDIA_ID [BUS_ADDRESS]]

use std::time::Duration;

use playhead::blocking::Agent;
use playhead::{Bus, Media};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let id = arguments.next().unwrap_or("film-1".into());
    let bus = arguments.next().map_or(Bus::System, Bus::Address);

    let agent = Agent::connect(bus)?;
    let media = Media { app: "tv.example.player".into(), length: 600.0, ..Media::new(&id) };
    let mut notices = agent.notices();
    // Plays for two seconds, pauses, and plays on.
    for (position, rate) in [(0.0, 1.0), (1.0, 1.0), (2.0, 0.0), (2.0, 0.0), (2.0, 1.0)] {
        agent.now(Some(&media), position, rate);
        second();
        while let Some(notice) = notices.try_next() {
            eprintln!("{notice:?}");
        }
    }
    agent.now(None, 3.0, 0.0);

    let unsaid = agent.close();
    println!("played {id} to 3; {unsaid} messages not said");
    Ok(())
}

/// The picture is shown for a second.
#[expect(clippy::disallowed_methods, reason = "it stands for a film")]
fn second() {
    std::thread::sleep(Duration::from_secs(1));
}
