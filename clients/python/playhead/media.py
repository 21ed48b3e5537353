"""What is said about a playback, typed: `Media`, `Ad`, ..., and what comes back."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple

if TYPE_CHECKING:
    from .session import Session

# Keys of D-Bus, each with its signature and value.
Info = Dict[str, Tuple[str, Any]]


@dataclass
class Identity:
    """Who watches, over what the box is configured with: a household has profiles."""
    marketing_cloud_user_id: str = ""
    visitor_id: str = ""
    # Namespace -> (id, state); state: 0 unknown, 1 authenticated, 2 logged out.
    customer_ids: Mapping[str, Tuple[str, int]] = field(default_factory=dict)

    def _info(self) -> Info:
        info: Info = {}
        _text(info, "marketing_cloud_user_id", self.marketing_cloud_user_id)
        _text(info, "visitor_id", self.visitor_id)
        if self.customer_ids:
            info["customer_ids"] = ("a{s(si)}", {space: (str(who), int(state)) for space, (who, state)
                                                 in self.customer_ids.items()})
        return info


@dataclass
class Media:
    """What is played. Only `id` is required; what is left out is not said."""
    # Stable id of the content: no title, no URL with a token in it. Resume points are kept by it.
    id: str
    # Title; without one the id is taken.
    name: str = ""
    # Seconds; 0: not known.
    length: float = 0.0
    # vod, live, linear, radio, song, podcast, audiobook, ... "": vod.
    content_type: str = ""
    # video or audio. "": video.
    stream_type: str = ""
    # Stable id of the application. "": that of the Agent.
    app: str = ""
    channel: str = ""
    player_name: str = ""
    app_version: str = ""
    # The player says that this goes on with an earlier viewing.
    resume: bool = False
    # Played from local storage; reported when it has ended.
    downloaded: bool = False
    # Goes on when the application is in the background.
    background_playback: bool = False
    # Seconds between the pings of an ad, 1 to 10; 0: as configured.
    ad_ping_seconds: int = 0
    # False: accepted as ever, and nothing of it is kept or sent.
    track: bool = True
    identity: Optional[Identity] = None
    # Standard names such as media.show, the rest is custom.
    metadata: Mapping[str, str] = field(default_factory=dict)
    # Tells the players of one process apart.
    instance: str = ""

    @property
    def is_live(self) -> bool:
        """Whether the playhead is the second of the day."""
        return self.content_type in ("live", "linear", "radio")

    def _info(self, app: str) -> Info:
        info: Info = {"id": ("s", str(self.id))}
        for key in ("name", "content_type", "stream_type", "channel", "player_name", "app_version",
                    "instance"):
            _text(info, key, getattr(self, key))
        _text(info, "app", self.app or app)
        for key in ("resume", "downloaded", "background_playback"):
            if getattr(self, key):
                info[key] = ("b", True)
        if self.length:
            info["length"] = ("d", float(self.length))
        if self.ad_ping_seconds:
            info["ad_ping_seconds"] = ("i", int(self.ad_ping_seconds))
        if not self.track:
            info["track"] = ("b", False)
        if self.identity:
            info["identity"] = ("a{sv}", self.identity._info())
        if self.metadata:
            info["metadata"] = metadata_of(self.metadata)
        return info


@dataclass(frozen=True)
class ResumePoint:
    """Where the viewer was. There always is one: without an answer it is the beginning, and `error`
    tells why."""
    # Whether anything is known of this content.
    known: bool = False
    # Seconds.
    position: float = 0.0
    # Seconds; 0: not known.
    length: float = 0.0
    # Milliseconds since 1970 UTC; None while no clock could tell.
    ended_at: Optional[int] = None
    # Seen to the end.
    completed: bool = False
    # Why there is no answer, or None.
    error: Optional[Failure] = None

    @property
    def start(self) -> float:
        """Where the next viewing begins, in seconds: the position, or 0 after the end."""
        return 0.0 if self.completed else self.position


@dataclass(frozen=True)
class Failure:
    """Something that was refused, or given up. A value and no exception: the film goes on."""
    # What was to be said: OpenSession, Play, GetResumePoint, ... Of several, the first.
    event: str
    # The last part of the D-Bus error: InvalidArgs, NotAllowed, NoSession, AccessDenied,
    # LimitsExceeded, NotConfigured, Storage, ServiceUnknown, ... or Dropped.
    name: str
    # The daemon's own sentence, where it said one.
    message: str
    # Of which session, if of one.
    session: Optional[Session] = None
    # How many messages this is about: 1, but with Dropped.
    count: int = 1

    def __str__(self) -> str:
        return f"{self.event}: {self.name}: {self.message}"


def metadata_of(metadata: Mapping[str, str]) -> Tuple[str, Any]:
    return "a{ss}", {str(key): str(value) for key, value in metadata.items()}


def _text(info: Info, key: str, value: str) -> None:
    if value:
        info[key] = ("s", str(value))
