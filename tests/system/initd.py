"""A box without systemd: BusyBox's shell and tools, dbus-daemon, and Buildroot's init script."""
import json
import os
import shutil
import subprocess
import tempfile

import box as tree

NAME = "initd: the service on a box without systemd"
SCRIPT = "packaging/buildroot/package/playheadd/S85playheadd"
BUSYBOX = "/bin/busybox"
LIMIT_SECONDS = 240
# What Buildroot leaves out there (playheadd.mk).
WITHOUT = "playheadd.service 50-playheadd.preset playheadd.conf playheadd.catalog tv.playhead.Agent1.service"


def run(results, binaries, box):
    cache = os.environ.get("PLAYHEADD_SYSTEM_ROOT") or os.path.expanduser("~/.cache/playheadd-system")
    try:
        tree.probe()
        applets()
        os.makedirs(cache, exist_ok=True)
        base = tree.base_tree(cache)
    except tree.Cannot as lack:
        results.skipped(NAME, str(lack))
        return
    with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as place:
        root = os.path.join(place, "root")
        subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
        furnish(root, binaries, box)
        carry_out(results, root)


def applets():
    """A BusyBox that needs no library, with what a small box has."""
    if not os.path.exists(BUSYBOX):
        raise tree.Cannot(f"no {BUSYBOX} here")
    said = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True).stdout.split()
    missing = {"sh", "start-stop-daemon", "logger", "syslogd", "mkfifo", "grep", "readlink"} - set(said)
    if missing:
        raise tree.Cannot(f"{BUSYBOX} lacks {sorted(missing)}")
    return said


def furnish(root, binaries, box):
    subprocess.run(["make", "-s", "install", f"DESTDIR={root}", f"BOX={box}", f"WITHOUT={WITHOUT}"],
                   check=True, stdout=subprocess.DEVNULL)
    os.makedirs(os.path.join(root, "etc/init.d"), exist_ok=True)
    shutil.copy(SCRIPT, os.path.join(root, "etc/init.d"))
    place = os.path.join(root, "opt/playheadd-tests")
    shutil.copytree(tree.GUEST, place)
    shutil.copy(os.path.join(binaries, "playheadctl"), place)
    os.makedirs(os.path.join(root, "etc/playheadd"))
    shutil.copy(os.path.join(tree.GUEST, "playheadd.toml"), os.path.join(root, "etc/playheadd"))
    small = os.path.join(root, "opt/busybox")
    os.makedirs(small)
    shutil.copy(BUSYBOX, small)
    for applet in applets():
        if applet != "busybox":
            os.symlink("busybox", os.path.join(small, applet))
    shell = os.path.join(root, "usr/bin/sh")
    os.remove(shell)
    os.symlink("/opt/busybox/busybox", shell)
    for line in ("groupadd playhead", "groupadd playhead-admin", "useradd --user-group playheadd",
                 "useradd --groups playhead viewer"):
        tool, *words = line.split()
        subprocess.run(["chroot", root, tool, "--system", *words], check=True)


def carry_out(results, root):
    # The shell stays, because a process 1 has to take in what others leave behind.
    inside = "ip link set lo up; python3 /opt/playheadd-tests/initd.py; exit $?"
    command = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child",
               f"--mount-proc={root}/proc", "chroot", root, "/opt/busybox/sh", "-c", inside]
    environment = {"PATH": "/opt/busybox:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    try:
        said = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True, timeout=LIMIT_SECONDS).stdout
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode()
    done = False
    for line in said.splitlines():
        if line == "DONE":
            done = True
        elif line.startswith("{"):
            told = json.loads(line)
            results.say(told["verdict"], "initd: " + told["name"], told["why"])
        else:
            print(line, flush=True)
    if not done:
        results.failed(NAME, "the story did not come to its end")
