//! What players and application managers do on a day, legal for the most part.

use serde_json::{Value, json};

use super::{HOUR, Line, MINUTE, Maker, SECOND, dice_time};

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
    /// One player's day: a few viewings with long gaps between them.
    pub(super) fn player(&mut self, from: &str) {
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
        if self.dice.percent(5) {
            info["track"] = json!(false);
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
