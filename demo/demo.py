#!/usr/bin/env python3
"""Shows the main job on real parts: a playback that survives the death of its player.

A private D-Bus daemon, the bench collector and the agent are started with a fresh state
directory; a player plays, is killed with SIGKILL, is started again, goes on and finishes.
usage: demo.py [--mpv] [--tls] [--page] [--kind KIND] --bin DIR
Exit status 0 only when everything was seen.
"""
import argparse
import json
import os
import queue
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import wave

import dbus
import dbus.bus

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
"""

DEFAULT = "media-collection"
# collector.kind, and what it needs beside a URL.
KINDS = {
    "media-collection": """[analytics]
tracking_server = "metrics.example.com"
report_suite = "demo"
org_id = "DEMO@AdobeOrg"
""",
    "media-edge": """[edge]
datastream_id = "3d2c9a54-5f0e-4a6b-9c1d-7e8f90a1b2c3"
""",
    "otlp": "",
}

AGENT_CONFIG = """[collector]
{kind}url = "{url}"
{trust}
{needs}[heartbeat]
main_seconds = 1
[consent]
initial = "in"
[mpris]
enabled = {mpris}
bus = "session"
[log]
level = "warn"
"""

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
STARTED = time.monotonic()


def show(who, text, strong=False):
    line = f"{time.monotonic() - STARTED:5.1f}s  {who:<9}  {text}"
    print(f"\033[1;32m{line}\033[0m" if strong and COLOUR else line, flush=True)


class Stage:
    """The processes of the demo; nothing of them is left behind."""

    def __init__(self, binaries, tls, kind):
        self.dir = tempfile.mkdtemp(prefix="playheadd-demo-")
        self.binaries = binaries
        self.tls = self.path("tls") if tls else None
        self.kind = kind
        self.processes = []
        self.records = []
        self.hits = queue.Queue()
        self.seen = []

    def set(self, mpris):
        self.start_bus()
        self.start_collector()
        self.start_agent(mpris)

    def path(self, name):
        return os.path.join(self.dir, name)

    def spawn(self, command, **options):
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process

    def start_bus(self):
        with open(self.path("bus.conf"), "w") as handle:
            handle.write(BUS_CONFIG.format(path=self.path("bus")))
        daemon = self.spawn(
            ["dbus-daemon", "--nofork", "--print-address", f"--config-file={self.path('bus.conf')}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = daemon.stdout.readline().strip()
        if not self.address:
            raise RuntimeError("dbus-daemon did not start")
        self.environment = dict(os.environ, DBUS_SESSION_BUS_ADDRESS=self.address)
        show("bus", "a private D-Bus daemon is up")

    def start_collector(self):
        collector = self.spawn(
            [os.path.join(self.binaries, "playheadctl"), "collector", "--listen", "127.0.0.1:0",
             "--json", "--url-file", self.path("url")] + (["--tls", self.tls] if self.tls else []),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = wait_for("the collector", lambda: read(self.path("url")))
        threading.Thread(target=self.read_hits, args=(collector.stdout,), daemon=True).start()
        show("collector", f"the bench collector listens on {self.url}")

    def read_hits(self, pipe):
        for line in pipe:
            record = json.loads(line)
            self.records.append(record)
            # The collector names hits alike, whatever the protocol, and knows how many a request has.
            for hit in record["hits"]:
                hit["status"] = record["status"]
                resumed = is_resumed(hit)
                text = f"{name(hit):<4} {hit['status']}  {hit['event_type']:<16} at {hit['playhead']:5.1f} s"
                if hit["event_type"] == "sessionStart":
                    text += f"   media.resume: {'TRUE' if resumed else 'false'}"
                show("collector", text, strong=resumed)
                self.hits.put(hit)

    def start_agent(self, mpris):
        trust = f'ca_file = "{self.tls}/ca.pem"' if self.tls else "allow_plain_http = true"
        with open(self.path("playheadd.toml"), "w") as handle:
            handle.write(AGENT_CONFIG.format(
                kind="" if self.kind == DEFAULT else f'kind = "{self.kind}"\n', needs=KINDS[self.kind], url=self.url, trust=trust,
                mpris="true" if mpris else "false"))
        daemon = os.path.join(self.binaries, "playheadd")
        checked = subprocess.run([daemon, "--config", self.path("playheadd.toml"), "--check"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if checked.returncode:
            raise RuntimeError(f"the agent refuses the configuration: {checked.stdout.strip()}")
        self.spawn(
            [daemon, "--config", self.path("playheadd.toml"),
             "--bus-address", self.address, "--state-dir", self.path("state")],
            env=self.environment)
        bus = dbus.bus.BusConnection(self.address)
        wait_for("the agent", lambda: bus.name_has_owner("tv.playhead.Agent1"))
        self.agent = dbus.Interface(
            bus.get_object("tv.playhead.Agent1", "/tv/playhead/Agent1"), "tv.playhead.Agent1")
        show("agent", "playheadd is up, with a fresh state directory")

    def until(self, what, wanted, seconds=30):
        """Waits until a hit is one that was waited for."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                hit = self.hits.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise RuntimeError(f"{what} did not arrive within {seconds} s") from None
            self.seen.append(hit)
            if wanted(hit):
                return hit

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def read(path):
    try:
        with open(path) as handle:
            return handle.read().strip()
    except FileNotFoundError:
        return ""


