"""Says what waits, session by session and in order, and finds its way when the daemon is away, new,
busy, or has lost a session. It decides and does no I/O: `Line` is its way to the bus.

Source: docs/integrating-a-player.md, "When the agent goes away".
"""
from __future__ import annotations

import re
from typing import Any, Callable, List, Optional, Tuple

from ._bus import Reply
from ._queue import ENDS, OPEN, OLDEST, STATES, Message, Queue, SessionState
from ._wire import WireError, marshal

AGENT, AGENT_PATH = "tv.playhead.Agent1", "/tv/playhead/Agent1"
SESSION = "tv.playhead.Session1"
# Seconds until a daemon that is away is tried again without having been seen: a call starts one that the
# bus can start.
TRY_AGAIN = 5.0
# Sessions that are over and have nothing to say, of which it is still heard when the daemon closes them.
MOST_QUIET = 16
# Seconds: doubling up to this after LimitsExceeded and NotConfigured.
LONGEST_REST = 30.0

_DBUS = "org.freedesktop.DBus.Error."
_OURS = "tv.playhead.Error."
# The message was not answered: it stays first.
_AWAY = {_DBUS + name for name in (
    "ServiceUnknown", "NameHasNoOwner", "NoReply", "Timeout", "TimedOut", "Disconnected", "LimitsExceeded",
    "NoMemory")}
# The session is gone, or (AccessDenied) its number is another player's, because the store was lost.
_GONE = {_DBUS + "UnknownObject", _DBUS + "UnknownInterface", _DBUS + "UnknownMethod",
         _OURS + "NoSession", _OURS + "AccessDenied"}
_LATER = {_OURS + "LimitsExceeded", _OURS + "NotConfigured"}
_NUMBER = re.compile(r"(?:as session |/tv/playhead/Agent1/session/)(\d+)")


class Line:
    """The sender's way to the bus and to the player."""

    def is_up(self) -> bool:
        """Whether calls are possible."""
        raise NotImplementedError

    def now(self) -> int:
        """CLOCK_BOOTTIME in microseconds."""
        raise NotImplementedError

    def later(self, seconds: float, function: Callable[[], None]) -> Any:
        raise NotImplementedError

    def call(self, path: str, interface: str, member: str, signature: str, body: Tuple[Any, ...],
             done: Callable[[Reply], None]) -> None:
        """Calls the daemon; `done` comes later, once, whatever happens."""
        raise NotImplementedError

    def failed(self, session: Optional[SessionState], event: str, name: str, message: str,
               count: int = 1) -> None:
        """Something was refused or given up."""
        raise NotImplementedError

    def closed(self, session: SessionState, reason: str) -> None:
        raise NotImplementedError

    def changed(self) -> None:
        """There may be less to say than before."""
        raise NotImplementedError


