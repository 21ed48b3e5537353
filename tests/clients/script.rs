//! The scripted evening: what a player says, and what the collector has to get for it.

/// A hit: event, playhead, and the name of what it is about.
pub type Hit = (&'static str, f64, &'static str);

pub enum Step {
    /// A line to the client's driver, and the hits that follow from it.
    Say(&'static str, Vec<Hit>),
    /// SIGKILL of the daemon.
    Kill,
    Start,
    /// The collector has everything so far.
    Delivered,
    /// So much time passes that what was said before it is dated wrongly if it counts from its arrival.
    Later,
}

/// A line: what is said, then ` -> ` and its hits, `EVENT PLAYHEAD NAME`, with commas between. `!` is a
/// step of the test. The daemon is not there at first.
pub const EVENING: &str = "\
open 0 id=film length=3600 name=The+Film metadata.media.show=Show -> sessionStart 0 film
play 0 -> play 0
playhead 1
playhead 2
! later
! start
! delivered
resume-point series
pause 5 -> pauseStart 5
play 5 -> play 5
qoe 6 bitrate=5000 dropped_frames=3 fps=50 startup_ms=400
bitrate-change 6 bitrate=7000 -> bitrateChange 6 7000
error 7 id=E1 source=player -> error 7 E1
! delivered
! kill
buffer-start 8 -> bufferStart 8
buffer-complete 8 -> play 8
ad-break-start 9 name=mid position=1 start=9 -> adBreakStart 9
ad-start 9 id=ad-1 name=Soap position=1 length=15 metadata.media.ad.advertiser=Soaps -> adStart 9 ad-1
ad-complete 9 -> adComplete 9
ad-start 9 id=ad-2 name=Car position=2 length=15 -> adStart 9 ad-2
! later
! start
! delivered
ad-skip 9 -> adSkip 9
! kill
ad-break-complete 9 -> adBreakComplete 9, play 9
chapter-start 10 name=One position=1 start=10 length=600 -> chapterStart 10 One
seek-start 11 -> pauseStart 11
seek-complete 40 -> play 40
state-start 41 name=mute -> stateStart 41 mute
state-end 42 name=mute -> stateEnd 42 mute
! later
! start
chapter-complete 43 -> chapterComplete 43
chapter-start 43 name=Two position=2 start=43 length=600 -> chapterStart 43 Two
! kill
chapter-skip 44 -> chapterSkip 44
stall 45 -> bufferStart 45
! start
play 45 rate=2 -> play 45
end 50 -> sessionEnd 50
! delivered
open 0 id=news length=60 content_type=vod -> sessionStart 0 news
play 0 -> play 0
complete 60 -> sessionComplete 60
";

pub fn evening() -> impl Iterator<Item = Step> {
    EVENING.lines().map(|line| match line {
        "! kill" => Step::Kill,
        "! start" => Step::Start,
        "! delivered" => Step::Delivered,
        "! later" => Step::Later,
        line => {
            let (said, hits) = line.split_once(" -> ").unwrap_or((line, ""));
            Step::Say(said, hits.split(", ").filter(|hit| !hit.is_empty()).map(hit).collect())
        }
    })
}

fn hit(text: &'static str) -> Hit {
    let mut words = text.split(' ');
    let event = words.next().expect("an event");
    let playhead = words.next().expect("a playhead").parse().expect("a number");
    (event, playhead, words.next().unwrap_or_default())
}
