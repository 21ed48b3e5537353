//! Contact with one collector: whether it is away, what has to wait when it is back, and how fast
//! what is old is worked off (behaviour.md 2.7, "back after an outage").
//!
//! *Old* is what was reported before the end of an outage, or before the start of the agent. A lane
//! with something old is *behind*, until nothing waits in it any more.

use super::backoff::{Failure, Pace, Retry, Rng};
use crate::core::settings::{CollectorSettings, DeliverySettings};
use crate::core::time::{BootInstant, Span};

/// A collector that takes nothing for so long, while something is to be said, is away.
pub const OUTAGE: Span = Span::seconds(30);
/// The wait after an outage grows with it up to here.
const LONGEST_SPREAD: Span = Span::seconds(600);
/// What is old is worked off the more slowly the longer the outage was, up to here.
const LONGEST_OUTAGE: Span = Span::seconds(8 * 3600);
/// Of a sid's life, what is old waits at most such a part for its next request (25 s), so that none
/// dies of it and no connection is closed meanwhile.
const SLOWEST: i64 = 24;
/// An answer that takes longer says that the collector has much to do. What is old waits up to so many
/// times as long as it took longer then, at most a tenth of a sid's life, and at random: boxes that wait
/// alike would come back as one.
const USUAL_ANSWER: Span = Span::millis(500);
const YIELDS: i64 = 10;

/// A random wait that began at an instant.
#[derive(Debug)]
struct Spread {
    from: BootInstant,
    longest: Span,
    drawn: Span,
}

impl Default for Spread {
    fn default() -> Spread {
        Spread { from: BootInstant(i64::MIN), longest: Span::ZERO, drawn: Span::ZERO }
    }
}

impl Spread {
    fn until(&self, last_chance: Option<BootInstant>) -> BootInstant {
        let left = last_chance.map_or(self.longest, |chance| chance - self.from);
        if left >= self.longest {
            return self.from + self.drawn;
        }
        self.from + Span(self.drawn.0 * left.0.max(0) / self.longest.0.max(1))
    }
}

#[derive(Debug)]
pub struct Contact {
    /// The collector's name in the settings.
    pub collector: String,
    /// Since when something is to be said and nothing is taken.
    silent_since: Option<BootInstant>,
    last_success: BootInstant,
    /// What is old waits for a part of the longest wait that was possible when it was drawn.
    spread: Spread,
    /// That wait was drawn, and nothing has been tried in vain since it was over.
    drawn: bool,
    /// The agent has started with something left over, and has not drawn a wait for it yet.
    pub left_over: bool,
    /// The back-off of the collector as a whole, where a request holds reports of many sessions.
    pub retry: Retry,
    /// How long reports are gathered for one request (`collector.interval_seconds`), and until when
    /// somebody has asked for all that had happened.
    pub interval: Span,
    hurried: BootInstant,
    /// The most reports in a request, while one that was refused is sent again in halves; and how
    /// many of its reports are left.
    pub most: usize,
    halves_left: usize,
    halves_from: u64,
    /// Of everything old together.
    pub pace: Pace,
    /// The same for what goes beside what is reported now: all of an outage takes its part of the time
    /// that the outage took (`old_interval`), and less is sent to a collector that has much to do.
    pub old_pace: Pace,
    outage: Span,
    old_interval: Span,
    /// So many reports are old, and so many requests of them were sent.
    old_reports: u64,
    old_requests: u64,
    /// When the last of these requests was sent.
    old_sent: BootInstant,
    /// Of ended sessions together, which go one after another.
    pub ended_pace: Pace,
    pub ended_retry: Retry,
    /// The last try of an ended session failed, and nothing was taken since.
    ended_failed: bool,
    /// The request with which an ended session was served last.
    pub ended_served: u64,
    /// The last request was one of a lane that is behind or has failed.
    pub last_was_slow: bool,
}

