//! Random days: what several players, a network, a clock, a disk and a collector do, as lines of a
//! timeline (docs/api.md 4), so that a bad day can be printed, kept and cut down.
//!
//! Four lines are this world's own: `Update` (the agent is stopped and started), `Reboot` (a clean
//! one), `DiskFull` and `DiskFree`. A `comment` of `after N effects` on `AgentCrash`, `PowerLoss`
//! means that it strikes in the middle of the next thing that the agent does.

use serde_json::{Map, Value, json};

use crate::dice::Dice;

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
    /// Whether somebody said yes before the day began.
    pub agreed: bool,
}

impl Knobs {
    pub fn thrown(seed: u64, dice: &mut Dice) -> Knobs {
        Knobs {
            seed,
            ping_s: dice.pick(&[10, 10, 30, 60]),
            max_session_s: dice.pick(&[86_400, 86_400, 14_400]),
            resume_window_s: dice.pick(&[2_592_000, 2_592_000, 7_200]),
            agreed: dice.percent(95),
        }
    }

    fn comment(&self) -> String {
        format!(
            "seed={} ping_s={} max_session_s={} resume_window_s={} agreed={}",
            self.seed,
            self.ping_s,
            self.max_session_s,
            self.resume_window_s,
            i32::from(self.agreed)
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
            agreed: number("agreed", 1) == 1,
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
        let mut day = Maker { dice, lines: Vec::new(), marks: 0 };
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
}

/// What a player believes of itself while its events are thrown.
#[derive(Default)]
struct Mood {
    in_break: bool,
    in_ad: bool,
    chapter: bool,
    states: Vec<String>,
    busy: Option<&'static str>,
    last: Option<Value>,
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

    /// One player's day: a few viewings with long gaps between them.
    fn player(&mut self, from: &str) {
        let mut at = dice_time(&mut self.dice, HOUR);
        for _ in 0..self.dice.between(1, 4) {
            at = self.viewing(from, at);
            at += match self.dice.percent(60) {
                true => self.dice.gap(),
                false => self.dice.between(10 * MINUTE, 3 * HOUR),
            };
        }
    }

    /// From a `SessionStart` to whatever ends it; gives when that was.
    fn viewing(&mut self, from: &str, start: i64) -> i64 {
        let mut at = start;
        let (id, length, kind) = self.dice.pick(&[
            ("film", 7200.0, "vod"),
            ("clip", 300.0, "vod"),
            ("series", 0.0, "vod"),
            ("news", 0.0, "live"),
            ("stored", 3000.0, "downloaded"),
        ]);
        let mark = self.mark('v');
        let mut info = json!({"id": id, "metadata": {"mark": mark}});
        if length > 0.0 {
            info["length"] = json!(length);
        }
        match kind {
            "live" => info["content_type"] = json!("live"),
            "downloaded" => info["downloaded"] = json!(true),
            _ => {}
        }
        if self.dice.percent(10) {
            info["resume"] = json!(true);
        }
        if self.dice.percent(15) {
            info["background_playback"] = json!(true);
        }
        if self.dice.percent(80) {
            info["ad_ping_seconds"] = json!(10);
        }
        let most = if length > 0.0 { length } else { 3000.0 };
        let playhead = match self.dice.between(0, 9) {
            0..=4 => 0.0,
            5..=6 => self.somewhere(most),
            _ => -1.0,
        };
        self.say(at, from, "SessionStart", playhead, info);
        let mut mood = Mood::default();
        if self.dice.percent(80) {
            at += self.dice.pick(&[1, 30, 120, 249, 250, 600, 3_000]);
            self.say(at, from, "Play", -1.0, json!({}));
        }
        for _ in 0..self.dice.between(0, 14) {
            at += self.dice.gap();
            self.event(from, at, most, &mut mood);
        }
        at += self.dice.gap();
        match self.dice.weighted(&[(40, 0), (20, 1), (15, 2), (5, 3), (20, 4)]) {
            0 => self.say(at, from, "End", -1.0, json!({})),
            1 => self.say(at, from, "Complete", -1.0, json!({})),
            2 => self.line(at, "PlayerVanished", json!({"from": from})),
            3 => self.line(at, "Stopped", json!({"app": from})),
            // Left as it is: replaced, idle, or ended when the day is.
            _ => {}
        }
        at
    }

    fn somewhere(&mut self, most: f64) -> f64 {
        self.dice.between(0, (most * 1000.0) as i64) as f64 / 1000.0
    }

    fn event(&mut self, from: &str, at: i64, most: f64, mood: &mut Mood) {
        let playhead = if self.dice.percent(50) { self.somewhere(most) } else { -1.0 };
        let (event, info) = match self.dice.weighted(&[
            (10, "play"),
            (10, "pause"),
            (8, "busy"),
            (8, "ad"),
            (6, "chapter"),
            (6, "state"),
            (12, "Error"),
            (10, "BitrateChange"),
            (4, "Playhead"),
            (3, "Qoe"),
            (4, "lifecycle"),
            (3, "again"),
        ]) {
            "play" => ("Play", json!({})),
            "pause" => ("Pause", json!({})),
            "busy" => (self.busy(mood), json!({})),
            "ad" => self.advertisement(mood),
            "chapter" => self.chapter(mood),
            "state" => self.state(mood),
            "Error" => ("Error", json!({"id": self.mark('e')})),
            "BitrateChange" => {
                self.marks += 1;
                ("BitrateChange", json!({"bitrate": self.marks}))
            }
            "Playhead" => ("Playhead", json!({})),
            "Qoe" => ("Qoe", json!({"fps": self.dice.between(20, 60)})),
            "lifecycle" => {
                let event = self.dice.pick(&["Background", "Background", "Foreground"]);
                self.line(at, event, json!({"app": from}));
                if event == "Background" && self.dice.percent(70) {
                    let back = at + self.dice.between(1, 90 * SECOND);
                    self.line(back, "Foreground", json!({"app": from}));
                    self.say(back + 50, from, "Play", -1.0, json!({}));
                }
                return;
            }
            _ => match mood.last.clone().filter(|l| l["event"] != "Error") {
                Some(mut last) => {
                    // The same once more, as a nervous player would.
                    last["at"] = json!(at as f64 / 1000.0);
                    self.lines.push(Line { at, json: last });
                    return;
                }
                None => ("Pause", json!({})),
            },
        };
        self.say(at, from, event, playhead, info);
        mood.last = self.lines.last().map(|line| line.json.clone());
    }

    fn busy(&mut self, mood: &mut Mood) -> &'static str {
        match mood.busy.take() {
            Some(end) if self.dice.percent(90) => end,
            _ => {
                let (start, end) = self.dice.pick(&[
                    ("BufferStart", "BufferComplete"),
                    ("Stall", "BufferComplete"),
                    ("SeekStart", "SeekComplete"),
                ]);
                mood.busy = Some(end);
                start
            }
        }
    }

    fn advertisement(&mut self, mood: &mut Mood) -> (&'static str, Value) {
        if !mood.in_break {
            mood.in_break = true;
            let start = self.dice.between(0, 300) as f64;
            let name = self.mark('b');
            return ("AdBreakStart", json!({"name": name, "position": 1, "start": start}));
        }
        if mood.in_ad && self.dice.percent(60) {
            mood.in_ad = false;
            return (self.dice.pick(&["AdComplete", "AdSkip"]), json!({}));
        }
        if self.dice.percent(50) {
            mood.in_ad = true;
            let id = self.mark('a');
            return ("AdStart", json!({"id": id, "name": "ad", "position": 1, "length": 15.0}));
        }
        (mood.in_break, mood.in_ad) = (false, false);
        ("AdBreakComplete", json!({}))
    }

    fn chapter(&mut self, mood: &mut Mood) -> (&'static str, Value) {
        if mood.chapter && self.dice.percent(60) {
            mood.chapter = false;
            return (self.dice.pick(&["ChapterComplete", "ChapterSkip"]), json!({}));
        }
        mood.chapter = true;
        let name = self.mark('c');
        ("ChapterStart", json!({"name": name, "position": 1, "start": 0.0, "length": 60.0}))
    }

    fn state(&mut self, mood: &mut Mood) -> (&'static str, Value) {
        if !mood.states.is_empty() && self.dice.percent(40) {
            let name = mood.states.remove(0);
            return ("StateEnd", json!({"name": name}));
        }
        let name = self.mark('s');
        mood.states.push(name.clone());
        ("StateStart", json!({"name": name}))
    }
}

/// What goes wrong.
impl Maker {
    /// A moment at which it hurts: just after something was said, or any.
    fn moment(&mut self) -> i64 {
        let last = self.lines.iter().map(|l| l.at).max().unwrap_or(HOUR);
        if self.dice.percent(65) {
            let near = self.dice.between(0, self.lines.len() as i64 - 1) as usize;
            let after =
                self.dice.pick(&[0, 1, 10, 20, 21, 100, 101, 250, 300, 2_000, 5_000, 9_000]);
            self.lines[near].at + after
        } else {
            self.dice.between(0, last)
        }
    }

