"""The connection to the bus, against a bus of the test's that misbehaves, in asyncio and in GLib's loop."""
import asyncio
import os
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import playhead  # noqa: E402
from playhead import _bus, _wire  # noqa: E402

LIMIT = 60


class FakeBus:
    """Says hello to whoever comes, and does with the rest as the test wants."""

    def __init__(self, path, answer=b"OK 1234\r\n", piece=1 << 16):
        self.answer, self.piece = answer, piece
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(LIMIT)
        self.connection, self.data = None, b""

    def welcome(self):
        if self.connection:
            self.connection.close()
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(LIMIT)
        self.data = b""
        self.read_until(b"\r\n")
        self.send(self.answer)
        if self.answer.startswith(b"OK"):
            self.read_until(b"BEGIN\r\n")
            self.reply(self.call(), ":1.1", "s")
        return self

    def read_until(self, end):
        while end not in self.data:
            self.data += self.connection.recv(4096)
        self.data = self.data.partition(end)[2]

    def call(self):
        """The next message that is no AddMatch; these are answered."""
        while True:
            parsed = _wire.parse(self.data)
            if not parsed:
                more = self.connection.recv(65536)
                assert more, "the client has hung up"
                self.data += more
                continue
            message, size = parsed
            self.data = self.data[size:]
            if message.member != "AddMatch":
                return message
            self.reply(message)

    def reply(self, call, *body):
        signature = body[-1] if body else ""
        self.send(_wire.build(_wire.Message(_wire.METHOD_RETURN, 9, reply_serial=call.serial,
                                            signature=signature, body=body[:-1])))

    def send(self, data):
        for start in range(0, len(data), self.piece):
            self.connection.sendall(data[start:start + self.piece])

    def close(self):
        for one in (self.connection, self.listener):
            if one:
                one.close()


class Player:
    """The client in a loop of its own, in a thread of its own."""

    def __init__(self, path, glib):
        self.failures, self.ready, self.over = [], threading.Event(), threading.Event()
        self.address, self.glib = f"unix:path={path}", glib
        self.thread = threading.Thread(target=self.in_glib if glib else self.in_asyncio, daemon=True)
        self.thread.start()
        assert self.ready.wait(LIMIT)

    def make(self, loop):
        self.agent = playhead.Agent(self.address, loop=loop, on_error=self.failures.append)

    def in_asyncio(self):
        async def run():
            self.loop, self.end = asyncio.get_running_loop(), asyncio.Event()
            self.make(None)
            self.ready.set()
            await self.end.wait()
            await self.agent.close(0)

        asyncio.run(run())
        self.over.set()

    def in_glib(self):
        from gi.repository import GLib

        self.loop = GLib.MainLoop()
        self.make(playhead.GLibLoop())
        self.ready.set()
        self.loop.run()
        self.over.set()

    def do(self, function):
        """Calls the function in the loop and gives what it gives. That it comes back shows that the
        loop is not held up."""
        done, values = threading.Event(), []

        def call():
            values.append(function())
            done.set()

        if self.glib:
            from gi.repository import GLib

            GLib.idle_add(call)
        else:
            self.loop.call_soon_threadsafe(call)
        assert done.wait(LIMIT), "the loop is held up"
        return values[0]

    def ask(self):
        """The answer to a question: what is in its list when the event is set."""
        told, points = threading.Event(), []
        self.do(lambda: self.agent.resume_point("film").then(
            lambda point: (points.append(point), told.set())))
        return told, points

    def close(self):
        if self.glib:
            self.do(lambda: self.agent.close(0).then(lambda _: self.loop.quit()))
        else:
            self.do(self.end.set)
        assert self.over.wait(LIMIT)


