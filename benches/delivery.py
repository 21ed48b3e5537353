"""Delivery of a backlog beside a bare client that posts the same bytes to the same collector, and how many
reports a second the daemon takes with its limits off."""
import json
import os
import signal
import time
import urllib.request

from growth import UNLIMITED
from players import Player
from rig import Rig

BACKLOG, EVENTS = 2000, 20000
BUDGET_PART = 0.8
# The rules for what is old spread it over minutes.
AT_ONCE = "[delivery]\nreconnect_spread_seconds = 0\nbacklog_ratio = 0\nmax_rate = 0\n"


def bare(rig):
    """Requests a second of the bare client: the daemon's last hit, in a session of its own."""
    with urllib.request.urlopen(f"{rig.url}/bench/hits") as answer:
        made = [json.loads(line) for line in answer]
    start = next(request["body"] for request in made if request["path"] == "/api/v1/sessions")
    request = urllib.request.Request(f"{rig.url}/api/v1/sessions", json.dumps(start).encode(),
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        session = answer.headers["Location"]
    url = session if session.startswith("http") else rig.url + session
    rig.write("hit.json", json.dumps(made[-1]["body"]))
    return BACKLOG / float(rig.caller("post", f"{url}/events", BACKLOG, rig.at("hit.json")))


def backlog(rig):
    """Hits a second, from when the collector is there again until all are accepted."""
    player = Player(rig.address)
    session = player.open("a-film")
    while not rig.summary()["accepted"]:
        time.sleep(0.05)
    rig.collector.send_signal(signal.SIGSTOP)
    for n in range(BACKLOG):
        player.say(session, "Error", 1.0, {"id": f"e{n}"})
    waits = player.property("QueuedHits")
    rig.collector.send_signal(signal.SIGCONT)
    player.agent.Flush()
    before, began = rig.summary()["accepted"], time.monotonic()
    while player.property("QueuedHits"):
        time.sleep(0.02)
    took = time.monotonic() - began
    return (rig.summary()["accepted"] - before) / took if waits else 0


def measure(programs, table):
    with Rig(programs, UNLIMITED + AT_ONCE, collector=True) as rig:
        rate = backlog(rig)
        floor = bare(rig)
        table.add("backlog, hits a second", rate, floor)
        table.add("- times a bare client loop", rate / floor, 1, BUDGET_PART, shown="{:.2f}", least=True)
    with Rig(programs, UNLIMITED) as rig:
        seconds = float(rig.caller("events", rig.address, EVENTS))
        table.add("reports a second, limits off", EVENTS / seconds)
