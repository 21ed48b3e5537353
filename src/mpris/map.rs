//! Turns an MPRIS player's properties and `Seeked` signals into playback events, without a bus
//! (behaviour.md 1.7). One `Player` is one name on the bus.

use crate::core::time::{BootInstant, Span};
use crate::core::tracker::event::EventName;
use crate::core::tracker::info::{Info, Value};

/// Closer to the end than this, or than 2 % of the length, a stop is a completion.
const END_SECONDS: f64 = 5.0;
const END_SHARE: f64 = 0.02;

/// How long a track without a length waits for one. Content without a length is taken for live, and
/// a player can report the length of a film late.
const LENGTH_TIMEOUT: Span = Span::seconds(1);

/// `PlaybackStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Playing,
    Paused,
    Stopped,
}

impl Status {
    pub fn parse(word: &str) -> Option<Status> {
        match word {
            "Playing" => Some(Status::Playing),
            "Paused" => Some(Status::Paused),
            "Stopped" => Some(Status::Stopped),
            _ => None,
        }
    }
}

/// The part of `Metadata` that matters here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    pub track_id: String,
    pub url: String,
    pub title: String,
    /// Seconds.
    pub length: Option<f64>,
}

impl Track {
    /// `media.id`: the URL, else the track's id.
    fn media_id(&self) -> &str {
        if self.url.is_empty() { &self.track_id } else { &self.url }
    }

    /// Whether no track is loaded.
    fn nothing(&self) -> bool {
        let id = self.media_id();
        // mpv says /noplaylist.
        matches!(id, "" | "/org/mpris/MediaPlayer2/TrackList/NoTrack" | "/noplaylist")
    }

    fn same(&self, other: &Track) -> bool {
        self.track_id == other.track_id && self.url == other.url
    }
}

/// The properties that one message changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    pub status: Option<Status>,
    pub track: Option<Track>,
    pub rate: Option<f64>,
}

/// An event for the agent.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaybackEvent {
    pub name: EventName,
    /// Seconds; negative: the agent computes it.
    pub playhead: f64,
    pub info: Info,
}

/// A player and the session that it is in.
#[derive(Debug)]
pub struct Player {
    app: String,
    status: Status,
    track: Track,
    rate: f64,
    /// The track of the open session.
    session: Option<Track>,
    position: f64,
    position_at: BootInstant,
    moving: bool,
    /// When the playing track is taken for live, because it has no length.
    live_at: Option<BootInstant>,
    /// Only the media id of the open session is known (`adopt`).
    adopted: bool,
}

impl Player {
    /// `app` is the stable id that its sessions carry.
    pub fn new(app: String) -> Player {
        Player {
            app,
            status: Status::Stopped,
            track: Track::default(),
            rate: 1.0,
            session: None,
            position: 0.0,
            position_at: BootInstant(0),
            moving: false,
            live_at: None,
            adopted: false,
        }
    }

    /// Takes over a session that was open before this program began to listen.
    pub fn adopt(&mut self, media_id: &str) {
        self.session = Some(Track { url: media_id.to_owned(), ..Track::default() });
        self.status = Status::Playing;
        self.moving = true;
        self.adopted = true;
    }

    /// When `change` should be called again though nothing has changed.
    pub fn deadline(&self) -> Option<BootInstant> {
        self.live_at
    }

    /// Handles a change of properties; `position` (seconds) is the answer of a `Get` after it.
    pub fn change(
        &mut self,
        change: &Change,
        position: Option<f64>,
        now: BootInstant,
    ) -> Vec<PlaybackEvent> {
        let mut heard = Vec::new();
        let rate = change.rate.filter(|r| r.is_finite()).unwrap_or(self.rate);
        let new_rate = rate != self.rate;
        self.rate = rate;
        if let Some(track) = &change.track {
            self.track = track.clone();
        }
        if self.adopted && change.track.is_some() {
            self.adopted = false;
            if self.session.as_ref().is_some_and(|open| open.media_id() == self.track.media_id()) {
                self.session = Some(self.track.clone());
            }
            self.moved(position, now);
        }
        let other = self.session.as_ref().is_some_and(|open| !open.same(&self.track));
        if other {
            self.close(now, &mut heard);
        }
        let status = change.status.unwrap_or(self.status);
        let new_status = status != self.status;
        self.status = status;
        if status != Status::Playing {
            self.live_at = None;
        }
        match status {
            Status::Stopped => self.close(now, &mut heard),
            Status::Playing if self.session.is_none() && !self.ready(now) => {}
            Status::Playing if self.session.is_none() => {
                self.open(position.unwrap_or(0.0), now, &mut heard);
                self.play(position, now, &mut heard);
            }
            Status::Playing if new_status || new_rate => self.play(position, now, &mut heard),
            Status::Paused if self.session.is_some() && new_status => {
                self.moved(position, now);
                self.moving = false;
                self.say(EventName::Pause, position.unwrap_or(-1.0), Info::new(), &mut heard);
            }
            _ => {}
        }
        heard
    }

