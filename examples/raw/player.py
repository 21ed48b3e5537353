#!/usr/bin/env python3
"""A small player in Python (Debian: python3-dbus python3-gi), through either door of the agent, in raw
D-Bus: for who cannot take the client in clients/python, or wants to see what it does.

usage: player.py [--bus system|session|ADDRESS] [--step] method|signal MEDIA_ID

It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer
leaves. Started again, it goes on where it was. `session` takes the bus that
DBUS_SESSION_BUS_ADDRESS names. With --step each piece of the film lasts until a line comes on
standard input. examples/python/player.py is a player on the client, in few lines.

The rule above all others: the film is played whatever becomes of the agent. It may be stopped,
replaced, or not there yet; when it is there it is told what is played at that moment. The exit
status is 2 only if the agent refused something as wrong (1: usage).
"""
import os
import re
import sys

import dbus
import dbus.bus
import dbus.lowlevel
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

# Always the well-known name: behind it is another connection after each restart of the agent.
AGENT = "tv.playhead.Agent1"
AGENT_PATH = "/tv/playhead/Agent1"
SESSION = "tv.playhead.Session1"
PLAYER = "tv.playhead.Player1"
# Resume points are kept by (app, media id): choose a name once and never change it.
APP = "tv.example.player"
# Signals come from an object path of ours. A process with several players gives each its own.
OUR_PATH = "/tv/example/player"
LENGTH = 600.0
# A synced write on a busy flash can take seconds; longer than this nobody waits.
PATIENCE = 5.0

# What an error means for the player. An error that is not in the table means LATER.
DONE, WRONG, SAY_AGAIN, OPEN_ANEW, LATER, GIVE_UP = range(6)
MEANING = {
    # It was done, but the box's disk is full: it may not survive a power cut.
    "tv.playhead.Error.Storage": DONE,
    # Illegal now; nothing was changed, and the message says what is missing.
    "tv.playhead.Error.NotAllowed": WRONG,
    # A key has the wrong type, or a number is not finite: a mistake of ours.
    "tv.playhead.Error.InvalidArgs": WRONG,
    # More events or sessions than a player may have. Slow down; never repeat in a loop.
    "tv.playhead.Error.LimitsExceeded": SAY_AGAIN,
    # The session has ended behind our back, or the agent has lost its store: open another.
    "tv.playhead.Error.NoSession": OPEN_ANEW,
    "org.freedesktop.DBus.Error.UnknownObject": OPEN_ANEW,
    # There is no agent (ServiceUnknown), it died or is slow (NoReply, Timeout), it has no
    # configuration (NotConfigured), the bus is gone (Disconnected): when it is back, or with the
    # next event, it is told what is played then.
    "org.freedesktop.DBus.Error.ServiceUnknown": LATER,
    "org.freedesktop.DBus.Error.NoReply": LATER,
    "tv.playhead.Error.NotConfigured": LATER,
    # The session is another connection's: the agent has lost its store and counts anew.
    "tv.playhead.Error.AccessDenied": OPEN_ANEW,
    # The bus does not let us: we are not in group playhead. No use trying.
    "org.freedesktop.DBus.Error.AccessDenied": GIVE_UP,
}
# What plays after an event.
MOTION = {"Play": "Play", "Pause": "Pause", "SeekStart": "SeekStart", "SeekComplete": "Play"}


class Methods:
    """Calls: each has an answer, and only the connection that opened the session may make them.

    A player with a picture to show calls asynchronously, or away from the thread that draws.
    """

    begins_anew = True  # a session that was opened has just begun for certain

    def __init__(self, bus):
        self.bus = bus
        self.session = None

    def call(self, path, interface, method, signature, *arguments):
        return self.bus.call_blocking(AGENT, path, interface, method, signature, arguments,
                                      timeout=PATIENCE)

    def open(self, playhead, media):
        self.session = self.call(AGENT_PATH, AGENT, "OpenSession", "da{sv}", playhead, media)

    def say(self, event, playhead, info):
        self.call(self.session, SESSION, event, "da{sv}", playhead, info)

    def listen(self):
        self.bus.add_signal_receiver(self.closed, "Closed", SESSION, AGENT, path_keyword="path")

    def closed(self, reason, path):
        if path != self.session:
            return
        print(f"the session has closed: {reason}", file=sys.stderr, flush=True)
        # After these two the object stays, and Play revives it.
        if reason not in ("idle", "background"):
            self.session = None

    def other_agent(self):
        """The agent was started again. It has kept the session and its object."""


