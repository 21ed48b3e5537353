#!/usr/bin/env python3
"""Exchanges resume points between the boxes of a household, over a directory that all of them see.

usage: exchange.py --share DIR [--name NAME] [--bus ADDRESS] [--playheadctl PROGRAM]

Each box writes its own points to DIR/NAME.json and reads the files of the others. What they know later
than this box is handed to the agent with SetResumePoint; the agent keeps it only if it is newer still
when it arrives. NAME is the machine's id. For root and the service's user, who may list the points.

Exit status: 0, also when there was nothing to exchange; 1 when the agent could not be asked or a file
of the share could not be written.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dbus

AGENT = "tv.playhead.Agent1"
LIMITS_EXCEEDED = "tv.playhead.Error.LimitsExceeded"
# A file of another box that is larger than this is no list of resume points.
MOST_BYTES = 4 * 1024 * 1024


def own_points(playheadctl, bus):
    """The points of this box, as `playheadctl resume-points --json` lists them."""
    command = [playheadctl, "resume-points", "--json"]
    if bus:
        command += ["--bus-address", bus]
    listed = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(listed.stdout)


def place(point):
    return point["app"], point["media"]


def write(share, name, points):
    """Replaces the file of this box as a whole: a reader sees the old list or the new one."""
    with tempfile.NamedTemporaryFile("w", dir=share, prefix=".", delete=False) as new:
        json.dump(points, new)
    # The other boxes read it, whoever they run as.
    os.chmod(new.name, 0o644)
    os.replace(new.name, share / f"{name}.json")


def points_of_others(share, name):
    """The newest point of each place in the files of the other boxes. A file that cannot be read is
    left out, with a word on standard error."""
    newest = {}
    for file in sorted(share.glob("*.json")):
        if file.stem == name:
            continue
        try:
            if file.stat().st_size > MOST_BYTES:
                raise ValueError(f"it is larger than {MOST_BYTES} bytes")
            for point in json.loads(file.read_text()):
                # Without a time nobody can tell which is newer; a broadcast has no place to go on at.
                if point["ended_at"] is None or point["live"]:
                    continue
                known = newest.get(place(point))
                if known is None or point["ended_at"] > known["ended_at"]:
                    newest[place(point)] = point
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{file} is left out: {error!r}", file=sys.stderr)
    return newest


def tell(agent, point):
    """Whether the agent kept the point."""
    wire = dbus.Dictionary(
        {
            "position": dbus.Double(point["position"]),
            "length": dbus.Double(point["length"]),
            "ended_at": dbus.Int64(point["ended_at"]),
            "completed": dbus.Boolean(point["completed"]),
        },
        signature="sv",
    )
    while True:
        try:
            return agent.SetResumePoint(*place(point), wire, dbus_interface=AGENT)
        except dbus.DBusException as error:
            if error.get_dbus_name() != LIMITS_EXCEEDED:
                raise
            time.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=Path, required=True, help="a directory that all boxes see")
    parser.add_argument("--name", help="the name of this box; default: /etc/machine-id")
    parser.add_argument("--bus", help="address of the bus; default: the system bus")
    parser.add_argument("--playheadctl", default="playheadctl", help="the program")
    arguments = parser.parse_args()
    name = arguments.name or Path("/etc/machine-id").read_text().strip()
    bus = dbus.bus.BusConnection(arguments.bus) if arguments.bus else dbus.SystemBus()
    try:
        own = own_points(arguments.playheadctl, arguments.bus)
        here = {place(point): point["ended_at"] for point in own}
        agent = bus.get_object(AGENT, "/tv/playhead/Agent1")
        newer = [
            point
            for point in points_of_others(arguments.share, name).values()
            if (here.get(place(point)) or 0) < point["ended_at"]
        ]
        kept = 0
        for point in newer:
            try:
                kept += bool(tell(agent, point))
            except (dbus.DBusException, TypeError, ValueError, OverflowError) as error:
                # One bad point of another box does not keep the others away.
                print(f"{point['app']} {point['media']}: {error}", file=sys.stderr)
        write(arguments.share, name, own)
        print(f"gave {len(own)} points, was given {len(newer)} newer ones and kept {kept}")
    except (OSError, subprocess.CalledProcessError, dbus.DBusException) as error:
        sys.exit(f"the points could not be exchanged: {error}")


if __name__ == "__main__":
    main()
