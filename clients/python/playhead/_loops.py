"""The event loops that a player may have, behind the few things that the client needs of one."""
from __future__ import annotations

import asyncio
from typing import Any, Callable, Generator, Generic, List, Optional, TypeVar

T = TypeVar("T")


class Loop:
    """What the client needs of an event loop. A player with another one (Qt, say) writes these three
    methods. All of them are called in the loop's own thread, and so is what they call."""

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        """Calls the function once after so many seconds, and those of equal time in their order.
        Gives what takes it back, which may be called at any time."""
        raise NotImplementedError

    def watch(self, fd: int, writing: bool, function: Callable[[], None]) -> Callable[[], None]:
        """Calls the function whenever the file descriptor can be read (or written) without waiting.
        Gives what ends that."""
        raise NotImplementedError

    def soon(self, function: Callable[[], None]) -> None:
        """Calls the function when the present call into the client is over."""
        self.later(0, function)


class AsyncioLoop(Loop):
    """The asyncio loop that runs in this thread, or the one given."""

    def __init__(self, loop: Optional[asyncio.AbstractEventLoop] = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        if seconds <= 0:
            return self._loop.call_soon(function).cancel
        return self._loop.call_later(seconds, function).cancel

    def watch(self, fd: int, writing: bool, function: Callable[[], None]) -> Callable[[], None]:
        if writing:
            self._loop.add_writer(fd, function)
            return lambda: self._end(self._loop.remove_writer, fd)
        self._loop.add_reader(fd, function)
        return lambda: self._end(self._loop.remove_reader, fd)

    def _end(self, remove: Callable[[int], bool], fd: int) -> None:
        if not self._loop.is_closed():
            remove(fd)


class GLibLoop(Loop):
    """GLib's main loop of the default context (Debian: python3-gi)."""

    def __init__(self) -> None:
        from gi.repository import GLib  # type: ignore  # only a player that has GLib needs it

        self._glib: Any = GLib

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], None]:
        source: List[int] = []

        def call() -> bool:
            source.clear()
            function()
            return False

        # Rounded up, so that a timer is never early.
        source.append(self._glib.timeout_add(int(seconds * 1000 + 0.999), call))
        return lambda: self._remove(source)

    def watch(self, fd: int, writing: bool, function: Callable[[], None]) -> Callable[[], None]:
        wanted = self._glib.IO_OUT if writing else self._glib.IO_IN
        # The bus may go away: that is read, or fails to be written.
        condition = wanted | self._glib.IO_HUP | self._glib.IO_ERR

        def call(*_: Any) -> bool:
            function()
            return True

        source = [self._glib.io_add_watch(fd, self._glib.PRIORITY_DEFAULT, condition, call)]
        return lambda: self._remove(source)

    def _remove(self, source: List[int]) -> None:
        if source:
            self._glib.source_remove(source.pop())


def running_loop() -> Loop:
    """The asyncio loop that runs. RuntimeError without one."""
    try:
        return AsyncioLoop()
    except RuntimeError:
        raise RuntimeError(
            "no asyncio loop runs in this thread; make the Agent in a coroutine, or give it a loop, "
            "such as Agent(loop=playhead.GLibLoop())") from None


class Answer(Generic[T]):
    """A value that comes later: `await` it (asyncio), or give `then` a function (any loop)."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._values: List[T] = []
        self._functions: List[Callable[[T], Any]] = []

    def done(self) -> bool:
        return bool(self._values)

    def then(self, function: Callable[[T], Any]) -> Answer[T]:
        """Calls the function with the value: in the loop, and never before this returns."""
        if self._values:
            self._loop.soon(lambda: function(self._values[0]))
        else:
            self._functions.append(function)
        return self

    def __await__(self) -> Generator[Any, None, T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.then(lambda value: None if future.done() else future.set_result(value))
        return future.__await__()

    def _give(self, value: T) -> None:
        if self._values:
            return
        self._values.append(value)
        functions, self._functions = self._functions, []
        for function in functions:
            self._loop.soon(lambda function=function: function(value))  # type: ignore[misc]
