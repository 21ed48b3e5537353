"""Players of a measurement."""
import dbus
import dbus.bus

AGENT = "tv.playhead.Agent1"
NOTHING = dbus.Dictionary({}, signature="sv")


class Player:
    """A connection of its own, and the sessions that it opens."""

    def __init__(self, address):
        self.connection = dbus.bus.BusConnection(address)
        self.agent = self.object("/tv/playhead/Agent1", AGENT)

    def object(self, path, interface):
        return dbus.Interface(self.connection.get_object(AGENT, path, introspect=False), interface)

    def open(self, media, **info):
        """Opens a session and plays. Gives the session."""
        info = {"id": media, "app": "bench", "length": dbus.Double(9000), **info}
        path = self.agent.OpenSession(0.0, info, signature="da{sv}")
        session = self.object(path, "tv.playhead.Session1")
        self.say(session, "Play", 0.0)
        return session

    def say(self, session, event, playhead, info=NOTHING):
        session.get_dbus_method(event)(playhead, info, signature="da{sv}")

    def property(self, name):
        properties = self.object("/tv/playhead/Agent1", "org.freedesktop.DBus.Properties")
        return properties.Get(AGENT, name)
