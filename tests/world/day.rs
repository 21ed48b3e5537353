//! Random days: what several players, a network, a clock, a disk and a collector do, as lines of a
//! timeline (docs/behaviour.md 4), so that a bad day can be printed, kept and cut down.
//!
//! Eight lines are this world's own: `Update` (the agent is stopped and started), `Reboot` (a clean
//! one), `NetworkSays` (a network manager says so, true or not), `DiskFull`, `DiskReadOnly`,
//! `DiskFails`, `DiskFree` and `Logs` (rules of the second collector). A `comment` of `after N effects` on `AgentCrash`,
//! `PowerLoss` means that it strikes in the middle of the next thing that the agent does, and
//! `openings N` that so many starts die in their opening afterwards.

use serde_json::{Map, Value, json};

mod faults;
mod players;

/// What the wall clock truly shows when a day begins.
pub const DAWN_MS: i64 = 1_700_000_000_000;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub at: i64,
    pub json: Value,
}

/// The numbers of a day that are not lines. They stand in the comment of its `Boot` line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knobs {
    pub seed: u64,
    pub ping_s: u64,
    pub max_session_s: u64,
    pub resume_window_s: u64,
    /// 0 is the default.
    pub queue_bytes: u64,
    /// Whether somebody said yes before the day began.
    pub agreed: bool,
    /// Every so many jobs of the store one fails; 0: none.
    pub disk_fails_every: u32,
    pub backlog_ratio: u64,
    pub parallel: u64,
    /// The collector speaks Media Edge.
    pub edge: bool,
    /// A second collector takes OpenTelemetry logs.
    pub logs: bool,
}

impl Knobs {
    pub fn thrown(seed: u64, dice: &mut Dice) -> Knobs {
        Knobs {
            seed,
            ping_s: dice.pick(&[10, 10, 30, 60]),
            max_session_s: dice.pick(&[86_400, 86_400, 14_400]),
            resume_window_s: dice.pick(&[2_592_000, 2_592_000, 7_200]),
            queue_bytes: dice.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 20_000]),
            agreed: dice.percent(95),
            disk_fails_every: 0,
            backlog_ratio: dice.pick(&[2, 2, 2, 0]),
            parallel: dice.pick(&[4, 4, 1]),
            edge: seed % 3 == 2,
            logs: seed % 2 == 1,
        }
    }

    fn comment(&self) -> String {
        format!(
            "seed={} ping_s={} max_session_s={} resume_window_s={} queue_bytes={} agreed={} \
             disk_fails_every={} backlog_ratio={} parallel={} edge={} logs={}",
            self.seed,
            self.ping_s,
            self.max_session_s,
            self.resume_window_s,
            self.queue_bytes,
            i32::from(self.agreed),
            self.disk_fails_every,
            self.backlog_ratio,
            self.parallel,
            i32::from(self.edge),
            i32::from(self.logs)
        )
    }

    fn read(comment: &str) -> Knobs {
        let number = |key: &str, default: u64| {
            let mut words = comment.split(' ').filter_map(|word| word.split_once('='));
            words.find(|(k, _)| *k == key).and_then(|(_, v)| v.parse().ok()).unwrap_or(default)
        };
        Knobs {
            seed: number("seed", 0),
            ping_s: number("ping_s", 10),
            max_session_s: number("max_session_s", 86_400),
            resume_window_s: number("resume_window_s", 2_592_000),
            queue_bytes: number("queue_bytes", 0),
            agreed: number("agreed", 1) == 1,
            disk_fails_every: number("disk_fails_every", 0) as u32,
            backlog_ratio: number("backlog_ratio", 2),
            parallel: number("parallel", 4),
            edge: number("edge", 0) == 1,
            logs: number("logs", 0) == 1,
        }
    }
}

/// A day: its numbers, what the clock shows at dawn, and its lines in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    pub knobs: Knobs,
    pub unix_ms: i64,
    pub trusted: bool,
    pub lines: Vec<Line>,
}

