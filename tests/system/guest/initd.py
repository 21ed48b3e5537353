#!/usr/bin/python3
"""The service under BusyBox's tools and an init script. One JSON line a check; the last line is DONE."""
import os
import pwd
import signal
import stat
import subprocess

from checks import check, run_all
from machine import HITS, Player, expect, hits, holding, owner, run, wait

SCRIPT = "/etc/init.d/S85playheadd"
CONFIG = "/etc/playheadd/playheadd.toml"
MESSAGES = "/var/log/messages"
player = None


def init(word, status=0):
    # What it starts in the background must not hold this program's pipes.
    said = subprocess.run([SCRIPT, word], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    expect(said.returncode == status, f"{word}: status {said.returncode}, {said.stdout}")
    return said.stdout


def pid_of(path):
    with open(path) as handle:
        # It is written anew at each start, and empty for a moment.
        return int(handle.read() or 0)


def main_pid():
    return pid_of("/run/playheadd.pid")


def supervisor_pid():
    return pid_of("/run/playheadd-supervisor.pid")


def ready():
    wait("the name", lambda: owner() != 0)
    expect(owner() == main_pid(), f"the name belongs to {owner()}, the service is {main_pid()}")


def surroundings():
    """What the box has started before: syslog, the bus, and the collector of this test."""
    subprocess.Popen(["syslogd", "-n", "-O", MESSAGES])
    os.makedirs("/run/dbus", exist_ok=True)
    subprocess.run(["dbus-daemon", "--system", "--fork"], check=True)
    with open(HITS, "w") as log:
        subprocess.Popen(["/opt/playheadd-tests/playheadctl", "collector", "--listen", "127.0.0.1:8970", "--json"],
                         stdout=log, stderr=subprocess.DEVNULL)
    wait("syslog and the collector", lambda: os.path.exists("/dev/log") and os.path.exists(HITS))


@check("nobody starts it by a call: a player gets ServiceUnknown at once")
def not_started():
    init("status", 3)
    stranger = Player()
    error = stranger.tell("open", "film-0")
    expect(error == "org.freedesktop.DBus.Error.ServiceUnknown", f"it got {error}")
    stranger.leaves()


@check("start: it owns its name, as its own user, with a state of its own")
def started():
    init("start")
    ready()
    init("status")
    uid = pwd.getpwnam("playheadd").pw_uid
    for place in ("/var/lib/playheadd", "/run/playheadd"):
        where = os.stat(place)
        expect((where.st_uid, stat.S_IMODE(where.st_mode)) == (uid, 0o700), f"{place}: {where}")
    with open(f"/proc/{main_pid()}/status") as status:
        of = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    expect(of["Uid"].split()[0] == str(uid) and of["Umask"] == "0077", f"{of['Uid']}, umask {of['Umask']}")
    with open(f"/proc/{main_pid()}/environ") as environ:
        names = {entry.split("=")[0] for entry in environ.read().split("\0")}
    expect(not names & {"NOTIFY_SOCKET", "PLAYHEADD_BOOT_ID", "WATCHDOG_USEC"}, f"{names}")
    expect(init("start").endswith("(it runs)\n"), "a second one was started")


@check("a player plays")
def plays():
    global player
    player = Player()
    player.does("open", "film-1")
    player.does("Play")
    player.presses_keys(2)
    player.all_arrived()


@check("reload reads the configuration; a broken one fails, and leaves the old in force")
def reload():
    pid = main_pid()
    init("reload")
    with holding(CONFIG, "\n[collector\n"):
        init("reload", 1)
    # Root could read it; the daemon cannot.
    os.chmod(CONFIG, 0o600)
    init("reload", 1)
    os.chmod(CONFIG, 0o644)
    init("reload")
    expect(main_pid() == pid and owner() == pid, "it did not stay")


@check("SIGKILL, 3 times: it is started again, the session goes on")
def killed():
    for _ in range(3):
        pid = main_pid()
        player.presses_keys(2)
        os.kill(pid, signal.SIGKILL)
        wait("a restart", lambda: main_pid() != pid and owner() == main_pid())
        player.presses_keys(2)
        player.all_arrived()


@check("stopped and started: the session goes on with its sid")
def restarted():
    for words in (("stop", "start"), ("restart",)):
        for word in words:
            init(word)
            if word == "stop":
                expect(owner() == 0, "somebody still owns the name")
                init("status", 3)
        ready()
        player.presses_keys(2)
        player.all_arrived()
    player.does("End")
    player.all_arrived()
    starts = [kind for _, kind, _ in hits()].count("sessionStart")
    expect(starts == 1, f"{starts} sessionStart")
    player.leaves()


@check("the supervisor is killed: stop ends the daemon, and so does start before it starts another")
def orphaned():
    for word in ("stop", "start"):
        pid, supervisor = main_pid(), supervisor_pid()
        os.kill(supervisor, signal.SIGKILL)
        wait("its end", lambda: not os.path.exists(f"/proc/{supervisor}"))
        init("status")
        init(word)
        expect(not os.path.exists(f"/proc/{pid}"), "the daemon runs on")
        if word == "stop":
            expect(owner() == 0, "somebody still owns the name")
            init("start")
        ready()
        expect(supervisor_pid() != supervisor, "there is no supervisor")


@check("another process of the same program keeps it from nothing")
def another():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b" " * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    # It waits to say its help.
    other = subprocess.Popen(["/usr/bin/playheadd", "--help"], stdout=writing)
    try:
        wait("it", lambda: os.readlink(f"/proc/{other.pid}/exe") == "/usr/bin/playheadd")
        init("reload")
        init("restart")
        ready()
        init("stop")
        expect(other.poll() is None, "the other one was ended")
        init("start")
        ready()
    finally:
        other.kill()
        other.wait()
        os.close(reading)
        os.close(writing)


@check("its log is in syslog")
def logged():
    def said():
        with open(MESSAGES) as log:
            lines = [line for line in log if "playheadd" in line]
        return any("ready" in line for line in lines) and any("stopped" in line for line in lines)
    wait("words of ready and stopped", said)


@check("a command line that a person has to correct is not tried again")
def command_line():
    init("stop")
    with open("/etc/default/playheadd", "w") as defaults:
        defaults.write("PLAYHEADD_ARGS=--nonsense\n")
    init("start")
    wait("the end of it", lambda: not os.path.exists("/run/playheadd-supervisor.pid"))
    os.remove("/etc/default/playheadd")
    expect(init("stop").endswith("(it does not run)\n"), "something is left")
    left = [name for name in os.listdir("/run") if name.startswith("playheadd") and name != "playheadd"]
    expect(not left, f"{left}")


surroundings()
run_all()
