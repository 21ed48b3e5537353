"""The Debian package: the built file is opened, then installed, upgraded and purged in a booted Debian."""
import glob
import gzip
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import box as tree
from units import files

OPENED = "deb: what the built package holds"
BOOTED = "deb: the package in a whole Debian"
# The second is an upgrade of the first.
REVISIONS = ("1", "2")
# What a package needs beside the files that `make install` names.
OF_DEBIAN = {
    "etc/playheadd/playheadd.toml": 0o644,
    "usr/share/doc/playheadd/changelog.Debian.gz": 0o644,
    "usr/share/doc/playheadd/changelog.gz": 0o644,
    "usr/share/doc/playheadd/copyright": 0o644,
    "usr/share/lintian/overrides/playheadd": 0o644,
}
SCRIPTS = {"postinst": 0o755, "postrm": 0o755, "prerm": 0o755}


def run(results, binaries, box):
    cargo = shlex.split(os.environ.get("CARGO", "cargo"))
    for tool, command in (("cargo-deb", [*cargo, "deb", "--version"]), ("dpkg-deb", ["dpkg-deb", "--version"])):
        if not shutil.which(command[0]) or subprocess.run(command, capture_output=True).returncode:
            results.skipped(OPENED, f"no {tool} here")
            results.skipped(BOOTED, f"no {tool} here")
            return
    with tempfile.TemporaryDirectory(prefix="playheadd-deb-") as place:
        packages = [build(box, revision, place) for revision in REVISIONS]
        opened(results, packages[0], box)
        try:
            booted(results, binaries, packages)
        except tree.Cannot as lack:
            results.skipped(BOOTED, str(lack))


def asked(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def version():
    with open("Cargo.toml") as manifest:
        return re.search(r'(?m)^version = "(.*)"$', manifest.read()).group(1)


def build(box, revision, place):
    """The next build takes the package of before away, so this one is kept elsewhere."""
    full = f"{version()}-{revision}"
    asked("make", "-s", "deb", f"BOX={box}", f"DEB_VERSION={full}")
    arch = asked("dpkg", "--print-architecture").strip()
    return shutil.copy(f"target/debian/playheadd_{full}_{arch}.deb", place)


def opened(results, package, box):
    with tempfile.TemporaryDirectory(prefix="playheadd-deb-") as place:
        root, control = os.path.join(place, "root"), os.path.join(place, "control")
        asked("dpkg-deb", "--extract", package, root)
        asked("dpkg-deb", "--control", package, control)
        found, wanted = files(root), installed(box)
        results.check(OPENED, found == wanted, f"{sorted(found.items() ^ wanted.items())}")
        with open(os.path.join(control, "conffiles")) as listed:
            conffiles = listed.read().split()
        results.check("deb: the configuration is a conffile", conffiles == ["/etc/playheadd/playheadd.toml"],
                      f"{conffiles}")
        scripts = {name: mode for name, mode in files(control).items() if name in SCRIPTS}
        results.check("deb: it has its maintainer scripts", scripts == SCRIPTS, f"{scripts}")
        same = all(read(os.path.join(root, there)) == read(here) for here, there in (
            ("systemd/playheadd.service", "usr/lib/systemd/system/playheadd.service"),
            ("systemd/playheadd.sysusers.conf", "usr/lib/sysusers.d/playheadd.conf"),
            ("dbus/tv.playhead.Agent1.conf", "usr/share/dbus-1/system.d/tv.playhead.Agent1.conf")))
        results.check("deb: unit, user and policy are those of the sources", same, "one of them differs")
        pages = [path for path in found if path.startswith("usr/share/man/")]
        texts = [gzip.decompress(read(os.path.join(root, page))) for page in pages]
        complete = len(pages) == len(glob.glob("man/*.[158]")) and all(texts)
        results.check("deb: its man pages are compressed and can be read", complete, f"{pages}")
        needs(results, package, root)


def installed(box):
    """What `make install` names, as Debian has it."""
    said = asked("make", "-s", "installed", "PARTS=box", f"BOX={box}",
                 "ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions")
    named = dict(OF_DEBIAN)
    for mode, target in (line.split(" ", 1) for line in said.splitlines()):
        target = target.lstrip("/")
        if not target.startswith("usr/share/licenses/"):
            named[target + ".gz" if target.startswith("usr/share/man/") else target] = int(mode, 8)
    return named


def read(path):
    with open(path, "rb") as handle:
        return handle.read()


def needs(results, package, root):
    """The versions of Depends are at least those whose symbols the programs want."""
    name = "deb: Depends covers what the programs want"
    if not shutil.which("readelf"):
        results.skipped(name, "no readelf here")
        return
    depends = asked("dpkg-deb", "-f", package, "Depends")
    wanted = ""
    for program in ("playheadd", "playheadctl"):
        wanted += asked("readelf", "-W", "--version-info", os.path.join(root, "usr/bin", program))
    for library, symbols in (("libc6", "GLIBC"), ("libgcc-s1", "GCC")):
        newest = max(numbers(v) for v in re.findall(rf"\b{symbols}_([0-9.]+)", wanted))
        if library == "libc6" and "GLIBC_ABI_DT_RELR" in wanted:
            # Packed relocations (build.rs).
            newest = max(newest, (2, 36))
        said = re.search(rf"\b{library} \(>= ([0-9.]+)\)", depends)
        if not said or numbers(said.group(1)) < newest[:2]:
            results.failed(name, f"{symbols} {newest} is wanted, {depends!r} is said")
            return
    results.passed(name)


def numbers(text):
    return tuple(int(part) for part in text.strip(".").split("."))


def booted(results, binaries, packages):
    cache = os.environ.get("PLAYHEADD_SYSTEM_ROOT") or os.path.expanduser("~/.cache/playheadd-system")
    tree.probe()
    os.makedirs(cache, exist_ok=True)
    base = tree.base_tree(cache)
    with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as place:
        root = os.path.join(place, "root")
        subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
        tree.can_boot(root)
        furnish(root, binaries, packages)
        tree.boot(results, root, "deb")


def furnish(root, binaries, packages):
    """What the story needs; the service comes by the package."""
    place = os.path.join(root, "opt/playheadd-tests")
    shutil.copytree(tree.GUEST, place)
    shutil.copy(os.path.join(binaries, "playheadctl"), place)
    for revision, package in zip(REVISIONS, packages):
        shutil.copy(package, os.path.join(place, f"{revision}.deb"))
    units = os.path.join(root, "etc/systemd/system")
    for unit in ("deb.service", "bench-collector.service"):
        shutil.copy(os.path.join(tree.GUEST, unit), units)
    subprocess.run(["systemctl", "-q", f"--root={root}", "enable", "deb.service", "bench-collector.service"],
                   check=True)
