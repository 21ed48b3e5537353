"""What `make install` puts where, and what systemd says of the unit. Needs no root."""
import os
import re
import shutil
import subprocess
import tempfile

# The least that the unit has to be closed (systemd-analyze security), in tenths.
EXPOSURE = 13


def run(results, _bin, box):
    with tempfile.TemporaryDirectory(prefix="playheadd-install-") as root:
        make("install", root, box)
        found, named = files(root), installed(box)
        results.check("install puts every file in its place", found == named, f"{found}, not {named}")
        ctl = os.path.join(root, "usr/bin/playheadctl")
        carried = subprocess.run([ctl, "collector", "--help"], capture_output=True).returncode == 0
        results.check("no workbench in what is installed", not carried, "playheadctl has `collector`")
        analyze(results, root)
        make("uninstall", root, box)
        left = files(root)
        results.check("uninstall leaves nothing", not left, f"{left}")
    with tempfile.TemporaryDirectory(prefix="playheadd-install-") as root:
        make("install", root, box, "PREFIX=/opt/tv")
        with open(os.path.join(root, "opt/tv/lib/systemd/system/playheadd.service")) as unit:
            text = unit.read()
        moved = all(f"\n{line}\n" in text for line in (
            "ExecStart=/opt/tv/bin/playheadd", "ExecReload=/opt/tv/bin/playheadd --reload $MAINPID"))
        policy = os.path.exists(os.path.join(root, "etc/dbus-1/system.d/tv.playhead.Agent1.conf"))
        results.check("install follows PREFIX", moved and policy, "unit or bus policy stayed behind")
        make("uninstall", root, box, "PREFIX=/opt/tv")
        results.check("uninstall follows PREFIX", not files(root), f"{files(root)}")


def make(target, root, box, *more):
    subprocess.run(["make", "-s", target, f"DESTDIR={root}", f"BOX={box}", *more], check=True,
                   stdout=subprocess.DEVNULL)


def installed(box):
    """What the Makefile says that it installs, with modes."""
    said = subprocess.run(["make", "-s", "installed", f"BOX={box}"], check=True, capture_output=True, text=True)
    lines = (line.split(" ", 1) for line in said.stdout.splitlines())
    return {target.lstrip("/"): int(mode, 8) for mode, target in lines}


def files(root):
    """Every file below a directory, with its mode."""
    found = {}
    for place, _, names in os.walk(root):
        for name in names:
            path = os.path.join(place, name)
            found[os.path.relpath(path, root)] = os.stat(path).st_mode & 0o7777
    return found


def analyze(results, root):
    names = ("systemd-analyze verify", f"exposure {EXPOSURE / 10} or better")
    if not shutil.which("systemd-analyze"):
        for name in names:
            results.skipped(name, "no systemd-analyze here")
        return
    # `verify` wants the programs where the unit says they are.
    with open(os.path.join(root, "usr/lib/systemd/system/playheadd.service")) as unit:
        text = re.sub(r"(?m)^(Exec\w+)=/", rf"\1={root}/", unit.read())
    copy = os.path.join(root, "playheadd.service")
    with open(copy, "w") as unit:
        unit.write(text)
    said = subprocess.run(["systemd-analyze", "--man=no", "verify", copy],
                          capture_output=True, text=True)
    words = (said.stdout + said.stderr).strip()
    results.check(names[0], said.returncode == 0 and not words, words)
    said = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true",
         f"--threshold={EXPOSURE}", copy], capture_output=True, text=True)
    overall = re.search(r"exposure level .*: ([0-9.]+)", said.stdout)
    if overall and said.returncode == 0:
        results.passed(names[1], overall.group(1))
    else:
        results.failed(names[1], overall.group(1) if overall else said.stderr.strip())
    os.remove(copy)