    /// Whether enough is known of the track to open a session.
    fn ready(&mut self, now: BootInstant) -> bool {
        if self.track.nothing() {
            self.live_at = None;
            return false;
        }
        let patient = self.track.length.is_none();
        if patient && now < *self.live_at.get_or_insert(now + LENGTH_TIMEOUT) {
            return false;
        }
        self.live_at = None;
        true
    }

    /// Handles `Seeked`, which is ignored without a session. Its own position counts, because a
    /// `Get` after it can be stale.
    pub fn seeked(&mut self, position: f64, now: BootInstant) -> Vec<PlaybackEvent> {
        let mut heard = Vec::new();
        if self.session.is_some() {
            self.say(EventName::SeekStart, -1.0, Info::new(), &mut heard);
            self.moved(Some(position), now);
            self.say(EventName::SeekComplete, position.max(0.0), Info::new(), &mut heard);
        }
        heard
    }

    fn open(&mut self, position: f64, now: BootInstant, heard: &mut Vec<PlaybackEvent>) {
        let track = self.track.clone();
        let text = |s: &str| Value::Text(s.to_owned());
        let mut info = Info::from([
            ("id".to_owned(), text(track.media_id())),
            ("app".to_owned(), text(&self.app)),
        ]);
        if !track.title.is_empty() {
            info.insert("name".to_owned(), text(&track.title));
        }
        match track.length {
            Some(length) => info.insert("length".to_owned(), Value::Float(length)),
            None => info.insert("content_type".to_owned(), text("live")),
        };
        // The player's position in a broadcast is not the second of the day; the agent has that.
        let playhead = if track.length.is_some() { position.max(0.0) } else { -1.0 };
        self.moved(Some(position), now);
        self.session = Some(track);
        self.say(EventName::SessionStart, playhead, info, heard);
    }

    fn play(&mut self, position: Option<f64>, now: BootInstant, heard: &mut Vec<PlaybackEvent>) {
        self.moved(position, now);
        self.moving = true;
        let info = Info::from([("rate".to_owned(), Value::Float(self.rate))]);
        self.say(EventName::Play, position.unwrap_or(-1.0), info, heard);
    }

    fn close(&mut self, now: BootInstant, heard: &mut Vec<PlaybackEvent>) {
        let Some(track) = self.session.as_ref() else { return };
        let left = track.length.map(|length| length - self.estimate(now));
        let near = track.length.unwrap_or_default() * END_SHARE;
        let name = match left {
            Some(left) if left <= END_SECONDS.max(near) => EventName::Complete,
            _ => EventName::End,
        };
        self.say(name, -1.0, Info::new(), heard);
        self.session = None;
        self.moving = false;
    }

    /// Adds an event. The agent computes the playhead of a live session, the second of the day.
    fn say(&self, name: EventName, playhead: f64, info: Info, heard: &mut Vec<PlaybackEvent>) {
        let live = self.session.as_ref().is_some_and(|t| t.length.is_none());
        let playhead = if live { -1.0 } else { playhead };
        heard.push(PlaybackEvent { name, playhead, info });
    }

    fn moved(&mut self, position: Option<f64>, now: BootInstant) {
        self.position = position.unwrap_or_else(|| self.estimate(now));
        self.position_at = now;
    }

    fn estimate(&self, now: BootInstant) -> f64 {
        let since = if self.moving { (now - self.position_at).as_seconds() } else { 0.0 };
        self.position + since * self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> Track {
        Track {
            track_id: "/track/1".into(),
            url: "file:///film".into(),
            title: "Film".into(),
            length: Some(100.0),
        }
    }

    fn status(status: Status) -> Change {
        Change { status: Some(status), ..Change::default() }
    }

    fn names(heard: &[PlaybackEvent]) -> Vec<&'static str> {
        heard.iter().map(|h| h.name.name()).collect()
    }

