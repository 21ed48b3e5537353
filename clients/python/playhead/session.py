"""One playback, and everything that can happen in it."""
from __future__ import annotations

from typing import Mapping, Optional

from ._queue import SessionState
from ._sender import Sender
from .media import Info, Media, metadata_of


class Session:
    """One playback; `Agent.open` makes it.

    Every event takes the playhead: the position in the content in seconds (live: the second of the
    day); a negative one means "work it out", from the last position and rate. No event waits, returns
    anything or raises for what the daemon does; ValueError and TypeError are for values of a wrong
    type. What is refused comes to the Agent's `on_error`.
    """

    def __init__(self, sender: Sender, state: SessionState, media: Media) -> None:
        self._sender, self._state = sender, state
        self.media = media

    @property
    def path(self) -> str:
        """The daemon's object of this session, for a log; "" while there is none."""
        return self._state.path

    @property
    def over(self) -> str:
        """Why no more can be said: complete, end, replaced, consent, or the name of the error for
        which it could not be opened. "": it can."""
        return self._state.over

    def play(self, playhead: float = -1.0, rate: float = 1.0) -> None:
        """The content moves: at the start, after a pause, or at another rate (content seconds per
        second, -1000 to 1000)."""
        self._say("Play", playhead, {} if rate == 1 else {"rate": ("d", float(rate))})

    def pause(self, playhead: float = -1.0) -> None:
        """The viewer paused."""
        self._say("Pause", playhead)

    def buffer_start(self, playhead: float = -1.0) -> None:
        """The player waits for data."""
        self._say("BufferStart", playhead)

    def buffer_complete(self, playhead: float = -1.0) -> None:
        """The player has data again; what it did before goes on."""
        self._say("BufferComplete", playhead)

    def stall(self, playhead: float = -1.0) -> None:
        """The player stands still without having been told to; counts as `buffer_start`."""
        self._say("Stall", playhead)

    def seek_start(self, playhead: float = -1.0) -> None:
        """The player begins to seek; playhead is the position that it leaves."""
        self._say("SeekStart", playhead)

    def seek_complete(self, playhead: float = -1.0) -> None:
        """The player has sought; playhead is the new position."""
        self._say("SeekComplete", playhead)

    def ad_break_start(self, playhead: float, name: str, position: int, start: float) -> None:
        """A break begins, and the content stands still. `position`: which break of the content, from 1;
        `start`: where in the content, in seconds (0: before it)."""
        self._say("AdBreakStart", playhead, {
            "name": ("s", str(name)), "position": ("i", int(position)), "start": ("d", float(start))})

    def ad_break_complete(self, playhead: float = -1.0) -> None:
        """The break is over."""
        self._say("AdBreakComplete", playhead)

    def ad_start(self, playhead: float, id: str, name: str, position: int, length: float,
                 metadata: Optional[Mapping[str, str]] = None) -> None:
        """An ad begins, in a break that is open. `position`: which ad of the break, from 1; `length` in
        seconds; of the metadata media.ad.* is standard."""
        info: Info = {"id": ("s", str(id)), "name": ("s", str(name)),
                      "position": ("i", int(position)), "length": ("d", float(length))}
        self._say("AdStart", playhead, _with_metadata(info, metadata))

    def ad_complete(self, playhead: float = -1.0) -> None:
        """The ad was shown to its end."""
        self._say("AdComplete", playhead)

    def ad_skip(self, playhead: float = -1.0) -> None:
        """The ad was left."""
        self._say("AdSkip", playhead)

    def chapter_start(self, playhead: float, name: str, position: int, start: float, length: float,
                      metadata: Optional[Mapping[str, str]] = None) -> None:
        """A chapter begins. `position`: which chapter, from 1; `start` and `length` in seconds."""
        info: Info = {"name": ("s", str(name)), "position": ("i", int(position)),
                      "start": ("d", float(start)), "length": ("d", float(length))}
        self._say("ChapterStart", playhead, _with_metadata(info, metadata))

    def chapter_complete(self, playhead: float = -1.0) -> None:
        """The chapter was seen to its end."""
        self._say("ChapterComplete", playhead)

    def chapter_skip(self, playhead: float = -1.0) -> None:
        """The chapter was left."""
        self._say("ChapterSkip", playhead)

    def state_start(self, playhead: float, name: str) -> None:
        """A state of the player is on: fullscreen, mute, closedCaptioning, pictureInPicture, inFocus, or
        a name of 1 to 64 of a-z A-Z 0-9 _ and '.'; at most 10 names a session."""
        self._say("StateStart", playhead, {"name": ("s", str(name))})

    def state_end(self, playhead: float, name: str) -> None:
        """A state of the player is off."""
        self._say("StateEnd", playhead, {"name": ("s", str(name))})

    def qoe(self, playhead: float = -1.0, bitrate: Optional[int] = None,
            dropped_frames: Optional[int] = None, fps: Optional[int] = None,
            startup_ms: Optional[int] = None) -> None:
        """Quality, any subset: kbit/s, frames dropped in the session so far, frames per second, and
        milliseconds to the first frame. It rides on the next report."""
        self._say("Qoe", playhead, _quality(bitrate, dropped_frames, fps, startup_ms))

    def bitrate_change(self, playhead: float = -1.0, bitrate: Optional[int] = None,
                       dropped_frames: Optional[int] = None, fps: Optional[int] = None,
                       startup_ms: Optional[int] = None) -> None:
        """The bitrate changed; the values are those of `qoe`."""
        self._say("BitrateChange", playhead, _quality(bitrate, dropped_frames, fps, startup_ms))

    def error(self, playhead: float, id: str, source: str = "player") -> None:
        """Something went wrong, and the session stays open. `id`: from a list of the player's own;
        `source`: player or external."""
        self._say("Error", playhead, {"id": ("s", str(id)), "source": ("s", str(source))})

    def playhead(self, playhead: float) -> None:
        """The position, for a player that tells it now and then."""
        self._say("Playhead", playhead)

    def complete(self, playhead: float = -1.0) -> None:
        """The content was played to its end. No more can be said."""
        self._say("Complete", playhead)

    def end(self, playhead: float = -1.0) -> None:
        """The viewer left before the end. No more can be said."""
        self._say("End", playhead)

    def _say(self, event: str, playhead: float, info: Optional[Info] = None) -> None:
        self._sender.say(self._state, event, float(playhead), info or {})


def _with_metadata(info: Info, metadata: Optional[Mapping[str, str]]) -> Info:
    if metadata:
        info["metadata"] = metadata_of(metadata)
    return info


def _quality(bitrate: Optional[int], dropped_frames: Optional[int], fps: Optional[int],
             startup_ms: Optional[int]) -> Info:
    values = {"bitrate": bitrate, "dropped_frames": dropped_frames, "fps": fps,
              "startup_ms": startup_ms}
    return {key: ("x", int(value)) for key, value in values.items() if value is not None}
