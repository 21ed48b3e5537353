"""A connection to a message bus that never waits, and is made again when it is lost."""
from __future__ import annotations

import errno
import os
import socket
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote

from . import _wire
from ._loops import Loop

BUS, BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
SYSTEM_BUS = "unix:path=/var/run/dbus/system_bus_socket"
# Seconds that a call and the beginning of a connection may take.
CALL_LIMIT = 5.0
# Seconds until a bus is tried again: doubling from the first to the last.
RETRY_FIRST, RETRY_LAST = 1.0, 30.0
# Bytes that wait for a bus that does not read. Beyond it calls fail at once.
MOST_UNSENT = 256 * 1024
_CHUNK = 64 * 1024


class Reply(NamedTuple):
    """The answer to a call: a body, or the name of an error and its sentence."""
    body: Tuple[Any, ...] = ()
    error: str = ""
    message: str = ""


class _Call(NamedTuple):
    done: Callable[[Reply], None]
    take_back: Callable[[], None]


def sockets_of(bus: str) -> List[str]:
    """The unix sockets of "system", "session" or an address; those in the abstract namespace begin with
    a NUL. ValueError for an address that has none."""
    if bus == "system":
        address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS
    elif bus == "session":
        address = os.environ.get("DBUS_SESSION_BUS_ADDRESS") or _socket_of_the_user()
    else:
        address = bus
    found = []
    for one in address.split(";"):
        transport, _, rest = one.partition(":")
        keys = dict(pair.partition("=")[::2] for pair in rest.split(",") if pair)
        if transport == "unix" and "path" in keys:
            found.append(unquote(keys["path"]))
        elif transport == "unix" and "abstract" in keys:
            found.append("\0" + unquote(keys["abstract"]))
    if not found:
        raise ValueError(f"expected system, session or an address such as unix:path=/run/bus, "
                         f"got {address!r}")
    return found


def _socket_of_the_user() -> str:
    directory = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return f"unix:path={directory}/bus"