class Signals(Methods):
    """Signals: sent and forgotten. Whether one was taken stands in the agent's property
    RejectedEvents and in its log. Only the resume point is asked for by method."""

    begins_anew = False

    def open(self, playhead, media):
        self.say("SessionStart", playhead, media)
        self.session = OUR_PATH

    def say(self, event, playhead, info):
        if not self.bus.get_is_connected():
            raise dbus.DBusException("the bus is gone",
                                     name="org.freedesktop.DBus.Error.Disconnected")
        signal = dbus.lowlevel.SignalMessage(OUR_PATH, PLAYER, event)
        signal.append(playhead, info, signature="da{sv}")
        self.bus.send_message(signal)

    def listen(self):
        """Nobody tells us of the end of a session."""

    def other_agent(self):
        """Nobody tells us whether it has kept the session. If so, a second start is refused, which
        changes nothing."""
        self.session = None


class Player:
    def __init__(self, bus, door, media_id, step):
        self.bus = bus
        self.door = door
        self.media_id = media_id
        self.step = step
        self.owner = ""  # who has the agent's name now
        self.position = 0.0  # in the film; ads do not count
        # What is played: it is said again to an agent that has missed some of it.
        self.motion = None
        self.ad_break = self.ad = None
        self.told_break = self.told_ad = False  # what the agent knows of them
        self.opened = False  # a session of this viewing was open before
        self.behind = False  # the agent does not know what is played now
        self.reporting = True  # false once it makes no sense to go on
        self.lost = self.wrong = False

    def ask_where(self):
        """Why first: only the agent knows where the viewer was, after a crash or a power cut too,
        and the decoder has to be sent there before it shows a picture. This call also has the bus
        start the agent where it can."""
        try:
            point = self.door.call(AGENT_PATH, AGENT, "GetResumePoint", "ss", APP, self.media_id)
        except dbus.DBusException as error:
            self.judge("GetResumePoint", error)
            return
        # Seen to the end: a new viewing begins at the beginning.
        if not point.get("completed", False):
            self.position = float(point.get("position", 0.0))

    def look_for_the_agent(self):
        """From now on we hear when it goes and comes, and when it ends a session."""
        self.door.listen()
        self.bus.add_signal_receiver(self.owner_changed, "NameOwnerChanged",
                                     "org.freedesktop.DBus", "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", arg0=AGENT)
        try:
            self.owner = self.bus.get_name_owner(AGENT)
        except dbus.DBusException:
            self.owner = ""

    def owner_changed(self, _name, _old, new):
        if new == self.owner:
            return
        self.owner = new
        if not new:
            print("the agent is away; the film goes on", file=sys.stderr, flush=True)
            return
        self.door.other_agent()
        if self.motion and self.reporting:
            self.catch_up()
            state = "does not take it" if self.behind else f"knows {self.door.session}"
            print(f"the agent is there and {state}", file=sys.stderr, flush=True)

    def open(self):
        # With the signature of a call, dbus-python takes a float for a d. In a dictionary it goes
        # by the type in Python: int is i, float is d, so a length is a float.
        media = {"id": self.media_id, "app": APP, "name": "Harbour Lights", "length": LENGTH,
                 "metadata": dbus.Dictionary({"media.genre": "drama"}, signature="ss")}
        if self.opened:
            media["resume"] = True  # the viewing goes on in a session of another number
        try:
            self.door.open(self.position, media)
        except dbus.DBusException as error:
            # An earlier answer was lost and the session is open, or the disk is full and the
            # session is open all the same.
            known = re.search(r"as session (\d+)", error.get_dbus_message())
            if not known:
                # LimitsExceeded too: all places are taken. With the next event it is tried again.
                self.judge("OpenSession", error)
                self.lost = True
                return False
            self.door.session = f"{AGENT_PATH}/session/{known[1]}"
        else:
            # A session that has just begun knows of no ad. By signal it may be the one of before:
            # what has ended meanwhile has to be said, and what goes on is said again.
            kept = not self.door.begins_anew
            self.told_break = kept and self.told_break and not self.ad_break
            self.told_ad = kept and self.told_ad and not self.ad
        self.opened = True
        return True

    def catch_up(self):
        """Tells the agent what is played now, in a session that is opened if need be."""
        self.behind = True
        for _ in range(2):
            if not self.door.session and not self.open():
                return
            if all(self.tell(event, info, again=True) for event, info in self.now()):
                self.behind = False
                return
            if self.door.session:
                return  # it is away again

    def now(self):
        """The events that say what is played now to an agent that may know some of it."""
        if self.told_break and not self.ad_break:
            yield "AdBreakComplete", {}
        elif self.told_ad and not self.ad:
            yield "AdComplete", {}
        if self.ad_break and not self.told_break:
            yield "AdBreakStart", self.ad_break
        if self.ad and not self.told_ad:
            yield "AdStart", self.ad
        if self.ad or not self.ad_break:
            yield self.motion, {}

    def say(self, event, **info):
        """Something happens at the present position."""
        self.motion = MOTION.get(event, self.motion)
        if event == "AdBreakStart":
            self.ad_break = info
        elif event == "AdStart":
            self.ad = info
        elif event == "AdComplete":
            self.ad = None
        elif event == "AdBreakComplete":
            self.ad_break = self.ad = None
        last = event in ("End", "Complete")
        if not (self.reporting and self.owner):
            self.behind = self.lost = True  # nobody is there
        elif self.door.session and (last or not self.behind):
            # If the session turns out to be gone, another one is opened at once.
            if not self.tell(event, info) and not self.door.session and not last:
                self.catch_up()
        elif not last:
            self.catch_up()

    def tell(self, event, info, again=False):
        """One event. Whether the agent has answered."""
        for _ in range(2):
            try:
                self.door.say(event, self.position, info)
            except dbus.DBusException as error:
                meaning = self.judge(event, error, again)
                if meaning == SAY_AGAIN:
                    self.rest(1)
                    continue
                if meaning not in (DONE, WRONG):
                    return False
            if event == "AdBreakStart":
                self.told_break = True
            elif event == "AdStart":
                self.told_ad = True
            elif event == "AdComplete":
                self.told_ad = False
            elif event == "AdBreakComplete":
                self.told_break = self.told_ad = False
            return True
        self.lost = self.behind = True
        return False

    def judge(self, what, error, again=False):
        name = error.get_dbus_name()
        meaning = MEANING.get(name, LATER)
        if again and meaning == WRONG:
            return meaning  # it knew that already
        if meaning == OPEN_ANEW and not self.door.session:
            meaning = GIVE_UP  # we may not even open one
        print(f"{what}: {name}: {error.get_dbus_message()}", file=sys.stderr, flush=True)
        self.wrong |= meaning in (WRONG, GIVE_UP)
        self.lost |= meaning in (OPEN_ANEW, LATER)
        if meaning == OPEN_ANEW:
            self.door.session = None
        if meaning == LATER:
            self.behind = True
        if meaning == GIVE_UP:
            self.reporting = False
        return meaning

    @staticmethod
    def rest(seconds):
        """The bus is served meanwhile."""
        loop = GLib.MainLoop()
        GLib.timeout_add(int(seconds * 1000), loop.quit)
        loop.run()

    def watch(self, seconds):
        """The content plays here, and the bus is served."""
        if not self.step:
            self.rest(seconds)
            return
        loop = GLib.MainLoop()

        def next_piece(*_):
            self.step = bool(os.read(0, 100))  # at the end of the input the film plays by itself
            loop.quit()
            return False

        GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, next_piece)
        print(f"at {self.position:.1f}", flush=True)
        loop.run()

    def film(self):
        self.say("Play")
        self.watch(1)
        self.position += 1

        # A pause is Pause and Play. Ending the session and starting another would be two viewings.
        self.say("Pause")
        self.say("Play")

        # A seek has two ends: where the viewer left, and where the picture is again. Without the
        # second the agent takes the player for seeking, and the position stands still.
        self.say("SeekStart")
        self.position += 30
        self.say("SeekComplete")
        self.watch(1)
        self.position += 1

        # An ad lies in a break, even if it is alone. The film's position stands still meanwhile.
        self.say("AdBreakStart", name="mid-roll", position=1, start=self.position)
        advertiser = dbus.Dictionary({"media.ad.advertiser": "Example"}, signature="ss")
        self.say("AdStart", id="ad-7", name="Soap", position=1, length=1.0, metadata=advertiser)
        self.watch(1)
        self.say("AdComplete")
        self.say("AdBreakComplete")
        self.watch(1)
        self.position += 1

        # The viewer leaves: End. When the film has run out it is Complete; one of them always.
        self.say("End" if self.position < LENGTH else "Complete")


