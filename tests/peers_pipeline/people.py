"""People in front of boxes: what they do becomes a timeline for `playheadctl simulate`, and beside it, without
a look at any report, what an operator should find out about it."""
import collections
import dataclasses

HOUR = 3600
# After so long a pause the session ends, and going on is a resume (idle.timeout_seconds).
IDLE = 1800


@dataclasses.dataclass
class Truth:
    """What happened, by title and box. Times are seconds of Unix time."""
    watched: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    starts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    resumes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    # (hour, box) -> [stalls, seconds, buffers filled at the start]
    stalls: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(lambda: [0, 0.0, 0]))
    # (from, to, title, playing/in_ads/paused/stalled) of viewers whose box is online.
    viewers: list = dataclasses.field(default_factory=list)


class Box:
    """One box and its timeline; `now` is seconds after its start."""

    def __init__(self, truth, name, starts):
        self.truth, self.name, self.starts = truth, name, starts
        self.now = 0.0
        self.online = True
        # From when to when the collector takes what comes and its answers get lost.
        self.deaf = (0.0, 0.0)
        self.lines = [{"at": 0, "event": "Boot", "unix_ms": starts * 1000, "trusted": True}]

    @property
    def unix(self):
        return self.starts + self.now

    def line(self, event, **members):
        self.lines.append({"at": round(self.now, 3), "event": event, **members})

    def waits(self, seconds):
        self.now += seconds

    def goes_offline(self):
        self.online = False
        self.line("NetworkDown")

    def comes_online(self):
        self.online = True
        self.line("NetworkUp")

    def loses_answers(self):
        """From now on every request is taken, and its answer gets lost."""
        self.deaf = (self.now, float("inf"))
        self.line("Collector", rules=[{"on": "logs", "drop_after_send": True}])

    def gets_answers(self):
        self.deaf = (self.deaf[0], self.now)
        self.line("Collector", rules=[])

    def is_unplugged(self, seconds=10_000_000):
        self.line("PowerLoss", down_s=seconds)
        self.now += seconds


class Viewing:
    """One viewer and one title. `at` is where it begins; `resumes` says that it goes on."""

    def __init__(self, box, media_id, name, length=5400, at=0.0, resumes=False, live=False, **info):
        self.box, self.media_id, self.live = box, media_id, live
        self.rate, self.breaks = 1.0, 0
        self.at = box.unix % 86400 if live else at
        info |= {"id": media_id, "name": name, "length": 86400 if live else length}
        if live:
            info["content_type"] = "live"
        box.truth.resumes[media_id] += resumes
        box.truth.starts[media_id] += not resumes
        self.say("SessionStart", **info)

    def say(self, event, **info):
        self.box.line(event, playhead=round(self.at % 86400 if self.live else self.at, 3), info=info)

    def spends(self, seconds, state, seen=None):
        """Time goes by. Only what plays is watched; a live channel goes on without its viewer."""
        box = self.box
        if box.online:
            box.truth.viewers.append((box.unix, box.unix + (seconds if seen is None else seen), self.media_id, state))
        box.now += seconds
        if state == "playing":
            # Who goes through a film at eight times its speed looks for a place in it.
            speed = 0 if self.rate < 0 else self.rate if self.rate <= 2 else 1
            box.truth.watched[self.media_id] += seconds * speed
            self.at += seconds * self.rate
        elif self.live:
            self.at += seconds

    def begins(self):
        self.rate = 1.0
        self.say("Play")
        return self

    def plays(self, seconds):
        self.spends(seconds, "playing")
        return self

    def at_speed(self, rate):
        self.rate = rate
        self.say("Play", rate=rate)
        return self

    def pauses(self, seconds):
        self.say("Pause")
        self.spends(seconds, "paused", min(seconds, IDLE))
        self.box.truth.resumes[self.media_id] += seconds > IDLE
        return self.begins()

    def fills_its_buffer(self, seconds):
        self.say("BufferStart")
        self.box.truth.stalls[self.hour(), self.box.name][2] += 1
        self.spends(seconds, "stalled")
        return self

    def stalls(self, seconds):
        self.say("BufferStart")
        stalls = self.box.truth.stalls[self.hour(), self.box.name]
        stalls[0] += 1
        stalls[1] += seconds
        self.spends(seconds, "stalled")
        self.say("BufferComplete")
        return self

    def hour(self):
        return int(self.box.unix // HOUR * HOUR)

    def seeks(self, to):
        self.say("SeekStart")
        self.spends(2, "paused")
        self.at = to
        self.say("SeekComplete")
        return self

    def ads(self, *lengths, moves=0.0):
        """A break. Some players count on in it, by `moves` seconds, and are back where they were after it."""
        self.breaks += 1
        self.say("AdBreakStart", name=f"break {self.breaks}", position=self.breaks, start=self.at)
        for number, length in enumerate(lengths, 1):
            self.say("AdStart", id=f"ad-{number}", name=f"Ad {number}", position=number, length=length)
            self.spends(length / 2, "in_ads")
            self.at += moves
            self.say("Playhead")
            self.spends(length / 2, "in_ads")
            self.at -= moves
            self.say("AdComplete")
        self.say("AdBreakComplete")
        return self

    def crash_of_the_agent(self, seconds):
        """The film plays on, and the player says where it is when the agent is back."""
        self.box.line("AgentCrash", down_s=seconds)
        self.plays(seconds + 1)
        self.say("Playhead")
        return self

    def player_dies(self):
        self.box.line("PlayerVanished", **{"from": "p1"})
        self.spends(60, "paused")

    def ends(self):
        self.say("End")

    def completes(self):
        self.say("Complete")
