"""Size of both programs for each machine that they are built for. A build that is not there is left out;
cross/build makes it."""
import os
import platform

ARM = {"armv7": "target/armv7-unknown-linux-gnueabihf/release",
       "aarch64": "target/aarch64-unknown-linux-gnu/release"}
# KiB, the daemon alone.
BUDGET = {"x86_64": 3700, "armv7": 2600}


def kib(*path):
    path = os.path.join(*path)
    return os.path.getsize(path) / 1024 if os.path.exists(path) else None


def measure(programs, table):
    host = platform.machine()
    table.add(f"playheadd {host}, KiB", kib(programs, "playheadd"), kib(programs, "floor"), BUDGET.get(host))
    table.add(f"playheadctl {host}, KiB", kib("target/box/playheadctl") or kib(programs, "playheadctl"))
    for name, place in ARM.items():
        for program in ("playheadd", "playheadctl"):
            size = kib(place, program)
            if size:
                table.add(f"{program} {name}, KiB", size, budget=BUDGET.get(name) if program == "playheadd" else None)