    fn clock_is_right_at(&mut self, at: i64) {
        let unix_ms = DAWN_MS + at + self.dice.between(-300, 300);
        self.line(at, "ClockSet", json!({"unix_ms": unix_ms, "trusted": true}));
    }

    fn faults(&mut self) {
        let many = self.dice.pick(&[0, 1, 2, 3, 4, 6, 9]);
        for _ in 0..many {
            let at = self.moment();
            match self.dice.weighted(&[
                (20, 0),
                (12, 1),
                (8, 2),
                (14, 3),
                (30, 4),
                (6, 5),
                (8, 6),
                (5, 7),
                (3, 8),
                (2, 9),
            ]) {
                0 => self.crash(at),
                1 => self.power_loss(at),
                2 => {
                    self.line(at, "Sleep", json!({}));
                    let long = self.long();
                    self.line(at + long, "Wake", json!({}));
                }
                3 => {
                    let silent = self.dice.percent(40);
                    let long = self.long();
                    self.line(at, "NetworkDown", json!({"silent": silent}));
                    self.line(at + long, "NetworkUp", json!({"silent": silent}));
                }
                4 => self.bad_collector(at),
                5 => {
                    let wrong = self.dice.between(0, 2 * DAWN_MS);
                    self.line(at, "ClockSet", json!({"unix_ms": wrong, "trusted": false}));
                    let long = self.long();
                    self.clock_is_right_at(at + long);
                }
                6 => {
                    self.line(at, "DiskFull", json!({}));
                    let long = self.long();
                    self.line(at + long, "DiskFree", json!({}));
                }
                7 => {
                    let down_s = self.dice.pick(&[0.2, 3.0, 30.0]);
                    self.line(at, "Update", json!({"down_s": down_s}));
                }
                8 => {
                    let down_s = self.dice.pick(&[20.0, 600.0]);
                    self.line(at, "Reboot", json!({"down_s": down_s}));
                }
                _ => {
                    let value = self.dice.pick(&["out", "unknown"]);
                    self.line(at, "Consent", json!({"value": value}));
                    let long = self.long();
                    self.line(at + long, "Consent", json!({"value": "in"}));
                }
            }
        }
    }

