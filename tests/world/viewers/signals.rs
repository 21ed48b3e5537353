//! What a player says while a viewer does something, and what it answers. Each player has its own
//! oddities, all of them seen at real ones.

use serde_json::{Map, Value, json};

use super::{Act, Ending, SECOND, Viewing};
use crate::day::{Dice, Line};

/// How a player is odd.
struct Oddities {
    /// Without a URL it has one track id for everything.
    has_url: bool,
    has_rate: bool,
    text_length: bool,
    /// It tells the length so late, in ms.
    length_after: i64,
    piecemeal: bool,
    blank_between: bool,
    repeats: bool,
    seeked_at_each_start: bool,
    /// `Seeked` signals for one seek.
    scrubs: i64,
    /// After a new track it answers with the former position for so long, in ms.
    stale: i64,
    resets_at_stop: bool,
    answers: &'static str,
    delay_s: f64,
    second_name: bool,
}

impl Oddities {
    fn thrown(dice: &mut Dice) -> Oddities {
        Oddities {
            has_url: dice.percent(60),
            has_rate: dice.percent(70),
            text_length: dice.percent(15),
            length_after: dice.pick(&[0, 0, 400, 3_000, 7_000]),
            piecemeal: dice.percent(30),
            blank_between: dice.percent(30),
            repeats: dice.percent(30),
            seeked_at_each_start: dice.percent(40),
            scrubs: dice.pick(&[1, 1, 2, 8]),
            stale: dice.pick(&[0, 0, 300, 2_500]),
            resets_at_stop: dice.percent(50),
            answers: dice.pick(&["yes", "yes", "yes", "no-getall"]),
            delay_s: dice.pick(&[0.0, 0.0, 0.05, 0.4]),
            second_name: dice.percent(20),
        }
    }
}

pub fn title(viewer: i64, film: i64) -> String {
    format!("Film {film} of {viewer}")
}

struct Speaker<'a> {
    viewer: i64,
    is: Oddities,
    lines: Vec<Line>,
    busy: &'a mut Vec<i64>,
}

/// The lines of a viewer's player. `busy` gets the times at which it says something that counts.
pub fn of(dice: &mut Dice, viewer: i64, viewings: &[Viewing], busy: &mut Vec<i64>) -> Vec<Line> {
    let is = Oddities::thrown(dice);
    let mut speaker = Speaker { viewer, is, lines: Vec::new(), busy };
    let mut there = false;
    let mut before: Option<&Viewing> = None;
    for viewing in viewings {
        if !there {
            speaker.appears(viewing);
        }
        let goes_over = before.filter(|before| there && before.ending == Ending::Next);
        speaker.begins(dice, viewing, goes_over);
        for (at, act, position) in &viewing.acts {
            speaker.acts(dice, *at, *act, *position);
        }
        there = viewing.ending != Ending::Gone;
        speaker.ends(viewing);
        before = Some(viewing);
    }
    speaker.lines
}

