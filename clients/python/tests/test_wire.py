"""The wire format, against GLib's reading and writing of it, and against bytes that are wrong."""
import os
import random
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from playhead import _wire  # noqa: E402
from playhead._wire import Message, WireError, build, marshal, parse  # noqa: E402

try:
    import gi

    gi.require_version("Gio", "2.0")
    from gi.repository import Gio, GLib
except (ImportError, ValueError):
    Gio = None

MEDIA = {"id": ("s", "film-ü"), "length": ("d", 5400.5), "resume": ("b", True),
         "ad_ping_seconds": ("i", -3), "at": ("x", 1 << 40), "metadata": ("a{ss}", {"media.show": "A"}),
         "identity": ("a{sv}", {"customer_ids": ("a{s(si)}", {"crm": ("42", 1)})})}
PLAIN = {"id": "film-ü", "length": 5400.5, "resume": True, "ad_ping_seconds": -3, "at": 1 << 40,
         "metadata": {"media.show": "A"}, "identity": {"customer_ids": {"crm": ("42", 1)}}}
CALL = Message(_wire.METHOD_CALL, 7, path="/tv/playhead/Agent1", interface="tv.playhead.Agent1",
               member="OpenSession", destination="tv.playhead.Agent1", signature="da{sv}",
               body=(61.25, MEDIA))


class Wire(unittest.TestCase):
    def test_what_is_built_is_read_again(self):
        data = build(CALL)
        message, size = parse(data + b"the next one")
        self.assertEqual(size, len(data))
        self.assertEqual(message, CALL._replace(body=(61.25, PLAIN)))

    @unittest.skipIf(Gio is None, "Debian package python3-gi")
    def test_glib_reads_what_is_built(self):
        read = Gio.DBusMessage.new_from_blob(build(CALL), Gio.DBusCapabilityFlags.NONE)
        self.assertEqual(read.get_signature(), "da{sv}")
        self.assertEqual(read.get_member(), "OpenSession")
        self.assertEqual(read.get_serial(), 7)
        self.assertEqual(read.get_body().unpack(), (61.25, PLAIN))

    @unittest.skipIf(Gio is None, "Debian package python3-gi")
    def test_what_glib_builds_is_read_in_both_byte_orders(self):
        signature = "(ynqiuxtdbsogasa(is)a{sv}avaay)"
        value = (1, -2, 3, -4, 5, -6, 7, 8.5, True, "text", "/a/path", "a{sv}", ["one", ""], [(1, "x")],
                 {"key": GLib.Variant("(ov)", ("/p", GLib.Variant("i", 9)))}, [], [b"ab", b""])
        plain = value[:14] + ({"key": ("/p", 9)}, [], [[97, 98], []])
        for order in (Gio.DBusMessageByteOrder.LITTLE_ENDIAN, Gio.DBusMessageByteOrder.BIG_ENDIAN):
            signal = Gio.DBusMessage.new_signal("/a", "a.b", "Member")
            signal.set_byte_order(order)
            signal.set_serial(1)
            signal.set_sender(":1.5")
            signal.set_body(GLib.Variant(signature, value))
            message, _ = parse(signal.to_blob(Gio.DBusCapabilityFlags.NONE))
            self.assertEqual(message.body, plain)
            self.assertEqual((message.kind, message.sender), (_wire.SIGNAL, ":1.5"))

    def test_a_part_of_a_message_is_none(self):
        data = build(CALL)
        for size in range(len(data)):
            self.assertIsNone(parse(data[:size]))

    def test_bytes_that_are_wrong_give_a_message_or_a_wire_error(self):
        chance = random.Random(1)
        data = build(CALL)
        refused = 0
        for _ in range(5_000):
            wrong = bytearray(data)
            for _ in range(chance.randint(1, 4)):
                wrong[chance.randrange(len(wrong))] = chance.randrange(256)
            try:
                parse(wrong)
            except WireError:
                refused += 1
        self.assertGreater(refused, 500)

    def test_another_protocol_is_refused(self):
        data = build(CALL)
        for at, byte in ((0, ord("x")), (3, 2)):
            with self.assertRaises(WireError):
                parse(data[:at] + bytes([byte]) + data[at + 1:])

    def test_what_nests_without_end_is_refused(self):
        signature = "v" * 40
        for body in (b"\1v\0" * 500, b"\1a\0" + bytes(100), b"\1(\0"):
            head = bytearray(build(Message(_wire.SIGNAL, 1, path="/a", signature=signature)))
            struct.pack_into("<I", head, 4, len(body))
            with self.assertRaises(WireError):
                parse(bytes(head) + body)

    def test_what_a_bus_would_hang_up_on_is_never_written(self):
        for signature, value in (("s", "a\0b"), ("s", "\udc80"), ("i", 1 << 31), ("x", 1 << 63),
                                 ("g", "s" * 300)):
            with self.assertRaises(WireError, msg=repr(value)):
                marshal(signature, (value,))


if __name__ == "__main__":
    unittest.main()
