"""The wire format of D-Bus, as far as a client needs it. No I/O.

Source: D-Bus Specification, "Marshaling (Wire Format)" and "Message Protocol". A value of type v is
written as a pair (signature, value) and read as the bare value; a dictionary is a dict, every other
array a list, a struct a tuple.
"""
from __future__ import annotations

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED = 1
# Limits of the specification.
MAX_MESSAGE = 128 * 1024 * 1024
MAX_DEPTH = 64

_SIZES = {"y": 1, "b": 4, "n": 2, "q": 2, "i": 4, "u": 4, "x": 8, "t": 8, "d": 8, "h": 4}
_CODES = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d",
          "h": "I"}
_ALIGNMENTS = {**_SIZES, "s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8, "{": 8}
# The header fields, by their numbers.
_FIELDS = {1: "path", 2: "interface", 3: "member", 4: "error_name", 5: "reply_serial",
           6: "destination", 7: "sender", 8: "signature"}
_FIELD_TYPES = {"path": "o", "reply_serial": "u", "signature": "g"}
_NUMBERS = {name: number for number, name in _FIELDS.items()}


class WireError(ValueError):
    """What was read is no D-Bus, or what was to be written cannot be said in it."""


class Message(NamedTuple):
    kind: int
    serial: int
    flags: int = 0
    path: Optional[str] = None
    interface: Optional[str] = None
    member: Optional[str] = None
    error_name: Optional[str] = None
    reply_serial: Optional[int] = None
    destination: Optional[str] = None
    sender: Optional[str] = None
    signature: str = ""
    body: Tuple[Any, ...] = ()


def split(signature: str) -> List[str]:
    """The single complete types of a signature."""
    types, start = [], 0
    while start < len(signature):
        end = _end_of_type(signature, start, 0)
        types.append(signature[start:end])
        start = end
    return types


def _end_of_type(signature: str, at: int, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise WireError("a signature is nested too deeply")
    code = signature[at:at + 1]
    if code == "a":
        return _end_of_type(signature, at + 1, depth + 1)
    if code in ("(", "{"):
        close = ")" if code == "(" else "}"
        at += 1
        while signature[at:at + 1] != close:
            at = _end_of_type(signature, at, depth + 1)
        return at + 1
    if not code or code not in _ALIGNMENTS:
        raise WireError(f"no type in the signature {signature!r} at {at}")
    return at + 1


class _Writer:
    def __init__(self) -> None:
        self.out = bytearray()

    def align(self, to: int) -> None:
        self.out += bytes(-len(self.out) % to)

    def put(self, kind: str, value: Any) -> None:
        code = kind[0]
        self.align(_ALIGNMENTS[code])
        if code in _CODES:
            self.out += struct.pack("<" + _CODES[code], value)
        elif code in "so":
            self._put_text("<I", value)
        elif code == "g":
            self._put_text("<B", value)
        elif code == "v":
            inner, content = value
            self.put("g", inner)
            self.put(inner, content)
        elif code == "a":
            self._put_array(kind[1:], value)
        else:
            inner_types = split(kind[1:-1])
            if len(inner_types) != len(value):
                raise WireError(f"{len(inner_types)} values expected for {kind}, got {len(value)}")
            for inner, content in zip(inner_types, value):
                self.put(inner, content)

    def _put_text(self, length: str, text: str) -> None:
        data = text.encode("utf-8")  # a lone surrogate is a UnicodeEncodeError, a ValueError
        if b"\0" in data:
            raise WireError("a string with a NUL in it cannot be sent")
        self.out += struct.pack(length, len(data)) + data + b"\0"

    def _put_array(self, element: str, values: Any) -> None:
        length_at = len(self.out)
        self.out += bytes(4)
        self.align(_ALIGNMENTS[element[0]])
        start = len(self.out)
        for value in values.items() if element[0] == "{" else values:
            self.put(element, value)
        struct.pack_into("<I", self.out, length_at, len(self.out) - start)


def marshal(signature: str, values: Sequence[Any]) -> bytes:
    """A body. WireError says what cannot be written: a NUL in a text, a number out of range."""
    writer = _Writer()
    try:
        for kind, value in zip(split(signature), values):
            writer.put(kind, value)
    except (struct.error, OverflowError, UnicodeEncodeError) as error:
        raise WireError(str(error)) from error
    return bytes(writer.out)


def build(message: Message) -> bytes:
    """The bytes of a whole message, little-endian."""
    body = marshal(message.signature, message.body)
    fields = []
    for name, number in _NUMBERS.items():
        value = getattr(message, name)
        if value:
            fields.append((number, (_FIELD_TYPES.get(name, "s"), value)))
    writer = _Writer()
    for kind, value in zip("yyyyuu", (ord("l"), message.kind, message.flags, 1, len(body),
                                      message.serial)):
        writer.put(kind, value)
    writer.put("a(yv)", fields)
    writer.align(8)
    return bytes(writer.out) + body


class _Reader:
    def __init__(self, data: Union[bytes, bytearray], at: int, end: int, order: str) -> None:
        self.data, self.at, self.end, self.order = data, at, end, order

    def align(self, to: int) -> None:
        self.at += -self.at % to

    def take(self, size: int) -> Union[bytes, bytearray]:
        if size > self.end - self.at:
            raise WireError("a message is shorter than what it says")
        start, self.at = self.at, self.at + size
        return self.data[start:self.at]

    def number(self, code: str) -> Any:
        return struct.unpack(self.order + _CODES[code], self.take(_SIZES[code]))[0]

    def get(self, kind: str, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise WireError("a value is nested too deeply")
        code = kind[0]
        self.align(_ALIGNMENTS[code])
        if code in _CODES:
            value = self.number(code)
            return bool(value) if code == "b" else value
        if code in "sog":
            size = self.number("y" if code == "g" else "u")
            return self.take(size + 1)[:-1].decode("utf-8")
        if code == "v":
            inner = split(self.get("g"))
            if len(inner) != 1:
                raise WireError("a variant has one type")
            return self.get(inner[0], depth + 1)
        if code == "a":
            return self._array(kind[1:], depth)
        return tuple(self.get(inner, depth + 1) for inner in split(kind[1:-1]))

    def _array(self, element: str, depth: int) -> Any:
        size = self.number("u")
        self.align(_ALIGNMENTS[element[0]])
        if size > self.end - self.at:
            raise WireError("an array is longer than its message")
        end, values = self.at + size, []
        while self.at < end:
            before = self.at
            values.append(self.get(element, depth + 1))
            if self.at == before:
                raise WireError("an array of nothing")
        return dict(values) if element[0] == "{" else values


def parse(data: Union[bytes, bytearray]) -> Optional[Tuple[Message, int]]:
    """The first message of these bytes and its size; None while it is not all there."""
    if len(data) < 16:
        return None
    order = {ord("l"): "<", ord("B"): ">"}.get(data[0])
    if order is None or data[3] != 1:
        raise WireError("no D-Bus message of version 1")
    body_size, serial, fields_size = struct.unpack_from(order + "III", data, 4)
    header_size = 16 + fields_size + (-fields_size % 8)
    size = header_size + body_size
    if size > MAX_MESSAGE:
        raise WireError(f"a message of {size} bytes is longer than D-Bus allows")
    if len(data) < size:
        return None
    try:
        fields = _Reader(data, 12, 16 + fields_size, order).get("a(yv)")
        known: Dict[str, Any] = {_FIELDS[n]: value for n, value in fields if n in _FIELDS}
        body = _Reader(data[header_size:size], 0, body_size, order)
        values = tuple(body.get(kind) for kind in split(known.get("signature", "")))
    except (UnicodeDecodeError, TypeError) as error:
        raise WireError(str(error)) from error
    return Message(data[1], serial, data[2], body=values, **known), size
