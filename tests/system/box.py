"""A clean Debian with the service installed, booted with systemd as PID 1.

The tree is made once by debootstrap, in $PLAYHEADD_SYSTEM_ROOT or ~/.cache/playheadd-system, and
copied for each run.
"""
import json
import os
import shutil
import subprocess
import tempfile
import time

NAMES = {"dbus-daemon": "box", "dbus-broker": "broker"}
PACKAGES = "dbus,python3,python3-dbus,systemd,systemd-sysv"
GUEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guest")
# What the tree does without; it is copied each time.
NEEDLESS = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists")
LIMIT_SECONDS = 420


class Cannot(Exception):
    """What this machine lacks."""


def run_on_broker(results, binaries, box):
    run(results, binaries, box, bus="dbus-broker")


def run(results, binaries, box, bus="dbus-daemon"):
    name = NAMES[bus]
    cache = os.environ.get("PLAYHEADD_SYSTEM_ROOT") or os.path.expanduser("~/.cache/playheadd-system")
    try:
        probe()
        os.makedirs(cache, exist_ok=True)
        tree = base_tree(cache)
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as place:
            root = os.path.join(place, "root")
            subprocess.run(["cp", "-a", "--reflink=auto", tree, root], check=True)
            if bus == "dbus-broker":
                put_broker(root, place)
            can_boot(root)
            furnish(root, binaries, box)
            boot(results, root, name)
            keep_journal(root, cache)
    except Cannot as lack:
        results.skipped(f"{name}: the service in a whole Debian", str(lack))


def probe():
    if os.geteuid() != 0:
        raise Cannot("needs root")
    for tool in ("debootstrap", "systemd-nspawn", "unshare"):
        if not shutil.which(tool):
            raise Cannot(f"no {tool} here")


def suite():
    """The host's own release, because its glibc is the one that was linked with."""
    with open("/etc/os-release") as release:
        of = dict(line.rstrip("\n").split("=", 1) for line in release if "=" in line)
    name = of.get("VERSION_CODENAME", "").strip('"')
    if not os.path.exists(f"/usr/share/debootstrap/scripts/{name}"):
        raise Cannot(f"debootstrap does not know this machine's release {name!r}")
    return name


def base_tree(cache):
    name = suite()
    tree = os.path.join(cache, f"base-{name}")
    if os.path.isdir(tree):
        return tree
    print(f"making a clean {name} once, in {tree}", flush=True)
    half = tree + ".part"
    shutil.rmtree(half, ignore_errors=True)
    log = os.path.join(cache, "debootstrap.log")
    with open(log, "w") as out:
        made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", name, half],
                              stdout=out, stderr=subprocess.STDOUT)
    if made.returncode:
        raise Cannot(f"debootstrap could not make a {name}, see {log}")
    for needless in NEEDLESS:
        shutil.rmtree(os.path.join(half, needless), ignore_errors=True)
    os.rename(half, tree)
    return tree


def put_broker(root, place):
    """dbus-broker as the bus of the tree, as its package makes it. It needs nothing that is not there."""
    got = subprocess.run(["apt-get", "download", "-q", "dbus-broker"], cwd=place, capture_output=True,
                         text=True)
    packages = [name for name in os.listdir(place) if name.startswith("dbus-broker")]
    if got.returncode or not packages:
        raise Cannot("the package dbus-broker cannot be had: " + got.stderr.strip()[-200:])
    shutil.copy(os.path.join(place, packages[0]), os.path.join(root, "var/tmp"))
    subprocess.run(["chroot", root, "dpkg", "-i", f"/var/tmp/{packages[0]}"], check=True,
                   capture_output=True)


def nspawn(root, *words):
    """With a /run of its own, so that it works where /run is no mount."""
    inside = 'mount -t tmpfs tmpfs /run && exec systemd-nspawn "$@"'
    return ["unshare", "--mount", "sh", "-c", inside, "nspawn", "--quiet", f"--directory={root}",
            "--machine=playheadd-box", "--register=no", "--keep-unit", "--private-network",
            # Without CAP_SYS_TIME the guest may not even read the kernel's synchronised flag.
            "--system-call-filter=adjtimex clock_adjtime", "--console=pipe", *words]


def can_boot(root):
    tried = subprocess.run(nspawn(root, "/bin/true"), stdin=subprocess.DEVNULL, capture_output=True,
                           text=True)
    if tried.returncode:
        raise Cannot("systemd-nspawn: " + (tried.stderr + tried.stdout).strip().replace("\n", "; "))


def furnish(root, binaries, box, story="story.service"):
    """The service as a box gets it, and beside it what only the test needs. `story` is the unit that
    runs the checks."""
    subprocess.run(["make", "-s", "install", f"DESTDIR={root}", f"BOX={box}"], check=True)
    place = os.path.join(root, "opt/playheadd-tests")
    shutil.copytree(GUEST, place)
    shutil.copy(os.path.join(binaries, "playheadctl"), place)
    # The recipes of the page for operators are carried out as they stand there.
    shutil.copy("docs/operating.md", place)
    # The first boot is one without a configuration: the story brings it.
    os.makedirs(os.path.join(root, "etc/playheadd"))
    shutil.copy(os.path.join(GUEST, "viewers.conf"), os.path.join(root, "usr/lib/sysusers.d"))
    units = os.path.join(root, "etc/systemd/system")
    for unit in (story, "bench-collector.service"):
        shutil.copy(os.path.join(GUEST, unit), units)
    shortened = os.path.join(units, "playheadd.service.d")
    os.makedirs(shortened)
    with open(os.path.join(shortened, "watchdog.conf"), "w") as drop_in:
        drop_in.write("[Service]\nWatchdogSec=2\n[Unit]\nStartLimitBurst=100\n")
    subprocess.run(["systemd-sysusers", f"--root={root}"], check=True, capture_output=True)
    subprocess.run(["systemctl", "-q", f"--root={root}", "enable", "playheadd.service",
                    story, "bench-collector.service"], check=True)


def boot(results, root, group="box"):
    console = os.path.join(root, "console.log")
    with open(console, "w") as out:
        machine = subprocess.Popen(nspawn(root, "--boot", "systemd.show_status=0"),
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    done = False
    try:
        for line in follow(os.path.join(root, "var/log/story.jsonl"), machine):
            if line == "DONE":
                done = True
            elif line.startswith("{"):
                told = json.loads(line)
                results.say(told["verdict"], f"{group}: " + told["name"], told["why"])
            else:
                print(line, flush=True)
    finally:
        machine.terminate()
        machine.wait()
    if not done:
        with open(console, errors="replace") as out:
            print(out.read())
        results.failed(group, "the story did not come to its end")


def follow(path, machine):
    """The lines that the guest writes, for as long as the machine runs and no longer than allowed."""
    deadline = time.monotonic() + LIMIT_SECONDS
    told = 0
    alive = True
    while alive and time.monotonic() < deadline:
        alive = machine.poll() is None
        if os.path.exists(path):
            with open(path) as log:
                lines = log.read().split("\n")[:-1]
            yield from lines[told:]
            told = len(lines)
        time.sleep(0.1)


def keep_journal(root, cache):
    kept = os.path.join(root, "var/log/playheadd.journal")
    if os.path.exists(kept):
        shutil.copy(kept, os.path.join(cache, "last.journal"))
        print(f"the service's journal of this run: {os.path.join(cache, 'last.journal')}", flush=True)
