#!/usr/bin/python3
"""Plays a file with playhead_gst, from outside told what to do as player.c is.  usage: player.py BUS URI

Commands, one a line: `play`, `pause`, `stop`, `seek SECONDS`, and `reach SECONDS`, which says `reached` when it is
there or beyond it. Says `ready`, `playing`, `paused` and `end`.
"""
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2] / "clients/python")]

import gi  # noqa: E402

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

import playhead  # noqa: E402
import playhead_gst  # noqa: E402

Gst.init(None)
loop = GLib.MainLoop()
playbin = Gst.ElementFactory.make("playbin")
playbin.set_property("uri", sys.argv[2])
for end in ("video-sink", "audio-sink"):
    sink = Gst.ElementFactory.make("fakesink")
    sink.set_property("sync", True)
    playbin.set_property(end, sink)
agent = playhead.Agent(sys.argv[1], app="tv.example.python", loop=playhead.GLibLoop())
playhead_gst.Watch(agent, playbin)


def heard(_, message):
    if message.type == Gst.MessageType.EOS:
        print("end", flush=True)
    elif message.type == Gst.MessageType.STATE_CHANGED and message.src == playbin:
        _, state, pending = message.parse_state_changed()
        if pending == Gst.State.VOID_PENDING:
            print(state.value_nick, flush=True)


def reached(seconds):
    there = playbin.query_position(Gst.Format.TIME)[1] >= seconds * Gst.SECOND
    if there:
        print("reached", flush=True)
    return not there


def command(words):
    states = {"play": Gst.State.PLAYING, "pause": Gst.State.PAUSED, "stop": Gst.State.NULL}
    if words[0] == "reach":
        GLib.timeout_add(20, reached, float(words[1]))
    elif words[0] == "seek":
        playbin.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH | Gst.SeekFlags.ACCURATE,
                            int(float(words[1]) * Gst.SECOND))
    else:
        playbin.set_state(states[words[0]])


def told(*_):
    lines = os.read(sys.stdin.fileno(), 4096).decode().splitlines()
    for line in lines:
        command(line.split())
    if not lines:
        playbin.set_state(Gst.State.NULL)
        # What was posted in this turn of the loop is said before it closes.
        GLib.idle_add(lambda: agent.close().then(lambda _: loop.quit()) and False)
    return bool(lines)


bus = playbin.get_bus()
bus.add_signal_watch()
bus.connect("message", heard)
GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, told)
print("ready", flush=True)
loop.run()
