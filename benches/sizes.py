#!/usr/bin/env python3
"""Size of both programs for each machine they are built for, beside their budgets.
usage: sizes.py DIR (with the host's programs as a box carries them)

A build that is not there is a dash; cross/build makes it.
"""
import os
import platform
import sys

from rig import table

ARM = {"armv7": "target/armv7-unknown-linux-gnueabihf/release",
       "aarch64": "target/aarch64-unknown-linux-gnu/release"}
# KiB, the daemon alone.
BUDGET_KIB = {"x86_64": 3700, "armv7": 2600}


def kib(path):
    return round(os.path.getsize(path) / 1024) if os.path.exists(path) else None


def main():
    rows = [["", "playheadd KiB", "budget", "playheadctl KiB"]]
    for name, place in {platform.machine(): sys.argv[1], **ARM}.items():
        sizes = [kib(os.path.join(place, program)) for program in ("playheadd", "playheadctl")]
        budget = BUDGET_KIB.get(name)
        cells = [f"{size:,}" if size else "-" for size in sizes]
        if budget and sizes[0] and sizes[0] > budget:
            cells[0] += " OVER"
        rows.append([name, cells[0], f"{budget:,}" if budget else "", cells[1]])
    table(rows)


main()
