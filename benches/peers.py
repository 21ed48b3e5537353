#!/usr/bin/env python3
"""What programs that follow players over MPRIS cost a box, on one bus and in one run, while mpv plays.

usage: peers.py DIR      (as bench.py; SECONDS=N sets how long each part is looked at)

rescrobbled comes from the Rust registry (target/peers/bin), mpris-scrobbler from the distribution where it
has it; what is not there is named. They send one request a track, playheadd a
heartbeat each 10 s. All talk to a server on this machine.
"""
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
import wave

from activity import SECONDS, threads
from rig import Rig, wait_for

MPRIS = '[mpris]\nenabled = true\nbus = "{address}"\n'
PEERS = "target/peers/bin"
RESCROBBLED = """[[listenbrainz]]
url = "http://127.0.0.1:{port}/"
token = "bench"
"""


class Server(http.server.BaseHTTPRequestHandler):
    """Takes every listen."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()

    def do_GET(self):
        body = b'{"status": "ok", "code": 200, "message": "valid", "valid": true, "user_name": "bench"}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def kib(pid, key):
    with open(f"/proc/{pid}/status") as status:
        return int(next(line for line in status if line.startswith(key + ":")).split()[1])


class Watched:
    """A program, and what it took idle and playing."""

    def __init__(self, name, process, program):
        self.name, self.process = name, process
        self.size = os.path.getsize(os.path.realpath(program)) / 1024
        self.parts = []

    def begin(self):
        self.before, self.began = threads(self.process.pid), time.monotonic()

    def end(self):
        took = time.monotonic() - self.began
        woken, used = (after - before for after, before in zip(threads(self.process.pid), self.before))
        self.parts += [woken / took, used / 1e9 / took * 3600]

    def row(self):
        pid = self.process.pid
        idle_woken, idle_cpu, woken, cpu = self.parts
        return [self.name, f"{self.size:,.0f}", f"{kib(pid, 'VmRSS') / 1000 * 1.024:.1f}",
                f"{kib(pid, 'RssAnon') / 1000 * 1.024:.1f}", f"{idle_woken:.2f}", f"{woken:.2f}",
                f"{idle_cpu:.2f}", f"{cpu:.2f}"]


def peers(rig, port):
    """Those that can be started here."""
    # XDG's variables hold for absolute paths only.
    home = os.path.abspath(rig.place.name)
    environment = dict(os.environ, DBUS_SESSION_BUS_ADDRESS=rig.address, HOME=home, XDG_CONFIG_HOME=home,
                       XDG_DATA_HOME=home, XDG_CACHE_HOME=home, XDG_RUNTIME_DIR=home)
    os.makedirs(rig.at("rescrobbled"))
    rig.write("rescrobbled/config.toml", RESCROBBLED.format(port=port))
    for name, program in (("rescrobbled", os.path.join(PEERS, "rescrobbled")),
                          ("mpris-scrobbler", shutil.which("mpris-scrobbler"))):
        if not program or not os.path.exists(program):
            print(f"SKIP {name}: it is not installed here")
            continue
        process = rig.run(os.path.abspath(program), env=environment, stdout=subprocess.DEVNULL)
        time.sleep(2)
        if process.poll() is not None:
            print(f"SKIP {name}: it ends with status {process.returncode}")
            rig.processes.remove(process)
            continue
        yield Watched(name, process, program)


def silence(path):
    """An hour of it."""
    with wave.open(path, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        sound.writeframes(b"\x80" * 8000 * 3600)


def main():
    programs = sys.argv[1]
    if not shutil.which("mpv") or not os.path.exists("/etc/mpv/scripts/mpris.so"):
        print("SKIP: no mpv with mpv-mpris here")
        return 77
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Rig(programs, collector=True, daemon=False) as rig:
        rig.write("playheadd.toml", open(rig.at("playheadd.toml")).read() + MPRIS.format(address=rig.address))
        rig.launch_daemon()
        watched = [Watched("playheadd", rig.daemon, os.path.join(programs, "playheadd"))]
        watched += peers(rig, server.server_port)
        silence(rig.at("film.wav"))

        def look():
            for program in watched:
                program.begin()
            time.sleep(SECONDS)
            for program in watched:
                program.end()

        time.sleep(6)
        look()
        player = rig.run("mpv", "--no-config", "--ao=null", "--vo=null", "--script=/etc/mpv/scripts/mpris.so",
                         "--title=A film", rig.at("film.wav"), stdout=subprocess.DEVNULL,
                         env=dict(os.environ, DBUS_SESSION_BUS_ADDRESS=rig.address, HOME=rig.place.name))
        wait_for(lambda: rig.summary()["accepted"] >= 2)
        time.sleep(6)
        look()
        print("| | binary KiB | MB | of it anonymous | wake-ups/s idle | playing | CPU s/h idle | playing |")
        print("|---|---|---|---|---|---|---|---|")
        for program in watched:
            print("| " + " | ".join(program.row()) + " |")
        player.kill()
    return 0


sys.exit(main())
