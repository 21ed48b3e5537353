//! What each call means for a playback session: the table of the README. An application plays one
//! content at a time. Nothing here does I/O, and a call that is refused changes nothing.
//!
//! Play is `mediaPlaying` ("frames are being rasterized"). `mediaPlay` is the "intent to play" and
//! comes before anything is loaded; the time between the two is the startup time.

use std::time::Duration;

use playhead::{Media, Source};

use crate::method::{Lifecycle, Method};
use crate::parameters::{Content, Position, age_policy, number, optional_text, text};
use crate::rpc::{Params, RpcError};
use crate::say::{Say, UNKNOWN};
use crate::viewing::{Base, Viewing};

/// Of which kinds an error may be.
const ERRORS: [&str; 5] = ["network", "media", "restriction", "entitlement", "other"];

/// What the operator has chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// An application in the background plays on.
    pub background_playback: bool,
    /// Age policies, such as `app:child`, of content that is not tracked.
    pub untracked: Vec<String>,
}

/// When a call came, and over which connection of the application.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arrival {
    /// Since any beginning.
    pub at: Duration,
    pub connection: u64,
}

/// An application, as far as it has said anything.
#[derive(Debug)]
pub struct App {
    id: String,
    version: String,
    /// What `startContent` named, until `stopContent`.
    started: Option<Started>,
    viewing: Option<Viewing>,
    /// The media that was left last. What still comes from it opens nothing.
    left: Option<String>,
    /// In the background, where the agent has paused it.
    interrupted: bool,
}

#[derive(Debug)]
struct Started {
    /// `None`: the application gave no id.
    id: Option<String>,
    /// The first media in it. Its session has the id of the content.
    media: Option<String>,
    content: Content,
    age_policy: Option<String>,
}

/// Whether a call opens a session where its media has none.
#[derive(Clone, Copy, PartialEq)]
enum Opens {
    Always,
    /// Where nothing else plays, and the media was not left just now: what was in flight when the door
    /// was started anew, say.
    Unless,
    Never,
}

impl App {
    pub fn new(id: impl Into<String>) -> App {
        App {
            id: id.into(),
            version: String::new(),
            started: None,
            viewing: None,
            left: None,
            interrupted: false,
        }
    }

    /// Whether a session is open.
    pub fn is_viewing(&self) -> bool {
        self.viewing.is_some()
    }

    /// The agent has closed the session for good. The next media call opens one.
    pub fn forget(&mut self) {
        self.viewing = None;
    }

    /// What is to be said for this call.
    ///
    /// Errors: -32602 with what was expected; then nothing has changed.
    pub fn call(
        &mut self,
        method: Method,
        params: &Params,
        arrival: Arrival,
        policy: &Policy,
    ) -> Result<Vec<Say>, RpcError> {
        match method {
            Method::Ready => Ok(self.ready(arrival)),
            Method::AppInfo => {
                self.version = text(params, "build")?;
                Ok(Vec::new())
            }
            Method::StartContent => self.start_content(params),
            Method::StopContent => self.stop_content(params),
            Method::Error => self.error(params),
            Method::Nothing => Ok(Vec::new()),
            Method::Lifecycle(state) => Ok(self.lifecycle(state, policy)),
            Method::StateChanged => Ok(match state_changed(params)? {
                Some(state) => self.lifecycle(state, policy),
                None => Vec::new(),
            }),
            _ => self.media(method, params, arrival, policy),
        }
    }

    /// `ready` is called once in a run. A session that was opened over another connection is of a run
    /// that is over.
    fn ready(&mut self, arrival: Arrival) -> Vec<Say> {
        match &self.viewing {
            Some(viewing) if viewing.connection != arrival.connection => {
                self.started = None;
                self.leave(Say::End(UNKNOWN))
            }
            _ => Vec::new(),
        }
    }

    /// Names the content. A session is opened by the first media call, because other content, such as a
    /// game, is started in the same way and has no media.
    fn start_content(&mut self, params: &Params) -> Result<Vec<Say>, RpcError> {
        let id = optional_text(params, "entityId")?;
        let content = Content::read(params)?;
        let age_policy = age_policy(params)?;
        if self.started.as_ref().is_some_and(|started| started.id == id) {
            return Ok(Vec::new());
        }
        let mut started = Started { id, media: None, content, age_policy };
        let mut says = Vec::new();
        if let Some(viewing) = &mut self.viewing {
            // "Apps should wait until any loading is complete": its media may have come first.
            let names_it = started.id.as_ref().is_none_or(|id| viewing.is(id));
            if !viewing.of_started && (names_it || !viewing.has_played) {
                viewing.of_started = true;
                started.media = Some(viewing.media.clone());
            } else {
                says = self.leave(Say::End(UNKNOWN));
            }
        }
        self.started = Some(started);
        Ok(says)
    }