    /// How long something stays broken.
    fn long(&mut self) -> i64 {
        match self.dice.weighted(&[(30, 0), (40, 1), (20, 2), (10, 3)]) {
            0 => self.dice.between(10, 5 * SECOND),
            1 => self.dice.between(5 * SECOND, 3 * MINUTE),
            2 => self.dice.between(3 * MINUTE, 20 * MINUTE),
            _ => self.dice.between(20 * MINUTE, 2 * HOUR),
        }
    }

    fn midst(&mut self, members: &mut Value) {
        if self.dice.percent(60) {
            members["comment"] = json!(format!("after {} effects", self.dice.between(0, 3)));
        }
    }

    fn crash(&mut self, at: i64) {
        let mut members = json!({"down_s": self.long() as f64 / 1000.0});
        self.midst(&mut members);
        self.line(at, "AgentCrash", members);
    }

    fn power_loss(&mut self, at: i64) {
        let down = self.long();
        let mut members = json!({"down_s": down as f64 / 1000.0});
        self.midst(&mut members);
        if self.dice.percent(35) {
            members["unix_ms"] = json!(self.dice.between(0, 1_000_000));
            members["trusted"] = json!(false);
            if self.dice.percent(80) {
                let later = at + down + self.long();
                self.clock_is_right_at(later);
            }
        }
        self.line(at, "PowerLoss", members);
    }

    fn bad_collector(&mut self, at: i64) {
        let mut rules = Vec::new();
        for _ in 0..self.dice.between(1, 2) {
            rules.push(self.rule());
        }
        self.line(at, "Collector", json!({"rules": rules}));
        let long = self.long();
        self.line(at + long, "Collector", json!({"rules": []}));
    }

    fn rule(&mut self) -> Value {
        let on = self.dice.pick(&["events", "events", "events", "sessions", "downloaded"]);
        let mut rule = json!({"on": on});
        match self.dice.weighted(&[(24, 0), (10, 1), (10, 2), (14, 3), (14, 4), (14, 5), (6, 6)]) {
            0 => rule["status"] = json!(self.dice.pick(&[500, 502, 503, 504, 429, 408])),
            1 => rule["status"] = json!(self.dice.pick(&[400, 413, 415, 422])),
            2 => rule["status"] = json!(self.dice.pick(&[404, 410])),
            3 => rule["drop_after_send"] = json!(true),
            4 => rule["hang"] = json!(true),
            5 => rule["delay_s"] = json!(self.dice.pick(&[0.3, 2.0, 12.0, 29.9, 40.0])),
            _ => rule["status"] = json!(self.dice.pick(&[301, 401, 403, 407, 409, 451])),
        }
        let status = rule["status"].as_i64().unwrap_or(0);
        if matches!(status, 429 | 503) && self.dice.percent(50) {
            let after = self.dice.pick(&["1", "90", "5000", "Tue, 14 Nov 2023 23:30:00 GMT"]);
            rule["headers"] = json!({"Retry-After": after});
        }
        if on == "events" && self.dice.percent(25) {
            let kinds = ["play", "ping", "pauseStart", "sessionEnd", "error", "stateStart"];
            rule["event_type"] = json!(self.dice.pick(&kinds));
        }
        if matches!(status, 400..=422) || self.dice.percent(50) {
            rule["times"] = json!(self.dice.between(1, 4));
        }
        rule
    }
}
