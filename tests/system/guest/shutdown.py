#!/usr/bin/python3
"""A viewing through a restart of the service, and then a shutdown of the box. Whoever booted it looks
at what the collector got at the end. One JSON line a check; the last line is DONE."""
import shutil
import signal

from checks import check, run_all
from machine import Player, drop_in, expect, is_active, journal, run, systemctl, wait

CONFIG = "/etc/playheadd/playheadd.toml"
REFUSED = "logind does not let the agent put off sleep"
player = Player()


def locks():
    """The locks of the agent that logind knows."""
    said = run("systemd-inhibit", "--list", "--no-pager", "--no-legend").stdout
    return [line for line in said.splitlines() if line.startswith("playheadd ")]


@check("the agent and logind are there")
def begin():
    shutil.copy("/opt/playheadd-tests/playheadd.toml", CONFIG)
    run("systemctl", "reset-failed", "playheadd")
    systemctl("restart", "playheadd")
    wait("logind", lambda: run("busctl", "status", "org.freedesktop.login1").returncode == 0)
    expect(is_active(), "the service does not run")


@check("logind refuses the lock where no polkit is: that is said once, and nothing else is lost")
def refused():
    player.does("open", "film-1")
    player.does("Play")
    wait("the word", lambda: journal().count(REFUSED) == 1)
    player.all_arrived()


@check("a restart of the service keeps the session, with its sid")
def restarted():
    systemctl("restart", "playheadd")
    player.does("Pause")
    player.does("Play")
    player.all_arrived()


@check("as root it holds a lock for as long as a session is open")
def locked():
    systemctl("stop", "playheadd")
    drop_in("root", "[Service]\nUser=root\nGroup=root\nPrivateUsers=no\n"
            "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_CHOWN\n")
    systemctl("start", "playheadd")
    player.does("Pause")
    player.does("Play")
    held = wait("the lock", locks)
    expect("sleep:shutdown" in held[0] or "shutdown:sleep" in held[0], f"{held}")
    expect("delay" in held[0], f"{held}")
    player.all_arrived()


@check("a shutdown begins")
def shut_down():
    # The story's own end must not come first.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    systemctl("poweroff", "--no-block")


run_all()
signal.pause()