impl Day {
    /// The day of a seed.
    pub fn thrown(seed: u64) -> Day {
        let mut dice = Dice::new(seed);
        let knobs = Knobs::thrown(seed, &mut dice);
        let trusted = dice.percent(85);
        let unix_ms = match trusted {
            true => DAWN_MS + dice.between(-300, 300),
            false => dice.between(0, 1_000_000),
        };
        let mut day = Maker { dice, lines: Vec::new(), marks: 0, edge: knobs.edge };
        if !trusted {
            let at = dice_time(&mut day.dice, 6 * HOUR);
            day.clock_is_right_at(at);
        }
        let players = day.dice.between(1, 4) as usize;
        for player in ["p1", "m1", "p2", "m2"].iter().take(players) {
            day.player(player);
        }
        day.faults();
        if !knobs.agreed && day.dice.percent(80) {
            let at = dice_time(&mut day.dice, 4 * HOUR);
            day.line(at, "Consent", json!({"value": "in"}));
        }
        if knobs.logs {
            day.faults_of_logs();
        }
        let mut lines = day.lines;
        lines.sort_by_key(|line| line.at);
        Day { knobs, unix_ms, trusted, lines }
    }

    /// As a timeline file.
    pub fn to_text(&self) -> String {
        let boot = json!({"at": 0, "event": "Boot", "unix_ms": self.unix_ms,
            "trusted": self.trusted, "comment": self.knobs.comment()});
        let mut text = format!("{boot}\n");
        for line in &self.lines {
            text.push_str(&line.json.to_string());
            text.push('\n');
        }
        text
    }

    /// A timeline file as a day.
    pub fn read(text: &str) -> Day {
        let mut lines: Vec<Line> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let json: Value = serde_json::from_str(line).expect("a line is a JSON object");
                let at = (json["at"].as_f64().expect("'at' in seconds") * 1000.0).round() as i64;
                Line { at, json }
            })
            .collect();
        let boot = match lines.first() {
            Some(line) if line.json["event"] == "Boot" => lines.remove(0).json,
            _ => json!({"unix_ms": DAWN_MS, "trusted": true}),
        };
        Day {
            knobs: Knobs::read(boot["comment"].as_str().unwrap_or_default()),
            unix_ms: boot["unix_ms"].as_i64().unwrap_or(DAWN_MS),
            trusted: boot["trusted"].as_bool().unwrap_or(true),
            lines,
        }
    }
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

fn dice_time(dice: &mut Dice, until: i64) -> i64 {
    dice.between(0, until)
}

struct Maker {
    dice: Dice,
    lines: Vec<Line>,
    /// Names everything that has to be found again at the collector.
    marks: u32,
    /// The collector speaks Media Edge.
    edge: bool,
}

impl Maker {
    fn line(&mut self, at: i64, event: &str, members: Value) {
        let mut object = Map::new();
        object.insert("at".into(), json!(at as f64 / 1000.0));
        object.insert("event".into(), json!(event));
        if let Value::Object(members) = members {
            object.extend(members);
        }
        self.lines.push(Line { at, json: Value::Object(object) });
    }

    fn mark(&mut self, letter: char) -> String {
        self.marks += 1;
        format!("{letter}{}", self.marks)
    }

    fn say(&mut self, at: i64, from: &str, event: &str, playhead: f64, info: Value) {
        let mut members = json!({"from": from});
        if playhead >= 0.0 {
            members["playhead"] = json!(playhead);
        }
        if info.as_object().is_some_and(|o| !o.is_empty()) {
            members["info"] = info;
        }
        self.line(at, event, members);
    }
}

/// Rng from a seed: the same seed throws the same day, on every machine (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number in `from..=to`.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (self.next() % (to - from + 1) as u64) as i64
    }

    /// True this often in a hundred.
    pub fn percent(&mut self, often: i64) -> bool {
        self.between(0, 99) < often
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() as i64 - 1) as usize]
    }

    /// One of these, each as likely as its weight says.
    pub fn weighted<T: Copy>(&mut self, from: &[(i64, T)]) -> T {
        let mut left = self.between(0, from.iter().map(|(w, _)| w).sum::<i64>() - 1);
        for (weight, one) in from {
            if left < *weight {
                return *one;
            }
            left -= weight;
        }
        from[0].1
    }

    /// Milliseconds on every scale: instants that touch, seconds, minutes, long pauses.
    pub fn gap(&mut self) -> i64 {
        match self.weighted(&[(10, 0), (25, 1), (40, 2), (20, 3), (5, 4)]) {
            0 => self.between(1, 40),
            1 => self.between(40, 2_000),
            2 => self.between(2_000, 30_000),
            3 => self.between(30_000, 300_000),
            _ => self.between(300_000, 2_400_000),
        }
    }
}