    fn stop_content(&mut self, params: &Params) -> Result<Vec<Say>, RpcError> {
        let id = optional_text(params, "entityId")?;
        let of_started = match (&id, &self.started) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(id), Some(started)) => started.id.as_ref() == Some(id),
        };
        let of_viewing = self
            .viewing
            .as_ref()
            .is_some_and(|viewing| id.as_ref().is_some_and(|id| viewing.is(id)));
        if of_started || of_viewing {
            self.started = None;
            return Ok(self.leave(Say::End(UNKNOWN)));
        }
        Ok(Vec::new())
    }

    fn error(&mut self, params: &Params) -> Result<Vec<Say>, RpcError> {
        let kind = text(params, "type")?;
        let code = text(params, "code")?;
        if !ERRORS.contains(&kind.as_str()) {
            let why = format!("type is \"{kind}\"; expected one of {}", ERRORS.join(", "));
            return Err(RpcError::invalid_params(why));
        }
        if self.viewing.is_none() {
            return Ok(Vec::new());
        }
        let source = if kind == "media" { Source::Player } else { Source::External };
        Ok(vec![Say::Error { id: code, source }])
    }

    fn lifecycle(&mut self, state: Lifecycle, policy: &Policy) -> Vec<Say> {
        let mut says = Vec::new();
        match state {
            Lifecycle::Foreground => {
                says.push(Say::Lifecycle(playhead::Lifecycle::Foreground));
                // The agent waits for Play. An application that played on does not say it again.
                if std::mem::take(&mut self.interrupted)
                    && let Some(viewing) = &mut self.viewing
                    && viewing.moves()
                {
                    viewing.play(UNKNOWN, &mut says);
                }
            }
            Lifecycle::Background => {
                says.push(Say::Lifecycle(playhead::Lifecycle::Background));
                self.interrupted = !policy.background_playback;
                if let Some(viewing) = self.viewing.as_mut().filter(|_| self.interrupted) {
                    viewing.interrupt();
                }
            }
            Lifecycle::Suspended => {
                if let Some(viewing) = &mut self.viewing {
                    if policy.background_playback {
                        viewing.pause(&mut says);
                    }
                    viewing.interrupt();
                    viewing.base = Base::Paused;
                    viewing.intends = false;
                }
                self.interrupted = false;
                says.push(Say::Lifecycle(playhead::Lifecycle::Background));
            }
            Lifecycle::Unloading => {
                says.push(Say::Lifecycle(playhead::Lifecycle::Stopped));
                self.viewing = None;
                self.started = None;
                self.left = None;
                self.interrupted = false;
            }
        }
        says
    }

    fn media(
        &mut self,
        method: Method,
        params: &Params,
        arrival: Arrival,
        policy: &Policy,
    ) -> Result<Vec<Say>, RpcError> {
        let event = MediaEvent::read(method, params)?;
        let call = MediaCall {
            entity: text(params, "entityId")?,
            content: Content::read(params)?,
            age_policy: age_policy(params)?,
        };
        let mut says = Vec::new();
        if !self.view(call, event.opens(), arrival, policy, &mut says) {
            return Ok(says);
        }
        let Some(viewing) = &mut self.viewing else { return Ok(says) };
        match event {
            MediaEvent::LoadStart => viewing.load(arrival.at, &mut says),
            MediaEvent::Play => {
                viewing.intends = true;
                viewing.asked.get_or_insert(arrival.at);
            }
            MediaEvent::Playing => {
                let interrupted = std::mem::take(&mut self.interrupted);
                viewing.playing(arrival.at, interrupted, &mut says);
            }
            MediaEvent::Pause => viewing.pause(&mut says),
            MediaEvent::Waiting if self.interrupted => viewing.base = Base::Paused,
            MediaEvent::Waiting => viewing.wait(&mut says),
            MediaEvent::Seeking(target) => viewing.seek(target, &mut says),
            MediaEvent::Seeked(position) => viewing.sought(position, &mut says),
            MediaEvent::Progress(position) => {
                if viewing.progress(position, self.interrupted, &mut says) {
                    self.interrupted = false;
                }
            }
            MediaEvent::Rate(rate) => viewing.change_rate(rate, &mut says),
            MediaEvent::Bitrate(bitrate) => says.push(Say::Bitrate(bitrate)),
            MediaEvent::Ended => {
                let at =
                    if viewing.length > 0.0 && !viewing.live { viewing.length } else { UNKNOWN };
                says.extend(self.leave(Say::Complete(at)));
            }
        }
        Ok(says)
    }

    /// Finds the session of this media, or opens it. False: the call is about nothing that is played.
    fn view(
        &mut self,
        call: MediaCall,
        opens: Opens,
        arrival: Arrival,
        policy: &Policy,
        says: &mut Vec<Say>,
    ) -> bool {
        if let Some(viewing) = self.viewing.as_mut().filter(|viewing| viewing.is(&call.entity)) {
            if call.content.length > 0.0 {
                viewing.length = call.content.length;
            }
            return true;
        }
        let open = match opens {
            Opens::Always => true,
            Opens::Unless => {
                self.viewing.is_none() && self.left.as_deref() != Some(call.entity.as_str())
            }
            Opens::Never => false,
        };
        if !open {
            return false;
        }
        says.extend(self.leave(Say::End(UNKNOWN)));
        self.open(call, opens, arrival, policy, says);
        true
    }

    fn open(
        &mut self,
        call: MediaCall,
        opens: Opens,
        arrival: Arrival,
        policy: &Policy,
        says: &mut Vec<Say>,
    ) {
        let (mut id, mut content, mut age_policy) =
            (call.entity.clone(), call.content, call.age_policy);
        let mut of_started = false;
        if let Some(started) = &mut self.started
            && started.media.as_ref().is_none_or(|media| *media == call.entity)
        {
            // The content is what is watched; its media may have an id of another kind.
            started.media = Some(call.entity.clone());
            id = started.id.clone().unwrap_or(id);
            content = content.or(&started.content);
            age_policy = age_policy.or_else(|| started.age_policy.clone());
            of_started = true;
        }
        self.left = None;
        let mut viewing = Viewing::new(id.clone(), call.entity, content.length, content.is_live());
        viewing.of_started = of_started;
        viewing.connection = arrival.connection;
        // What tells of a playback that goes on tells that it is wanted.
        viewing.intends = opens == Opens::Unless;
        self.viewing = Some(viewing);
        let mut metadata = content.metadata;
        let track = age_policy.as_ref().is_none_or(|group| !policy.untracked.contains(group));
        if let Some(age_policy) = age_policy {
            metadata.insert("agePolicy".to_owned(), age_policy);
        }
        says.push(Say::Open(Box::new(Media {
            name: content.name,
            length: content.length,
            content_type: content.content_type,
            stream_type: content.stream_type,
            channel: content.channel,
            app: self.id.clone(),
            app_version: self.version.clone(),
            background_playback: policy.background_playback,
            track,
            metadata,
            ..Media::new(id)
        })));
    }

    /// Ends the session, if there is one, with these words.
    fn leave(&mut self, last: Say) -> Vec<Say> {
        match self.viewing.take() {
            Some(viewing) => {
                self.left = Some(viewing.media);
                vec![last]
            }
            None => Vec::new(),
        }
    }
}