impl Speaker<'_> {
    fn line(&mut self, at: i64, event: &str, members: Value) {
        let mut object = Map::new();
        object.insert("at".into(), json!(at as f64 / 1000.0));
        object.insert("event".into(), json!(event));
        object.insert("from".into(), json!(format!("v{}", self.viewer)));
        if let Value::Object(members) = members {
            object.extend(members);
        }
        self.lines.push(Line { at, json: Value::Object(object) });
    }

    /// The player is on the bus before it plays.
    fn appears(&mut self, viewing: &Viewing) {
        let (viewer, at) = (self.viewer, (viewing.begins - 2 * SECOND).max(0));
        let (answers, delay_s) = (self.is.answers, self.is.delay_s);
        let mut properties = json!({"PlaybackStatus": "Stopped"});
        if self.is.has_rate {
            properties["Rate"] = json!(1.0);
        }
        let members = json!({"name": format!("box{viewer}.instance{at}"), "answers": answers,
            "delay_s": delay_s, "properties": properties});
        self.line(at, "MprisPlayer", members);
        if self.is.second_name {
            self.line(at, "MprisPlayer", json!({"name": format!("other{viewer}.instance{at}")}));
        }
    }

    fn metadata(&self, viewing: &Viewing, whole: bool, length: bool) -> Value {
        let name = title(self.viewer, viewing.film);
        let mut metadata = json!({"xesam:title": name});
        match self.is.has_url {
            true => {
                metadata["mpris:trackid"] = json!({"o": format!("/t/{}", viewing.begins)});
                if whole {
                    metadata["xesam:url"] = json!(format!("file:///media/{name}.mkv"));
                }
            }
            false => metadata["mpris:trackid"] = json!({"o": "/org/mpris/MediaPlayer2/firefox"}),
        }
        if length {
            let micros = (viewing.length * 1e6) as i64;
            metadata["mpris:length"] = match self.is.text_length {
                true => json!({"s": micros.to_string()}),
                false => json!(micros),
            };
        }
        metadata
    }

    fn begins(&mut self, dice: &mut Dice, viewing: &Viewing, goes_over: Option<&Viewing>) {
        let mut at = viewing.begins;
        self.busy.extend([at, at + SECOND]);
        let late = self.is.length_after;
        let mut first = json!({"position": viewing.start, "properties": {}});
        let paused = |before: &Viewing| matches!(before.acts.last(), Some((_, Act::Pause, _)));
        if goes_over.is_none_or(paused) {
            first["properties"]["PlaybackStatus"] = json!("Playing");
        }
        if let Some(before) = goes_over.filter(|_| self.is.stale > 0) {
            first["says"] = json!(before.end_position);
        }
        if self.is.piecemeal {
            first["properties"]["Metadata"] = self.metadata(viewing, false, false);
            self.line(at, "MprisChanged", first);
            at += dice.between(20, 200);
            if self.is.blank_between {
                self.line(at, "MprisChanged", json!({"properties": {"Metadata": {}}}));
                at += 20;
            }
            let metadata = self.metadata(viewing, true, late == 0);
            self.line(at, "MprisChanged", json!({"properties": {"Metadata": metadata}}));
        } else {
            first["properties"]["Metadata"] = self.metadata(viewing, true, late == 0);
            self.line(at, "MprisChanged", first);
        }
        if goes_over.is_some() && self.is.stale > 0 {
            self.line(
                viewing.begins + self.is.stale,
                "MprisChanged",
                json!({"says": null, "silent": true}),
            );
        }
        if late > 0 {
            let metadata = self.metadata(viewing, true, true);
            let members = json!({"properties": {"Metadata": metadata}});
            self.line(viewing.begins + late, "MprisChanged", members);
        }
        if self.is.seeked_at_each_start && goes_over.is_none() {
            let after = dice.between(20, 250);
            let position = viewing.start + after as f64 / 1000.0;
            self.line(viewing.begins + after, "MprisSeeked", json!({"position": position}));
        }
        self.lines.sort_by_key(|line| line.at);
    }

    fn acts(&mut self, dice: &mut Dice, at: i64, act: Act, position: f64) {
        self.busy.extend([at, at + SECOND]);
        let status = |word: &str| json!({"properties": {"PlaybackStatus": word}});
        match act {
            Act::Pause => self.line(at, "MprisChanged", status("Paused")),
            Act::Play => {
                self.line(at, "MprisChanged", status("Playing"));
                if self.is.seeked_at_each_start {
                    let members = json!({"position": position + 0.1});
                    self.line(at + 100, "MprisSeeked", members);
                }
            }
            Act::Seek(to) => {
                // A step of a second or less is no jump.
                let steps = self.is.scrubs.min((to - position).abs() as i64 / 3);
                let mut after = 0;
                for step in 1..=steps {
                    let between = position + (to - position) * step as f64 / steps as f64;
                    self.line(at + after, "MprisSeeked", json!({"position": between}));
                    after += dice.between(20, 60);
                }
            }
        }
        if self.is.repeats {
            let word = if act == Act::Pause { "Paused" } else { "Playing" };
            self.line(at + 700, "MprisChanged", status(word));
        }
    }

    fn ends(&mut self, viewing: &Viewing) {
        let at = viewing.ends;
        self.busy.extend([at, at + SECOND]);
        match viewing.ending {
            Ending::Stop => {
                let mut members = json!({"properties": {"PlaybackStatus": "Stopped"}});
                if self.is.resets_at_stop {
                    members["position"] = json!(0.0);
                }
                self.line(at, "MprisChanged", members);
            }
            Ending::Gone => self.line(at, "MprisGone", json!({})),
            Ending::Next => {}
        }
    }
}
