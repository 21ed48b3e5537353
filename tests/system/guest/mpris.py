#!/usr/bin/python3
"""Players that speak MPRIS on a box: a real mpv on the system bus, and on the bus of a user's session
(docs/operating.md, "Players that speak MPRIS")."""
import json
import os
import pwd
import shutil
import subprocess
import wave

from checks import check, run_all
from machine import HITS, UNIT, expect, journal, last_error, main_pid, run, show, systemctl, wait, write

HERE = "/opt/playheadd-tests"
EXAMPLES = "/usr/share/playheadd/examples"
CLIP = f"{HERE}/clip.wav"
CLIP_SECONDS = 60
CONFIG = "/etc/playheadd/playheadd.toml"
SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
# What the service sees of the session's bus.
SESSION_BUS = "unix:path=/run/playheadd-session-bus"
VIEWER = pwd.getpwnam("viewer").pw_uid
PLAYERS_AWAY = "2e958a366c0a4aa7b1712d730372014e"
NAME = "org.mpris.MediaPlayer2.mpv"
PATH = "/org/mpris/MediaPlayer2"
PLAYER = "org.mpris.MediaPlayer2.Player"
mpv = None


def records():
    """What the collector has accepted, without pings: sid and body."""
    with open(HITS) as log:
        found = [json.loads(line) for line in log if line.endswith("\n")]
    refused = [record for record in found if record["status"] not in (201, 204)]
    expect(not refused, f"the collector refused {refused[:1]}")
    return [(r["sid"], r["body"]) for r in found if r["body"]["eventType"] != "ping"]


def starts():
    """The params of every start."""
    return [body["params"] for _, body in records() if body["eventType"] == "sessionStart"]


def types_of_last():
    """The types of the hits of the newest session."""
    last = [sid for sid, body in records() if body["eventType"] == "sessionStart"][-1]
    return [body["eventType"] for sid, body in records() if sid == last]


def listens_on(bus):
    """The service is configured for a bus."""
    with open(f"{HERE}/playheadd.toml") as handle:
        text = handle.read()
    write(CONFIG, f'{text}[mpris]\nenabled = true\nbus = "{bus}"\n')
    run("systemctl", "reset-failed", "playheadd")
    systemctl("restart", "playheadd")


