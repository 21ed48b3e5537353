#!/usr/bin/env python3
"""Shortens what `playheadctl simulate` prints to one line a hit: when, sid, event, playhead.

Pings in a row become one line: the first and the last, how many, and where they were.
"""
import json
import sys


def number(value):
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"


def note(event):
    params = event.get("params", {})
    if event["eventType"] == "sessionStart":
        length = number(params["media.length"])
        return f"length {length}, resume {str(params['media.resume']).lower()}"
    return params.get("media.ad.name", "")


rows = []
for line in sys.stdin:
    request = json.loads(line)
    sid = request["sid"] or "--"
    body = request["body"]
    for event in body if isinstance(body, list) else [body]:
        kind, playhead = event["eventType"], event["playerTime"]["playhead"]
        before = rows[-1] if rows else {}
        if kind == "ping" and (before.get("sid"), before.get("event")) == (sid, "ping"):
            before["times"] += 1
            before["last"] = playhead
        else:
            rows.append({"at": request["at"], "sid": sid, "event": kind, "times": 1,
                         "playhead": playhead, "last": playhead, "note": note(event)})
for row in rows:
    event = row["event"] if row["times"] == 1 else f"{row['event']} x{row['times']}"
    where = number(row["playhead"])
    if row["last"] != row["playhead"]:
        where += f" to {number(row['last'])}"
    print(f"{row['at']:8.2f}  {row['sid']}  {event:<16} {where:<12} {row['note']}".rstrip())