    fn playing() -> Player {
        let mut player = Player::new("mpv".into());
        let start = Change { status: Some(Status::Playing), track: Some(film()), rate: Some(1.0) };
        let heard = player.change(&start, Some(30.0), BootInstant(0));
        assert_eq!(names(&heard), ["SessionStart", "Play"]);
        assert_eq!(heard[0].playhead, 30.0);
        player
    }

    #[test]
    fn repeated_signals_are_one_event() {
        let mut player = playing();
        assert!(player.change(&status(Status::Playing), Some(31.0), BootInstant(1000)).is_empty());
        let paused = player.change(&status(Status::Paused), Some(32.0), BootInstant(2000));
        assert_eq!(names(&paused), ["Pause"]);
        assert!(player.change(&status(Status::Paused), Some(32.0), BootInstant(2100)).is_empty());
    }

    #[test]
    fn a_stop_near_the_end_is_a_completion() {
        for (at_s, name) in [(20, "End"), (66, "Complete")] {
            let mut player = playing();
            let heard = player.change(&status(Status::Stopped), None, BootInstant(at_s * 1000));
            assert_eq!(names(&heard), [name], "after {at_s} s");
        }
    }

    #[test]
    fn what_a_player_did_while_nobody_listened_is_noticed() {
        let now = BootInstant(0);
        let other = Track { url: "file:///next".into(), ..film() };
        for (status, track, expected) in [
            (Status::Playing, film(), vec![]),
            (Status::Paused, film(), vec!["Pause"]),
            (Status::Stopped, film(), vec!["End"]),
            (Status::Playing, other, vec!["End", "SessionStart", "Play"]),
        ] {
            let mut player = Player::new("mpv".into());
            player.adopt("file:///film");
            let change = Change { status: Some(status), track: Some(track), rate: None };
            let heard = player.change(&change, Some(20.0), now);
            assert_eq!(names(&heard), expected, "{status:?}");
        }
    }

    #[test]
    fn a_new_track_ends_the_session_and_opens_the_next() {
        let mut player = playing();
        let next = Track { url: "file:///next".into(), ..film() };
        let change = Change { track: Some(next), ..Change::default() };
        let heard = player.change(&change, Some(0.0), BootInstant(5000));
        assert_eq!(names(&heard), ["End", "SessionStart", "Play"]);
        let again = Change { track: Some(player.track.clone()), ..Change::default() };
        assert!(player.change(&again, Some(1.0), BootInstant(6000)).is_empty());
    }

    #[test]
    fn seeked_counts_only_in_a_session() {
        let mut fresh = Player::new("mpv".into());
        assert!(fresh.seeked(30.0, BootInstant(0)).is_empty());
        let heard = playing().seeked(60.0, BootInstant(1000));
        assert_eq!(names(&heard), ["SeekStart", "SeekComplete"]);
        assert_eq!(heard[1].playhead, 60.0);
    }

    #[test]
    fn a_length_that_comes_late_is_waited_for() {
        let mut player = Player::new("mpv".into());
        let loading = Track { length: None, ..film() };
        let change = Change { status: Some(Status::Playing), track: Some(loading), rate: None };
        assert!(player.change(&change, Some(0.0), BootInstant(0)).is_empty());
        let loaded = Change { track: Some(film()), ..Change::default() };
        let heard = player.change(&loaded, Some(0.1), BootInstant(400));
        assert_eq!(names(&heard), ["SessionStart", "Play"]);
        assert_eq!(heard[0].info["length"], Value::Float(100.0));
        assert_eq!(player.deadline(), None);
    }

    #[test]
    fn no_length_is_live_and_keeps_the_agents_clock() {
        let mut player = Player::new("tv".into());
        let track = Track { length: None, ..film() };
        let change = Change { status: Some(Status::Playing), track: Some(track), rate: None };
        assert!(player.change(&change, Some(12.0), BootInstant(0)).is_empty(), "it waits");
        let due = player.deadline().unwrap();
        let heard = player.change(&Change::default(), Some(13.0), due);
        assert_eq!(heard[0].info["content_type"], Value::Text("live".into()));
        assert!(heard.iter().all(|h| h.playhead < 0.0));
    }
}
