#!/usr/bin/env python3
"""A small player in Python (Debian: python3-dbus), through either door of the agent.

usage: both_doors.py [--bus system|session|ADDRESS] method|signal MEDIA_ID

It plays a few seconds of a film of ten minutes: a pause, a seek, an ad break, and the viewer
leaves. Started again, it goes on where it was. `session` takes the bus that
DBUS_SESSION_BUS_ADDRESS names. player.py beside it is the same in fifteen lines.

The rule above all others: the film is played whatever the agent says. Reporting may fail; then
the exit status is 2 (1: usage, or no bus).
"""
import sys
import time

import dbus
import dbus.bus
import dbus.lowlevel

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

# What a refusal means for the player.
GO_ON, SAY_AGAIN, OPEN_ANEW, GIVE_UP = range(4)
MEANING = {
    # Illegal now; nothing was changed, and the message says what is missing.
    "tv.playhead.Error.NotAllowed": GO_ON,
    # A key has the wrong type, or a number is not finite: a mistake of ours.
    "tv.playhead.Error.InvalidArgs": GO_ON,
    # It was done, but the box's disk is full: it may not survive a power cut.
    "tv.playhead.Error.Storage": GO_ON,
    # More events or sessions than a player may have. Slow down; never repeat in a loop.
    "tv.playhead.Error.LimitsExceeded": SAY_AGAIN,
    # The session has ended behind our back: the next Play opens another.
    "tv.playhead.Error.NoSession": OPEN_ANEW,
    "org.freedesktop.DBus.Error.UnknownObject": OPEN_ANEW,
    # Too late to matter. Not said again: it may have been heard.
    "org.freedesktop.DBus.Error.NoReply": GO_ON,
    "org.freedesktop.DBus.Error.Timeout": GO_ON,
    # The rest is AccessDenied (another connection opened the session, or we are not in group
    # playhead) and an agent that is not there (ServiceUnknown): no use trying.
}


class Methods:
    """Calls: each has an answer, and only the connection that opened the session may make them.

    With a main loop (dbus.mainloop.glib) a player also listens to the session's signal `Closed`,
    and calls asynchronously, so that no answer holds up the picture.
    """

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

    def forget(self):
        self.session = None

    def is_open(self):
        return self.session is not None


class Signals(Methods):
    """Signals: sent and forgotten. Whether one was taken stands in the agent's property
    RejectedEvents and in its log. Only the resume point is asked for by method."""

    def open(self, playhead, media):
        self.say("SessionStart", playhead, media)
        self.session = OUR_PATH

    def say(self, event, playhead, info):
        signal = dbus.lowlevel.SignalMessage(OUR_PATH, PLAYER, event)
        signal.append(playhead, info, signature="da{sv}")
        self.bus.send_message(signal)


class Player:
    def __init__(self, door, media_id):
        self.door = door
        self.media_id = media_id
        self.position = 0.0  # in the film; ads do not count
        self.reporting = True
        self.lost = False

    def ask_where(self):
        """Why first: only the agent knows where the viewer was, after a crash or a power cut too,
        and the decoder has to be sent there before it shows a picture."""
        try:
            point = self.door.call(AGENT_PATH, AGENT, "GetResumePoint", "ss", APP, self.media_id)
        except dbus.DBusException as error:
            self.complain("GetResumePoint", error)
            return
        # Seen to the end: a new viewing begins at the beginning.
        if not point.get("completed", False):
            self.position = float(point.get("position", 0.0))

    def play(self):
        if self.reporting and not self.door.is_open():
            self.open()
        self.say("Play")

    def open(self):
        # dbus-python takes a Python int for an i and a float for a d: a length is a float.
        media = {"id": self.media_id, "app": APP, "name": "Harbour Lights", "length": LENGTH,
                 "metadata": dbus.Dictionary({"media.genre": "drama"}, signature="ss")}
        try:
            self.door.open(self.position, media)
        except dbus.DBusException as error:
            # Without a session nothing can be said. LimitsExceeded too: all places are taken.
            if self.complain("OpenSession", error) != GO_ON:
                self.reporting = False

    def say(self, event, **info):
        for _ in range(2):
            if not (self.reporting and self.door.is_open()):
                return
            try:
                self.door.say(event, self.position, info)
                return
            except dbus.DBusException as error:
                if self.complain(event, error) != SAY_AGAIN:
                    return
            self.watch(1)

    def complain(self, what, error):
        name = error.get_dbus_name()
        print(f"{what}: {name}: {error.get_dbus_message()}", file=sys.stderr)
        self.lost = True
        meaning = MEANING.get(name, GIVE_UP)
        if meaning == OPEN_ANEW:
            self.door.forget()
        if meaning == GIVE_UP:
            self.reporting = False
        return meaning

    @staticmethod
    def watch(seconds):
        time.sleep(seconds)  # the content plays here

    def film(self):
        self.play()
        self.watch(1)
        self.position += 1

        # A pause is Pause and Play. Ending the session and starting another would be two viewings.
        self.say("Pause")
        self.play()

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
    if which == "system":
        return dbus.SystemBus()
    if which == "session":
        return dbus.SessionBus()
    return dbus.bus.BusConnection(which)


def main(arguments):
    which = "system"
    if len(arguments) > 2 and arguments[0] == "--bus":
        which, arguments = arguments[1], arguments[2:]
    if len(arguments) != 2 or arguments[0] not in ("method", "signal"):
        print("usage: both_doors.py [--bus system|session|ADDRESS] method|signal MEDIA_ID",
              file=sys.stderr)
        return 1
    way, media_id = arguments
    try:
        bus = connect(which)
    except dbus.DBusException as error:
        print(f"the bus cannot be reached: {error}", file=sys.stderr)
        return 1
    player = Player(Signals(bus) if way == "signal" else Methods(bus), media_id)
    player.ask_where()
    start = player.position
    player.film()
    # Flushed before the connection goes: a signal that lies in our buffer was never sent.
    bus.flush()
    rest = ", not all of it reported" if player.lost else ""
    print(f"played {media_id} from {start:.1f} to {player.position:.1f}{rest}")
    return 2 if player.lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
