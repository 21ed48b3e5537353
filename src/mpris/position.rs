//! Where a player is, and which of its answers are believed (behaviour.md 1.7, "Position").

use crate::core::time::{BootInstant, Span};

/// A difference of more than this many seconds from the estimate is a seek.
pub const JUMP_SECONDS: f64 = 3.0;
/// A position may be this many seconds beyond the length: players round.
const BEYOND_SECONDS: f64 = 1.0;
/// So near to the beginning of a track a position is right, whatever the former one's was.
const BEGINNING_SECONDS: f64 = 1.0;
/// A player that tells the same position after this much play does not know it. Some know it only
/// to the second.
const STUCK_AFTER: Span = Span::millis(1500);

/// An estimate of the position, from what was last known. It is not bound by the length, which may
/// be wrong.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Seconds.
    base: f64,
    since: BootInstant,
    moving: bool,
    rate: f64,
    /// The last sleep of the box: when it began, and how long it was. Nothing moves in it.
    slept: (BootInstant, Span),
}

impl Place {
    pub fn standing(position: f64, at: BootInstant) -> Place {
        let slept = (at, Span::ZERO);
        Place { base: position, since: at, moving: false, rate: 1.0, slept }
    }

    pub fn at(&self, now: BootInstant) -> f64 {
        let moved = if self.moving { self.rate * self.awake(now).as_seconds() } else { 0.0 };
        self.base + moved
    }

    /// How long the box was awake from `since` to `now`; negative when `now` came first.
    fn awake(&self, now: BootInstant) -> Span {
        let (from, sleep) = self.slept;
        let slept = |until: BootInstant| (until - from).clamp(Span::ZERO, sleep);
        Span((now - self.since).0 - (slept(now).0 - slept(self.since).0))
    }

    /// The box slept for so long, beginning at `from`.
    pub fn sleep(&mut self, from: BootInstant, sleep: Span) {
        self.set(self.at(from), from);
        self.slept = (from, sleep);
    }

    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The player is there at this moment, and goes on as before.
    pub fn set(&mut self, position: f64, at: BootInstant) {
        self.base = position;
        self.since = at;
    }

    /// From this moment on it moves at `rate`, or stands.
    pub fn go_on(&mut self, moving: bool, rate: f64, at: BootInstant) {
        self.set(self.at(at), at);
        self.moving = moving;
        self.rate = rate;
    }
}

/// What is made of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Believed,
    /// It may be that of the former track: ask again soon.
    Stale,
    Implausible,
}

/// What is remembered to judge the next answer by.
#[derive(Debug, Default)]
pub struct Belief {
    last: Option<(f64, BootInstant)>,
    /// The player did not play all the time since the last answer.
    interrupted: bool,
    /// The player does not know its position, until it tells another.
    stuck: bool,
    /// The former track's place, where it stopped, and until when an answer may be about it.
    former: Option<(Place, f64, BootInstant)>,
}

impl Belief {
    /// Judges an answer that came at `at`.
    pub fn judge(
        &mut self,
        position: f64,
        at: BootInstant,
        length: Option<f64>,
        playing: bool,
    ) -> Verdict {
        if let Some((last, asked)) = self.last {
            let same = last == position;
            let played = playing && !self.interrupted && at - asked >= STUCK_AFTER;
            self.stuck = same && (self.stuck || played);
        }
        if self.last.is_none_or(|(last, _)| last != position) || !playing || self.interrupted {
            self.last = Some((position, at));
        }
        self.interrupted = !playing;
        if self.stuck || position < 0.0 || length.is_some_and(|l| position > l + BEYOND_SECONDS) {
            return Verdict::Implausible;
        }
        if self.may_be_stale(position, at) {
            return Verdict::Stale;
        }
        self.former = None;
        Verdict::Believed
    }

    /// Whether this may be the position of the former track.
    pub fn may_be_stale(&self, position: f64, at: BootInstant) -> bool {
        let near = |other: f64| (position - other).abs() <= JUMP_SECONDS;
        let former = |(place, stopped_at, until): &(Place, f64, BootInstant)| {
            at < *until && (near(*stopped_at) || near(place.at(at)))
        };
        position > BEGINNING_SECONDS && self.former.as_ref().is_some_and(former)
    }

