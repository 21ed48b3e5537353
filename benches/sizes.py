#!/usr/bin/env python3
"""Size of both programs for each machine they are built for, and the memory of an idle daemon,
beside their budgets.  usage: sizes.py DIR (with the host's programs as a box carries them)

A build that is not there is a dash; cross/build makes it.
"""
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ARM = {"armv7": "target/armv7-unknown-linux-gnueabihf/release",
       "aarch64": "target/aarch64-unknown-linux-gnu/release"}
# KiB, the daemon alone.
BUDGET_KIB = {"x86_64": 3600, "armv7": 2900}
BUDGET_IDLE_MB = 6.0
# Long enough for everything that start-up leaves behind to be given back.
SETTLE_SECONDS = 10
# Far more than it takes to get ready.
START_SECONDS = 20
STARTS = 3

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
"""
# Nobody listens there, and an idle daemon asks nobody.
CONFIG = """[collector]
url = "http://127.0.0.1:9"
allow_plain_http = true
[analytics]
tracking_server = "metrics.example.com"
report_suite = "bench"
org_id = "BENCH@AdobeOrg"
"""


def kib(path):
    return round(os.path.getsize(path) / 1024) if os.path.exists(path) else None


def memory(pid):
    """Resident and anonymous memory in MB (10^6 bytes)."""
    with open(f"/proc/{pid}/status") as status:
        of = dict(line.split(":", 1) for line in status)
    return tuple(int(of[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "RssAnon"))


def idle(daemon):
    """The memory of a daemon that has a bus and a store, and nothing to do."""
    with tempfile.TemporaryDirectory(prefix="playheadd-bench-") as place:
        at = lambda name: os.path.join(place, name)
        for name, text in (("bus.conf", BUS.format(path=at("bus"))), ("playheadd.toml", CONFIG)):
            with open(at(name), "w") as out:
                out.write(text)
        bus = subprocess.Popen(
            ["dbus-daemon", "--nofork", "--print-address", f"--config-file={at('bus.conf')}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        address = bus.stdout.readline().strip()
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(at("notify"))
        told.settimeout(START_SECONDS)
        agent = subprocess.Popen(
            [daemon, "--config", at("playheadd.toml"), "--bus-address", address,
             "--state-dir", at("state")],
            env=dict(os.environ, NOTIFY_SOCKET=at("notify")), stderr=subprocess.DEVNULL)
        try:
            while b"READY=1" not in told.recv(4096):
                pass
            time.sleep(SETTLE_SECONDS)
            return memory(agent.pid)
        finally:
            for process in (agent, bus):
                process.kill()
                process.wait()
            told.close()


def table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


def main():
    host = platform.machine()
    rows = [["", "playheadd KiB", "budget", "playheadctl KiB"]]
    for name, place in {host: sys.argv[1], **ARM}.items():
        sizes = [kib(os.path.join(place, program)) for program in ("playheadd", "playheadctl")]
        budget = BUDGET_KIB.get(name)
        cells = [f"{size:,}" if size else "-" for size in sizes]
        if budget and sizes[0] and sizes[0] > budget:
            cells[0] += " OVER"
        rows.append([name, cells[0], f"{budget:,}" if budget else "", cells[1]])
    table(rows)
    print()
    daemon = os.path.join(sys.argv[1], "playheadd")
    if not shutil.which("dbus-daemon"):
        print("SKIP memory: no dbus-daemon here")
        return
    resident, anonymous = sorted(idle(daemon) for _ in range(STARTS))[STARTS // 2]
    over = " OVER" if resident > BUDGET_IDLE_MB else ""
    table([["idle daemon", "MB", "budget"],
           ["resident", f"{resident:.1f}{over}", f"{BUDGET_IDLE_MB:g}"],
           ["of it anonymous", f"{anonymous:.1f}", ""]])


main()
