#!/usr/bin/env python3
"""The demo's player: a process of its own that knows nothing but the public bus API.

It asks where the viewer was, opens a session there, plays in real time and completes at the end.
usage: player.py ADDRESS MEDIA_ID LENGTH_SECONDS
"""
import sys
import time

import dbus
import dbus.bus

APP = "tv.example.demo"
NOTHING = dbus.Dictionary({}, signature="sv")


def say(text):
    print(text, flush=True)


def main():
    address, media_id, length = sys.argv[1], sys.argv[2], float(sys.argv[3])
    bus = dbus.bus.BusConnection(address)
    agent = dbus.Interface(
        bus.get_object("tv.playhead.Agent1", "/tv/playhead/Agent1"), "tv.playhead.Agent1"
    )
    point = agent.GetResumePoint(APP, media_id)
    start = 0.0
    if point and not point["completed"]:
        start = float(point["position"])
        say(f"GetResumePoint: the viewer was at {start:.1f} s")
    else:
        say("GetResumePoint: nothing known, playing from the start")
    media = {
        "id": media_id,
        "app": APP,
        "name": "Harbour Lights",
        "length": dbus.Double(length),
        "player_name": "demo player",
        "channel": "demo",
    }
    path = agent.OpenSession(start, media)
    say(f"OpenSession({start:.1f}) -> {path}")
    session = dbus.Interface(bus.get_object("tv.playhead.Agent1", path), "tv.playhead.Session1")
    session.Play(start, NOTHING)
    say(f"Play({start:.1f})")
    began = time.monotonic()
    position = start
    while position < length:
        time.sleep(min(0.5, length - position))
        position = min(length, start + time.monotonic() - began)
        session.Playhead(position, NOTHING)
    session.Complete(length, NOTHING)
    say(f"Complete({length:.1f})")


main()
