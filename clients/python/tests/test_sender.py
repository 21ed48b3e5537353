"""What the client says, when, and what it gives up: with a clock and a daemon of the test's."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from playhead._bus import Reply  # noqa: E402
from playhead._queue import SessionState  # noqa: E402
from playhead._sender import Line, Sender  # noqa: E402

DBUS, OURS = "org.freedesktop.DBus.Error.", "tv.playhead.Error."
SECOND = 1_000_000
PATH = "/tv/playhead/Agent1/session/"


class Bench(Line):
    """A bus whose answers the test gives, and a clock that it moves."""

    def __init__(self):
        self.time, self.up = 1000 * SECOND, True
        self.calls, self.timers, self.failures, self.reasons = [], [], [], []
        self.sender = Sender(self)
        self.sender.owner_is(":1.7")

    def is_up(self):
        return self.up

    def now(self):
        return self.time

    def later(self, seconds, function):
        self.timers.append((self.time + round(seconds * SECOND), function))

    def call(self, path, interface, member, signature, body, done):
        self.calls.append((path.rpartition("/")[2], member, body[0], body[1], done))

    def failed(self, session, event, name, message, count=1):
        self.failures.append((event, name, count))

    def closed(self, session, reason):
        self.reasons.append(reason)

    def changed(self):
        pass

    # The test's side

    def pass_seconds(self, seconds):
        end = self.time + round(seconds * SECOND)
        while True:
            due = sorted((t for t in self.timers if t[0] <= end), key=lambda t: t[0])
            if not due:
                break
            self.timers.remove(due[0])
            self.time = due[0][0]
            due[0][1]()
        self.time = end

    def open(self, media_id="film", playhead=0.0, instance=""):
        session = SessionState({"id": ("s", media_id)}, instance)
        self.sender.open(session, playhead)
        return session

    def opened(self, number=1, **keys):
        """A session that the daemon has opened."""
        session = self.open(**keys)
        self.answer("OpenSession", PATH + str(number))
        return session

    def say(self, session, event, playhead=-1.0, **info):
        self.sender.say(session, event, playhead, info)

    def answer(self, member, *body):
        """The oldest call is this one, and is answered."""
        call = self.calls.pop(0)
        assert call[1] == member, (call[1], member)
        call[4](Reply(body))
        return call

    def refuse(self, member, error, message=""):
        call = self.calls.pop(0)
        assert call[1] == member, (call[1], member)
        call[4](Reply(error=error, message=message))
        return call

    def under_way(self):
        return [(call[0], call[1], call[2]) for call in self.calls]

    def waiting(self):
        return [message.event for message in self.sender.queue]


class Order(unittest.TestCase):
    def test_one_call_of_a_session_is_under_way_and_the_rest_waits_in_order(self):
        bench = Bench()
        film = bench.open()
        for event, playhead in (("Play", 0.0), ("Pause", 5.0), ("Play", 5.0)):
            bench.say(film, event, playhead)
        self.assertEqual(bench.under_way(), [("Agent1", "OpenSession", 0.0)])
        bench.answer("OpenSession", PATH + "3")
        self.assertEqual(bench.under_way(), [("3", "Play", 0.0)])
        bench.answer("Play")
        self.assertEqual(bench.under_way(), [("3", "Pause", 5.0)])
        bench.answer("Pause")
        bench.answer("Play")
        self.assertEqual((bench.calls, bench.waiting(), bench.failures), ([], [], []))

    def test_at_rises_also_when_the_clock_does_not(self):
        bench = Bench()
        film = bench.open()
        bench.say(film, "Play", 0.0)
        bench.say(film, "Pause", 0.0)
        ats = [bench.answer("OpenSession", PATH + "1")[3]["at"]]
        ats += [bench.answer(event)[3]["at"] for event in ("Play", "Pause")]
        self.assertEqual(ats, [("x", 1000 * SECOND + n) for n in range(3)])

    def test_at_is_when_it_was_said_and_not_when_it_was_sent(self):
        bench = Bench()
        film = bench.open()
        bench.say(film, "Play", 0.0)
        bench.pass_seconds(3)
        bench.answer("OpenSession", PATH + "1")
        self.assertEqual(bench.calls[0][3]["at"], ("x", 1000 * SECOND + 1))

    def test_a_session_waits_for_what_the_one_before_has_to_say(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Play", 0.0)
        bench.say(film, "End", 9.0)
        bench.open("news")
        bench.answer("Play")
        self.assertEqual(bench.under_way(), [("1", "End", 9.0)])
        bench.answer("End")
        self.assertEqual(bench.under_way(), [("Agent1", "OpenSession", 0.0)])

    def test_sessions_of_other_instances_do_not_wait(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Play", 0.0)
        bench.open("news", instance="window")
        bench.say(film, "Pause", 4.0)
        self.assertEqual([call[1] for call in bench.calls], ["Play", "OpenSession"])
        self.assertEqual(film.over, "")

    def test_a_session_that_was_followed_by_another_says_no_more(self):
        bench = Bench()
        film = bench.opened()
        bench.open("news")
        bench.say(film, "Pause", 4.0)
        self.assertEqual(bench.failures, [("Pause", "NoSession", 1)])
        self.assertEqual(bench.waiting(), ["OpenSession"])

    def test_of_positions_only_the_newest_waits(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Playhead", 1.0)
        bench.say(film, "Playhead", 2.0)
        bench.say(film, "Pause", 2.0)
        bench.say(film, "Playhead", 3.0)
        self.assertEqual(bench.waiting(), ["Playhead", "Pause", "Playhead"])
        bench.answer("Playhead")
        bench.answer("Pause")
        self.assertEqual(bench.under_way(), [("1", "Playhead", 3.0)])


class Away(unittest.TestCase):
    def test_it_is_said_again_every_five_seconds_and_when_there_is_a_daemon(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Play", 0.0)
        at = bench.refuse("Play", DBUS + "ServiceUnknown")[3]["at"]
        bench.say(film, "Pause", 1.0)
        self.assertEqual(bench.calls, [])
        bench.pass_seconds(4.9)
        self.assertEqual(bench.calls, [])
        bench.pass_seconds(0.2)
        self.assertEqual(bench.refuse("Play", DBUS + "NoReply")[3]["at"], at)
        bench.pass_seconds(1)
        bench.sender.owner_is(":1.8")
        self.assertEqual(bench.answer("Play")[3]["at"], at)
        bench.answer("Pause")
        self.assertEqual((bench.waiting(), bench.failures), ([], []))

    def test_nothing_is_said_to_nobody(self):
        bench = Bench()
        film = bench.opened()
        bench.sender.owner_is("")
        bench.say(film, "Play", 0.0)
        self.assertEqual(bench.calls, [])
        bench.pass_seconds(5.1)  # a bus that can start the daemon does so now
        self.assertEqual(bench.under_way(), [("1", "Play", 0.0)])

    def test_what_is_too_old_is_given_up_but_for_the_outcome(self):
        bench = Bench()
        bench.up = False
        film = bench.open()
        for event in ("Play", "StateStart", "Pause", "StateEnd"):
            bench.say(film, event, 1.0, name=("s", "mute"))
        bench.pass_seconds(61)
        bench.say(film, "Qoe", 9.0)
        self.assertEqual(bench.waiting(), ["OpenSession", "Pause", "Qoe"])
        self.assertEqual(bench.failures, [("StateStart", "Dropped", 3)])
        bench.say(film, "End", 9.0)
        bench.pass_seconds(61)
        bench.up = True
        bench.sender.connected()
        self.assertEqual(bench.waiting(), ["OpenSession", "Pause", "End"])
        self.assertEqual(bench.failures[1:], [("Qoe", "Dropped", 1)])

    def test_a_play_that_comes_too_late_tells_where_the_content_is_now(self):
        bench = Bench()
        bench.up = False
        film = bench.open(playhead=10.0)
        bench.say(film, "Play", 10.0, rate=("d", 2.0))
        bench.pass_seconds(100)
        bench.up = True
        bench.sender.connected()
        bench.answer("OpenSession", PATH + "1")
        event, playhead = bench.calls[0][1:3]
        self.assertEqual((event, round(playhead, 3)), ("Play", 210.0))

    def test_no_more_than_256_wait(self):
        bench = Bench()
        bench.up = False
        film = bench.open()
        bench.say(film, "Play", 0.0)
        for number in range(300):
            bench.say(film, "Qoe", float(number))
            self.assertLessEqual(len(bench.sender.queue), 256)
        self.assertEqual(bench.waiting(), ["OpenSession", "Play"] + ["Qoe"] * 254)
        self.assertEqual(sum(count for _, _, count in bench.failures), 300 - 254)
        oldest = next(m for m in bench.sender.queue if m.event == "Qoe")
        self.assertEqual(oldest.playhead, 46.0)

    def test_the_limit_holds_when_all_of_it_tells_an_outcome(self):
        bench = Bench()
        bench.up = False
        for number in range(200):
            film = bench.open(f"film-{number}")
            bench.say(film, "Play", 0.0)
            bench.say(film, "End", 5.0)
            self.assertLessEqual(len(bench.sender.queue), 256)
        self.assertEqual(bench.waiting()[:4], ["OpenSession", "Play", "End", "OpenSession"])
        newest = list(bench.sender.queue)[-1].session.media["id"]
        self.assertEqual(newest, ("s", "film-199"))

    def test_the_limit_holds_for_any_number_of_players(self):
        bench = Bench()
        bench.up = False
        for number in range(300):
            bench.open(instance=str(number))
        self.assertEqual(len(bench.sender.queue), 256)

    def test_what_is_under_way_is_not_given_up(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Qoe", 0.0)
        bench.pass_seconds(61)
        bench.say(film, "Qoe", 1.0)
        bench.answer("Qoe")
        bench.answer("Qoe")
        self.assertEqual(bench.failures, [])


class Gone(unittest.TestCase):
    def playing(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Play", 5.0, rate=("d", 2.0))
        bench.answer("Play")
        return bench, film

    def test_a_session_that_is_gone_is_opened_anew_where_it_was(self):
        for error in (DBUS + "UnknownObject", DBUS + "UnknownMethod", OURS + "NoSession",
                      OURS + "AccessDenied"):
            bench, film = self.playing()
            bench.pass_seconds(3)
            bench.say(film, "StateStart", name=("s", "mute"))
            at = bench.refuse("StateStart", error)[3]["at"][1]
            _, _, playhead, media, _ = bench.answer("OpenSession", PATH + "8")
            self.assertAlmostEqual(playhead, 11.0, 3)
            self.assertEqual(media, {"id": ("s", "film"), "resume": ("b", True), "at": ("x", at - 2)})
            object_, _, playhead, info, _ = bench.answer("Play")
            self.assertAlmostEqual(playhead, 11.0, 3)
            self.assertEqual(info, {"rate": ("d", 2.0), "at": ("x", at - 1)})
            self.assertEqual(object_, "8")
            call = bench.answer("StateStart")
            self.assertEqual((call[0], call[3]["at"]), ("8", ("x", at)))
            self.assertEqual((bench.calls, bench.failures), ([], []))

    def test_an_event_that_tells_the_state_itself_needs_no_other(self):
        bench, film = self.playing()
        bench.say(film, "Pause", 20.0)
        bench.refuse("Pause", DBUS + "UnknownObject")
        self.assertEqual(bench.answer("OpenSession", PATH + "8")[2], 20.0)
        bench.answer("Pause")
        bench.say(film, "Qoe", 20.0)
        self.assertEqual(bench.under_way(), [("8", "Qoe", 20.0)])

    def test_it_is_opened_anew_once_for_each_event(self):
        bench, film = self.playing()
        bench.say(film, "Pause", 20.0)
        bench.refuse("Pause", DBUS + "UnknownObject")
        bench.answer("OpenSession", PATH + "8")
        bench.refuse("Pause", DBUS + "UnknownObject")
        self.assertEqual((bench.calls, bench.failures), ([], [("Pause", "UnknownObject", 1)]))

    def test_an_end_needs_no_session(self):
        for event in ("End", "Complete"):
            bench, film = self.playing()
            bench.say(film, event, 20.0)
            bench.refuse(event, OURS + "NoSession")
            self.assertEqual((bench.calls, bench.waiting(), bench.failures), ([], [], []))

    def test_a_daemon_that_stops_is_waited_for(self):
        bench, film = self.playing()
        bench.say(film, "Qoe", 20.0)
        bench.refuse("Qoe", OURS + "NoSession", "the agent is stopping; what it has is kept")
        bench.refuse("OpenSession", OURS + "NoSession", "the agent is stopping; what it has is kept")
        bench.sender.owner_is("")
        bench.sender.owner_is(":1.9")
        bench.refuse("OpenSession", OURS + "NotAllowed", "this player has this media open as session 1; Play")
        bench.answer("Play")
        self.assertEqual(bench.answer("Qoe")[0], "1")
        self.assertEqual(bench.failures, [])

    def test_a_reopening_that_fails_closes_the_session_with_its_error(self):
        bench, film = self.playing()
        bench.say(film, "Pause", 20.0)
        bench.say(film, "Play", 20.0)
        bench.refuse("Pause", DBUS + "UnknownObject")
        bench.refuse("OpenSession", OURS + "InvalidArgs")
        self.assertEqual(bench.failures[0], ("OpenSession", "InvalidArgs", 1))
        self.assertEqual(bench.failures[1:], [(e, "NoSession", 1) for e in ("Pause", "Play")])
        self.assertEqual((bench.reasons, bench.waiting()), (["InvalidArgs"], []))

    def test_a_bus_that_was_lost_has_lost_the_sessions_too(self):
        bench, film = self.playing()
        bench.say(film, "Qoe", 6.0)
        bench.up = False
        bench.refuse("Qoe", DBUS + "Disconnected")
        bench.sender.disconnected()
        bench.pass_seconds(2)
        bench.up = True
        bench.sender.connected()
        bench.sender.owner_is(":1.9")
        self.assertEqual(bench.answer("OpenSession", PATH + "1")[2], 6.0)
        bench.answer("Play")
        bench.answer("Qoe")
        # An end is said too: the daemon holds the session for one whose player has vanished.
        bench.sender.disconnected()
        bench.say(film, "Complete", 100.0)
        self.assertEqual(bench.answer("OpenSession", PATH + "2")[2], 100.0)
        bench.answer("Play")
        self.assertEqual(bench.answer("Complete")[0], "2")


class Refused(unittest.TestCase):
    def test_what_is_wrong_is_reported_and_the_next_event_goes_on(self):
        for error in ("InvalidArgs", "NotAllowed"):
            bench = Bench()
            film = bench.opened()
            bench.say(film, "Pause", 0.0)
            bench.say(film, "Play", 0.0)
            bench.refuse("Pause", OURS + error)
            bench.answer("Play")
            self.assertEqual(bench.failures, [("Pause", error, 1)])

    def test_a_full_disk_is_reported_and_the_session_is_open(self):
        for message in ("the disk is full; it is open as session 12",
                        "the disk is full: /tv/playhead/Agent1/session/12"):
            bench = Bench()
            film = bench.open()
            bench.say(film, "Play", 0.0)
            bench.refuse("OpenSession", OURS + "Storage", message)
            self.assertEqual(bench.refuse("Play", OURS + "Storage")[0], "12")
            self.assertEqual(bench.failures, [("OpenSession", "Storage", 1), ("Play", "Storage", 1)])
            self.assertEqual(bench.waiting(), [])

    def test_too_fast_is_reported_once_and_tried_again_more_and_more_slowly(self):
        for error in ("LimitsExceeded", "NotConfigured"):
            bench = Bench()
            film = bench.open()
            bench.refuse("OpenSession", OURS + error)
            for rest in (1, 2, 4, 8, 16):
                bench.pass_seconds(rest - 0.1)
                self.assertEqual(bench.calls, [])
                bench.pass_seconds(0.2)
                bench.refuse("OpenSession", OURS + error)
            self.assertEqual(bench.failures, [("OpenSession", error, 1)])
            bench.pass_seconds(30)
            bench.answer("OpenSession", PATH + "1")
            bench.say(film, "Play", 0.0)
            bench.refuse("Play", OURS + error)
            self.assertEqual(bench.failures[1:], [("Play", error, 1)])
            bench.pass_seconds(1)
            bench.answer("Play")

    def test_a_session_that_may_not_be_opened_is_over(self):
        bench = Bench()
        film = bench.open()
        bench.say(film, "Play", 0.0)
        bench.refuse("OpenSession", OURS + "AccessDenied")
        bench.say(film, "Pause", 0.0)
        self.assertEqual([f[1] for f in bench.failures], ["AccessDenied", "NoSession", "NoSession"])
        self.assertEqual(bench.reasons, ["AccessDenied"])

    def test_what_d_bus_cannot_carry_is_reported_and_not_said(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Error", 0.0, id=("s", "a\0b"))
        bench.say(film, "AdBreakStart", 0.0, position=("i", 1 << 40))
        self.assertEqual(bench.failures, [("Error", "InvalidArgs", 1), ("AdBreakStart", "InvalidArgs", 1)])
        self.assertEqual(bench.open("\udc80").over, "InvalidArgs")
        self.assertEqual(bench.calls, [])


class Closed(unittest.TestCase):
    def test_after_these_the_session_is_over(self):
        for reason in ("replaced", "complete", "end", "consent"):
            bench = Bench()
            film = bench.opened()
            bench.sender.session_closed(":1.7", PATH + "1", reason)
            bench.say(film, "Play", 0.0)
            self.assertEqual((bench.reasons, bench.calls), ([reason], []))
            self.assertEqual(bench.failures, [("Play", "NoSession", 1)])

    def test_after_these_the_object_stays(self):
        for reason in ("idle", "background"):
            bench = Bench()
            film = bench.opened()
            bench.sender.session_closed(":1.7", PATH + "1", reason)
            bench.say(film, "Play", 0.0)
            self.assertEqual((bench.reasons, bench.under_way()), ([reason], [("1", "Play", 0.0)]))

    def test_after_these_the_next_event_opens_it_anew(self):
        for reason in ("vanished", "shutdown"):
            bench = Bench()
            film = bench.opened()
            bench.sender.session_closed(":1.7", PATH + "1", reason)
            self.assertEqual(bench.calls, [])
            bench.say(film, "Play", 3.0)
            self.assertEqual(bench.answer("OpenSession", PATH + "2")[3]["resume"], ("b", True))
            self.assertEqual(bench.answer("Play")[0], "2")

    def test_what_waits_for_a_session_that_is_over_is_not_said(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "Play", 0.0)
        bench.say(film, "Pause", 1.0)
        bench.say(film, "End", 2.0)
        bench.sender.session_closed(":1.7", PATH + "1", "consent")
        bench.refuse("Play", OURS + "NoSession")
        self.assertEqual((bench.calls, bench.waiting()), ([], []))
        self.assertEqual(bench.failures, [("Pause", "NoSession", 1), ("Play", "NoSession", 1)])

    def test_an_end_that_comes_too_late_is_no_failure(self):
        bench = Bench()
        film = bench.opened()
        bench.say(film, "End", 2.0)
        bench.sender.session_closed(":1.7", PATH + "1", "end")
        bench.refuse("End", OURS + "NoSession")
        self.assertEqual((bench.reasons, bench.waiting(), bench.failures), (["end"], [], []))

    def test_only_the_daemon_closes_a_session(self):
        bench = Bench()
        film = bench.opened()
        bench.sender.session_closed(":1.66", PATH + "1", "end")
        bench.say(film, "Play", 0.0)
        self.assertEqual((bench.reasons, bench.under_way()), ([], [("1", "Play", 0.0)]))


if __name__ == "__main__":
    unittest.main()
