#!/usr/bin/env python3
"""Memory of the daemon idle, with one session, and with 64 sessions and a queue that is full.
usage: memory.py DIR (with the daemon as a box carries it)
"""
import statistics
import sys
import time

from players import Player
from rig import Rig, table

# Long enough for everything that start-up leaves behind to be given back.
SETTLE_SECONDS = 10
STARTS = 3
# As the bench fills the queue, which no player does.
UNLIMITED = "[limits]\nevents_per_second = 1000000\nevent_burst = 1000000\n"
SENDERS, SESSIONS_EACH = 4, 16
# Thinning keeps the queue below its limit; this much of it is full.
FULL = 0.9 * (8 << 20)
# A name as long as an error's may be in practice.
ERROR = {"id": "e" * 400}


def idle(rig):
    time.sleep(SETTLE_SECONDS)


def one_session(rig):
    time.sleep(SETTLE_SECONDS)
    player = Player(rig.address)
    player.open("a-film")
    time.sleep(SETTLE_SECONDS)


def full_queue(rig):
    players = [Player(rig.address) for _ in range(SENDERS)]
    sessions = [(player, player.open(f"film-{n}", instance=str(n)))
                for player in players for n in range(SESSIONS_EACH)]
    while players[0].property("QueuedBytes") < FULL:
        for player, session in sessions:
            player.say(session, "Error", 1.0, ERROR)
    time.sleep(SETTLE_SECONDS)


def main():
    rows = [["", "resident MB", "of it anonymous", "budget"]]
    for name, scene, budget in [("idle", idle, 6.0), ("one session", one_session, 6.5),
                                ("64 sessions, full queue", full_queue, 14.0)]:
        seen = []
        for _ in range(STARTS):
            with Rig(sys.argv[1], UNLIMITED) as rig:
                scene(rig)
                seen.append(rig.memory())
        resident, anonymous = (statistics.median(column) for column in zip(*seen))
        over = " OVER" if resident > budget else ""
        rows.append([name, f"{resident:.1f}{over}", f"{anonymous:.1f}", f"{budget:g}"])
    table(rows)


main()