impl Contact {
    pub fn new(collector: &CollectorSettings) -> Contact {
        Contact {
            collector: collector.name.clone(),
            silent_since: None,
            last_success: BootInstant(i64::MIN),
            spread: Spread::default(),
            drawn: false,
            left_over: false,
            retry: Retry::default(),
            interval: collector.interval,
            hurried: BootInstant(i64::MIN),
            most: usize::MAX,
            halves_left: 0,
            halves_from: 0,
            pace: Pace::default(),
            old_pace: Pace::default(),
            outage: Span::ZERO,
            old_interval: Span::ZERO,
            old_reports: 0,
            old_requests: 0,
            old_sent: BootInstant(i64::MIN),
            ended_pace: Pace::default(),
            ended_retry: Retry::default(),
            ended_failed: false,
            ended_served: 0,
            last_was_slow: false,
        }
    }

    /// Something is to be said.
    pub fn something_to_say(&mut self, now: BootInstant) {
        self.silent_since.get_or_insert(now);
    }

    /// Nothing waits.
    pub fn nothing_to_say(&mut self) {
        self.silent_since = None;
    }

    /// The collector has taken something. True at the end of an outage that nobody announced: what
    /// waits is old then.
    #[must_use]
    pub fn succeeded(
        &mut self,
        sent_at: BootInstant,
        now: BootInstant,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) -> bool {
        let silence = self.silent_since.take().map_or(Span::ZERO, |since| now - since);
        self.last_success = now;
        // A failure after that request was sent is the newer word.
        if !self.retry.failed_since(sent_at) {
            self.retry.succeeded();
        }
        self.ended_retry.succeeded();
        self.ended_failed = false;
        let over = silence >= OUTAGE && !self.drawn;
        if over {
            self.draw(now, silence, settings, chance);
        }
        self.drawn = false;
        over
    }

    /// A request that was sent at `sent_at` has failed.
    pub fn failed(&mut self, sent_at: BootInstant, now: BootInstant) {
        self.silent_since.get_or_insert(sent_at.max(self.last_success));
        if now >= self.spread.until(None) {
            self.drawn = false;
        }
    }

    /// An ended session was tried in vain. The next one is tried at once: it may have been the fault of
    /// the session. After two in a row they all wait.
    pub fn ended_failed(
        &mut self,
        now: BootInstant,
        failure: Failure,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) {
        if std::mem::replace(&mut self.ended_failed, true) {
            self.ended_retry.failed(now, failure, settings, chance);
        }
    }

    /// A network manager says that the network is back. True at the end of an outage: what waits is
    /// old then. The wait that was drawn for it is not postponed by the next one.
    #[must_use]
    pub fn online(
        &mut self,
        now: BootInstant,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) -> bool {
        self.retry.revive();
        self.ended_retry.revive();
        let silence = self.silent_since.map_or(Span::ZERO, |since| now - since);
        let over = silence >= OUTAGE && !self.drawn;
        if over {
            self.draw(now, silence, settings, chance);
        }
        over
    }

    /// The agent can send for the first time, and has something left over from before its start.
    /// `silence` is how long ago the collector last took something, as far as that is known.
    pub fn started(
        &mut self,
        now: BootInstant,
        silence: Span,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) {
        self.left_over = false;
        if !self.drawn {
            self.draw(now, silence, settings, chance);
        }
    }

    /// So many reports are old, all of the outage that is over.
    pub fn work_off(&mut self, reports: u64, settings: &DeliverySettings) {
        let (ratio, outage) = (settings.backlog_ratio, self.outage.min(LONGEST_OUTAGE));
        (self.old_reports, self.old_requests) = (reports, 0);
        if ratio <= 0.0 || reports == 0 {
            self.old_interval = Span::ZERO;
            return;
        }
        // Where the first boxes begin and the last ones are through, a fleet has room to spare.
        let span = outage.0 as f64 / ratio + self.spread.longest.0 as f64;
        self.old_interval = Span((span / reports as f64) as i64);
    }