class Connection:
    glib = False

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "bus")
        self.bus = self.player = None

    def start(self, **keys):
        self.bus = FakeBus(self.path, **keys)
        self.player = Player(self.path, self.glib)
        return self.bus.welcome()

    def tearDown(self):
        if self.player:
            self.player.close()
        if self.bus:
            self.bus.close()
        self.directory.cleanup()

    def answered(self, told, points):
        self.assertTrue(told.wait(LIMIT))
        return points[0]

    def test_bytes_may_come_one_by_one(self):
        bus = self.start(piece=1)
        told, points = self.player.ask()
        call = bus.call()
        while call.member != "GetResumePoint":
            call = bus.call()
        bus.reply(call, {"position": ("d", 61.5), "ended_at": ("x", 7)}, "a{sv}")
        point = self.answered(told, points)
        self.assertEqual((point.known, point.start, point.ended_at), (True, 61.5, 7))

    def test_a_bus_that_hangs_up_is_found_again(self):
        bus = self.start()
        told, points = self.player.ask()
        bus.connection.close()
        self.assertEqual(self.answered(told, points).error.name, "Disconnected")
        bus.welcome()
        self.player.do(lambda: self.player.agent.open(0.0, playhead.Media("film")))
        members = [bus.call().member, bus.call().member]
        self.assertEqual(members, ["GetNameOwner", "OpenSession"])

    def test_a_bus_that_refuses_is_an_error_and_no_exception(self):
        self.start(answer=b"REJECTED EXTERNAL\r\n")
        told, points = self.player.ask()
        self.assertIn("REJECTED", self.answered(told, points).error.message)

    def test_no_bus_is_an_error_at_once(self):
        self.player = Player(self.path, self.glib)
        told, points = self.player.ask()
        self.assertEqual(self.answered(told, points).error.name, "Disconnected")

    def test_nonsense_from_the_bus_is_another_connection(self):
        bus = self.start()
        bus.send(b"no D-Bus at all, certainly")
        bus.welcome()
        self.assertEqual(bus.call().member, "GetNameOwner")

    def test_a_bus_that_does_not_read_holds_nobody_up(self):
        bus = self.start()
        self.assertEqual(bus.call().member, "GetNameOwner")
        metadata = {str(number): "x" * 4000 for number in range(15)}

        def say():
            for number in range(100):
                media = playhead.Media("film", instance=str(number), metadata=metadata)
                self.player.agent.open(0.0, media)
            return len(self.player.agent._bus._out)

        # 100 calls of 60 KB wait for a bus that has read none of them.
        unsent = self.player.do(say)
        self.assertGreater(unsent, 0)
        self.assertLess(unsent, _bus.MOST_UNSENT + 70_000)
        self.assertEqual(self.player.agent.pending, 100)

    def test_who_calls_us_does_not_wait(self):
        bus = self.start()
        bus.send(_wire.build(_wire.Message(
            _wire.METHOD_CALL, 77, path="/", interface="org.freedesktop.DBus.Peer", member="Ping",
            sender=":1.9")))
        answer = bus.call()
        while answer.kind != _wire.ERROR:
            answer = bus.call()
        self.assertEqual((answer.reply_serial, answer.destination), (77, ":1.9"))


class InAsyncio(Connection, unittest.TestCase):
    pass


class InGLib(Connection, unittest.TestCase):
    glib = True

    def setUp(self):
        try:
            import gi.repository.GLib  # noqa: F401
        except ImportError:
            self.skipTest("Debian package python3-gi")
        super().setUp()


class Address(unittest.TestCase):
    def test_what_a_bus_may_be(self):
        for bus, sockets in (("unix:path=/a%20b,guid=12", ["/a b"]), ("unix:abstract=x", ["\0x"]),
                             ("tcp:host=h,port=1;unix:path=/b", ["/b"])):
            self.assertEqual(_bus.sockets_of(bus), sockets)
        for bus in ("", "tcp:host=h,port=1", "nonsense", "autolaunch:"):
            with self.assertRaises(ValueError):
                _bus.sockets_of(bus)


if __name__ == "__main__":
    unittest.main()
