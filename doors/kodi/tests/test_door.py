"""What the sidecar makes of Kodi's words, in the orders in which Kodi has been heard to say them."""
import asyncio
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import playhead_kodi  # noqa: E402
from playhead_kodi import Door, id_of, media_of  # noqa: E402

FILM = {"title": "film.avi", "type": "movie"}
STAYS = {"player": {"playerid": 1, "speed": 1}, "item": FILM}


class Said:
    """Stands for the client, and writes down what is said."""

    def __init__(self):
        self.lines, self.media, self.over, self.rate = [], None, "", None

    def open(self, position, media):
        self.media, self.over, self.rate = media, "", None
        self.lines.append(("open", position))
        return self

    def now(self, media, position, rate):
        event = "playhead" if rate == self.rate else "play" if rate else "pause"
        self.rate = rate
        self.lines.append((event, position))
        return self

    def __getattr__(self, event):
        def say(*values, **keys):
            self.lines.append((event, *values))
            if event in ("end", "complete"):
                self.over = event
        return say


class Kodi:
    """Answers as Kodi would, from what the test has set."""

    def __init__(self):
        self.notifications = asyncio.Queue()
        self.players, self.time, self.length, self.speed = [1], 0.0, 60.0, 1

    async def ask(self, method, **_):
        clock = lambda value: {"seconds": int(value), "milliseconds": round((value - int(value)) * 1000)}  # noqa: E731
        return {"Player.GetActivePlayers": [{"playerid": n, "type": "video"} for n in self.players],
                "Player.GetProperties": {"time": clock(self.time), "totaltime": clock(self.length),
                                         "speed": self.speed, "canseek": True},
                "Player.GetItem": {"item": {"label": "film.avi", "file": "/film.avi", "type": "unknown"}},
                }[method]


class Order(unittest.TestCase):
    def play(self, *steps):
        """What is said: each step is a notification with its data, or something that changes Kodi."""
        said = Said()

        async def run():
            door = Door(said, 10)
            door.kodi = Kodi()
            for step in steps:
                if callable(step):
                    step(door.kodi)
                elif step == "look":
                    await door.look()
                else:
                    await door.hear(f"Player.{step[0]}", step[1], time.monotonic())

        asyncio.run(run())
        return [line for line in said.lines if line[0] != "qoe"]

    def test_on_play_may_come_after_on_av_start(self):
        said = self.play(("OnAVStart", STAYS), ("OnPlay", STAYS), "look")
        self.assertEqual(said, [("open", 0.0), ("play", 0.0), ("playhead", 0.0)])

    def test_the_same_film_again_is_another_playback(self):
        said = self.play(("OnPlay", STAYS), ("OnAVStart", STAYS), ("OnPlay", STAYS), ("OnAVStart", STAYS))
        self.assertEqual([line[0] for line in said], ["open", "play", "end", "open", "play"])

    def test_the_end_may_be_seen_before_it_is_said(self):
        gone = lambda kodi: kodi.players.clear()  # noqa: E731
        start = ("OnPlay", STAYS), ("OnAVStart", STAYS), gone, "look"
        said = self.play(*start, ("OnStop", {"end": True, "item": FILM}))
        self.assertEqual(said[2:], [("complete", 60.0)])
        # If it is never said, it has ended all the same.
        self.assertEqual(self.play(*start, "look")[2:], [("end",)])

    def test_a_stop_of_another_film_ends_nothing(self):
        said = self.play(("OnPlay", STAYS), ("OnAVStart", STAYS),
                         ("OnStop", {"end": True, "item": {"title": "other.avi", "type": "movie"}}))
        self.assertEqual(said[2:], [("playhead", 0.0)])

    def test_a_position_of_another_stream_is_not_told(self):
        def other(kodi):
            kodi.time, kodi.length = 3.0, 5400.0

        said = self.play(("OnPlay", STAYS), ("OnAVStart", STAYS), other, "look",
                         ("OnPause", {"player": {"speed": 0}, "item": FILM}))
        self.assertEqual(said[2:], [("pause", -1.0)])

    def test_a_time_before_the_beginning_is_the_beginning(self):
        self.assertEqual(playhead_kodi.seconds({"hours": 0, "milliseconds": -33}), -0.033)
        said = self.play(lambda kodi: setattr(kodi, "time", -0.033), ("OnAVStart", STAYS))
        self.assertEqual(said, [("open", 0.0), ("play", 0.0)])


class Items(unittest.TestCase):
    def test_an_id_is_that_of_the_content_and_holds_no_secret(self):
        for item, wanted in (
                ({"uniqueid": {"tvdb": "7", "imdb": "tt1"}, "file": "/a.mkv"}, "imdb:tt1"),
                ({"uniqueid": 1150904426, "type": "channel", "file": "x"}, "channel:One"),
                ({"file": "smb://user:secret@nas/films/a.mkv"}, "smb://nas/films/a.mkv"),
                ({"file": "https://h/a.m3u8?token=secret#t|User-Agent=x&Cookie=secret"}, "https://h/a.m3u8"),
                ({"file": "https://cdn/1?t=2", "mediapath": "plugin://plugin.video.x/?id=7"},
                 "plugin://plugin.video.x/?id=7"),
                ({"file": "/films/What? 100%|x.mkv"}, "/films/What? 100%|x.mkv"),
                ({}, "One")):
            self.assertEqual(id_of(item, "One"), wanted)
        long = [id_of({"file": "/" + "ä" * 2000 + end}, "") for end in "ab"]
        self.assertNotEqual(*long)
        self.assertLess(len(long[0].encode()), 4096)

    def test_what_has_no_end_is_live(self):
        for item, properties, kind, wanted in (
                ({"type": "channel", "channeltype": "tv"}, {"live": True, "canseek": True}, "video",
                 ("live", "", 0.0)),
                ({"type": "channel", "channeltype": "radio"}, {}, "video", ("radio", "audio", 0.0)),
                ({"type": "unknown"}, {"canseek": False}, "audio", ("radio", "audio", 0.0)),
                ({"type": "song"}, {"totaltime": {"minutes": 3}, "canseek": True}, "audio",
                 ("song", "audio", 180.0)),
                ({"type": "episode", "season": 1, "episode": 2, "showtitle": "S", "genre": ["a", "b"]},
                 {"totaltime": {"hours": 1}, "canseek": True}, "video", ("", "", 3600.0))):
            media = media_of(item, properties, kind)
            self.assertEqual((media.content_type, media.stream_type, media.length), wanted)
        self.assertEqual(media.metadata, {"media.show": "S", "media.season": "1", "media.episode": "2",
                                          "media.genre": "a, b"})


if __name__ == "__main__":
    unittest.main()
