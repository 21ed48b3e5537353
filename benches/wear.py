#!/usr/bin/env python3
"""Bytes that the daemon has really written per heartbeat, online and offline.

An hour of playback has 360 heartbeats; they are made fifty times as fast here (a ping each
0.2 s, the store's flush interval shortened alike), which changes nothing about what each one
writes. The floor beside it is one 4-KiB page per heartbeat, written and synced to a plain file in
the same run. Bytes are those of /proc/PID/io.
usage: wear.py PROGRAMS_DIR (with playheadctl of the feature `bench`)
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import dbus
import dbus.bus

SECONDS = 72
HEARTBEATS = 360
NOTHING = dbus.Dictionary({}, signature="sv")
CONFIG = """[collector]
url = "{url}"
allow_plain_http = true
[analytics]
tracking_server = "metrics.example.com"
report_suite = "bench"
org_id = "BENCH@AdobeOrg"
[heartbeat]
main_seconds = 0.2
[store]
flush_seconds = 0.1
[consent]
initial = "in"
[log]
level = "error"
"""
BUS = """<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""


def written(pid):
    with open(f"/proc/{pid}/io") as handle:
        return int(next(line for line in handle if line.startswith("write_bytes")).split()[1])


def wait_for(probe):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.02)
    sys.exit("wear: something did not come up")


def floor(folder):
    """One page per heartbeat to a plain file, synced."""
    before = written(os.getpid())
    with open(os.path.join(folder, "floor"), "wb", buffering=0) as handle:
        for _ in range(HEARTBEATS):
            handle.write(b"x" * 4096)
            os.fdatasync(handle.fileno())
    return written(os.getpid()) - before


def play(programs, folder, online):
    processes = []
    try:
        bus_path = os.path.join(folder, "bus")
        with open(os.path.join(folder, "bus.conf"), "w") as handle:
            handle.write(BUS.format(path=bus_path))
        bus = subprocess.Popen(["dbus-daemon", "--nofork", "--print-address",
                                f"--config-file={folder}/bus.conf"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        processes.append(bus)
        address = bus.stdout.readline().strip()
        url_file = os.path.join(folder, "url")
        collector = subprocess.Popen([f"{programs}/playheadctl", "collector", "--listen", "127.0.0.1:0",
                                      "--url-file", url_file],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        processes.append(collector)
        url = wait_for(lambda: os.path.exists(url_file) and open(url_file).read())
        with open(os.path.join(folder, "playheadd.toml"), "w") as handle:
            handle.write(CONFIG.format(url=url))
        agent = subprocess.Popen([f"{programs}/playheadd", "--config", f"{folder}/playheadd.toml",
                                  "--bus-address", address, "--state-dir", f"{folder}/state"])
        processes.append(agent)
        connection = dbus.bus.BusConnection(address)
        wait_for(lambda: connection.name_has_owner("tv.playhead.Agent1"))
        interface = dbus.Interface(connection.get_object("tv.playhead.Agent1", "/tv/playhead/Agent1"),
                                   "tv.playhead.Agent1")
        path = interface.OpenSession(0.0, {"id": "m", "app": "bench", "length": dbus.Double(9000)})
        session = dbus.Interface(connection.get_object("tv.playhead.Agent1", path), "tv.playhead.Session1")
        session.Play(0.0, NOTHING)
        summary = lambda: json.load(urllib.request.urlopen(f"{url}/bench/summary"))
        wait_for(lambda: summary()["accepted"] >= 2)
        if not online:
            collector.send_signal(signal.SIGSTOP)
        before = written(agent.pid)
        time.sleep(SECONDS)
        return written(agent.pid) - before
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()


def main():
    programs = sys.argv[1]
    print("\n## Bytes written per heartbeat\n")
    print("| | bytes per heartbeat | budget |\n|---|---|---|")
    for name, measure, budget in [
        ("floor: one page, synced", floor, ""),
        ("online", lambda folder: play(programs, folder, True), "6,144"),
        ("offline", lambda folder: play(programs, folder, False), ""),
    ]:
        # Beside the programs: a directory for temporary files may lie in memory.
        with tempfile.TemporaryDirectory(dir=programs) as folder:
            print(f"| {name} | {measure(folder) / HEARTBEATS:,.0f} | {budget} |", flush=True)


main()
