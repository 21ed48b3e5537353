//! What goes wrong on a day.

use serde_json::{Value, json};

use super::{DAWN_MS, HOUR, MINUTE, Maker, SECOND};

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

    pub(super) fn clock_is_right_at(&mut self, at: i64) {
        let unix_ms = DAWN_MS + at + self.dice.between(-300, 300);
        self.line(at, "ClockSet", json!({"unix_ms": unix_ms, "trusted": true}));
    }

    pub(super) fn faults(&mut self) {
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
                (6, 10),
                (8, 11),
                (6, 12),
                (1, 13),
            ]) {
                0 => self.crash(at),
                1 => self.power_loss(at),
                2 => {
                    let silent = self.dice.percent(40);
                    let long = self.long();
                    self.line(at, "Sleep", json!({"silent": silent}));
                    self.line(at + long, "Wake", json!({"silent": silent}));
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
                    let fault =
                        self.dice.pick(&["DiskFull", "DiskFull", "DiskReadOnly", "DiskFails"]);
                    self.line(at, fault, json!({}));
                    let long = self.long();
                    self.line(at + long, "DiskFree", json!({}));
                    if self.dice.percent(50) {
                        // The agent has to start on it.
                        let within = self.dice.between(0, long);
                        let down_s = self.dice.pick(&[0.2, 3.0, 30.0]);
                        let end = self.dice.pick(&["AgentCrash", "AgentCrash", "PowerLoss"]);
                        self.line(at + within, end, json!({"down_s": down_s}));
                    }
                }
                7 => {
                    let down_s = self.dice.pick(&[0.2, 3.0, 30.0]);
                    self.line(at, "Update", json!({"down_s": down_s}));
                }
                8 => {
                    let down_s = self.dice.pick(&[20.0, 600.0]);
                    self.line(at, "Reboot", json!({"down_s": down_s}));
                }
                10 => self.lull(at),
                11 => self.storm(at),
                12 => self.lies(at),
                13 => self.closed(at),
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

    /// An outage over a pause, long enough for the collector to close the session, and a player
    /// that goes on at about the time when it ends.
    fn lull(&mut self, at: i64) {
        let from = self.dice.pick(&["p1", "m1"]);
        let silent = json!({"silent": self.dice.percent(50)});
        self.say(at, from, "Pause", -1.0, json!({}));
        self.line(at + 100, "NetworkDown", silent.clone());
        let back = at + self.dice.between(9 * MINUTE, 25 * MINUTE);
        self.line(back, "NetworkUp", silent);
        let mut next = back + self.dice.between(-40 * SECOND, 40 * SECOND);
        self.say(next, from, "Play", -1.0, json!({}));
        for _ in 0..3 {
            next += self.dice.between(1, 5 * SECOND);
            let id = self.mark('e');
            self.say(next, from, "Error", -1.0, json!({"id": id}));
        }
    }

    /// A collector that fails for minutes, and an end in the midst of the back-off.
    fn storm(&mut self, at: i64) {
        let status = self.dice.pick(&[500, 502, 503, 504]);
        self.line(at, "Collector", json!({"rules": [{"on": "events", "status": status}]}));
        let long = self.dice.between(MINUTE, 9 * MINUTE);
        self.line(at + long, "Collector", json!({"rules": []}));
        let end = if self.dice.percent(80) { "AgentCrash" } else { "PowerLoss" };
        let down_s = self.dice.pick(&[0.2, 3.0, 30.0]);
        let within = self.dice.between(20 * SECOND, long);
        self.line(at + within, end, json!({"down_s": down_s}));
    }

    /// A network manager says what is not so, once or again and again.
    fn lies(&mut self, at: i64) {
        let (times, every) = (self.dice.pick(&[1, 1, 2, 10]), self.long());
        for n in 0..times {
            self.line(at + 2 * n * every, "NetworkSays", json!({"online": false}));
            if n + 1 < times || self.dice.percent(80) {
                self.line(at + (2 * n + 1) * every, "NetworkSays", json!({"online": true}));
            }
        }
    }

    /// A collector that takes nothing for hours, up to a day; the link is up.
    fn closed(&mut self, at: i64) {
        let status = self.dice.pick(&[500, 503, 429]);
        let all = ["sessions", "events", "downloaded"];
        let rules: Vec<Value> = all.iter().map(|on| json!({"on": on, "status": status})).collect();
        self.line(at, "Collector", json!({"rules": rules}));
        let long = self.dice.between(2 * HOUR, 24 * HOUR);
        self.line(at + long, "Collector", json!({"rules": []}));
    }

    fn midst(&mut self, members: &mut Value) {
        let mut comment = Vec::new();
        if self.dice.percent(60) {
            comment.push(format!("after {} effects", self.dice.between(0, 3)));
        }
        if self.dice.percent(30) {
            comment.push(format!("openings {}", self.dice.between(1, 3)));
        }
        if !comment.is_empty() {
            members["comment"] = json!(comment.join(" "));
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

    /// What goes wrong at the collector of logs alone.
    pub(super) fn faults_of_logs(&mut self) {
        for _ in 0..self.dice.pick(&[0, 1, 2, 3, 5]) {
            let at = self.moment();
            let mut rule = json!({"on": "logs"});
            match self.dice.between(0, 6) {
                0 => rule["status"] = json!(self.dice.pick(&[500, 502, 503, 504, 429, 408])),
                1 | 2 => rule["status"] = json!(self.dice.pick(&[400, 413, 415, 422])),
                3 => rule["drop_after_send"] = json!(true),
                4 => rule["hang"] = json!(true),
                5 => rule["delay_s"] = json!(self.dice.pick(&[0.3, 2.0, 12.0, 29.9, 40.0])),
                _ => rule["status"] = json!(self.dice.pick(&[301, 401, 403, 404, 407])),
            }
            let status = rule["status"].as_i64().unwrap_or(0);
            if matches!(status, 429 | 503) && self.dice.percent(50) {
                rule["headers"] = json!({"Retry-After": self.dice.pick(&["0", "1", "90", "5000"])});
            }
            if matches!(status, 400 | 413 | 415 | 422) && self.dice.percent(60) {
                let kinds = ["play", "ping", "pauseStart", "sessionEnd", "error", "sessionStart"];
                rule["event_type"] = json!(self.dice.pick(&kinds));
            }
            if matches!(status, 400 | 413 | 415 | 422) || self.dice.percent(30) {
                rule["times"] = json!(self.dice.between(1, 12));
            }
            let long =
                if self.dice.percent(20) { self.dice.between(2, 24) * HOUR } else { self.long() };
            self.line(at, "Logs", json!({"rules": [rule]}));
            self.line(at + long, "Logs", json!({"rules": []}));
        }
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

    /// An answer of Media Edge that its status does not tell all of (edge 7).
    fn rule_of_edge(&mut self) -> Value {
        let problem = |name: &str, status: u16| json!({"type": format!("https://ns.adobe.com/aep/errors/{name}"), "status": status});
        let wrong = problem("va-edge-0400-400", 400);
        let times = self.dice.between(1, 4);
        let mut rule = match self.dice.between(0, 6) {
            // A session, and an error of another service beside it.
            0 => json!({"on": "sessions", "status": 207}),
            // No session: for good, for now, without a reason, and nothing that can be read.
            1 => json!({"on": "sessions", "status": 207, "body": {"errors": [wrong]}}),
            2 => json!({"on": "sessions", "status": 207, "body": {
                "errors": [wrong, problem("EXEG-0201-503", 503)]
            }}),
            3 => json!({"on": "sessions", "body": {"handle": []}}),
            4 => json!({"on": "sessions", "body": "<html>"}),
            // The configuration is wrong.
            5 => json!({"on": "events", "status": 400, "body": problem("EXEG-0003-400", 400)}),
            _ => json!({"on": "sessions", "status": 400, "body": problem("EXEG-0304-400", 400)}),
        };
        rule["times"] = json!(times);
        rule
    }

    fn rule(&mut self) -> Value {
        if self.edge && self.dice.percent(25) {
            return self.rule_of_edge();
        }
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
            let dates = ["Tue, 14 Nov 2023 23:30:00 GMT", "Thu, 01 Jan 1970 00:00:10 GMT"];
            let after = self.dice.pick(&["0", "0", "1", "90", "5000", dates[0], dates[1]]);
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
