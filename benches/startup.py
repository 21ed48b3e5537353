"""From the start of the process to READY=1, with an empty store and with a queue that is full."""
import statistics

from growth import UNLIMITED, fill_queue
from rig import Rig

STARTS = 9


def again(rig):
    times = []
    for _ in range(STARTS):
        rig.stop(rig.daemon)
        rig.launch_daemon()
        times.append(rig.ready_ms)
    return statistics.median(times)


def measure(programs, table):
    bare = []
    for _ in range(STARTS):
        with Rig(programs, floor=True, daemon=False) as rig:
            bare.append(rig.floor_ready_ms)
    with Rig(programs, UNLIMITED) as rig:
        empty = again(rig)
        players = fill_queue(rig)
        del players
        full = again(rig)
    table.add("start to READY, empty store, ms", empty, statistics.median(bare), 60)
    table.add("start to READY, full queue, ms", full, budget=150)
