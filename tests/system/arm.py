"""The ARMv7 build, run by qemu's user mode: the demo's story, and 50 times SIGKILL."""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = "/usr/arm-linux-gnueabihf"
QEMU = "qemu-arm-static"
BUILT = "target/armv7-unknown-linux-gnueabihf/release/playheadd"
NAMES = ("armv7: the demo's story", "armv7: nothing answered is lost in 50 SIGKILLs")
CANNOT = 77


def run(results, binaries, _box):
    status = subprocess.run(["cross/build", "armv7"]).returncode
    if status == CANNOT or not shutil.which(QEMU):
        why = "no armv7 build, see above" if status == CANNOT else f"no {QEMU} here"
        for name in NAMES:
            results.skipped(name, why)
        return
    if status:
        for name in NAMES:
            results.failed(name, "the armv7 build failed")
        return
    with tempfile.TemporaryDirectory(prefix="playheadd-arm-") as place:
        daemon = os.path.join(place, "playheadd")
        with open(daemon, "w") as wrapper:
            program = shlex.quote(os.path.abspath(BUILT))
            wrapper.write(f'#!/bin/sh\nexec {QEMU} -L {ROOT} {program} "$@"\n')
        os.chmod(daemon, 0o755)
        os.symlink(os.path.join(binaries, "playheadctl"), os.path.join(place, "playheadctl"))
        demo(results, place)
        sigkill(results, daemon)


def demo(results, place):
    told = subprocess.run([sys.executable, "demo/demo.py", "--bin", place],
                          stdout=subprocess.PIPE, text=True, timeout=300)
    last = told.stdout.strip().rsplit("\n", 1)[-1]
    if told.returncode:
        print(told.stdout)
    results.check(NAMES[0], told.returncode == 0 and last.startswith("PROVED"), last)


def sigkill(results, daemon):
    cargo = shlex.split(os.environ.get("CARGO", "cargo"))
    tested = subprocess.run([*cargo, "test", "--locked", "--all-features", "--test", "sigkill"],
                            env=dict(os.environ, PLAYHEADD_BIN=daemon),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200)
    ran = "test result: ok." in tested.stdout and " 0 passed" not in tested.stdout
    if tested.returncode or not ran:
        print(tested.stdout)
    results.check(NAMES[1], tested.returncode == 0 and ran, "see above")
