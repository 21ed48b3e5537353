#!/usr/bin/env python3
"""A player with dasbus: a session by method, then another by signal."""
from dasbus.connection import SystemMessageBus
from dasbus.error import DBusError, ErrorMapper, get_error_decorator
from dasbus.server.interface import dbus_interface, dbus_signal
from dasbus.typing import Dict, Double, Str, Variant

mapper = ErrorMapper()
dbus_error = get_error_decorator(mapper)


@dbus_error("tv.playhead.Error.NotAllowed")
class NotAllowed(DBusError):
    """Illegal now; the message says what is missing."""


@dbus_interface("tv.playhead.Player1")
class Player:
    """The signals that this player emits; the names and shapes are those of dbus/*.xml."""

    @dbus_signal
    def SessionStart(self, playhead: Double, info: Dict[Str, Variant]):
        """A session begins."""

    @dbus_signal
    def Play(self, playhead: Double, info: Dict[Str, Variant]):
        """The content moves."""

    @dbus_signal
    def End(self, playhead: Double, info: Dict[Str, Variant]):
        """The viewer leaves."""


def film(media_id):
    return {"id": Variant("s", media_id), "app": Variant("s", "tv.example.generated"),
            "length": Variant("d", 600.0)}


bus = SystemMessageBus(error_mapper=mapper)
agent = bus.get_proxy("tv.playhead.Agent1", "/tv/playhead/Agent1")
print("version", agent.Version)
session = bus.get_proxy("tv.playhead.Agent1", agent.OpenSession(0.0, film("dasbus-method")))
session.Play(0.0, {})
print("media", session.MediaId)
try:
    session.AdComplete(1.0, {})
except NotAllowed:
    print("refused tv.playhead.Error.NotAllowed")
session.End(5.0, {})
point = agent.GetResumePoint("tv.example.generated", "dasbus-method")
print(f"point {point['position'].get_double():.1f}")

player = Player()
bus.publish_object("/tv/example/player", player)
player.SessionStart.emit(0.0, film("dasbus-signal"))
player.Play.emit(0.0, {})
player.End.emit(7.0, {})
bus.connection.flush_sync(None)
