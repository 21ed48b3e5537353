//! What is said to the agent.

use playhead::{Lifecycle, Media, Source};

/// "Work it out": the agent goes on from the last position that it knows, or at a start from where the
/// viewer was.
pub const UNKNOWN: f64 = -1.0;

/// One thing that is said. Positions are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Say {
    /// Opens a session, which those that follow are about.
    Open(Box<Media>),
    Play {
        at: f64,
        rate: f64,
    },
    Pause(f64),
    BufferStart(f64),
    BufferComplete(f64),
    SeekStart(f64),
    SeekComplete(f64),
    Playhead(f64),
    /// Milliseconds from the intent to play to the first frame.
    Startup(i64),
    /// kbit/s.
    Bitrate(i64),
    Error {
        id: String,
        source: Source,
    },
    Complete(f64),
    End(f64),
    /// About the application.
    Lifecycle(Lifecycle),
}
