"""Players that speak MPRIS on a booted system: a real mpv on the system bus, and on the bus of a
user's session.

The tree is that of `box`, with mpv in it; it is made once, too.
"""
import os
import shutil
import subprocess
import tempfile

from box import NEEDLESS, Cannot, base_tree, boot, can_boot, furnish, keep_journal, probe, suite

NAME = "mpris: mpv in a whole Debian"
PACKAGES = ("mpv", "mpv-mpris", "dbus-user-session")
# Only for pictures; it is a fifth of the tree.
PICTURES = ("usr/lib/x86_64-linux-gnu/dri", "usr/lib/aarch64-linux-gnu/dri")


def run(results, binaries, box):
    cache = os.environ.get("PLAYHEADD_SYSTEM_ROOT") or os.path.expanduser("~/.cache/playheadd-system")
    try:
        probe()
        os.makedirs(cache, exist_ok=True)
        tree = players_tree(cache)
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as place:
            root = os.path.join(place, "root")
            subprocess.run(["cp", "-a", "--reflink=auto", tree, root], check=True)
            can_boot(root)
            furnish(root, binaries, box, "mpris.service")
            boot(results, root, "mpris")
            keep_journal(root, cache)
    except Cannot as lack:
        results.skipped(NAME, str(lack))


def players_tree(cache):
    name = suite()
    tree = os.path.join(cache, f"players-{name}")
    if os.path.isdir(tree):
        return tree
    print(f"putting mpv into a {name} once, in {tree}", flush=True)
    half = tree + ".part"
    shutil.rmtree(half, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", base_tree(cache), half], check=True)
    shutil.copy("/etc/resolv.conf", os.path.join(half, "etc/resolv.conf"))
    log = os.path.join(cache, "players.log")
    install = "apt-get update -q && apt-get install -y -q --no-install-recommends " + " ".join(PACKAGES)
    with open(log, "w") as out:
        made = subprocess.run(["chroot", half, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", install],
                              stdout=out, stderr=subprocess.STDOUT)
    if made.returncode:
        raise Cannot(f"mpv cannot be had here, see {log}")
    for needless in NEEDLESS + PICTURES:
        shutil.rmtree(os.path.join(half, needless), ignore_errors=True)
    os.rename(half, tree)
    return tree
