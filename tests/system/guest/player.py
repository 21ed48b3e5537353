#!/usr/bin/python3
"""A player on the system bus that does what it is told: a JSON line in, a JSON line out.

["open", playhead, media id] or ["Play", playhead]; the answer is {"ok": true} or {"error": name}.
It talks to the well-known name, as players do, so it does not notice who serves it.
"""
import json
import sys

import dbus

AGENT = "tv.playhead.Agent1"


def main():
    bus = dbus.SystemBus()
    session = None
    for line in sys.stdin:
        what, playhead, *rest = json.loads(line)
        try:
            if what == "open":
                media = {"id": rest[0], "app": "tv.example.box", "length": dbus.Double(7200)}
                session = bus.call_blocking(AGENT, "/tv/playhead/Agent1", AGENT, "OpenSession",
                                            "da{sv}", (playhead, media))
            else:
                bus.call_blocking(AGENT, session, "tv.playhead.Session1", what, "da{sv}",
                                  (playhead, {}))
            answer = {"ok": True}
        except dbus.DBusException as error:
            answer = {"error": error.get_dbus_name()}
        print(json.dumps(answer), flush=True)


main()
