#!/usr/bin/env python3
"""A player of fifteen lines: plays a film for three seconds and says so.

Needs Debian's python3-dbus. usage: player.py [MEDIA_ID]
"""
import sys
import time

import dbus

bus = dbus.SystemBus()
agent = dbus.Interface(bus.get_object("tv.playhead.Agent1", "/tv/playhead/Agent1"), "tv.playhead.Agent1")
media_id = sys.argv[1] if len(sys.argv) > 1 else "film-1"
app = "tv.example.player"

point = agent.GetResumePoint(app, media_id)
start = 0.0 if point.get("completed", False) else float(point.get("position", 0.0))
path = agent.OpenSession(start, {"id": media_id, "app": app, "name": "A Film", "length": dbus.Double(600)})
session = dbus.Interface(bus.get_object("tv.playhead.Agent1", path), "tv.playhead.Session1")
nothing = dbus.Dictionary({}, signature="sv")
session.Play(start, nothing)
time.sleep(3)  # the content plays here
session.End(start + 3, nothing)
print(f"played {media_id} from {start:.1f} to {start + 3:.1f}")
