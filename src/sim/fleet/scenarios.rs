//! What happens to a fleet, and when.

use super::collector::Mode;

/// A scenario. Times are in seconds of the fleet's time.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    pub name: &'static str,
    /// One line for people.
    pub title: &'static str,
    pub boxes: u32,
    /// The share of boxes on which somebody watches.
    pub watching: f64,
    /// How long a viewing takes on average; `None`: they all begin within two minutes, and go on.
    pub viewing_s: Option<i64>,
    /// After this a session is begun anew.
    pub longest_session_s: i64,
    /// The share of boxes with a client that has no back-off.
    pub foreign: f64,
    /// What is wrong begins and is over; the run ends.
    pub begins_s: i64,
    pub over_s: i64,
    pub ends_s: i64,
    pub moments: Vec<(i64, Change)>,
}

/// What changes for many at once. A share is one of boxes, from the first on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    Collector(Mode),
    /// The network of these boxes is gone, or back.
    Link {
        share: f64,
        up: bool,
    },
    /// The power of these boxes is cut; or it is back, and they boot within minutes.
    PowerCut {
        share: f64,
    },
    PowerBack,
    /// Every daemon is restarted within so many seconds.
    Restart {
        within_s: i64,
    },
    /// This share of those who watch changes the channel, and this share sees ads.
    Zap {
        share: f64,
    },
    Ads {
        share: f64,
        within_ms: i64,
    },
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
/// When what is wrong begins.
const WRONG: i64 = 10 * MINUTE;

impl Scenario {
    fn new(name: &'static str, title: &'static str) -> Scenario {
        Scenario {
            name,
            title,
            boxes: 10_000,
            watching: 0.1,
            viewing_s: Some(40 * MINUTE),
            longest_session_s: 24 * HOUR,
            foreign: 0.0,
            begins_s: WRONG,
            over_s: WRONG,
            ends_s: WRONG,
            moments: Vec::new(),
        }
    }

    /// Something is wrong for so long, and the run goes on for so long after it.
    fn lasts(mut self, wrong: i64, after: i64, from: Change, to: Option<Change>) -> Scenario {
        self.over_s = self.begins_s + wrong;
        self.ends_s = self.over_s + after;
        self.moments.push((self.begins_s, from));
        self.moments.extend(to.map(|to| (self.over_s, to)));
        self
    }

    fn collector(self, wrong: i64, after: i64, mode: Mode) -> Scenario {
        let works = Change::Collector(Mode::Works);
        self.lasts(wrong, after, Change::Collector(mode), Some(works))
    }

    /// All of them, in the order of docs/fleet.md.
    pub fn all() -> Vec<Scenario> {
        let new = Scenario::new;
        let link = |up| Change::Link { share: 0.2, up };
        vec![
            Scenario {
                boxes: 100_000,
                watching: 0.05,
                ..new("outage", "the collector is down for an hour, and the link is up").collector(
                    HOUR,
                    55 * MINUTE,
                    Mode::Down,
                )
            },
            new("region", "a region of a fifth of the boxes has no network for an hour").lasts(
                HOUR,
                55 * MINUTE,
                link(false),
                Some(link(true)),
            ),
            Scenario {
                watching: 0.05,
                ..new("cloud", "a cloud fails for 7.5 hours: 503, and no answers").collector(
                    450 * MINUTE,
                    5 * HOUR,
                    Mode::Cloud(0.3),
                )
            },
            new("blackout", "a city with nearly all of the boxes has no power for half an hour")
                .lasts(30 * MINUTE, HOUR, Change::PowerCut { share: 0.9 }, Some(Change::PowerBack)),
            new("errors", "half of all requests fail for an hour").collector(
                HOUR,
                30 * MINUTE,
                Mode::Errors(0.5),
            ),
            new("gateway", "a gateway answers 429 with Retry-After: 60 to all for half an hour")
                .collector(30 * MINUTE, 45 * MINUTE, Mode::Gateway(60)),
            Scenario::peak(),
            new("update", "an update restarts every daemon within a minute").lasts(
                MINUTE,
                30 * MINUTE,
                Change::Restart { within_s: MINUTE },
                None,
            ),
            Scenario::echo(),
            Scenario {
                foreign: 0.05,
                ..new("foreign", "as outage, and 5 % of the clients have no back-off").collector(
                    HOUR,
                    55 * MINUTE,
                    Mode::Down,
                )
            },
        ]
    }

    /// The evening's peak: a channel change at the full hour, and 15 minutes later ads for all who
    /// watch the same channel.
    fn peak() -> Scenario {
        let mut peak = Scenario::new(
            "peak",
            "at the evening's peak a third changes the channel, and a fifth sees ads at once",
        );
        peak.watching = 0.35;
        peak = peak.lasts(20 * MINUTE, 30 * MINUTE, Change::Zap { share: 0.33 }, None);
        peak.moments.push((WRONG + 15 * MINUTE, Change::Ads { share: 0.2, within_ms: 2_000 }));
        peak
    }

    /// All begin at once, and their sessions are begun anew at once when they are as old as a session may
    /// be. The day is an hour here: the rule is the same, and 23 hours of pings are spared.
    fn echo() -> Scenario {
        let mut echo = Scenario::new(
            "echo",
            "sessions that all began within two minutes reach the longest age (an hour here)",
        );
        (echo.viewing_s, echo.longest_session_s) = (None, HOUR);
        (echo.begins_s, echo.over_s, echo.ends_s) =
            (HOUR - 5 * MINUTE, HOUR + 5 * MINUTE, HOUR + 30 * MINUTE);
        echo
    }

    pub fn named(name: &str) -> Option<Scenario> {
        Scenario::all().into_iter().find(|scenario| scenario.name == name)
    }

    /// Whether boxes lose their power in it.
    pub fn cuts_power(&self) -> bool {
        self.moments.iter().any(|(_, change)| matches!(change, Change::PowerCut { .. }))
    }

    /// Requests per second of a fleet that nothing is wrong with.
    pub fn steady(&self) -> f64 {
        // A viewing is a start, a play and an end beside its pings.
        let beside = self.viewing_s.map_or(0.0, |seconds| 3.0 / seconds as f64);
        f64::from(self.boxes) * self.watching * (0.1 + beside)
    }
}
