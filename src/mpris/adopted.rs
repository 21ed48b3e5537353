//! Sessions of an earlier run of the agent, as players take them over (behaviour.md 2.5).

use crate::core::player::{EventSource, PlayerId};
use crate::core::sessions::Session;
use crate::core::time::{BootInstant, Span};
use crate::core::tracker::State;
use crate::core::tracker::event::Event;

/// A session that waited before a restart of the agent waits for so long at least.
const ONCE_MORE: Span = Span::seconds(5);

/// A session of the agent that began before this program listened.
#[derive(Debug, Clone)]
pub struct Adopted {
    pub owner: PlayerId,
    pub media_id: String,
    pub name: String,
    pub length: Option<f64>,
    pub live: bool,
    pub playing: bool,
    /// Seconds, now.
    pub position: f64,
    /// It waits for its length or its place, until then.
    pub waits_until: Option<BootInstant>,
    /// Where it began, if that is known while it waits.
    pub start: Option<f64>,
}

impl Adopted {
    /// A session of an MPRIS player that is open now; `None` for any other.
    pub fn of(session: &Session, now: BootInstant) -> Option<Adopted> {
        let owner = session.owner.clone().filter(|_| session.source == EventSource::Mpris)?;
        let media = session.tracker.media();
        let mut adopted = Adopted {
            owner,
            media_id: media.id.clone(),
            name: media.name.clone(),
            length: media.length,
            live: media.live(),
            playing: session.tracker.state() == State::Playing,
            position: session.tracker.position(now),
            waits_until: None,
            start: None,
        };
        if let Some(waiting) = &session.waiting {
            let paused = waiting.events.iter().rev().find_map(|(event, _, at)| match event {
                Event::Play { .. } => Some(None),
                Event::Pause => Some(Some(*at)),
                _ => None,
            });
            let played = paused.flatten().unwrap_or(now) - waiting.since;
            adopted.playing = paused.flatten().is_none();
            adopted.position = waiting.start.unwrap_or(0.0) + played.as_seconds();
            adopted.length = waiting.length;
            adopted.start = waiting.start;
            adopted.waits_until = Some(waiting.until.max(now + ONCE_MORE));
        }
        Some(adopted)
    }
}
