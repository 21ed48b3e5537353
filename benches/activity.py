"""Wake-ups and CPU, idle and while a player plays and reports its position once a second. The floor is asked
once a second, too. SECONDS=N sets how long each is looked at."""
import os
import time

import dbus
from players import NOTHING, Player
from rig import Rig

SECONDS = int(os.environ.get("SECONDS", "60"))
SETTLE_SECONDS = 6
FLOOR = "tv.playhead.test.Floor"


def threads(pid):
    """Wake-ups and nanoseconds of CPU, over all threads."""
    total = [0, 0]
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status") as status:
                woken = next(line for line in status if line.startswith("voluntary_ctxt"))
            with open(f"/proc/{pid}/task/{thread}/schedstat") as stat:
                used = stat.read()
        except FileNotFoundError:
            continue
        total[0] += int(woken.split()[1])
        total[1] += int(used.split()[0])
    return total


def watch(process, each_second):
    """Wake-ups a second, and seconds of CPU an hour."""
    time.sleep(SETTLE_SECONDS)
    before, began = threads(process.pid), time.monotonic()
    for n in range(SECONDS):
        each_second(n)
        time.sleep(max(0.0, began + n + 1 - time.monotonic()))
    took = time.monotonic() - began
    woken, used = (after - before for after, before in zip(threads(process.pid), before))
    return woken / took, used / 1e9 / took * 3600


def nothing(_):
    pass


def floor(programs):
    with Rig(programs, floor=True, daemon=False) as rig:
        idle = watch(rig.floor, nothing)
        connection = dbus.bus.BusConnection(rig.address)
        echo = dbus.Interface(connection.get_object(FLOOR, "/", introspect=False), FLOOR)
        return idle, watch(rig.floor, lambda n: echo.Nothing(float(n), NOTHING, signature="da{sv}"))


def measure(programs, table):
    floor_idle, floor_asked = floor(programs)
    with Rig(programs, collector=True) as rig:
        idle = watch(rig.daemon, nothing)
        player = Player(rig.address)
        session, began = player.open("a-film"), time.monotonic()
        silent = watch(rig.daemon, nothing)
        # As a film that plays: a jump would be a seek.
        playing = watch(rig.daemon, lambda _: player.say(session, "Playhead", time.monotonic() - began))
    table.add("wake-ups a second, idle", idle[0], floor_idle[0], 0.04, shown="{:.2f}")
    table.add("- playing, no report", silent[0], budget=0.8, shown="{:.2f}")
    table.add("- playing, a report a second", playing[0], floor_asked[0], shown="{:.2f}")
    table.add("CPU seconds an hour, idle", idle[1], floor_idle[1], shown="{:.2f}")
    table.add("- playing, no report", silent[1], shown="{:.2f}")
    table.add("- playing, a report a second", playing[1], floor_asked[1], 1.0, shown="{:.2f}")