def connect(which):
    DBusGMainLoop(set_as_default=True)
    if which == "system":
        bus = dbus.SystemBus()
    elif which == "session":
        bus = dbus.SessionBus()
    else:
        bus = dbus.bus.BusConnection(which)
    bus.set_exit_on_disconnect(False)  # the film goes on without a bus too
    return bus


USAGE = "usage: player.py [--bus system|session|ADDRESS] [--step] method|signal MEDIA_ID"


def main(arguments):
    which = "system"
    if len(arguments) > 2 and arguments[0] == "--bus":
        which, arguments = arguments[1], arguments[2:]
    step = "--step" in arguments[:1]
    if step:
        arguments = arguments[1:]
    if len(arguments) != 2 or arguments[0] not in ("method", "signal"):
        print(USAGE, file=sys.stderr)
        return 1
    way, media_id = arguments
    try:
        bus = connect(which)
        player = Player(bus, Signals(bus) if way == "signal" else Methods(bus), media_id, step)
        player.ask_where()
        player.look_for_the_agent()
    except dbus.DBusException as error:
        print(f"the bus cannot be reached: {error}", file=sys.stderr)
        bus, player = None, Player(None, Methods(None), media_id, step)
    start = player.position
    player.film()
    if bus and bus.get_is_connected():
        bus.flush()  # a signal that lies in our buffer when the connection goes was never sent
    rest = ", not all of it reported" if player.lost or player.wrong else ""
    print(f"played {media_id} from {start:.1f} to {player.position:.1f}{rest}")
    return 2 if player.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
