"""Memory of the daemon: idle, with one session, with 64 sessions and a queue that is full, and after many
sessions that came and went. SESSIONS=N sets how many."""
import os
import statistics
import time

from players import Player
from rig import Rig

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
MANY = int(os.environ.get("SESSIONS", "5000"))


def idle(_):
    time.sleep(SETTLE_SECONDS)


def one_session(rig):
    time.sleep(SETTLE_SECONDS)
    player = Player(rig.address)
    player.open("a-film")
    time.sleep(SETTLE_SECONDS)


def fill_queue(rig):
    players = [Player(rig.address) for _ in range(SENDERS)]
    sessions = [(player, player.open(f"film-{n}", instance=str(n)))
                for player in players for n in range(SESSIONS_EACH)]
    while players[0].property("QueuedBytes") < FULL:
        for player, session in sessions:
            player.say(session, "Error", 1.0, ERROR)
    return players


def full_queue(rig):
    players = fill_queue(rig)
    time.sleep(SETTLE_SECONDS)
    return players


def median_of(programs, scene):
    seen = []
    for _ in range(STARTS):
        with Rig(programs, UNLIMITED) as rig:
            kept = scene(rig)
            seen.append(rig.memory())
            del kept
    return [statistics.median(column) for column in zip(*seen)]


def many_sessions(programs, table):
    with Rig(programs, UNLIMITED, collector=True) as rig:
        player = Player(rig.address)

        def watch(count):
            for n in range(count):
                session = player.open(f"film-{n}")
                player.say(session, "End", 5.0)
            while player.property("QueuedHits"):
                time.sleep(0.1)
            time.sleep(SETTLE_SECONDS)
            return rig.memory()[0]

        # The resume points of earlier films are kept up to their limit, which the first ones reach.
        step = MANY // 5
        table.add(f"memory after {step:,} sessions, MB", watch(step), shown="{:.1f}")
        for n in range(2, 6):
            print(f"bench: memory after {n * step:,} sessions, MB: {watch(step):.1f}", flush=True)
        table.add(f"memory after {6 * step:,} sessions, MB", watch(step), shown="{:.1f}")


def measure(programs, table):
    with Rig(programs, floor=True, daemon=False) as rig:
        time.sleep(SETTLE_SECONDS)
        floor = rig.memory(rig.floor)
    scenes = [("idle", idle, 6.0), ("one session", one_session, 6.5),
              ("64 sessions, full queue", full_queue, 14.0)]
    for name, scene, budget in scenes:
        resident, anonymous = median_of(programs, scene)
        table.add(f"memory {name}, MB", resident, floor[0], budget, shown="{:.1f}")
        table.add(f"- of it anonymous, MB", anonymous, floor[1], shown="{:.1f}")
    many_sessions(programs, table)
