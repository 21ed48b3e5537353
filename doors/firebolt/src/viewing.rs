//! A session as the application tells it: what moves, what waits, and what each change is to the agent.
//! The agent refuses `Pause`, `BufferStart` and `SeekStart` while it waits or seeks, so these end first.

use std::time::Duration;

use crate::parameters::Position;
use crate::say::{Say, UNKNOWN};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Base {
    Starting,
    Playing,
    Paused,
}

/// What keeps a playback from moving.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hold {
    Nothing,
    Waiting,
    /// With the position that it leads to.
    Seeking(f64),
}

/// A session that is open.
#[derive(Debug)]
pub(crate) struct Viewing {
    pub(crate) id: String,
    pub(crate) media: String,
    /// It belongs to what `startContent` named.
    pub(crate) of_started: bool,
    pub(crate) base: Base,
    pub(crate) hold: Hold,
    /// It plays as soon as it can.
    pub(crate) intends: bool,
    pub(crate) rate: f64,
    /// The rate that was said last.
    pub(crate) said_rate: f64,
    /// Seconds; 0: not known.
    pub(crate) length: f64,
    pub(crate) live: bool,
    pub(crate) asked: Option<Duration>,
    pub(crate) loading: Option<Duration>,
    pub(crate) has_played: bool,
    pub(crate) connection: u64,
}

impl Viewing {
    pub(crate) fn new(id: String, media: String, length: f64, live: bool) -> Viewing {
        Viewing {
            id,
            media,
            of_started: false,
            base: Base::Starting,
            hold: Hold::Nothing,
            intends: false,
            rate: 1.0,
            said_rate: 1.0,
            length,
            live,
            asked: None,
            loading: None,
            has_played: false,
            connection: 0,
        }
    }

    pub(crate) fn is(&self, entity: &str) -> bool {
        self.media == entity || self.id == entity
    }

    pub(crate) fn moves(&self) -> bool {
        self.base == Base::Playing && self.hold == Hold::Nothing
    }

    /// Seconds, or `UNKNOWN`.
    fn seconds(&self, position: Position) -> f64 {
        match self.live {
            // The agent counts the second of the day.
            true => UNKNOWN,
            false => position.seconds(self.length).unwrap_or(UNKNOWN),
        }
    }

    pub(crate) fn play(&mut self, at: f64, says: &mut Vec<Say>) {
        self.base = Base::Playing;
        self.hold = Hold::Nothing;
        self.intends = true;
        self.has_played = true;
        self.said_rate = self.rate;
        says.push(Say::Play { at, rate: self.rate });
    }

    /// A load while it plays is one after an error: the viewer waits.
    pub(crate) fn load(&mut self, at: Duration, says: &mut Vec<Say>) {
        self.loading.get_or_insert(at);
        if self.moves() {
            self.wait(says);
        }
    }

    pub(crate) fn playing(&mut self, now: Duration, interrupted: bool, says: &mut Vec<Say>) {
        if self.moves() && self.said_rate == self.rate && !interrupted {
            return;
        }
        if self.rate == 0.0 {
            self.rate = 1.0;
        }
        // An application that loads ahead of the intent does not keep the viewer waiting.
        if let (false, Some(since)) = (self.has_played, self.asked.or(self.loading)) {
            let waited = now.saturating_sub(since).as_millis();
            says.push(Say::Startup(i64::try_from(waited).unwrap_or(i64::MAX)));
        }
        let at = if let Hold::Seeking(target) = self.hold { target } else { UNKNOWN };
        self.play(at, says);
    }

    pub(crate) fn pause(&mut self, says: &mut Vec<Say>) {
        self.release(says);
        if self.base != Base::Paused {
            says.push(Say::Pause(UNKNOWN));
        }
        self.base = Base::Paused;
        self.intends = false;
    }

    pub(crate) fn wait(&mut self, says: &mut Vec<Say>) {
        // A seek is a wait already, and a pause is none.
        if self.hold == Hold::Nothing && (self.base == Base::Playing || self.intends) {
            self.hold = Hold::Waiting;
            says.push(Say::BufferStart(UNKNOWN));
        }
    }

    pub(crate) fn seek(&mut self, target: Position, says: &mut Vec<Say>) {
        if self.hold == Hold::Waiting {
            self.release(says);
        }
        if self.hold == Hold::Nothing {
            says.push(Say::SeekStart(UNKNOWN));
        }
        self.hold = Hold::Seeking(self.seconds(target));
    }

    pub(crate) fn sought(&mut self, position: Position, says: &mut Vec<Say>) {
        let at = self.seconds(position);
        if let Hold::Seeking(target) = self.hold {
            self.hold = Hold::Seeking(if at >= 0.0 { at } else { target });
            self.release(says);
        } else if at >= 0.0 {
            says.push(Say::Playhead(at));
        }
    }

    /// True: it plays, which nobody has said.
    pub(crate) fn progress(
        &mut self,
        position: Position,
        interrupted: bool,
        says: &mut Vec<Say>,
    ) -> bool {
        let at = self.seconds(position);
        // "Should not be called after playback stops", so it moves.
        let wanted = self.base != Base::Playing
            && self.intends
            && self.rate != 0.0
            && position != Position::Beginning;
        match self.hold {
            Hold::Seeking(_) => {}
            Hold::Nothing if wanted || (interrupted && self.base == Base::Playing) => {
                self.play(at, says);
                return true;
            }
            _ if at >= 0.0 => says.push(Say::Playhead(at)),
            _ => {}
        }
        false
    }

    pub(crate) fn change_rate(&mut self, rate: f64, says: &mut Vec<Say>) {
        let before = std::mem::replace(&mut self.rate, rate);
        let stood_still = before == 0.0 && self.base == Base::Paused && self.intends;
        if rate == 0.0 {
            if self.base == Base::Playing {
                self.pause(says);
                self.intends = true;
            }
        } else if stood_still || (self.moves() && rate != self.said_rate) {
            self.play(UNKNOWN, says);
        }
    }

    /// Ends the wait or the seek. The agent goes on with what was before it.
    fn release(&mut self, says: &mut Vec<Say>) {
        match std::mem::replace(&mut self.hold, Hold::Nothing) {
            Hold::Nothing => return,
            Hold::Waiting => says.push(Say::BufferComplete(UNKNOWN)),
            Hold::Seeking(target) => says.push(Say::SeekComplete(target)),
        }
        // What waited before it ever played is paused then.
        if self.base == Base::Starting {
            self.base = Base::Paused;
        }
    }

    /// The agent has paused it, and forgotten waits and seeks.
    pub(crate) fn interrupt(&mut self) {
        if self.hold != Hold::Nothing || self.base == Base::Starting {
            self.base = Base::Paused;
        }
        self.hold = Hold::Nothing;
    }
}