class Bus:
    """One bus. `on_up` tells that calls are possible, `on_down` that they are not (again at each attempt
    that fails); `on_signal` gets what comes by the rules. All are called by the loop."""

    def __init__(self, loop: Loop, address: str, rules: List[str], on_up: Callable[[], None],
                 on_down: Callable[[], None], on_signal: Callable[[_wire.Message], None]) -> None:
        self._loop, self._sockets, self._rules = loop, sockets_of(address), rules
        self._on_up, self._on_down, self._on_signal = on_up, on_down, on_signal
        self._socket: Optional[socket.socket] = None
        self._authenticated = False
        self.up = False
        # A connection is under way, and has not failed yet.
        self.connecting = True
        self.closed = False
        self.why_down = "the bus is not connected yet"
        self._retry_after = RETRY_FIRST
        self._serial = 0
        self._in, self._out = bytearray(), bytearray()
        self._calls: Dict[int, _Call] = {}
        self._end_watch: List[Callable[[], None]] = []
        self._end_writing: Optional[Callable[[], None]] = None
        self._take_back: Callable[[], None] = lambda: None
        loop.soon(self._connect)

    def call(self, destination: str, path: str, interface: str, member: str, signature: str,
             body: Tuple[Any, ...], done: Callable[[Reply], None]) -> None:
        """Calls a method; `done` gets the answer, within CALL_LIMIT seconds, from the loop.
        WireError when the body cannot be written."""
        if not self.up:
            why = self.why_down
            self._loop.soon(lambda: done(Reply(error=f"{BUS}.Error.Disconnected", message=why)))
            return
        self._send_call(destination, path, interface, member, signature, body, done)

    def close(self) -> None:
        """The end of it. What was not sent is lost, and calls are not answered."""
        self.closed = True
        self._calls.clear()
        self._lose("the connection was closed")

    def _send_call(self, destination: str, path: str, interface: str, member: str, signature: str,
                   body: Tuple[Any, ...], done: Callable[[Reply], None]) -> None:
        self._serial = self._serial % 0xFFFF_FFFF + 1
        serial = self._serial
        data = _wire.build(_wire.Message(
            _wire.METHOD_CALL, serial, path=path, interface=interface, member=member,
            destination=destination, signature=signature, body=body))
        if len(self._out) > MOST_UNSENT:
            late = Reply(error=f"{BUS}.Error.NoReply", message="the bus does not read")
            self._loop.soon(lambda: done(late))
            return
        take_back = self._loop.later(CALL_LIMIT, lambda: self._answer(serial, Reply(
            error=f"{BUS}.Error.NoReply", message=f"no answer within {CALL_LIMIT:.0f} s")))
        self._calls[serial] = _Call(done, take_back)
        self._send(data)

    def _answer(self, serial: int, reply: Reply) -> None:
        call = self._calls.pop(serial, None)
        if call:
            call.take_back()
            call.done(reply)

    # The connection

    def _connect(self) -> None:
        if self.closed:
            return
        self.connecting, self._authenticated = True, False
        self._in.clear()
        self._out.clear()
        why = ""
        for name in self._sockets:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                connection.connect(name)
            except (OSError, ValueError) as error:
                connection.close()
                # A bus whose queue is full says EAGAIN, and is tried again like any other.
                why = f"{name.replace(chr(0), '@')}: {getattr(error, 'strerror', None) or error}"
                continue
            self._socket = connection
            self._end_watch = [self._loop.watch(connection.fileno(), False, self._readable)]
            self._take_back = self._loop.later(
                CALL_LIMIT, lambda: self._lose("the bus does not answer"))
            self._send(b"\0AUTH EXTERNAL %s\r\n" % str(os.geteuid()).encode().hex().encode())
            return
        self._lose(why)

    def _lose(self, why: str) -> None:
        self._take_back()
        self.why_down = why
        self.up = self.connecting = False
        for end in self._end_watch:
            end()
        self._end_watch = []
        self._stop_writing()
        if self._socket:
            self._socket.close()
            self._socket = None
        for serial in list(self._calls):
            self._answer(serial, Reply(error=f"{BUS}.Error.Disconnected", message=why))
        if self.closed:
            return
        self._take_back = self._loop.later(self._retry_after, self._connect)
        self._retry_after = min(2 * self._retry_after, RETRY_LAST)
        self._on_down()

    def _greet(self, line: bytes) -> None:
        """The bus has answered the authentication: from here on messages are exchanged."""
        if not line.startswith(b"OK"):
            self._lose(f"the bus refuses user {os.geteuid()}: {line.decode('ascii', 'replace')}")
            return
        self._authenticated = True
        self._send(b"BEGIN\r\n")
        self._send_call(BUS, BUS_PATH, BUS, "Hello", "", (), self._welcomed)
        for rule in self._rules:
            # Without it the sender hears of another daemon when it tries again.
            self._send_call(BUS, BUS_PATH, BUS, "AddMatch", "s", (rule,), lambda reply: None)

    def _welcomed(self, reply: Reply) -> None:
        if reply.error:
            if self._socket:  # else it is lost already, and this call with it
                self._lose(f"the bus does not take us: {reply.message}")
            return
        self._take_back()
        self._retry_after = RETRY_FIRST
        self.up, self.connecting = True, False
        self._on_up()

    # Bytes

    def _send(self, data: bytes) -> None:
        self._out += data
        self._flush()

    def _flush(self) -> None:
        try:
            while self._socket and self._out:
                del self._out[:self._socket.send(self._out)]
        except BlockingIOError:
            if self._socket and not self._end_writing:
                self._end_writing = self._loop.watch(self._socket.fileno(), True, self._flush)
            return
        except OSError:
            # Reading finds the same, and is the one place where a connection ends.
            self._out.clear()
        self._stop_writing()

    def _stop_writing(self) -> None:
        if self._end_writing:
            self._end_writing()
            self._end_writing = None

    def _readable(self) -> None:
        connection = self._socket
        if not connection:
            return
        try:
            data = connection.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(f"the bus is gone: {errno.errorcode.get(error.errno or 0, error)}")
            return
        if not data:
            self._lose("the bus has closed the connection")
            return
        self._in += data
        try:
            self._read_all(connection)
        except _wire.WireError as error:
            self._lose(f"the bus is not understood: {error}")

    def _read_all(self, connection: socket.socket) -> None:
        while self._socket is connection:  # what is read may end the connection
            if not self._authenticated:
                line, end, rest = bytes(self._in).partition(b"\r\n")
                if not end:
                    if len(line) > _CHUNK:
                        raise _wire.WireError("no end of a line")
                    return
                self._in[:] = rest
                self._greet(line)
                continue
            parsed = _wire.parse(self._in)
            if not parsed:
                return
            message, size = parsed
            del self._in[:size]
            self._take(message)

    def _take(self, message: _wire.Message) -> None:
        if message.kind == _wire.METHOD_RETURN:
            self._answer(message.reply_serial or 0, Reply(message.body))
        elif message.kind == _wire.ERROR:
            text = next((part for part in message.body[:1] if isinstance(part, str)), "")
            self._answer(message.reply_serial or 0,
                         Reply(error=message.error_name or f"{BUS}.Error.Failed", message=text))
        elif message.kind == _wire.SIGNAL:
            self._on_signal(message)
        elif message.kind == _wire.METHOD_CALL and not message.flags & _wire.NO_REPLY_EXPECTED:
            # Whoever calls must not wait: there is nothing here to be called.
            self._serial = self._serial % 0xFFFF_FFFF + 1
            self._send(_wire.build(_wire.Message(
                _wire.ERROR, self._serial, destination=message.sender,
                reply_serial=message.serial, error_name=f"{BUS}.Error.UnknownObject",
                signature="s", body=("a player has no objects",))))