def wait_for(what, probe, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.02)
    raise RuntimeError(f"{what} did not come up within {seconds} s")


def of_type(kind, playhead=0.0):
    return lambda hit: hit["event_type"] == kind and hit["playhead"] >= playhead


def is_resumed(hit):
    return hit.get("params", {}).get("media.resume") is True


def name(hit):
    """Ids that the agent makes are long."""
    session = hit.get("session") or "-"
    return session[:8] if len(session) > 12 else session


class BusPlayer:
    """The player process of demo/player.py."""

    app, media_id, length = "tv.example.demo", "harbour-lights", 14.0

    def __init__(self, stage):
        self.stage = stage

    def start(self, _position):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "player.py")
        process = self.stage.spawn(
            [sys.executable, script, self.stage.address, self.media_id, str(self.length)],
            stdout=subprocess.PIPE, text=True)
        self.words = threading.Thread(target=self.relay, args=(process.stdout,), daemon=True)
        self.words.start()
        show("player", f"started, process {process.pid}")
        return process

    def finish(self):
        """Lets the player have its last word, so that the verdict is the last line."""
        self.words.join(10)

    @staticmethod
    def relay(pipe):
        for line in pipe:
            show("player", line.rstrip())


class MpvPlayer:
    """mpv, which nobody here wrote, seen through MPRIS alone."""

    app, length = "mpv", 14.0

    def __init__(self, stage):
        self.stage = stage
        clip = stage.path("clip.wav")
        with wave.open(clip, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes(struct.pack("<h", 0) * int(8000 * self.length))
        self.clip = clip
        self.media_id = f"file://{clip}"

    def start(self, position):
        command = ["mpv", "--no-config", "--ao=null", "--vo=null", "--idle=yes",
                   "--script=/etc/mpv/scripts/mpris.so", f"--start={position:.3f}", self.clip]
        process = self.stage.spawn(command, env=self.stage.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        show("player", f"mpv started at {position:.1f} s, process {process.pid}")
        return process

    def finish(self):
        """mpv says nothing."""


def story(stage, player):
    first = player.start(0.0)
    opened = stage.until("the first session", of_type("sessionStart"))
    player.media_id = opened["params"]["media.id"]
    stage.until("a ping beyond 5 s", of_type("ping", 5.0))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    show("demo", "the player was killed with SIGKILL", strong=True)
    paused = stage.until("the pause of the vanished player", of_type("pauseStart"))
    point = stage.agent.GetResumePoint(player.app, player.media_id)
    position = float(point["position"])
    show("demo", f"GetResumePoint({player.app!r}) -> position {position:.1f} s")
    player.start(position)
    resumed = stage.until("the resumed session", of_type("sessionStart"))
    ended = stage.until("the completion", of_type("sessionComplete"))
    player.finish()
    return opened, paused, resumed, ended


def judge(stage, opened, paused, resumed, ended):
    accepted = [hit for hit in stage.seen if hit["status"] and 200 <= hit["status"] < 300]
    refused = len(stage.seen) - len(accepted)
    at = lambda hit: hit["playhead"]
    faults = []
    if opened["session"] == resumed["session"]:
        faults.append("the second session has the sid of the first")
    if not is_resumed(resumed):
        faults.append("the second session is not marked as resumed")
    if opened["params"]["media.resume"] is not False:
        faults.append("the first session is marked as resumed")
    if abs(at(resumed) - at(paused)) > 1.0:
        faults.append(f"it goes on at {at(resumed)} s instead of {at(paused)} s")
    if ended["session"] != resumed["session"]:
        faults.append("the completion belongs to another session")
    if refused:
        faults.append(f"{refused} hits were refused")
    if faults:
        print("NOT PROVED: " + "; ".join(faults))
        return 1
    print(f"PROVED: session {name(opened)} stopped with its player at {at(paused):.1f} s, session "
          f"{name(resumed)} went on with media.resume true at {at(resumed):.1f} s and completed at "
          f"{at(ended):.1f} s; {len(accepted)} hits accepted, {refused} refused.")
    return 0


def picture(stage):
    """The address of the page; without a terminal nobody could end it, so there the hits are kept."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        print(f"The picture of it (Enter ends the demo): {stage.url}/", flush=True)
        sys.stdin.readline()
        return
    kept = os.path.join(os.path.dirname(os.path.abspath(stage.binaries)), "demo-hits.jsonl")
    with open(kept, "w") as out:
        out.writelines(json.dumps(record) + "\n" for record in stage.records)
    print(f"The picture of it: {stage.binaries}/playheadctl collector --open {kept}")
    print("It is then at the address http://127.0.0.1:8970/")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mpv", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--page", action="store_true", help="ends with the address of the page")
    parser.add_argument("--kind", choices=KINDS, default=DEFAULT, help="the protocol")
    parser.add_argument("--bin", default="target/release")
    arguments = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(1))
    stage = Stage(arguments.bin, arguments.tls, arguments.kind)
    try:
        stage.set(arguments.mpv)
        player = MpvPlayer(stage) if arguments.mpv else BusPlayer(stage)
        verdict = judge(stage, *story(stage, player))
        if arguments.page:
            picture(stage)
        return verdict
    except (RuntimeError, KeyError, OSError, dbus.DBusException) as error:
        print(f"NOT PROVED: {error}")
        return 1
    finally:
        stage.close()


sys.exit(main())
