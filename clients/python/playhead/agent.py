"""The player's way to the daemon."""
from __future__ import annotations

import logging
import time
from typing import Any, Callable, Dict, Optional, Tuple

from . import _wire
from ._bus import BUS, BUS_PATH, Bus, Reply
from ._loops import Answer, Loop, running_loop
from ._queue import SessionState
from ._sender import AGENT, AGENT_PATH, SESSION, Line, Sender
from .media import Failure, Media, ResumePoint
from .session import Session

_log = logging.getLogger("playhead")
_RULES = [
    f"type='signal',sender='{BUS}',path='{BUS_PATH}',interface='{BUS}',member='NameOwnerChanged',"
    f"arg0='{AGENT}'",
    f"type='signal',sender='{AGENT}',interface='{SESSION}',member='Closed'",
]


class Agent:
    """A connection to the daemon, for as long as the player lives: to the daemon the connection is the
    player. A process with several players has one Agent, and tells them apart by `Media.instance`.

    bus: "system", "session", or an address such as "unix:path=/run/bus". ValueError if it cannot be one.
    app: stable id of the application, where Media has none. Choose it once and never change it.
    loop: the asyncio loop that runs, unless it is another one: GLibLoop() for GLib's.
    on_error: gets each Failure. Without it they are logged as warnings of the logger "playhead".
    on_closed: gets a Session and why it has closed: complete, end, replaced, idle, background, vanished,
    shutdown, consent, or the name of the error for which it could not be opened.

    Everything here belongs to the loop's thread, and nothing waits for the bus. What is said while the
    daemon or the bus is away is said later, with the time at which it happened.
    """

    def __init__(self, bus: str = "system", *, app: str = "", loop: Optional[Loop] = None,
                 on_error: Optional[Callable[[Failure], Any]] = None,
                 on_closed: Optional[Callable[[Session, str], Any]] = None) -> None:
        self.app = app
        self.on_error = on_error
        self.on_closed = on_closed
        self._loop = loop or running_loop()
        self._sender = Sender(_Line(self))
        self._sessions: Dict[int, Session] = {}
        self._current: Dict[str, Session] = {}
        self._asked: Dict[int, Callable[[], None]] = {}
        self._closing: Optional[Answer[int]] = None
        self._bus = Bus(self._loop, bus, _RULES, self._up, self._down, self._signal)

    @property
    def pending(self) -> int:
        """How many messages wait for the daemon's answer."""
        return len(self._sender.queue)

    def resume_point(self, media_id: str, app: str = "") -> Answer[ResumePoint]:
        """Where the viewer was: `point = await agent.resume_point("film-1")`, or
        `agent.resume_point("film-1").then(begin)`. The answer comes within 5 s, and at once when there
        is no daemon or no bus; then the point is the beginning, and has an error."""
        answer: Answer[ResumePoint] = Answer(self._loop)

        def told(reply: Reply) -> None:
            answer._give(_point(reply))

        def ask() -> None:
            self._asked.pop(id(answer), None)
            try:
                self._bus.call(AGENT, AGENT_PATH, AGENT, "GetResumePoint", "ss",
                               (app or self.app, str(media_id)), told)
            except _wire.WireError as error:
                told(Reply(error="InvalidArgs", message=str(error)))

        if self._bus.connecting:
            self._asked[id(answer)] = ask
        else:
            ask()
        return answer

    def open(self, playhead: float, media: Media) -> Session:
        """Begins a playback, at once: what the daemon says of it comes to `on_error` and `on_closed`.
        A negative playhead means "where the viewer was". A session that is open of the same instance
        is over (`replaced`)."""
        state = SessionState(media._info(self.app), media.instance)
        session = Session(self._sender, state, media)
        self._sessions = {key: s for key, s in self._sessions.items() if self._sender.knows(s._state)}
        self._sessions[id(state)] = session
        self._current[media.instance] = session
        self._sender.open(state, float(playhead))
        return session

    def now(self, media: Optional[Media], playhead: float = -1.0, rate: float = 1.0,
            instance: str = "") -> Optional[Session]:
        """For a player that only knows its status: says what plays now, as often as it likes. It opens
        a session if there is none or another `media.id` (the former gets End), says Play or Pause
        (rate 0) when that has changed, and else the position. None: nothing plays any more (of that
        instance). Gives the session, for what else happens in it."""
        session = self._current.get(media.instance if media else instance)
        same = session is not None and media is not None and session.media.id == media.id
        if session and not session.over and not same:
            # The position given is that of what plays now; of the former nobody knows it.
            session.end(-1.0 if media else playhead)
        if media is None:
            self._current.pop(instance, None)
            return None
        if session is None or not same or (session.over and not session._state.refused):
            session = self.open(playhead, media)
        if session.over:
            return session  # it was refused, and would be again
        if session._state.said_rate != rate:
            session.play(playhead, rate) if rate else session.pause(playhead)
        else:
            session.playhead(playhead)
        return session

    def close(self, limit: float = 2.0) -> Answer[int]:
        """Says what waits if the daemon answers within so many seconds, then ends the connection. Gives
        the number of messages that were not said. A session that was neither ended nor completed is to
        the daemon one whose player has vanished."""
        if self._closing is None:
            self._closing = Answer(self._loop)
            self._loop.later(limit, self._end)
            self._loop.soon(self._end_if_done)
        return self._closing

    # What the bus and the sender tell

    def _up(self) -> None:
        self._bus.call(BUS, BUS_PATH, BUS, "GetNameOwner", "s", (AGENT,),
                       lambda reply: self._sender.owner_is(reply.body[0]) if reply.body else None)
        self._sender.connected()
        self._ask()

    def _down(self) -> None:
        self._sender.disconnected()
        self._ask()

    def _ask(self) -> None:
        for ask in list(self._asked.values()):
            ask()

    def _signal(self, message: _wire.Message) -> None:
        if message.member == "NameOwnerChanged" and message.sender == BUS:
            name, _, owner = message.body
            if name == AGENT:
                self._sender.owner_is(owner)
        elif message.member == "Closed" and message.interface == SESSION and message.signature == "s":
            self._sender.session_closed(message.sender or "", message.path or "", message.body[0])

    def _report(self, failure: Failure) -> None:
        if self.on_error:
            self._loop.soon(lambda: self.on_error and self.on_error(failure))
        else:
            _log.warning("%s", failure)

    def _tell_closed(self, state: SessionState, reason: str) -> None:
        session = self._sessions.get(id(state))
        if session and self.on_closed:
            told = session
            self._loop.soon(lambda: self.on_closed and self.on_closed(told, reason))

    def _end_if_done(self) -> None:
        if self._closing and not len(self._sender.queue):
            self._end()

    def _end(self) -> None:
        if self._closing and not self._closing.done():
            self._bus.close()
            self._closing._give(len(self._sender.queue))


class _Line(Line):
    """What the sender needs, of an Agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def is_up(self) -> bool:
        return self._agent._bus.up

    def now(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        self._agent._loop.later(seconds, function)

    def call(self, path: str, interface: str, member: str, signature: str, body: Tuple[Any, ...],
             done: Callable[[Reply], None]) -> None:
        self._agent._bus.call(AGENT, path, interface, member, signature, body, done)

    def failed(self, session: Optional[SessionState], event: str, name: str, message: str,
               count: int = 1) -> None:
        of = self._agent._sessions.get(id(session)) if session else None
        self._agent._report(Failure(event, name, message, of, count))

    def closed(self, session: SessionState, reason: str) -> None:
        self._agent._tell_closed(session, reason)

    def changed(self) -> None:
        self._agent._end_if_done()


def _point(reply: Reply) -> ResumePoint:
    if reply.error:
        name = reply.error.rpartition(".")[2]
        return ResumePoint(error=Failure("GetResumePoint", name, reply.message))
    point = reply.body[0] if reply.body else {}
    if not isinstance(point, dict) or not point:
        return ResumePoint()
    return ResumePoint(True, float(point.get("position", 0.0)), float(point.get("length", 0.0)),
                       point.get("ended_at"), bool(point.get("completed", False)))
