#!/usr/bin/env python3
"""Writes demo/evening.jsonl: the scripted evening that `make demo-page` shows. usage: evening.py > FILE"""
import json

LINES = []
BEGAN = 1_700_000_000_000 // 86_400_000 * 86_400_000 + 19 * 3_600_000  # 19:00 UTC


def say(at, event, playhead=None, info=None, **more):
    line = {"at": at, "event": event}
    if playhead is not None:
        line["playhead"] = playhead
    if info is not None:
        line["info"] = info
    LINES.append({**line, **more})


def film(at, media, name, length, playhead=0, who="tv", **info):
    say(at, "SessionStart", playhead, {"id": media, "name": name, "length": length,
        "player_name": "Living Room TV", **info}, **{"from": who})


def break_(at, playhead, position, ads):
    """A break and its ads; returns when it is over."""
    say(at, "AdBreakStart", playhead, {"name": f"break {position}", "position": position,
        "start": playhead}, **{"from": "tv"})
    for number, (name, length) in enumerate(ads, 1):
        say(at, "AdStart", playhead, {"id": f"ad-{position}-{number}", "name": name,
            "position": number, "length": length}, **{"from": "tv"})
        at += length
        say(at, "AdComplete", playhead, {}, **{"from": "tv"})
    say(at, "AdBreakComplete", playhead, {}, **{"from": "tv"})
    return at


def tv(at, event, playhead, info=None):
    say(at, event, playhead, info or {}, **{"from": "tv"})


def chapter(at, playhead, position, name, length):
    tv(at, "ChapterStart", playhead,
       {"name": name, "position": position, "start": playhead, "length": length})


say(0, "Boot", unix_ms=BEGAN, trusted=True)
# Zapping: three channels in a minute and a half.
for at, channel, seconds in ((5, "Channel One", 20), (27, "News 24", 14), (43, "Sport Live", 45)):
    media = channel.lower().replace(" ", "-")
    film(at, media, channel, 86400, 68400 + at, content_type="live", channel=channel)
    tv(at + 1.2, "Play", 68400 + at + 1)
    tv(at + seconds, "End", 68400 + at + seconds)
# A film with chapters, two breaks, a stall, a seek, a pause and a while in the background.
film(100, "harbour-lights", "Harbour Lights", 2400, channel="Movies")
at = break_(101, 0, 1, [("Ocean Soap", 15), ("Tea & Co", 10)])
tv(at, "Play", 0)
start = at
chapter(at + 0.5, 0, 1, "The Harbour", 420)
tv(at + 180, "BufferStart", 180)
tv(at + 188, "BufferComplete", 180)
tv(at + 300, "Pause", 292)
tv(at + 360, "Play", 292)
tv(at + 488, "ChapterComplete", 420)
chapter(at + 488.5, 420, 2, "The Storm", 600)
say(at + 520, "Background", app="tv")
say(at + 550, "Foreground", app="tv")
tv(at + 551, "Play", 451)
at = break_(at + 640, 540, 2, [("Fast Cars", 20), ("Ocean Soap", 15)])
tv(at + 60, "SeekStart", 600)
tv(at + 66, "SeekComplete", 780)
# The network is gone for 12 minutes; meanwhile the player crashes, and the viewer goes on.
say(at + 120, "NetworkDown")
say(at + 240, "PlayerVanished", **{"from": "tv"})
film(at + 330, "harbour-lights", "Harbour Lights", 2400, 954, channel="Movies")
tv(at + 331.5, "Play", 954)
chapter(at + 332, 954, 2, "The Storm", 600)
tv(at + 480, "ChapterComplete", 1102)
chapter(at + 480.5, 1102, 3, "Morning", 900)
say(at + 840, "NetworkUp")
# The agent dies and comes back within 40 s.
say(at + 960, "AgentCrash", down_s=40)
tv(at + 1010, "Play", 1632)
# One hit is refused by the collector.
say(at + 1100, "Collector", rules=[{"on": "events", "event_type": "pauseStart", "times": 1,
    "status": 400}])
tv(at + 1120, "Pause", 1742)
tv(at + 1150, "Play", 1742)
tv(at + 1808, "Complete", 2400)
# A tablet whose player makes mistakes.
tablet = {"from": "tablet"}


def pad(at, event, playhead, info=None):
    say(at, event, playhead, info or {}, **tablet)


for when, where in ((400, 0), (420, 15), (440, 30)):
    say(when, "SessionStart", where, {"id": "cartoon-7", "name": "The Paper Fox", "length": 1500,
        "player_name": "Tablet", "channel": "Kids"}, **tablet)
    pad(when + 1, "Play", where)
    if when < 440:
        pad(when + 16, "End", where + 15)
pad(520, "AdBreakStart", 109, {"name": "break", "position": 1, "start": 109})
pad(520, "AdStart", 109, {"id": "ad-9", "name": "Crayons", "position": 1, "length": 20})
pad(530, "Playhead", 119)
pad(540, "AdComplete", 129)
pad(540, "AdBreakComplete", 129)
pad(600, "SeekStart", 189)
pad(602, "Playhead", 700)
pad(665, "SeekComplete", 760)
pad(900, "End", 995)
LINES.sort(key=lambda line: line["at"])
for line in LINES:
    print(json.dumps(line, separators=(",", ":")))
