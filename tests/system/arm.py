"""The ARMv7 build, run by qemu's user mode: the demo's story, 50 times SIGKILL, and what the store promises. The
group `arm-own` takes half an hour more: every conformance case through playheadctl in each protocol, where it says
what the one of this machine says; and the judge of the cases and the store's own tests, built for ARM."""
import concurrent.futures
import glob
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = "/usr/arm-linux-gnueabihf"
QEMU = "qemu-arm-static"
BUILT = "target/armv7-unknown-linux-gnueabihf/release"
TARGET = "armv7-unknown-linux-gnueabihf"
GNU = "arm-linux-gnueabihf"
NAMES = ("armv7: the demo's story", "armv7: nothing answered is lost in 50 SIGKILLs",
         "armv7: a full disk, an opting out, a broken store")
OWN = ("armv7: every conformance case", "armv7: the store's own tests")
SAME = "armv7: simulate says what it says here"
CANNOT = 77
# What each protocol has to be told.
PROTOCOLS = {"media-collection": (), "media-edge": (
    'collector.kind="media-edge"', 'edge.datastream_id="11111111-2222-4333-8444-555555555555"'),
    "otlp": ('collector.kind="otlp"',)}
# Those of the conformance set and of its extensions.
LEAST_CASES = 389


def run(results, binaries, _box):
    status = subprocess.run(["cross/build", "armv7"]).returncode
    why = ""
    if status == CANNOT:
        why = "no armv7 build, see above"
    elif not shutil.which(QEMU):
        why = f"no {QEMU} here"
    elif subprocess.run(["sh", ".ci/deps", "libc6-armhf-cross"]).returncode:
        why = "no C library for ARM to run it with"
    if why:
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
            program = shlex.quote(os.path.abspath(f"{BUILT}/playheadd"))
            wrapper.write(f'#!/bin/sh\nexec {QEMU} -L {ROOT} {program} "$@"\n')
        os.chmod(daemon, 0o755)
        os.symlink(os.path.join(binaries, "playheadctl"), os.path.join(place, "playheadctl"))
        demo(results, place)
        daemons_test(results, NAMES[1], daemon, "sigkill")
        daemons_test(results, NAMES[2], daemon, "store")


def run_own(results, binaries, _box):
    """What goes on with the build of `run`."""
    if not os.path.exists(f"{BUILT}/playheadctl"):
        results.skipped(SAME, "no armv7 build, see above")
    else:
        same_simulation(results, SAME, os.path.join(binaries, "playheadctl"))
    own_test(results, OWN[0], "--test", "conformance")
    own_test(results, OWN[1], "--lib", "store::")


def same_simulation(results, name, native):
    """Each case through the emulated `playheadctl simulate` and through the one of this machine."""
    cases = []
    for path in sorted(glob.glob("tests/conformance/*.json")):
        with open(path) as file:
            cases += json.load(file)
    emulated = (QEMU, "-L", ROOT, f"{BUILT}/playheadctl")
    work = [(case, kind) for case in cases for kind in PROTOCOLS]

    def differs(job):
        case, kind = job
        ours, theirs = (simulated(program, case, kind) for program in ((native,), emulated))
        # A run that says nothing proves something only where the case expects nothing.
        if ours == theirs and ours[0] == 0 and (ours[1] or not case["expect"]):
            return ""
        return f"{case['id']} as {kind}: {theirs}, here {ours}"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = [fault for fault in pool.map(differs, work) if fault]
    for fault in wrong:
        print(fault)
    results.check(name, not wrong and len(cases) >= LEAST_CASES, f"{len(wrong)} of {len(work)} runs, see above")


def simulated(program, case, kind):
    """Exit status, requests and warnings of a case."""
    options = [f"--set={setting}" for setting in (*PROTOCOLS[kind], *case.get("set", ()))]
    if "until" in case:
        options.append(f"--until={case['until']}")
    lines = "".join(json.dumps(line) + "\n" for line in case["timeline"])
    told = subprocess.run([*program, "simulate", *options, "-"], input=lines, capture_output=True, text=True,
                          timeout=300)
    return told.returncode, told.stdout, told.stderr


def demo(results, place):
    told = subprocess.run([sys.executable, "demo/demo.py", "--bin", place],
                          stdout=subprocess.PIPE, text=True, timeout=300)
    last = told.stdout.strip().rsplit("\n", 1)[-1]
    if told.returncode:
        print(told.stdout)
    results.check(NAMES[0], told.returncode == 0 and last.startswith("PROVED"), last)


def daemons_test(results, name, daemon, test):
    """A test of this machine with the emulated daemon."""
    cargo_test(results, name, ["--test", test], dict(os.environ, PLAYHEADD_BIN=daemon))


def own_test(results, name, *which):
    """A test that is built for ARM and emulated itself. Debian's linker and C library do for that."""
    if subprocess.run(["sh", ".ci/deps", f"gcc-{GNU}", "libc6-dev-armhf-cross"]).returncode:
        results.skipped(name, f"no {GNU}-gcc")
        return
    upper, lower = TARGET.upper().replace("-", "_"), TARGET.replace("-", "_")
    tools = {f"CARGO_TARGET_{upper}_LINKER": f"{GNU}-gcc", f"CC_{lower}": f"{GNU}-gcc", f"AR_{lower}": f"{GNU}-ar",
             f"CARGO_TARGET_{upper}_RUNNER": f"{QEMU} -L {ROOT}"}
    cargo_test(results, name, ["--target", TARGET, *which], dict(os.environ, **tools))


def cargo_test(results, name, which, environment):
    cargo = shlex.split(os.environ.get("CARGO", "cargo"))
    tested = subprocess.run([*cargo, "test", "--locked", "--all-features", *which], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=3600)
    ran = "test result: ok." in tested.stdout and " 0 passed" not in tested.stdout
    if tested.returncode or not ran:
        print(tested.stdout)
    results.check(name, tested.returncode == 0 and ran, "see above")
