#!/usr/bin/env python3
"""How long the simulator takes for a day of playback with an event a second (budget: 2 s).

usage: day.py PLAYHEADCTL
"""
import json
import subprocess
import sys
import time

DAY = 86_400
BUDGET_SECONDS = 2.0


def timeline():
    yield {"at": 0, "event": "SessionStart", "playhead": 0, "info": {"id": "m", "content_type": "live"}}
    yield {"at": 0, "event": "Play", "playhead": 0}
    for second in range(1, DAY):
        yield {"at": second, "event": "Playhead", "playhead": second}
    yield {"at": DAY, "event": "End"}


text = "".join(json.dumps(line) + "\n" for line in timeline())
began = time.monotonic()
run = subprocess.run([sys.argv[1], "simulate", "-"], input=text, capture_output=True, text=True, check=True)
seconds = time.monotonic() - began
requests = run.stdout.count("\n")
print("\n## A day in the simulator\n")
print("| events | requests | seconds | budget |\n|---|---|---|---|")
print(f"| {DAY:,} | {requests:,} | {seconds:.2f} | {BUDGET_SECONDS:.0f} |")
sys.exit(seconds > BUDGET_SECONDS)
