#!/usr/bin/env python3
"""Bytes that the daemon has really written per heartbeat, online and offline.

An hour of playback has 360 heartbeats; they are made fifty times as fast here (a ping each
0.2 s, the store's flush interval shortened alike), which changes nothing about what each one
writes. The floor beside it is one 4-KiB page per heartbeat, written and synced to a plain file in
the same run. Bytes are those of /proc/PID/io.
usage: wear.py PROGRAMS_DIR (with playheadctl of the feature `bench`)
"""
import os
import signal
import sys
import time

from players import Player
from rig import Rig, table, wait_for

SECONDS = 72
HEARTBEATS = 360
FAST = "[heartbeat]\nmain_seconds = 0.2\n[store]\nflush_seconds = 0.1\n"


def written(pid):
    with open(f"/proc/{pid}/io") as handle:
        return int(next(line for line in handle if line.startswith("write_bytes")).split()[1])


def floor(programs):
    """One page per heartbeat to a plain file, synced."""
    before = written(os.getpid())
    path = os.path.join(programs, "bench-floor")
    with open(path, "wb", buffering=0) as handle:
        for _ in range(HEARTBEATS):
            handle.write(b"x" * 4096)
            os.fdatasync(handle.fileno())
    os.unlink(path)
    return written(os.getpid()) - before


def play(programs, online):
    with Rig(programs, FAST, collector=True) as rig:
        player = Player(rig.address)
        player.open("a-film")
        wait_for(lambda: rig.summary()["accepted"] >= 2)
        if not online:
            rig.collector.send_signal(signal.SIGSTOP)
        before = written(rig.daemon.pid)
        time.sleep(SECONDS)
        return written(rig.daemon.pid) - before


def main():
    programs = sys.argv[1]
    rows = [["written per heartbeat", "bytes", "budget"]]
    for name, measure, budget in [
        ("floor: one page, synced", floor, None),
        ("online", lambda programs: play(programs, True), 6144),
        ("offline", lambda programs: play(programs, False), None),
    ]:
        each = measure(programs) / HEARTBEATS
        over = " OVER" if budget and each > budget else ""
        rows.append([name, f"{each:,.0f}{over}", f"{budget:,}" if budget else ""])
    table(rows)


main()
