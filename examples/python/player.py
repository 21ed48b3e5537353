#!/usr/bin/env python3
"""A small player: it plays a film and says so, whatever becomes of the agent meanwhile.

Needs Debian's python3-dbus and python3-gi. usage: player.py [MEDIA_ID [SECONDS]]
"""
import re
import sys
import time

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

AGENT, AGENT_PATH, SESSION = "tv.playhead.Agent1", "/tv/playhead/Agent1", "tv.playhead.Session1"
GONE = ".NoSession", ".UnknownObject", "playhead.Error.AccessDenied"  # no longer our session
bus, loop = dbus.SystemBus(mainloop=DBusGMainLoop()), GLib.MainLoop()
bus.set_exit_on_disconnect(False)
media_id = sys.argv[1] if len(sys.argv) > 1 else "film-1"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
film = {"id": media_id, "app": "tv.example.player", "name": "A Film", "length": 600.0}
session, start = None, 0.0


def call(path, interface, method, signature, *arguments):  # by the well-known name, always
    return bus.call_blocking(AGENT, path, interface, method, signature, arguments, timeout=5)


def tell(event):
    global session
    position = start + time.monotonic() - began
    for _ in range(2):
        try:
            if not session:
                session = call(AGENT_PATH, AGENT, "OpenSession", "da{sv}", position, film)
                film["resume"] = True  # when it has to be opened again
            call(session, SESSION, event, "da{sv}", position, {})
            return print(f"{event} at {position:.1f}: {session}", flush=True)
        except dbus.DBusException as error:  # the film goes on
            print(f"{event} at {position:.1f}: {error}", flush=True)
            known = re.search(r"as session (\d+)", error.get_dbus_message())
            if known:  # open already: an earlier answer was lost; or open, and the disk is full
                session = f"{AGENT_PATH}/session/{known[1]}"
            elif error.get_dbus_name().endswith(GONE):
                session = None  # open another, at this position
            else:
                return None  # away, not configured or too busy


try:
    point = call(AGENT_PATH, AGENT, "GetResumePoint", "ss", film["app"], media_id)
    start = 0.0 if point.get("completed", False) else float(point.get("position", 0.0))
except dbus.DBusException as error:
    print(f"from the beginning: {error}", flush=True)
began = time.monotonic()  # the content plays from here on
bus.watch_name_owner(AGENT, lambda owner: tell("Play") if owner else None)  # there, or back again
GLib.timeout_add_seconds(10, lambda: session or tell("Play") or True)  # if it is not configured
GLib.timeout_add(int(seconds * 1000), loop.quit)
try:
    loop.run()
except KeyboardInterrupt:
    pass  # the viewer leaves
tell("End")
print(f"played {media_id} from {start:.1f} to {start + time.monotonic() - began:.1f}")
