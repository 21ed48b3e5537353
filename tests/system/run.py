#!/usr/bin/env python3
"""What only a whole system can show.  usage: run.py --bin DIR --box DIR GROUP ...

Groups: units, box, broker (the same on dbus-broker), shutdown, deb, initd, mpris, arm, arm-own.

--bin holds both programs with every feature, --box as a box carries them. What this machine cannot
do is skipped by name. Exit status 0 only when nothing failed.
"""
import argparse
import os
import subprocess
import sys

sys.dont_write_bytecode = True  # nothing is left in the tree

import arm
import box
import deb
import initd
import mpris
import shutdown
import units
from results import Results

GROUPS = {"units": units.run, "box": box.run, "broker": box.run_on_broker, "shutdown": shutdown.run,
          "deb": deb.run, "initd": initd.run, "mpris": mpris.run, "arm": arm.run,
          "arm-own": arm.run_own}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--box", required=True)
    parser.add_argument("groups", nargs="+", choices=list(GROUPS))
    arguments = parser.parse_args()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    results = Results()
    for group in arguments.groups:
        print(f"== {group}", flush=True)
        try:
            GROUPS[group](results, os.path.abspath(arguments.bin), os.path.abspath(arguments.box))
        except (OSError, subprocess.SubprocessError) as error:
            results.failed(group, f"it could not be carried through: {error}")
    return results.close()


sys.exit(main())