    /// A request of what is old goes out, beside what is reported now. In a fleet the boxes that saw
    /// only the end of an outage are through early. So that all of them together ask for about as much
    /// in the beginning as later, each begins slowly: its intervals shrink from one and a half times
    /// the even one to half of it.
    pub fn send_old(&mut self, now: BootInstant, settings: &DeliverySettings) {
        self.old_sent = now;
        let done = self.old_requests as f64 / self.old_reports.max(1) as f64;
        self.old_requests += 1;
        let interval = Span((self.old_interval.0 as f64 * (1.5 - done.min(1.0))) as i64);
        self.old_pace.hold(now + interval.min(Span(settings.sid_lifetime.0 / SLOWEST)));
    }

    /// An answer has come to a request that was sent at `sent_at`. If it is one of what is old, it says
    /// whether the collector has much to do.
    pub fn answered(
        &mut self,
        sent_at: BootInstant,
        now: BootInstant,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) {
        let longer = (now - sent_at).0 - USUAL_ANSWER.0;
        if longer > 0 && sent_at == self.old_sent && settings.backlog_ratio > 0.0 {
            let most = Span(longer * YIELDS).min(Span(settings.sid_lifetime.0 / 10));
            self.old_pace.hold(now + chance.up_to(most));
        }
    }

    fn draw(
        &mut self,
        now: BootInstant,
        outage: Span,
        settings: &DeliverySettings,
        chance: &mut Rng,
    ) {
        let grown = match settings.backlog_ratio > 0.0 {
            true => Span(outage.0 / 10).min(LONGEST_SPREAD),
            false => Span::ZERO,
        };
        let longest = settings.reconnect_spread.max(grown);
        self.spread = Spread { from: now, longest, drawn: chance.up_to(longest) };
        self.drawn = true;
        (self.outage, self.old_interval) = (outage, Span::ZERO);
        self.old_pace = Pace::default();
        self.pace = Pace::default();
        self.ended_pace = Pace::default();
    }

    /// What is old need not wait any more, and what is gathered goes.
    pub fn hurry(&mut self, now: BootInstant) {
        self.spread = Spread::default();
        self.retry.hurry();
        self.ended_retry.hurry();
        self.close(now);
    }

    /// What has happened until now is gathered no longer: the agent stops or the box sleeps.
    pub fn close(&mut self, now: BootInstant) {
        // What happens at one instant is dated some milliseconds apart.
        self.hurried = now + Span::seconds(1);
    }

    /// Until when something that happened then is gathered.
    pub fn gathered_until(&self, at: BootInstant) -> BootInstant {
        if at <= self.hurried { BootInstant(i64::MIN) } else { at + self.interval }
    }

    /// A request of so many reports was refused: it is sent again in halves. `next` is the request
    /// that will be made next; an answer to an earlier one says nothing about the halves.
    pub fn halve(&mut self, reports: usize, next: u64) {
        self.most = self.most.min(reports.div_ceil(2));
        self.halves_left = self.halves_left.max(reports);
        self.halves_from = next;
    }

    /// A refused request is sent again in halves: one after another.
    pub fn halves(&self) -> bool {
        self.halves_left > 0
    }

    /// One was refused by itself. The next one goes alone too: it may be as bad.
    pub fn refused_alone(&mut self) {
        (self.most, self.halves_left) = (1, 1);
    }

    /// So many reports of a request were accepted.
    pub fn halves_over(&mut self, reports: usize, request: u64) {
        if request < self.halves_from {
            return;
        }
        self.halves_left = self.halves_left.saturating_sub(reports);
        if self.halves_left == 0 {
            self.most = usize::MAX;
        }
    }

    /// When what is old may go. `last_chance` is when the sid of a session that lives needs a hit at
    /// the latest: the wait of such a lane is shorter, and as random.
    ///
    /// `spare` is how much later the sid dies; one that was dead when the wait began saves nothing.
    pub fn old_until(&self, last_chance: Option<BootInstant>, spare: Span) -> BootInstant {
        self.spread.until(last_chance.filter(|chance| self.spread.from <= *chance + spare))
    }

    /// A configuration was loaded: waits and rates of the old one are over.
    pub fn reloaded(&mut self) {
        self.retry.revive();
        self.ended_retry.revive();
        self.pace = Pace::default();
        self.old_pace = Pace::default();
        self.ended_pace = Pace::default();
    }
}
