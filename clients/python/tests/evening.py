#!/usr/bin/env python3
"""Drives the client line by line, for the tests of all clients: each line on standard input is one call.

usage: evening.py [--glib] BUS_ADDRESS

`open 0 id=film length=3600 metadata.media.show=A+Show`, `play 12.5 rate=2`, `now 3 rate=1 id=film`,
`resume-point film`, `pending`, ...: an operation, a playhead, and keys; `+` is a blank in a value. After
the call it prints `ok LINE`, and whenever they come `error EVENT NAME SENTENCE`, `closed REASON` and
`point POSITION`. At the end of the input it closes; exit status 0 when all was said.
"""
import asyncio
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import playhead  # noqa: E402

NUMBERS = {"length": float, "start": float, "rate": float, "position": int, "bitrate": int,
           "dropped_frames": int, "fps": int, "startup_ms": int, "ad_ping_seconds": int}
BOOLEANS = ("resume", "downloaded", "background_playback", "track")
IDENTITY = ("marketing_cloud_user_id", "visitor_id")


def say(*words):
    print(*words, flush=True)


def values_of(words):
    """The keys of a line, as the client takes them."""
    values, metadata, identity, customers = {}, {}, {}, {}
    for word in words:
        key, _, value = word.partition("=")
        value = value.replace("+", " ")
        if key.startswith("metadata."):
            metadata[key[len("metadata."):]] = value
        elif key.startswith("identity.customer_ids."):
            who, _, state = value.partition(",")
            customers[key[len("identity.customer_ids."):]] = (who, int(state or 0))
        elif key.startswith("identity."):
            identity[key[len("identity."):]] = value
        elif key in BOOLEANS:
            values[key] = value == "true"
        else:
            values[key] = NUMBERS.get(key, str)(value)
    if metadata:
        values["metadata"] = metadata
    if identity or customers:
        values["identity"] = playhead.Identity(customer_ids=customers, **identity)
    return values


class Driver:
    def __init__(self, address, loop):
        self.session = None
        self.agent = playhead.Agent(
            address, loop=loop, on_closed=lambda session, reason: say("closed", reason),
            on_error=lambda failure: say("error", failure.event, failure.name, failure.message))

    def obey(self, line):
        operation, *words = line.split()
        if operation == "resume-point":
            self.agent.resume_point(words[0]).then(self.point)
        elif operation == "pending":
            say("pending", self.agent.pending)
        else:
            playhead_, values = float(words[0]), values_of(words[1:])
            if operation == "open":
                self.session = self.agent.open(playhead_, playhead.Media(**values))
            elif operation == "now":
                rate = values.pop("rate", 1.0)
                media = playhead.Media(**values) if values else None
                self.session = self.agent.now(media, playhead_, rate) or self.session
            else:
                getattr(self.session, operation.replace("-", "_"))(playhead_, **values)
        say("ok", line)

    @staticmethod
    def point(point):
        if point.error:
            say("point error", point.error.message)
        else:
            say("point", point.position if point.known else "none")


class Input:
    """Standard input, read as it comes."""

    def __init__(self, obey):
        self.obey, self.rest = obey, b""
        os.set_blocking(0, False)

    def read(self):
        """Obeys the lines that are there. False at the end of the input."""
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            return True
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            if line.strip():
                self.obey(line.decode())
        return bool(data)


async def on_asyncio(address):
    driver = Driver(address, None)
    lines, over = Input(driver.obey), asyncio.Event()
    asyncio.get_running_loop().add_reader(0, lambda: lines.read() or over.set())
    await over.wait()
    asyncio.get_running_loop().remove_reader(0)
    return await driver.agent.close()


def on_glib(address):
    from gi.repository import GLib

    loop, left = GLib.MainLoop(), []
    driver = Driver(address, playhead.GLibLoop())
    lines = Input(driver.obey)

    def read(*_):
        if lines.read():
            return True
        driver.agent.close().then(lambda number: (left.append(number), loop.quit()))
        return False

    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, read)
    loop.run()
    return left[0]


def main(arguments):
    glib = arguments[:1] == ["--glib"]
    if len(arguments) != 1 + glib:
        print(__doc__, file=sys.stderr)
        return 2
    return 1 if (on_glib(arguments[-1]) if glib else asyncio.run(on_asyncio(arguments[-1]))) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
