"""The machine seen from inside: units, the collector's log, the player process, waiting."""
import contextlib
import json
import os
import signal
import subprocess
import time

HITS = "/var/log/collector.jsonl"
UNIT = "playheadd.service"
HIT_OF = {"open": "sessionStart", "Play": "play", "Pause": "pauseStart", "End": "sessionEnd"}


class Failed(Exception):
    """What was expected, and what came."""


def expect(holds, why):
    if not holds:
        raise Failed(why)


def wait(what, probe, seconds=30):
    """The first answer of `probe` that is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.05)
    raise Failed(f"{what} within {seconds} s")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def show(name, unit=UNIT):
    return run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()


def main_pid():
    return int(show("MainPID"))


def is_active():
    return show("ActiveState") == "active"


def owner():
    """The process that owns the agent's name, 0 for none."""
    said = run("busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
               "GetConnectionUnixProcessID", "s", "tv.playhead.Agent1")
    return int(said.stdout.split()[1]) if said.returncode == 0 else 0


def systemctl(*words):
    said = run("systemctl", *words)
    expect(said.returncode == 0, f"systemctl {' '.join(words)}: {said.stderr.strip()}")


def status():
    """What `playheadctl status` says."""
    said = run("playheadctl", "status", "--json")
    # 1: not all is well.
    expect(said.returncode in (0, 1), f"playheadctl status: {said.stderr}")
    return json.loads(said.stdout)


def last_error():
    """What it says is wrong."""
    return status()["LastError"]


def write(path, text):
    with open(path, "w") as handle:
        handle.write(text)


@contextlib.contextmanager
def holding(path, add="", instead=None):
    """Meanwhile a file holds something more, or something else."""
    with open(path) as handle:
        before = handle.read()
    write(path, before + add if instead is None else instead)
    try:
        yield before
    finally:
        write(path, before)


@contextlib.contextmanager
def dropped_in(name, text):
    """Meanwhile the unit has a drop-in."""
    drop_in(name, text)
    try:
        yield
    finally:
        drop_in(name, None)


@contextlib.contextmanager
def tls_collector(where):
    """Meanwhile a second collector speaks TLS and asks for client certificates; its files lie there."""
    unit = "tls-collector.service"
    write(f"/run/systemd/system/{unit}", f"""[Service]
ExecStart=/opt/playheadd-tests/playheadctl collector --listen 127.0.0.1:8971 --tls {where} \\
    --client-certificates --json
StandardOutput=file:/var/log/tls-collector.jsonl
""")
    systemctl("daemon-reload")
    systemctl("start", unit)
    wait("its files", lambda: os.path.exists(f"{where}/client.key"))
    try:
        yield
    finally:
        systemctl("stop", unit)


def credential(name):
    """A credential as the service has it; nobody else but root may look at it."""
    path = f"/proc/{main_pid()}/root/run/credentials/{UNIT}/{name}"
    closed(path)
    with open(path, "rb") as handle:
        return handle.read()


def closed(path):
    """A file that nobody but root and its owner can read."""
    said = run("runuser", "-u", "viewer", "--", "cat", path)
    expect(said.returncode != 0 and said.stdout == "", f"everybody reads {path}")


def drop_in(name, text):
    """Sets a drop-in, or takes it away."""
    path = f"/etc/systemd/system/{UNIT}.d/{name}.conf"
    if text is None:
        os.remove(path)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, text)
    systemctl("daemon-reload")


def journal(*words):
    return run("journalctl", "-o", "cat", "--no-pager", "-u", UNIT, *words).stdout


def hits():
    """What the collector has accepted, without pings: (sid, type, playhead)."""
    found = []
    with open(HITS) as log:
        for line in log:
            if not line.endswith("\n"):
                break
            record = json.loads(line)
            expect(record["status"] in (200, 201, 204), f"the collector refused: {line.strip()}")
            kind, playhead = event(record["body"])
            if kind != "ping":
                found.append((record["sid"], kind, playhead))
    return found


def event(body):
    """The event of a request of either of Adobe's protocols: type and playhead."""
    if "events" in body:
        xdm = body["events"][0]["xdm"]
        return xdm["eventType"].removeprefix("media."), xdm["mediaCollection"]["playhead"]
    return body["eventType"], body["playerTime"]["playhead"]


class Collector:
    """The bench collector's process can be made deaf, so that hits have to wait in the store."""

    @staticmethod
    def deaf():
        os.kill(int(show("MainPID", "bench-collector.service")), signal.SIGSTOP)

    @staticmethod
    def listening():
        os.kill(int(show("MainPID", "bench-collector.service")), signal.SIGCONT)


class Player:
    """A player process, and everything it was given an answer to."""

    def __init__(self, user="viewer"):
        self.process = subprocess.Popen(
            ["runuser", "-u", user, "--", "/usr/bin/python3", "/opt/playheadd-tests/player.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answered = []
        self.playhead = 0
        # So many hits were there before its session.
        self.earlier = 0

    def tell(self, what, *rest):
        """Does one thing, a second further on; gives the error's name, or None."""
        self.playhead += 1
        if what == "open":
            self.earlier = len(hits())
        self.process.stdin.write(json.dumps([what, float(self.playhead), *rest]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        expect(line.startswith("{"), f"the player said {line!r}, status {self.process.poll()}")
        answer = json.loads(line)
        if "ok" in answer:
            self.answered.append((HIT_OF[what], self.playhead))
        return answer.get("error")

    def leaves(self):
        self.process.stdin.close()
        self.process.wait()

    def does(self, what, *rest):
        error = self.tell(what, *rest)
        expect(error is None, f"{what} was refused: {error}")

    def presses_keys(self, times=10):
        """Pause and Play by turns: each has to arrive."""
        for _ in range(times):
            self.does("Pause")
            self.does("Play")

    def all_arrived(self):
        """Every answered event has reached the collector, in order, under one sid. A hit whose
        acceptance was not yet noted when the agent died may come twice."""
        def complete():
            seen = []
            for _, kind, playhead in hits()[self.earlier:]:
                if not seen or seen[-1] != (kind, playhead):
                    seen.append((kind, playhead))
            return seen == self.answered or None
        try:
            wait("arrival", complete)
        except Failed:
            raise Failed(f"answered {self.answered[-30:]}, arrived {hits()[-30:]}") from None
        sids = {sid for sid, _, _ in hits()[self.earlier:]}
        expect(len(sids) == 1, f"one sid, not {sids}")
