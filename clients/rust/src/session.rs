//! One playback, and everything that can be said of it.

use std::sync::Arc;

use crate::error::SessionId;
use crate::handle::Handle;
use crate::info::{self, Event};
use crate::media::{Ad, AdBreak, Chapter, Quality, Source};

/// One playback. Its functions never wait; an event that is refused comes as a
/// [`Notice`](crate::Notice).
///
/// Clones are the same session. When the last one is dropped and neither [`end`](Session::end) nor
/// [`complete`](Session::complete) was said, `End` is said, at the position that the agent works out;
/// not in a panic, after which the agent sees the player vanish.
#[derive(Clone, Debug)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: SessionId,
    handle: Arc<Handle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.handle.shared.forget(self.id, !std::thread::panicking());
    }
}

/// A session that keeps nothing alive.
#[derive(Debug)]
pub(crate) struct WeakSession(std::sync::Weak<Inner>);

impl WeakSession {
    pub(crate) fn upgrade(&self) -> Option<Session> {
        self.0.upgrade().map(Session)
    }
}

impl Session {
    pub(crate) fn new(id: SessionId, handle: Arc<Handle>) -> Session {
        Session(Arc::new(Inner { id, handle }))
    }

    pub(crate) fn downgrade(&self) -> WeakSession {
        WeakSession(Arc::downgrade(&self.0))
    }

    /// Which session a [`Notice`](crate::Notice) is about.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// The content moves, at its own speed: at the start, after a pause.
    pub fn play(&self, playhead: f64) {
        self.play_at_rate(playhead, 1.0);
    }

    /// The content moves at another rate: seconds of the content per second, -1000 to 1000.
    pub fn play_at_rate(&self, playhead: f64, rate: f64) {
        self.say(playhead, info::play(rate));
    }

    /// The viewer paused.
    pub fn pause(&self, playhead: f64) {
        self.say(playhead, info::pause());
    }

    /// The player waits for data.
    pub fn buffer_start(&self, playhead: f64) {
        self.say(playhead, info::plain("BufferStart"));
    }

    /// The player has data again; what it did before goes on.
    pub fn buffer_complete(&self, playhead: f64) {
        self.say(playhead, info::plain("BufferComplete"));
    }

    /// The player stands still without having been told to.
    pub fn stall(&self, playhead: f64) {
        self.say(playhead, info::plain("Stall"));
    }

    /// The player begins to seek, from this position.
    pub fn seek_start(&self, playhead: f64) {
        self.say(playhead, info::plain("SeekStart"));
    }

    /// The picture is there again, at this position.
    pub fn seek_complete(&self, playhead: f64) {
        self.say(playhead, info::plain("SeekComplete"));
    }

    /// A break begins. One ad alone needs a break too.
    pub fn ad_break_start(&self, playhead: f64, ad_break: &AdBreak) {
        self.say(playhead, info::ad_break(ad_break));
    }

    /// The break is over.
    pub fn ad_break_complete(&self, playhead: f64) {
        self.say(playhead, info::plain("AdBreakComplete"));
    }

    /// An ad begins, in a break that is open. The playhead is that of the content and stands still.
    pub fn ad_start(&self, playhead: f64, ad: &Ad) {
        self.say(playhead, info::ad(ad));
    }

    /// The ad was shown to its end.
    pub fn ad_complete(&self, playhead: f64) {
        self.say(playhead, info::plain("AdComplete"));
    }

    /// The ad was left.
    pub fn ad_skip(&self, playhead: f64) {
        self.say(playhead, info::plain("AdSkip"));
    }

    /// A chapter begins; an open one is skipped.
    pub fn chapter_start(&self, playhead: f64, chapter: &Chapter) {
        self.say(playhead, info::chapter(chapter));
    }

    /// The chapter was seen to its end.
    pub fn chapter_complete(&self, playhead: f64) {
        self.say(playhead, info::plain("ChapterComplete"));
    }

    /// The chapter was left.
    pub fn chapter_skip(&self, playhead: f64) {
        self.say(playhead, info::plain("ChapterSkip"));
    }

    /// A state of the player is on: `fullscreen`, `mute`, `closedCaptioning`, `pictureInPicture`,
    /// `inFocus`, or a name of your own of 1 to 64 of a-z A-Z 0-9 _ and '.'; 10 names a session.
    pub fn state_start(&self, playhead: f64, name: &str) {
        self.say(playhead, info::state("StateStart", name));
    }

    /// A state of the player is off.
    pub fn state_end(&self, playhead: f64, name: &str) {
        self.say(playhead, info::state("StateEnd", name));
    }

    /// Quality: rides on the next hit.
    pub fn qoe(&self, playhead: f64, quality: &Quality) {
        self.say(playhead, info::quality("Qoe", quality));
    }

    /// The bitrate changed.
    pub fn bitrate_change(&self, playhead: f64, quality: &Quality) {
        self.say(playhead, info::quality("BitrateChange", quality));
    }

    /// Something went wrong; the session stays open. `id` is from a list of your own that does not
    /// change.
    pub fn error(&self, playhead: f64, id: &str, source: Source) {
        self.say(playhead, info::error(id, source));
    }

    /// The position, when it is not what it should be by the clock. Of several that wait only the
    /// newest is said.
    pub fn playhead(&self, playhead: f64) {
        self.say(playhead, info::playhead());
    }

    /// The content was played to its end. Ends the session.
    pub fn complete(&self, playhead: f64) {
        self.say(playhead, info::last("Complete"));
    }

    /// The viewer left before the end. Ends the session.
    pub fn end(&self, playhead: f64) {
        self.say(playhead, info::last("End"));
    }

    fn say(&self, playhead: f64, event: Event) {
        self.0.handle.shared.say(self.0.id, playhead, event);
    }
}