struct MediaCall {
    entity: String,
    content: Content,
    age_policy: Option<String>,
}

/// A media call with what only it has.
enum MediaEvent {
    LoadStart,
    Play,
    Playing,
    Pause,
    Waiting,
    Seeking(Position),
    Seeked(Position),
    Progress(Position),
    Rate(f64),
    Bitrate(i64),
    Ended,
}

impl MediaEvent {
    fn read(method: Method, params: &Params) -> Result<MediaEvent, RpcError> {
        Ok(match method {
            Method::MediaLoadStart => MediaEvent::LoadStart,
            Method::MediaPlay => MediaEvent::Play,
            Method::MediaPlaying => MediaEvent::Playing,
            Method::MediaPause => MediaEvent::Pause,
            Method::MediaWaiting => MediaEvent::Waiting,
            Method::MediaSeeking => MediaEvent::Seeking(Position::read(params, "target")?),
            Method::MediaSeeked => MediaEvent::Seeked(Position::read(params, "position")?),
            Method::MediaProgress => MediaEvent::Progress(Position::read(params, "progress")?),
            Method::MediaRateChange => MediaEvent::Rate(rate(params)?),
            Method::MediaRenditionChange => MediaEvent::Bitrate(bitrate(params)?),
            Method::MediaEnded => MediaEvent::Ended,
            // The caller has sorted out all that is no media call.
            _ => return Err(RpcError::invalid_request("no media call")),
        })
    }

    fn opens(&self) -> Opens {
        match self {
            MediaEvent::LoadStart | MediaEvent::Play | MediaEvent::Playing => Opens::Always,
            MediaEvent::Pause
            | MediaEvent::Waiting
            | MediaEvent::Seeking(_)
            | MediaEvent::Progress(_) => Opens::Unless,
            MediaEvent::Seeked(_)
            | MediaEvent::Rate(_)
            | MediaEvent::Bitrate(_)
            | MediaEvent::Ended => Opens::Never,
        }
    }
}

fn rate(params: &Params) -> Result<f64, RpcError> {
    let rate = number(params, "rate")?;
    match (-1000.0..=1000.0).contains(&rate) {
        true => Ok(rate),
        false => Err(RpcError::invalid_params(format!("rate is {rate}; expected -1000 to 1000"))),
    }
}

fn bitrate(params: &Params) -> Result<i64, RpcError> {
    let bitrate = number(params, "bitrate")?;
    match (0.0..=1e9).contains(&bitrate) {
        true => Ok(bitrate.round() as i64),
        false => Err(RpcError::invalid_params(format!("bitrate is {bitrate}; expected kbit/s"))),
    }
}

/// The new state of `Lifecycle2.onStateChanged`: `{"newState": ..}`, or the first of a list of these
/// under `value`, as AppGateway emits it. `None`: none that matters.
fn state_changed(params: &Params) -> Result<Option<Lifecycle>, RpcError> {
    let inner = params.get("value").and_then(|value| match value {
        serde_json::Value::Array(changes) => changes.last().and_then(|change| change.as_object()),
        value => value.as_object(),
    });
    Ok(Lifecycle::of_state(&text(inner.unwrap_or(params), "newState")?))
}
