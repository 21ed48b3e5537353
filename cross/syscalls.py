#!/usr/bin/env python3
"""The system calls of a run of the daemon, and the oldest kernel that has them all.

usage: syscalls.py DIR      DIR holds playheadd, and playheadctl with the bench collector; needs strace.

The run starts with an empty store, plays and delivers, opts out and in again, reloads and stops.
"""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../benches"))
from players import Player  # noqa: E402
from rig import Rig, wait_for  # noqa: E402

# Linux 2.6.16 and before have all that is not named here (man 2 syscalls).
SINCE = {
    "set_robust_list": (2, 6, 17), "sync_file_range": (2, 6, 17), "openat": (2, 6, 16), "unlinkat": (2, 6, 16),
    "newfstatat": (2, 6, 16), "fallocate": (2, 6, 23), "eventfd2": (2, 6, 27), "epoll_create1": (2, 6, 27),
    "timerfd_create": (2, 6, 25), "timerfd_settime": (2, 6, 25), "pipe2": (2, 6, 27), "dup3": (2, 6, 27),
    "accept4": (2, 6, 28), "prlimit64": (2, 6, 36), "getrandom": (3, 17), "statx": (4, 11), "rseq": (4, 18),
    "clone3": (5, 3), "copy_file_range": (4, 5), "renameat2": (3, 15), "memfd_create": (3, 17), "close_range": (5, 9),
    "faccessat2": (5, 8), "pidfd_open": (5, 3), "openat2": (5, 6), "epoll_pwait2": (5, 11), "fchmodat2": (6, 6),
}
# The standard library or the C library does without them.
OPTIONAL = {"statx", "rseq", "clone3", "copy_file_range", "close_range", "faccessat2", "pidfd_open"}
# Older than all that matter here.
OLD = set("""access alarm arch_prctl arm_fadvise64_64 bind brk clock_gettime clock_nanosleep clone close connect
dup dup2 epoll_ctl epoll_wait epoll_pwait execve exit exit_group fadvise64 fadvise64_64 fchmod fcntl fdatasync
flock fstat fsync ftruncate futex getcwd getdents64 getegid geteuid getgid getpeername getpid getppid
getsockname getsockopt gettid getuid ioctl kill listen lseek lstat madvise mkdir mmap mprotect mremap munmap
nanosleep open pipe poll prctl pread64 pwrite64 read readlink recvfrom recvmsg rename restart_syscall rmdir
rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield sendmsg sendto set_tid_address setsockopt
shutdown sigaltstack socket socketpair stat sysinfo tgkill umask uname unlink vfork wait4 waitid write writev""".split())


class Traced(Rig):
    """The daemon is run by strace, which counts."""

    def run(self, *command, **more):
        if command[0].endswith("/playheadd"):
            command = ("strace", "-f", "-qq", "-c", "-U", "name", "-o", self.at("calls"), *command)
        return super().run(*command, **more)


def play(rig):
    player = Player(rig.address)
    session = player.open("a-film")
    wait_for(lambda: rig.summary()["accepted"] >= 2)
    player.say(session, "End", 9.0)
    for word in ("out", "in"):
        player.agent.SetConsent(word)
    player.open("another-film")
    children = subprocess.run(["pgrep", "-P", str(rig.daemon.pid)], capture_output=True, text=True, check=True)
    daemon = int(children.stdout.split()[0])
    os.kill(daemon, signal.SIGHUP)
    time.sleep(1)
    os.kill(daemon, signal.SIGTERM)
    rig.daemon.wait()
    rig.processes.remove(rig.daemon)
    with open(rig.at("calls")) as calls:
        return {line.strip() for line in calls if line.strip().isidentifier()} - {"syscall", "total"}


def main():
    if not shutil.which("strace"):
        print("SKIP: no strace here")
        return 77
    with Traced(sys.argv[1], collector=True) as rig:
        seen = play(rig)
    unknown = seen - OLD - set(SINCE)
    dotted = lambda version: ".".join(map(str, version))
    new = sorted(((SINCE[call], call) for call in seen & set(SINCE)), reverse=True)
    print(f"{len(seen)} system calls; those that came last:")
    for since, call in new:
        print(f"  {call:18} {dotted(since):8}" + (" done without where it is missing" if call in OPTIONAL else ""))
    print("  the rest           older: " + " ".join(sorted(seen & OLD)))
    needed = max(since for since, call in new if call not in OPTIONAL)
    print(f"oldest kernel that has all that are needed: {dotted(needed)}")
    if unknown:
        print("not known to this script: " + " ".join(sorted(unknown)))
    return bool(unknown)


sys.exit(main())
