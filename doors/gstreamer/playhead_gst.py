"""Tells playheadd what a playbin plays, for a player in Python with GLib's main loop:

    agent = playhead.Agent(app="tv.example.player", loop=playhead.GLibLoop())
    playhead_gst.Watch(agent, playbin)

It needs the module `playhead` (clients/python) and python3-gi. A seek is told by the new position; a player
that knows of its seeks says `watch.session.seek_start(...)` and `seek_complete(...)` itself.
"""
import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

import playhead  # noqa: E402


class Watch:
    """A session for each content, from its first PLAYING to its end. `media` makes a playhead.Media of a
    URI and a length in seconds (0: not known), where the content has a better id than its URI."""

    def __init__(self, agent, playbin, media=None):
        self.agent, self.playbin = agent, playbin
        self.media = media or (lambda uri, length: playhead.Media(
            uri, length=length, content_type="vod" if length else "live"))
        self.content = self.session = None
        self.rate, self.buffering = 0.0, False
        bus = playbin.get_bus()
        bus.enable_sync_message_emission()
        # A pipeline that stops empties its bus, so messages are heard when they are posted, in whatever
        # thread that is; the main loop takes them from there.
        bus.connect("sync-message", lambda _, message: GLib.idle_add(self._hear, message) and None)
        GLib.timeout_add_seconds(5, lambda: self._tell() or True)

    def _seconds(self, query, unknown):
        known, value = query(Gst.Format.TIME)
        return value / Gst.SECOND if known and value >= 0 else unknown

    def _tell(self):
        if self.content and not self.buffering:
            live = self.content.is_live
            at = -1.0 if live else self._seconds(self.playbin.query_position, -1.0)
            self.session = self.agent.now(self.content, at, self.rate)

    def _hear(self, message):
        kind, own = message.type, message.src == self.playbin
        if kind == Gst.MessageType.STATE_CHANGED and own:
            self._state(*message.parse_state_changed()[1:])
        elif self.content and kind == Gst.MessageType.BUFFERING:
            self._buffer(message.parse_buffering() < 100)
        elif self.content and kind == Gst.MessageType.ASYNC_DONE and own:
            self._tell()
        elif self.content and kind == Gst.MessageType.EOS and own:
            self.session.complete(-1.0 if self.content.is_live else self.content.length)
            self.content = None
        elif self.content and kind == Gst.MessageType.ERROR:
            error = message.parse_error().gerror
            self.session.error(-1.0, f"{error.domain}.{error.code}")
            self.session.end()
            self.content = None

    def _state(self, state, pending):
        if self.content and state <= Gst.State.READY:
            self.session.end()
            self.content, self.buffering = None, False
        elif pending == Gst.State.VOID_PENDING:
            self.rate = 1.0 if state == Gst.State.PLAYING else 0.0
            if self.rate and not self.content:
                self.content = self.media(self.playbin.get_property("current-uri"),
                                          self._seconds(self.playbin.query_duration, 0.0))
            self._tell()

    def _buffer(self, buffering):
        """The application pauses while its buffers are filled; the viewer has not."""
        if buffering and not self.buffering and self.rate:
            self.session.buffer_start()
            self.buffering = True
        elif self.buffering and not buffering:
            self.session.buffer_complete()
            self.buffering = False
