#!/usr/bin/python3
"""Starts dbus-broker in the place of dbus-daemon.

usage: dbus_broker.py CONFIG    prints the bus's address and becomes its launcher
       dbus_broker.py --check   starts one and calls it; exit status 77 and a reason if it cannot be

The launcher is made for systemd: it takes its socket as file descriptor 3, talks to the bus that it
starts, and wants the journal's socket. Where there is none, it gets one of its own in a mount
namespace, for which an ordinary user needs a user namespace.
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

JOURNAL = "/run/systemd/journal/socket"
LAUNCHER = "dbus-broker-launch"
NEWNS, NEWUSER = 0x20000, 0x10000000
PRIVATE, RECURSIVE = 1 << 18, 0x4000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)

ANY = """<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow own="*"/></policy></busconfig>"""


def call(function, *arguments):
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function.__name__}: {os.strerror(code)}")


def has_journal():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(JOURNAL) == 0


def make_journal():
    """A socket that takes what the launcher logs, and throws it away."""
    uid, gid = os.getuid(), os.getgid()
    call(LIBC.unshare, NEWNS if uid == 0 else NEWNS | NEWUSER)
    if uid != 0:
        for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                           ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{file}", "w") as handle:
                handle.write(text)
    call(LIBC.mount, b"none", b"/", None, RECURSIVE | PRIVATE, None)
    # Tests put their buses below /tmp or $TMPDIR, so /run may be hidden.
    call(LIBC.mount, b"tmpfs", b"/run", b"tmpfs", 0, None)
    os.makedirs(os.path.dirname(JOURNAL))
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind(JOURNAL)
    launcher = os.getpid()
    if os.fork() == 0:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(1)
        while os.getppid() == launcher:
            journal.recv(1 << 16)
        os._exit(0)
    journal.close()


def become(config):
    with open(config) as handle:
        text = handle.read()
    path = re.search(r"<listen>unix:path=([^<]+)</listen>", text).group(1)
    scope = "system" if "<type>system</type>" in text else "user"
    if not has_journal():
        make_journal()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(128)
    address = f"unix:path={path}"
    print(address, flush=True)
    if listener.fileno() != 3:
        os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    environment = dict(os.environ, LISTEN_FDS="1", LISTEN_PID=str(os.getpid()),
                       DBUS_SESSION_BUS_ADDRESS=address, DBUS_SYSTEM_BUS_ADDRESS=address)
    os.execvpe(LAUNCHER, [LAUNCHER, "--scope", scope, "--config-file", config], environment)


def check():
    if not shutil.which(LAUNCHER):
        return f"{LAUNCHER} is not installed (Debian package dbus-broker, which becomes the bus of a" \
               " machine with systemd)"
    import dbus.bus
    with tempfile.TemporaryDirectory() as place:
        config = os.path.join(place, "bus.conf")
        with open(config, "w") as handle:
            handle.write(ANY.format(os.path.join(place, "bus")))
        bus = subprocess.Popen([sys.executable, __file__, config], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            address = bus.stdout.readline().strip()
            if not address:
                return "dbus-broker-launch cannot be started: " + bus.stderr.read().strip()[-300:]
            dbus.bus.BusConnection(address).get_unique_name()
        except dbus.DBusException as error:
            return f"dbus-broker does not answer: {error}"
        finally:
            os.killpg(bus.pid, signal.SIGKILL)
            bus.wait()
    return None


if sys.argv[1:] == ["--check"]:
    reason = check()
    if reason:
        print(reason)
        sys.exit(77)
else:
    become(sys.argv[1])
