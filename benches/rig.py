"""The parts that a measurement runs against: a bus of its own, the daemon or the program that does
nothing (floor/), and the bench collector where something is to be delivered."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BUS = """<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""
CONFIG = """[collector]
url = "{url}"
allow_plain_http = true
[analytics]
tracking_server = "metrics.example.com"
report_suite = "bench"
org_id = "BENCH@AdobeOrg"
[consent]
initial = "in"
[log]
level = "error"
{more}"""
# Nobody listens there.
NOWHERE = "http://127.0.0.1:9"
# Far more than anything takes to come up.
PATIENCE_SECONDS = 20


def wait_for(probe):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.02)
    raise SystemExit("bench: something did not come up")


class Rig:
    """A daemon that is ready; gone with its folder at the end of the `with`."""

    def __init__(self, programs, more="", collector=False, state=None, floor=False, daemon=True):
        """`floor`: the program that does nothing is started, too; without `daemon`, alone."""
        self.programs, self.more, self.wants_collector = programs, more, collector
        self.wants_floor, self.wants_daemon = floor, daemon
        self.state = state
        self.processes = []

    def __enter__(self):
        # Beside the programs: a directory for temporary files may lie in memory.
        self.place = tempfile.TemporaryDirectory(prefix="bench-", dir=self.programs)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self.place.cleanup()

    def at(self, name):
        return os.path.join(self.place.name, name)

    def run(self, *command, **more):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process

    def write(self, name, text):
        with open(self.at(name), "w") as out:
            out.write(text)

    def start(self):
        self.write("bus.conf", BUS.format(path=self.at("bus")))
        bus = self.run("dbus-daemon", "--nofork", "--print-address",
                       f"--config-file={self.at('bus.conf')}", stdout=subprocess.PIPE, text=True)
        self.address = bus.stdout.readline().strip()
        self.url = self.start_collector() if self.wants_collector else NOWHERE
        self.write("playheadd.toml", CONFIG.format(url=self.url, more=self.more))
        if self.wants_floor:
            self.floor, self.floor_ready_ms = self.launch("floor", self.address, self.at("floor"))
        if self.wants_daemon:
            self.launch_daemon()

    def launch_daemon(self):
        self.daemon, self.ready_ms = self.launch(
            "playheadd", "--config", self.at("playheadd.toml"), "--bus-address", self.address,
            "--state-dir", self.state or self.at("state"))

    def launch(self, program, *arguments):
        """A service that is ready, and the milliseconds that took."""
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.at("notify"))
        told.bind(self.at("notify"))
        told.settimeout(PATIENCE_SECONDS)
        began = time.monotonic()
        process = self.run(os.path.join(self.programs, program), *arguments,
                           env=dict(os.environ, NOTIFY_SOCKET=self.at("notify")))
        while b"READY=1" not in told.recv(4096):
            pass
        took = (time.monotonic() - began) * 1000
        told.close()
        return process, took

    def stop(self, process):
        process.terminate()
        process.wait()
        self.processes.remove(process)

    def start_collector(self):
        self.collector = self.run(
            os.path.join(self.programs, "playheadctl"), "collector", "--listen", "127.0.0.1:0",
            "--url-file", self.at("url"), stdout=subprocess.DEVNULL)
        return wait_for(lambda: os.path.exists(self.at("url")) and open(self.at("url")).read())

    def summary(self):
        """What the collector has accepted and refused."""
        return json.load(urllib.request.urlopen(f"{self.url}/bench/summary"))

    def caller(self, *arguments):
        """What the Rust caller (floor/src/caller.rs) prints."""
        command = [os.path.join(self.programs, "caller"), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def memory(self, process=None):
        """Resident and anonymous memory of the daemon, or of another one, in MB (10^6 bytes)."""
        with open(f"/proc/{(process or self.daemon).pid}/status") as status:
            of = dict(line.split(":", 1) for line in status)
        return tuple(int(of[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "RssAnon"))


class Table:
    """Rows of what was measured, beside its floor and its budget. A figure above (or below) its budget is
    marked."""

    def __init__(self):
        self.rows, self.over = [], False

    def add(self, what, figure, floor=None, budget=None, shown="{:,.0f}", least=False):
        misses = budget is not None and (figure < budget if least else figure > budget)
        self.over = self.over or misses
        show = lambda value: "" if value is None else shown.format(value)
        self.rows.append([what, show(figure) + (" OVER" if misses else ""), show(floor),
                          ("at least " if least else "") + show(budget) if budget is not None else ""])
        print(f"bench: {what}: {self.rows[-1][1]}", file=sys.stderr, flush=True)

    def fail(self, part, why):
        self.over = True
        self.rows.append([part, f"not measured: {why}", "", ""])

    def show(self):
        rows = [["", "measured", "floor", "budget"], *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        rows.insert(1, ["-" * width for width in widths])
        for row in rows:
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |",
                  flush=True)