class Sender:
    def __init__(self, line: Line) -> None:
        self._line, self.queue = line, Queue()
        self._sessions: List[SessionState] = []
        # The connection that has the daemon's name; "": none, or not known.
        self._owner = ""
        self._is_away = False
        # Counts the times of absence, so that a timer of a former one does nothing.
        self._absences = 0

    # From the player

    def open(self, session: SessionState, playhead: float) -> None:
        for other in self._sessions:
            if other.instance == session.instance and not other.over:
                other.over = "replaced"
        # Of those that have said all, some may still hear that they are closed.
        quiet = [s for s in self._sessions if s.over and not self.queue.of(s)]
        for other in quiet[:-MOST_QUIET]:
            self._sessions.remove(other)
        self._sessions.append(session)
        self.say(session, OPEN, playhead, {})

    def say(self, session: SessionState, event: str, playhead: float, info: Any) -> None:
        if session.over:
            self._line.failed(session, event, "NoSession", f"the session is over ({session.over})")
            return
        message = Message(session, event, float(playhead), info)
        try:
            marshal("da{sv}", (message.playhead, session.media if event == OPEN else info))
        except WireError as error:
            self._line.failed(session, event, "InvalidArgs", f"{error}; it was not said")
            if event == OPEN:
                self._refuse(session, "InvalidArgs")
            return
        message.at = session.last_at = max(self._line.now(), session.last_at + 1)
        if event in STATES:
            session.said_rate = float(info.get("rate", ("d", 1.0))[1]) if event == "Play" else 0.0
        elif event in ENDS:
            session.over = event.lower()
        self.queue.add(message)
        self.go_on()

    def knows(self, session: SessionState) -> bool:
        """Whether something may still happen to it."""
        return session in self._sessions or bool(self.queue.of(session))

    # From the bus

    def connected(self) -> None:
        self._is_away = False
        self.go_on()

    def disconnected(self) -> None:
        """The daemon sees us vanish with the connection: all sessions have to be opened anew."""
        self._owner = ""
        for session in self._sessions:
            session.path = ""
        self.go_on()

    def owner_is(self, owner: str) -> None:
        """Who has the daemon's name now; "": nobody."""
        self._owner = owner
        if owner:
            self._is_away = False
            self.go_on()
        else:
            self._go_away()

    def session_closed(self, sender: str, path: str, reason: str) -> None:
        session = next((s for s in reversed(self._sessions) if s.path == path), None)
        if session is None or sender != self._owner:
            return
        if reason in ("replaced", "complete", "end", "consent"):
            session.path, session.closed = "", True
            session.over = session.over or reason
            self._sessions.remove(session)
            self._give_up_rest(session, reason)
        elif reason in ("vanished", "shutdown"):
            session.path, session.closed = "", True
        # After idle and background the object stays, and Play revives it.
        self._line.closed(session, reason)
        self.go_on()

    # Saying

    def go_on(self) -> None:
        """Says what can be said now."""
        self._report_dropped(self.queue.give_up(self._line.now()))
        if self._line.is_up() and not self._is_away:
            for message in self.queue.first_of_each():
                if not message.session.busy and not message.session.resting:
                    self._say(message)
        self._line.changed()

    def _say(self, message: Message) -> None:
        session = message.session
        if message.event == OPEN:
            if not self.queue.must_wait(message):
                self._open(message)
        elif not session.path:
            if session.closed and message.event in ENDS:
                self._settle(message)
            else:
                self._open(message)
        elif session.untold and message.event not in STATES:
            self._say_state(message)
        else:
            self._say_event(message)

    def _open(self, message: Message) -> None:
        """Opens the session: for the first time, or anew for the sake of an event."""
        session, media = message.session, dict(message.session.media)
        playhead, at = message.playhead, message.at
        if message.event != OPEN:
            media["resume"] = ("b", True)
            # Two messages come before the event.
            at -= 2
            if playhead < 0:
                playhead = session.position_now(at)
        media["at"] = ("x", at)
        session.busy = True
        self._line.call(AGENT_PATH, AGENT, OPEN, "da{sv}", (playhead, media),
                        lambda reply: self._opened(message, reply))

    def _opened(self, message: Message, reply: Reply) -> None:
        session = message.session
        session.busy = False
        path = str(reply.body[0]) if reply.body else ""
        known = _NUMBER.search(reply.message)
        if reply.error == _OURS + "Storage":
            self._line.failed(session, OPEN, "Storage", reply.message)
        if known and reply.error in (_OURS + "Storage", _OURS + "NotAllowed"):
            path = f"{AGENT_PATH}/session/{known[1]}"
        if path:
            session.path, session.closed, session.rest = path, False, 1.0
            if message.event == OPEN:
                session.learn(message)
                self._settle(message)
            else:
                session.untold = session.rate is not None
        elif reply.error == _OURS + "NoSession":
            # The daemon is stopping. The next one has what this one had.
            self._go_away()
        elif not self._stays(session, OPEN, reply):
            name = reply.error.rpartition(".")[2] or "InvalidArgs"
            self._line.failed(session, OPEN, name, reply.message)
            self._refuse(session, name)
        self.go_on()

    def _say_state(self, message: Message) -> None:
        """Whether a session that was opened anew plays, before the event for which it was opened."""
        session = message.session
        playhead = session.position_now(message.at) if message.playhead < 0 else message.playhead
        info = {"at": ("x", message.at - 1)}
        if session.rate:
            info["rate"] = ("d", session.rate)  # type: ignore[assignment]

        def done(reply: Reply) -> None:
            session.busy = False
            if reply.error in _GONE:
                session.path = ""
                if message.reopened:
                    session.untold = False
                message.reopened = True
            elif not reply.error or not self._stays(session, "Play", reply):
                # A session that has kept its state may refuse it.
                session.untold = False
            self.go_on()

        session.busy = True
        self._line.call(session.path, SESSION, "Play" if session.rate else "Pause", "da{sv}",
                        (playhead, info), done)

    def _say_event(self, message: Message) -> None:
        session, playhead = message.session, message.playhead
        info = dict(message.info)
        info["at"] = ("x", message.at)
        late = self._line.now() - message.at
        if late > OLDEST and message.event == "Play" and playhead >= 0 \
                and self.queue.of(session)[-1] is message:
            # The daemon dates it at its arrival, and the content has moved since it was said.
            playhead += message.info.get("rate", ("d", 1.0))[1] * late / 1e6
        session.busy = True
        self._line.call(session.path, SESSION, message.event, "da{sv}", (playhead, info),
                        lambda reply: self._answered(message, reply))

    def _answered(self, message: Message, reply: Reply) -> None:
        session, error = message.session, reply.error
        session.busy = False
        if error not in _LATER:
            session.rest = 1.0
        if not error or error == _OURS + "Storage":
            if message.event in STATES:
                session.untold = False
            session.learn(message)
            self._settle(message)
            if error:
                self._line.failed(session, message.event, "Storage", reply.message)
        elif error in _GONE and message.event in ENDS:
            self._settle(message)
        elif error in _GONE and not message.reopened and session in self._sessions:
            message.reopened = True
            session.path, session.closed = "", True
        elif not self._stays(session, message.event, reply):
            self._settle(message)
            self._line.failed(session, message.event, error.rpartition(".")[2], reply.message)
        self.go_on()

    def _stays(self, session: SessionState, event: str, reply: Reply) -> bool:
        """Whether it is said again later."""
        if reply.error in _LATER:
            if session.rest == 1.0:  # once for each row of them
                self._line.failed(session, event, reply.error.rpartition(".")[2], reply.message)
            self._rest(session)
            return True
        if reply.error in _AWAY or reply.error.startswith(_DBUS + "Spawn."):
            self._go_away()
            return True
        return False

    def _rest(self, session: SessionState) -> None:
        def over() -> None:
            session.resting = False
            self.go_on()

        session.resting = True
        self._line.later(session.rest, over)
        session.rest = min(2 * session.rest, LONGEST_REST)

    def _go_away(self) -> None:
        self._is_away = True
        self._absences += 1
        absence = self._absences

        def over() -> None:
            if self._is_away and absence == self._absences:
                self._is_away = False
                self.go_on()

        self._line.later(TRY_AGAIN, over)

    def _settle(self, message: Message) -> None:
        """It was said, or need not be said any more."""
        self.queue.remove(message)

    # Giving up

    def _refuse(self, session: SessionState, name: str) -> None:
        session.over, session.refused = name, True
        if session in self._sessions:
            self._sessions.remove(session)
        self._give_up_rest(session, name)
        self._line.closed(session, name)

    def _give_up_rest(self, session: SessionState, why: str) -> None:
        """Nothing of this session can be said any more. What is under way is answered yet."""
        rest = self.queue.of(session)[1 if session.busy else 0:]
        for message in rest:
            self.queue.remove(message)
        for message in rest:
            if message.event != OPEN and message.event not in ENDS:
                self._line.failed(session, message.event, "NoSession", f"the session is over ({why})")

    def _report_dropped(self, messages: List[Message]) -> None:
        if messages:
            count = len(messages)
            what = "1 message was" if count == 1 else f"{count} messages were"
            session = messages[0].session
            same = all(m.session is session for m in messages)
            self._line.failed(session if same else None, messages[0].event, "Dropped",
                              f"{what} given up: too old (60 s) or too many (256)", count)