    /// The player has paused, sought or been out of sight: the same position again is plausible.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// The box slept for so long, beginning at `from`: the same position again is plausible.
    pub fn sleep(&mut self, from: BootInstant, sleep: Span) {
        self.interrupt();
        if let Some((place, ..)) = &mut self.former {
            place.sleep(from, sleep);
        }
    }

    /// Another track begins at `at`. Until `until`, a place where the former one was or would be is
    /// not believed.
    pub fn new_track(&mut self, former: Option<Place>, at: BootInstant, until: BootInstant) {
        self.interrupted = true;
        // At the beginning of a track that position is plausible again.
        self.stuck &= self.last.is_some_and(|(last, _)| last > JUMP_SECONDS);
        self.former = former.map(|place| (place, place.at(at), until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Believed, Implausible, Stale};

    const fn s(seconds: i64) -> BootInstant {
        BootInstant(seconds * 1000)
    }

    #[test]
    fn nothing_moves_in_a_sleep() {
        let mut place = Place::standing(100.0, s(0));
        place.go_on(true, 2.0, s(0));
        place.sleep(s(60), Span::seconds(28_800));
        let seen = [30, 60, 5_000, 28_860, 28_870].map(|at| place.at(s(at)));
        assert_eq!(seen, [160.0, 220.0, 220.0, 220.0, 240.0]);
        place.set(240.0, s(28_870));
        assert_eq!(place.at(s(30)), 160.0, "led back through the sleep");
        place.sleep(s(28_880), Span::seconds(10));
        assert_eq!([28_880, 28_891].map(|at| place.at(s(at))), [260.0, 262.0]);
        place.go_on(false, 2.0, s(28_891));
        assert_eq!(place.at(s(99_999)), 262.0);
    }

    #[test]
    fn a_player_that_does_not_know_its_position_is_believed_once_it_tells_another() {
        let mut belief = Belief::default();
        let mut judge = |p, at| belief.judge(p, at, None, true);
        assert_eq!(judge(0.0, s(0)), Believed);
        assert_eq!(judge(0.0, s(1)), Believed, "known to the second only");
        assert_eq!(judge(0.0, s(20)), Implausible);
        assert_eq!(judge(0.0, s(21)), Implausible);
        assert_eq!(judge(22.0, s(22)), Believed);
    }

    #[test]
    fn the_same_position_after_a_pause_is_plausible() {
        let mut belief = Belief::default();
        assert_eq!(belief.judge(5.0, s(0), None, false), Believed);
        assert_eq!(belief.judge(5.0, s(60), None, true), Believed);
    }

    #[test]
    fn where_the_former_track_was_or_would_be_is_not_believed_for_a_while() {
        let mut belief = Belief::default();
        let mut former = Place::standing(0.0, s(0));
        former.go_on(true, 1.0, s(0));
        belief.new_track(Some(former), s(151), s(161));
        assert_eq!(belief.judge(151.0, s(151), Some(300.0), true), Stale);
        assert_eq!(belief.judge(155.0, s(155), Some(300.0), true), Stale);
        assert_eq!(belief.judge(301.5, s(156), Some(300.0), true), Implausible);
        assert_eq!(belief.judge(161.0, s(161), Some(300.0), true), Believed, "in the end it is");
        belief.new_track(Some(former), s(151), s(161));
        assert_eq!(belief.judge(0.4, s(152), Some(300.0), true), Believed);
        assert_eq!(
            belief.judge(153.0, s(153), Some(300.0), true),
            Believed,
            "it was right already"
        );
        belief.new_track(Some(Place::standing(2.0, s(200))), s(200), s(210));
        assert_eq!(belief.judge(2.2, s(200), None, true), Stale);
        assert_eq!(belief.judge(0.2, s(200), None, true), Believed, "the beginning");
    }
}
