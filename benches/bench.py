#!/usr/bin/env python3
"""Everything that a box pays for, in one table: each figure beside its floor, a program on the same crates
that does nothing (floor/), measured in the same run, and beside its budget.

usage: bench.py DIR [PART ...]     parts: see PARTS; all of them without a name
DIR holds playheadd as a box carries it, playheadctl with the bench collector, floor and caller
(`make bench` puts them there). Exit status 1: a budget is not kept, or a part could not be measured.
"""
import subprocess
import sys

import activity
import calls
import delivery
import growth
import simulator
import sizes
import startup
import wear
from rig import Table

PARTS = {"sizes": sizes, "memory": growth, "activity": activity, "calls": calls, "startup": startup,
         "delivery": delivery, "wear": wear, "simulator": simulator}


def main():
    programs, *names = sys.argv[1:]
    table = Table()
    for name in names or PARTS:
        try:
            PARTS[name].measure(programs, table)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            table.fail(name, error)
    table.show()
    return table.over


sys.exit(main())
