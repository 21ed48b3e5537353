"""Events a second of `playheadctl simulate`: a day of playback with an event a second."""
import json
import os
import subprocess
import time

DAY = 86_400
BUDGET_SECONDS = 2.0


def timeline():
    yield {"at": 0, "event": "SessionStart", "playhead": 0, "info": {"id": "m", "content_type": "live"}}
    yield {"at": 0, "event": "Play", "playhead": 0}
    for second in range(1, DAY):
        yield {"at": second, "event": "Playhead", "playhead": second}
    yield {"at": DAY, "event": "End"}


def measure(programs, table):
    text = "".join(json.dumps(line) + "\n" for line in timeline())
    began = time.monotonic()
    subprocess.run([os.path.join(programs, "playheadctl"), "simulate", "-"], input=text, capture_output=True,
                   text=True, check=True)
    seconds = time.monotonic() - began
    table.add("a day in the simulator, s", seconds, budget=BUDGET_SECONDS, shown="{:.2f}")
    table.add("events a second of simulate", DAY / seconds)
