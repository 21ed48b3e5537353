"""What waits to be said, and what is given up when it is too much. No I/O, no clock."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Set

from .media import Info

# Messages of one Agent.
MOST = 256
# Microseconds. The daemon believes what is said this late.
OLDEST = 60_000_000

OPEN = "OpenSession"
ENDS = ("Complete", "End")
STATES = ("Play", "Pause")


@dataclass(eq=False)
class SessionState:
    """What is known of one playback, by the daemon and here."""
    media: Info
    instance: str
    # The object of the daemon; "" while there is none, or after it is gone.
    path: str = ""
    # Why no more can be said: complete, end, replaced, consent, or the name of an error. "": it can.
    over: str = ""
    # It was refused, and would be again.
    refused: bool = False
    # The daemon has closed it, or does not know it: an end needs no session to be opened for it.
    closed: bool = False
    # It was opened anew, and has to be told whether it plays.
    untold: bool = False
    # The rate that the daemon was told last: 0 pause, None nothing yet.
    rate: Optional[float] = None
    # The rate that the player said last.
    said_rate: Optional[float] = None
    # The last position that the daemon was told, in seconds, when (microseconds), and how the content
    # moves since; -1: none.
    position: float = -1.0
    position_at: int = 0
    moves: float = 0.0
    # `at` of the newest message.
    last_at: int = 0
    # A call is under way.
    busy: bool = False
    # It is tried again later (LimitsExceeded, NotConfigured): after how many seconds, doubling.
    resting: bool = False
    rest: float = 1.0

    def position_now(self, at: int) -> float:
        """Where the content is at that time, as far as the daemon was told; -1: not known."""
        if self.position < 0:
            return self.position
        return self.position + self.moves * max(0, at - self.position_at) / 1e6

    def learn(self, message: Message) -> None:
        """The daemon has taken this."""
        position = message.playhead if message.playhead >= 0 else self.position_now(message.at)
        self.position, self.position_at = position, message.at
        if message.event == "Play":
            self.rate = self.moves = float(message.info.get("rate", ("d", 1.0))[1])
        elif message.event == "Pause":
            self.rate = self.moves = 0.0
        elif message.event in ("BufferStart", "Stall", "SeekStart", "AdBreakStart"):
            self.moves = 0.0
        elif message.event in ("BufferComplete", "SeekComplete", "AdBreakComplete"):
            self.moves = self.rate or 0.0


@dataclass(eq=False)
class Message:
    """One event, or the opening of a session."""
    session: SessionState
    event: str
    playhead: float
    info: Info = field(default_factory=dict)
    # When it happened: CLOCK_BOOTTIME in microseconds.
    at: int = 0
    # Its session was opened anew for it.
    reopened: bool = False
    # It would have been given up, but tells what plays.
    spared: bool = False


class Queue:
    """The messages of one Agent, in the order in which they were said."""

    def __init__(self) -> None:
        self._messages: List[Message] = []

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(list(self._messages))

    def of(self, session: SessionState) -> List[Message]:
        return [m for m in self._messages if m.session is session]

    def first_of_each(self) -> List[Message]:
        firsts: Dict[int, Message] = {}
        for message in self._messages:
            firsts.setdefault(id(message.session), message)
        return list(firsts.values())

    def add(self, message: Message) -> None:
        """Of the positions of a session only the newest waits."""
        if message.event == "Playhead":
            waiting = self.of(message.session)[1 if message.session.busy else 0:]
            for other in waiting:
                if other.event == "Playhead":
                    self._messages.remove(other)
        self._messages.append(message)

    def remove(self, message: Message) -> None:
        self._messages.remove(message)

    def must_wait(self, opening: Message) -> bool:
        """Whether a former session of the same instance still has something to say: opening this one
        would end it."""
        for message in self._messages:
            if message is opening:
                return False
            if message.session.instance == opening.session.instance:
                return True
        return False

    def give_up(self, now: int) -> List[Message]:
        """Takes out what is too old, and the oldest of what is too much. What tells that a session was
        opened, what played last and that it ended stays as long as possible."""
        given_up: List[Message] = []
        under_way = {id(m) for m in self.first_of_each() if m.session.busy}
        # The newest Play or Pause of each session among those that would be given up.
        spared = {id(m.session): m for m in self if m.spared}
        for message in self:
            if now - message.at <= OLDEST and len(self) <= MOST:
                break
            if id(message) in under_way or message.event == OPEN or message.event in ENDS:
                continue
            if message.event in STATES:
                if message.spared:
                    continue
                former = spared.get(id(message.session))
                spared[id(message.session)] = message
                message.spared = True
                if former is None or id(former) in under_way:
                    continue
                message = former
            self._messages.remove(message)
            given_up.append(message)
        while len(self) > MOST:
            given_up += self._give_up_session(under_way)
        return given_up

    def _give_up_session(self, under_way: Set[int]) -> List[Message]:
        """All messages of the oldest session that is over, or else the oldest message."""
        idle = [m for m in self._messages if id(m) not in under_way] or self._messages[-1:]
        ended = [m for m in idle if m.session.over and not m.session.busy]
        lost = self.of(ended[0].session) if ended else idle[:1]
        for message in lost:
            self._messages.remove(message)
        return lost
