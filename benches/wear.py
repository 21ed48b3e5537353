"""Bytes that the daemon has really written per heartbeat, online and offline.

An hour of playback has 360 heartbeats; they are made fifty times as fast here (a ping each
0.2 s, the store's flush interval shortened alike), which changes nothing about what each one
writes. The floor beside it is one 4-KiB page per heartbeat, written and synced to a plain file in
the same run. Bytes are those of /proc/PID/io and, where a loop device can be mounted (root), those
that the device of the store has taken, file system and all.
"""
import contextlib
import os
import signal
import subprocess
import time

from players import Player
from rig import Rig, wait_for

SECONDS = 72
HEARTBEATS = 360
FAST = "[heartbeat]\nmain_seconds = 0.2\n[store]\nflush_seconds = 0.1\n"


def written(pid):
    with open(f"/proc/{pid}/io") as handle:
        return int(next(line for line in handle if line.startswith("write_bytes")).split()[1])


class Disk:
    """An ext4 of its own on a loop device, if there may be one."""

    def __init__(self, folder):
        self.place, self.image = os.path.join(folder, "bench-disk"), os.path.join(folder, "bench-image")

    def __enter__(self):
        os.makedirs(self.place, exist_ok=True)
        with open(self.image, "wb") as image:
            image.truncate(64 << 20)
        made = [["mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image],
                ["mount", "-o", "loop", self.image, self.place]]
        with contextlib.suppress(FileNotFoundError):
            self.mounted = all(subprocess.run(command, capture_output=True).returncode == 0
                               for command in made)
        self.stat = f"/sys/dev/block/{self.device()}/stat" if self.mounted else None
        return self

    mounted = False

    def device(self):
        number = os.stat(self.place).st_dev
        return f"{os.major(number)}:{os.minor(number)}"

    def written(self):
        """Bytes that the device has taken."""
        if not self.stat:
            return None
        os.sync()
        with open(self.stat) as stat:
            return int(stat.read().split()[6]) * 512

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(["umount", "-l", self.place])
        os.rmdir(self.place)
        os.unlink(self.image)


def floor(_, disk):
    """One page per heartbeat to a plain file, synced."""
    path = os.path.join(disk.place, "floor")
    with open(path, "wb", buffering=0) as handle:
        before = written(os.getpid()), disk.written()
        for _ in range(HEARTBEATS):
            handle.write(b"x" * 4096)
            os.fdatasync(handle.fileno())
        after = written(os.getpid()), disk.written()
    os.unlink(path)
    return before, after


def play(programs, disk, online):
    with Rig(programs, FAST, collector=True, state=os.path.join(disk.place, "state")) as rig:
        player = Player(rig.address)
        player.open("a-film")
        wait_for(lambda: rig.summary()["accepted"] >= 2)
        if not online:
            rig.collector.send_signal(signal.SIGSTOP)
        before = written(rig.daemon.pid), disk.written()
        time.sleep(SECONDS)
        return before, (written(rig.daemon.pid), disk.written())


def measure(programs, table):
    floors = None
    for name, scene, budget in [
        ("floor", floor, None),
        ("online", lambda *of: play(*of, True), 4.6 * 1024),
        ("offline", lambda *of: play(*of, False), 6144),
    ]:
        with Disk(programs) as disk:
            before, after = scene(programs, disk)
            each = [(late - early) / HEARTBEATS if late is not None else None
                    for late, early in zip(after, before)]
        if not floors:
            floors = each
            continue
        table.add(f"bytes to flash per heartbeat, {name}", each[0], floors[0], budget)
        if each[1] is not None:
            table.add("- of the device, with its file system", each[1], floors[1])