class Mpv:
    """A viewer's mpv on a bus."""

    def __init__(self, address, *arguments):
        self.address = address
        self.process = subprocess.Popen(
            [*become("viewer"), "env", f"DBUS_SESSION_BUS_ADDRESS={address}", "mpv", "--no-config",
             "--ao=null", "--vo=null", "--script=/etc/mpv/scripts/mpris.so", *arguments, CLIP],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_told(self, method, user="viewer"):
        said = call(self.address, user, NAME, PATH, PLAYER, method)
        expect(said.returncode == 0, f"{method}: {said.stderr}")

    def dies(self):
        self.process.kill()
        self.process.wait()


def become(user):
    """What makes a command somebody's, in the same process."""
    return "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"


def as_user(user, *command):
    return run(*become(user), *command)


def call(address, user, *words):
    return as_user(user, "busctl", f"--address={address}", "call", *words)


def is_denied(said):
    return said.returncode != 0 and any(word in said.stderr.lower() for word in ("denied", "not allowed"))


@check("system bus: members of playhead may be players, others may not")
def may_own():
    for user, may in (("viewer", True), ("stranger", False), ("settings", False), ("playheadd", False)):
        said = call(SYSTEM_BUS, user, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                    "su", "org.mpris.MediaPlayer2.probe", "4")
        expect((said.returncode == 0) == may and is_denied(said) != may, f"{user}: {said}")
    said = call(SYSTEM_BUS, "viewer", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                "su", "org.mpris.Other", "4")
    expect(is_denied(said), f"a viewer may own any name: {said}")


@check("system bus: mpv is tracked, without a line of code")
def system_bus():
    global mpv
    listens_on("system")
    mpv = Mpv(SYSTEM_BUS)
    wait("a start", starts)
    params = starts()[0]
    expect((params["media.id"], params["media.length"]) == (f"file://{CLIP}", CLIP_SECONDS), f"{params}")
    expect(params["media.contentType"] == "vod" and not params["media.resume"], f"{params}")
    wait("play", lambda: types_of_last() == ["sessionStart", "play"])


@check("system bus: strangers hear nothing of it, and the service reads without control")
def private():
    heard = open("/tmp/heard", "w")
    stranger = subprocess.Popen([*become("stranger"), "dbus-monitor", "--system", "type='signal'"], stdout=heard, stderr=subprocess.STDOUT)
    emit = ("busctl", "emit", "/marker", "tv.example.Marker")
    text = ""
    while "Begun" not in text:
        expect(run(*emit, "Begun").returncode == 0, "no marker")
        with open("/tmp/heard") as log:
            text = log.read()
    mpv.is_told("Pause", "root")
    wait("the pause", lambda: types_of_last()[-1] == "pauseStart")
    mpv.is_told("Play", "root")
    wait("play", lambda: types_of_last()[-1] == "play")
    run(*emit, "Over")

    def all_heard():
        with open("/tmp/heard") as log:
            text = log.read()
        return "Over" in text and text
    said = wait("the marker", all_heard)
    stranger.kill()
    expect(PATH not in said, "a stranger hears what is played")
    for user, may in (("stranger", False), ("playheadd", True)):
        said = as_user(user, "busctl", f"--address={SYSTEM_BUS}", "get-property", NAME, PATH, PLAYER, "Metadata")
        expect((said.returncode == 0) == may and is_denied(said) != may, f"{user} reads: {said}")
        said = call(SYSTEM_BUS, user, NAME, PATH, PLAYER, "Pause")
        expect(is_denied(said), f"{user} controls: {said}")


@check("system bus: killed and started again, it is a resume")
def resumes():
    global mpv
    mpv.dies()
    wait("the pause", lambda: types_of_last()[-1] == "pauseStart")
    mpv = Mpv(SYSTEM_BUS, "--start=20")
    wait("another start", lambda: len(starts()) == 2)
    expect(starts()[1]["media.resume"] is True, f"{starts()[1]}")
    mpv.dies()
    wait("its end", lambda: types_of_last()[-1] == "pauseStart")


@check("session bus: as long as it is away, status and journal say so")
def away():
    listens_on(SESSION_BUS)
    said = last_error()
    expect("players of MPRIS are not tracked" in said, f"it says {said!r}")
    told = [json.loads(line) for line in journal("-o", "json", f"MESSAGE_ID={PLAYERS_AWAY}").splitlines()]
    expect(told and "No such file" in told[-1]["PLAYHEAD_WHY"], f"{told[-1:]}")


@check("session bus: the drop-in alone is not enough, the bus has to admit the service")
def drop_in_alone():
    with open(f"{EXAMPLES}/systemd/session-bus.conf") as example:
        text = example.read().replace("1000", str(VIEWER))
    place = f"/etc/systemd/system/{UNIT}.d"
    os.makedirs(place, exist_ok=True)
    write(f"{place}/session-bus.conf", text)
    systemctl("daemon-reload")
    systemctl("restart", "playheadd")
    expect(os.path.exists(f"/run/user/{VIEWER}/bus"), "the drop-in has not started the user's manager")
    wait("a word of it", lambda: "players of MPRIS are not tracked" in last_error())
    told = journal("-o", "json", f"MESSAGE_ID={PLAYERS_AWAY}").splitlines()
    expect("No such file" not in json.loads(told[-1])["PLAYHEAD_WHY"], told[-1])


@check("session bus: with the drop-in and the policy mpv is tracked")
def session_bus():
    global mpv
    os.makedirs("/etc/dbus-1/session.d", exist_ok=True)
    shutil.copy(f"{EXAMPLES}/dbus/session-bus.conf", "/etc/dbus-1/session.d/playheadd.conf")
    address = f"unix:path=/run/user/{VIEWER}/bus"
    said = call(address, "viewer", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "ReloadConfig")
    expect(said.returncode == 0, f"{said}")
    systemctl("restart", "playheadd")
    wait("no complaint", lambda: last_error() == "")
    mpv = Mpv(address, "--start=30")
    wait("a third start", lambda: len(starts()) == 3)
    expect(starts()[2]["media.id"] == f"file://{CLIP}", f"{starts()[2]}")
    wait("play", lambda: types_of_last() == ["sessionStart", "play"])
    mpv.is_told("Pause")
    wait("the pause", lambda: types_of_last()[-1] == "pauseStart")


@check("session bus: the service may read players, and nothing else")
def confined():
    def service(*words):
        return run("systemd-run", "--quiet", "--wait", "--pipe", "-p", "User=playheadd",
                   "-p", f"BindReadOnlyPaths=/run/user/{VIEWER}/bus:/run/playheadd-session-bus",
                   "busctl", f"--address={SESSION_BUS}", *words)
    said = service("get-property", NAME, PATH, PLAYER, "PlaybackStatus")
    expect(said.stdout.strip() == 's "Paused"', f"it cannot read: {said}")
    for what in (("call", NAME, PATH, PLAYER, "Play"),
                 ("call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                  "org.freedesktop.systemd1.Manager", "GetDefaultTarget"),
                 ("call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName", "su",
                  "org.mpris.MediaPlayer2.forged", "4")):
        said = service(*what)
        expect(is_denied(said), f"{what}: {said}")
    said = run("systemd-analyze", "security", "--no-pager", "--threshold=13", UNIT)
    expect(said.returncode == 0, said.stdout.splitlines()[-1:])


@check("session bus: when the user's session ends, and while there is none, the service runs on")
def no_session():
    pid = main_pid()
    systemctl("stop", f"user@{VIEWER}")
    mpv.dies()
    wait("the word", lambda: "players" in last_error())
    expect((show("ActiveState"), main_pid()) == ("active", pid), "the service went with it")
    # It wants the user's manager, which may not come: that is no reason not to start.
    systemctl("mask", "--runtime", f"user@{VIEWER}")
    systemctl("restart", "playheadd")
    expect(show("ActiveState") == "active", f"it is {show('ActiveState')}")
    systemctl("unmask", "--runtime", f"user@{VIEWER}")


@check("session bus: when the session begins anew, a restart of the service shows it, and mpv is tracked")
def session_again():
    global mpv
    systemctl("start", f"user@{VIEWER}")
    systemctl("restart", "playheadd")
    wait("no complaint", lambda: last_error() == "")
    mpv = Mpv(f"unix:path=/run/user/{VIEWER}/bus", "--start=40")
    wait("a fourth start", lambda: len(starts()) == 4)
    expect(starts()[3]["media.resume"] is True, f"{starts()[3]}")
    mpv.dies()
    wait("its end", lambda: types_of_last()[-1] == "pauseStart")


with wave.open(CLIP, "wb") as clip:
    clip.setnchannels(1)
    clip.setsampwidth(2)
    clip.setframerate(8000)
    clip.writeframes(bytes(2 * 8000 * CLIP_SECONDS))
run_all()
