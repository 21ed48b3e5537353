#!/usr/bin/python3
"""The Debian package in a box: installed, upgraded under a player, removed, purged. One JSON line a
check; the last line is DONE."""
import glob
import json
import os
import pwd
import shutil

from checks import check, run_all
from machine import (Player, expect, hits, is_active, main_pid, owner, run, show, systemctl, wait,
                     write)

PLACE = "/opt/playheadd-tests"
CONFIG = "/etc/playheadd/playheadd.toml"
# Of the administrator: the package does not know them.
ADDED = ("/etc/playheadd/conf.d/a.toml", "/etc/playheadd/secrets/client.key")
POLICY = "/usr/sbin/policy-rc.d"
STORE = "/var/lib/playheadd"
player = None


def dpkg(*words):
    """Nobody is there to answer a question."""
    said = run("dpkg", *words, stdin=open(os.devnull))
    expect(said.returncode == 0, f"dpkg {' '.join(words)}: {said.stdout} {said.stderr}")
    return said.stdout + said.stderr


def install(revision):
    return dpkg("-i", f"{PLACE}/{revision}.deb")


def version():
    return run("dpkg-query", "-W", "-f", "${Status} ${Version}", "playheadd").stdout


def remains():
    """What of the package lies about: its files, and links to nothing."""
    found = [path for place in ("/usr", "/etc", "/var/lib", "/run")
             for path in glob.glob(f"{place}/**/*playhead*", recursive=True)
             if not path.startswith("/run/systemd")]
    links = [path for path in glob.glob("/etc/systemd/system/**/*", recursive=True)
             if os.path.islink(path) and not os.path.exists(path) and "playhead" in path]
    return found + links


@check("where policy-rc.d forbids starts, as in the making of an image, it is enabled and not started")
def image():
    write(POLICY, "#!/bin/sh\nexit 101\n")
    os.chmod(POLICY, 0o755)
    install(1)
    os.remove(POLICY)
    expect(show("ActiveState") == "inactive", f"it is {show('ActiveState')}")
    expect(show("UnitFileState") == "enabled", f"it is {show('UnitFileState')}")
    dpkg("-P", "playheadd")
    expect(not remains(), f"{remains()}")


@check("installed: user, groups, catalogue and policy are there, the service is enabled and started")
def installed():
    said = install(1)
    expect("install ok installed" in version(), version())
    expect("warning" not in said.lower() and "error" not in said.lower(), said)
    expect(show("UnitFileState") == "enabled", f"it is {show('UnitFileState')}")
    for group in ("playhead", "playhead-admin"):
        expect(run("getent", "group", group).returncode == 0, f"no group {group}")
    pwd.getpwnam("playheadd")
    # Its configuration is comments: it is there, and says what is missing.
    expect(is_active() and owner() == main_pid(), f"it is {show('ActiveState')}")
    told = json.loads(run("playheadctl", "status", "--json").stdout)
    expect(told["DeliveryState"] == "misconfigured" and "collector.url" in told["LastError"], f"{told}")
    # The catalogue is taken in by systemd's own trigger.
    told = run("journalctl", "--dump-catalog", "4164bb1ec8784e7ba20d8c385d435634").stdout
    expect("The store of playheadd cannot be used" in told, told)


@check("with its configuration a reload is enough, and a player plays")
def plays():
    global player
    shutil.copy(f"{PLACE}/playheadd.toml", CONFIG)
    shutil.copy(f"{PLACE}/viewers.conf", "/usr/lib/sysusers.d/viewers.conf")
    run("systemd-sysusers")
    systemctl("reload", "playheadd")
    wait("a configuration", lambda: json.loads(run("playheadctl", "status", "--json").stdout)["LastError"] == "")
    player = Player()
    player.does("open", "film-1")
    player.does("Play")
    player.presses_keys(2)
    player.all_arrived()


@check("upgraded under an open session: the new service goes on with the same sid, nothing is asked")
def upgraded():
    pid = main_pid()
    said = install(2)
    expect(version().endswith("-2"), version())
    expect("Configuration file" not in said, said)
    with open(CONFIG) as now, open(f"{PLACE}/playheadd.toml") as before:
        expect(now.read() == before.read(), "the configuration was changed")
    expect(is_active() and main_pid() not in (0, pid), "it was not restarted")
    expect(owner() == main_pid(), "somebody else owns the name")
    player.presses_keys(5)
    player.all_arrived()
    starts = [kind for _, kind, _ in hits()].count("sessionStart")
    expect(starts == 1, f"{starts} sessionStart")


@check("what an administrator has disabled stays disabled over an upgrade")
def disabled():
    systemctl("disable", "playheadd")
    install(2)
    expect(show("UnitFileState") == "disabled", f"it is {show('UnitFileState')}")
    player.presses_keys(1)
    player.all_arrived()
    systemctl("enable", "playheadd")


@check("removed: it is stopped, configuration, keys and state are kept")
def removed():
    for path in ADDED:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write(path, "")
    dpkg("-r", "playheadd")
    expect(show("LoadState") == "not-found", f"the unit is {show('LoadState')}")
    expect(owner() == 0, "somebody still owns the name")
    expect(os.path.exists(CONFIG) and os.path.isdir(f"{STORE}/db"), "configuration or state are gone")
    expect(all(map(os.path.exists, ADDED)), "what was added to the configuration is gone")
    expect(not os.path.exists("/usr/bin/playheadd"), "the program is there")


@check("installed again: the session goes on from what was kept")
def again():
    install(2)
    wait("the service", is_active)
    player.presses_keys(2)
    player.does("End")
    player.all_arrived()
    player.leaves()


@check("purged: nothing is left but the user, no private key either")
def purged():
    dpkg("-P", "playheadd")
    expect(not remains(), f"{remains()}")
    expect(owner() == 0, "somebody still owns the name")
    pwd.getpwnam("playheadd")
    for path in glob.glob("/etc/systemd/system/**/*", recursive=True):
        expect(not os.path.islink(path) or "playhead" not in os.readlink(path), f"{path} leads to nothing")


run_all()
