#!/usr/bin/env python3
"""Tells playheadd what Kodi plays: a sidecar between Kodi's JSON-RPC on TCP and the client in clients/python.

It hears Kodi's notifications and asks for title, length and position. Kodi may come and go, and may play
already when this begins. Kodi 18 or newer (Player.OnAVStart).
"""
import argparse
import asyncio
import codecs
import hashlib
import json
import logging
import signal
import sys
import time
from typing import Any, Dict, Optional, Tuple
from urllib.parse import urlsplit, urlunsplit

import playhead

log = logging.getLogger("playhead.kodi")
# Seconds.
ANSWER_LIMIT = 5.0
RETRY_FIRST, RETRY_LAST = 1.0, 10.0
# A stream that has not begun after this is asked for all the same.
START_LIMIT = 30.0
# Kodi says OnStop this late at most after it has no player any more.
OVER_LIMIT = 2.0
# OnPlay is this late at most when it comes after the stream has begun.
LATE = 5.0
# Characters. Kodi sends no message that comes near this.
MOST_UNREAD = 8 * 1024 * 1024
# The daemon takes 4 KiB a string.
LONGEST_ID = 512

ITEM = ["title", "file", "mediapath", "uniqueid", "runtime", "duration", "showtitle", "season", "episode",
        "genre", "artist", "album", "channeltype"]
PROPERTIES = ["time", "totaltime", "speed", "live", "canseek"]


class KodiGone(Exception):
    """The connection to Kodi is lost, or it does not answer."""


class Kodi:
    """A connection to Kodi: requests with their answers, and notifications in their order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._answers: Dict[int, "asyncio.Future[Any]"] = {}
        self._number = 0
        # (method, data, when it came in seconds of the monotonic clock); None: Kodi is gone.
        self.notifications: "asyncio.Queue[Optional[Tuple[str, Dict[str, Any], float]]]" = asyncio.Queue()
        self._task = asyncio.ensure_future(self._read())

    async def ask(self, method: str, **parameters: Any) -> Any:
        """The result; None when Kodi refuses, as it does for a player that has just stopped."""
        self._number += 1
        number = self._number
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        try:
            self._writer.write(json.dumps(request).encode())
            return (await asyncio.wait_for(answer, ANSWER_LIMIT)).get("result")
        except (OSError, asyncio.TimeoutError) as error:
            raise KodiGone(f"{method} was not answered") from error
        finally:
            self._answers.pop(number, None)

    def close(self) -> None:
        self._task.cancel()
        self._writer.close()

    async def _read(self) -> None:
        """Kodi sends one JSON object after another with nothing between them."""
        decode, parse = codecs.getincrementaldecoder("utf-8")("replace").decode, json.JSONDecoder().raw_decode
        text = ""
        try:
            while len(text) < MOST_UNREAD:
                data = await self._reader.read(65536)
                if not data:
                    break
                text = (text + decode(data)).lstrip()
                while text:
                    try:
                        message, end = parse(text)
                    except ValueError:
                        break  # it is not all there yet
                    text = text[end:].lstrip()
                    self._take(message)
        except OSError:
            pass
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(KodiGone("Kodi has hung up"))
            self.notifications.put_nowait(None)

    def _take(self, message: Dict[str, Any]) -> None:
        answer = self._answers.get(message.get("id") or 0)
        if answer and not answer.done():
            answer.set_result(message)
        elif "method" in message:
            data = (message.get("params") or {}).get("data") or {}
            self.notifications.put_nowait((message["method"], data, time.monotonic()))


class Door:
    """What Kodi plays, told to playheadd."""

    def __init__(self, agent: playhead.Agent, every: float) -> None:
        self.agent, self.every = agent, every
        self.kodi: Kodi
        self.version = ""
        self.session: Optional[playhead.Session] = None
        # The item of the notification with which the session began; Kodi's number of its player.
        self.item: Any = None
        self.player = -1
        # When a stream was asked for that has not begun yet.
        self.asked_for: Optional[float] = None
        # When one has begun that was not asked for: Kodi says OnPlay after OnAVStart now and then.
        self.early: Optional[float] = None
        # There was no player at the last look, and Kodi has not said yet how it ended.
        self.over = False

    async def serve(self, kodi: Kodi) -> None:
        """Until Kodi is gone."""
        self.kodi, self.asked_for = kodi, None
        try:
            about = await kodi.ask("Application.GetProperties", properties=["version"]) or {}
            version = about.get("version") or {}
            self.version = "{}.{}".format(version.get("major", "?"), version.get("minor", "?"))
            log.info("Kodi %s is there", self.version)
            await self.look()
            while True:
                try:
                    heard = await asyncio.wait_for(kodi.notifications.get(), self.patience())
                except asyncio.TimeoutError:
                    await self.look()
                    continue
                if heard is None:
                    raise KodiGone("Kodi has hung up")
                await self.hear(*heard)
        finally:
            self.stop()

    def patience(self) -> Optional[float]:
        """Seconds until the next look, if Kodi says nothing; None when there is nothing to look for."""
        if self.session is None and self.asked_for is None:
            return None
        return OVER_LIMIT if self.over else self.every

    def stop(self) -> None:
        """Nothing plays any more."""
        if self.session:
            if not self.session.over:
                self.session.end()
            log.info("nothing plays")
        self.session, self.over = None, False

    async def hear(self, method: str, data: Dict[str, Any], when: float) -> None:
        item, about = data.get("item"), data.get("player") or {}
        self.over = False
        log.debug("%s %s", method, data)
        if method == "Player.OnPlay":
            late = self.early is not None and item == self.item and when - self.early < LATE
            self.early = None
            if not late:
                # Kodi does not say OnStop for a film that another one takes the place of.
                self.stop()
                self.asked_for = when
        elif method == "Player.OnAVStart":
            self.stop()
            await self.begin(item)
            self.early = when if self.asked_for is None else None
            if self.session and self.asked_for is not None:
                self.session.qoe(startup_ms=int(1000 * (when - self.asked_for)))
            self.asked_for = None
        elif method == "System.OnQuit":
            self.stop()
        elif method == "Player.OnStop":
            self.asked_for = None
            if self.session and self.item not in (None, item):
                await self.look()  # another one plays already, or none
                return
            if self.session and data.get("end") and not self.session.over:
                self.session.complete(self.session.media.length or -1.0)
            self.stop()
        elif not self.session or self.session.over:
            return
        elif method == "Player.OnSeek":
            # Where it came from Kodi does not know well: of two seeks in a row it names the first place.
            self.session.seek_start()
            self.session.seek_complete(
                -1.0 if self.session.media.is_live else max(0.0, seconds(about.get("time"))))
        elif method in ("Player.OnPause", "Player.OnResume", "Player.OnSpeedChanged"):
            position, _ = await self.position()
            self.tell(position, about.get("speed", 0.0))

    async def look(self) -> None:
        """Asks what plays: at the beginning, and now and then, because positions drift."""
        if self.asked_for is not None and time.monotonic() - self.asked_for < START_LIMIT:
            return
        players = await self.players()
        if not self.kodi.notifications.empty():
            return  # Kodi tells by itself what is new
        if not players and self.session and not self.over:
            self.over = True
        elif not players:
            self.stop()
        elif self.session and self.player in players:
            position, speed = await self.position()
            if speed is not None:
                self.tell(position, speed)
        else:
            self.stop()
            await self.begin(None)

    async def players(self) -> Dict[int, str]:
        """The players that play a sound or a film, by Kodi's number."""
        players = await self.kodi.ask("Player.GetActivePlayers") or []
        return {p["playerid"]: p["type"] for p in players if p.get("type") in ("audio", "video")}

    async def begin(self, item: Any) -> None:
        """A stream has begun: asks for all about it."""
        players = await self.players()
        if not players:
            return
        number, kind = sorted(players.items())[-1]
        properties = await self.kodi.ask("Player.GetProperties", playerid=number, properties=PROPERTIES)
        about = await self.kodi.ask("Player.GetItem", playerid=number, properties=ITEM)
        if properties and about:
            media = media_of(about.get("item") or {}, properties, kind)
            media.player_name, media.app_version = "Kodi", self.version
            self.player, self.item = number, item
            position = -1.0 if media.is_live else max(0.0, seconds(properties.get("time")))
            self.session = self.agent.open(position, media)
            self.tell(position, properties.get("speed") or 0.0)
            log.info("%s plays at %.1f s", media.name, position)

    async def position(self) -> Tuple[float, Optional[float]]:
        """Where the session's content is, in seconds, and how fast it moves; -1 and None when Kodi does
        not know it, or tells of another stream already."""
        properties = await self.kodi.ask("Player.GetProperties", playerid=self.player,
                                         properties=PROPERTIES)
        media = self.session.media if self.session else None
        if not properties or media is None:
            return -1.0, None
        if media.is_live:
            return -1.0, properties.get("speed")
        if media.length and abs(seconds(properties.get("totaltime")) - media.length) > 2:
            return -1.0, None
        return max(0.0, seconds(properties.get("time"))), properties.get("speed")

    def tell(self, position: float, speed: float) -> None:
        if self.session:
            told = self.agent.now(self.session.media, position, float(speed))
            self.session = told or self.session


def media_of(item: Dict[str, Any], properties: Dict[str, Any], kind: str) -> playhead.Media:
    """What Kodi says of an item, in the daemon's words."""
    label, length = item.get("label") or "", seconds(properties.get("totaltime"))
    channel = item.get("type") == "channel"
    # A stream of no length that cannot be sought in is one that has no end.
    live = channel or bool(properties.get("live")) or not (length or properties.get("canseek"))
    audio = kind == "audio" or item.get("channeltype") == "radio"
    content = ("radio" if audio else "live") if live else "song" if item.get("type") == "song" else ""
    metadata = {"media.show": item.get("showtitle"), "media.genre": listed(item.get("genre")),
                "media.artist": listed(item.get("artist")), "media.album": item.get("album")}
    for key in ("season", "episode"):
        if (item.get(key) or 0) > 0:
            metadata[f"media.{key}"] = str(item[key])
    if channel:
        metadata["media.station" if audio else "media.network"] = label
    return playhead.Media(
        id=id_of(item, label), name=item.get("title") or label, length=0.0 if live else length,
        content_type=content, stream_type="audio" if audio else "",
        metadata={key: value for key, value in metadata.items() if value})


def id_of(item: Dict[str, Any], label: str) -> str:
    """A name of the content that is the same on every box and holds no password: what a database of films
    calls it, a channel's name, or the place of the file without user, options and token."""
    unique = item.get("uniqueid")
    for database in ("imdb", "tmdb", "tvdb"):
        if isinstance(unique, dict) and unique.get(database):  # a channel has a number
            return f"{database}:{unique[database]}"
    if item.get("type") == "channel":
        return f"channel:{label}"
    path, file = item.get("mediapath") or "", item.get("file") or ""
    # What an add-on was asked for stays the same when the address of its stream does not.
    place = path if path.startswith("plugin://") else file or path or label
    if "://" in place:
        place = place.partition("|")[0]  # after it come headers for HTTP
        parts = urlsplit(place)
        query = parts.query if parts.scheme == "plugin" else ""
        place = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
    if len(place) > LONGEST_ID:
        place = f"{place[:LONGEST_ID]}#{hashlib.sha256(place.encode('utf-8', 'replace')).hexdigest()[:16]}"
    return place or "unknown"


def seconds(clock: Any) -> float:
    """Kodi's hours, minutes, seconds and milliseconds; at the begin of a film they may be negative."""
    clock = clock or {}
    return float(3600 * clock.get("hours", 0) + 60 * clock.get("minutes", 0) + clock.get("seconds", 0)
                 + clock.get("milliseconds", 0) / 1000)


def listed(values: Any) -> str:
    return ", ".join(values) if isinstance(values, list) else values or ""


async def follow(door: Door, host: str, port: int) -> None:
    """Serves one Kodi after another."""
    retry = RETRY_FIRST
    while True:
        kodi = None
        try:
            connecting = asyncio.open_connection(host, port)
            kodi = Kodi(*await asyncio.wait_for(connecting, ANSWER_LIMIT))
            retry = RETRY_FIRST
            await door.serve(kodi)
        except (OSError, asyncio.TimeoutError, KodiGone) as error:
            log.log(logging.INFO if kodi else logging.DEBUG, "Kodi is away: %s", error)
        finally:
            if kodi:
                kodi.close()
        await asyncio.sleep(retry)
        retry = min(2 * retry, RETRY_LAST)


async def run(options: argparse.Namespace) -> None:
    host, _, port = options.kodi.rpartition(":")
    agent = playhead.Agent(options.bus, app=options.app)
    serving = asyncio.ensure_future(follow(Door(agent, options.every), host.strip("[]"), int(port)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        pass  # the session has got its end
    await agent.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kodi", default="127.0.0.1:9090", metavar="HOST:PORT", help="Kodi's JSON-RPC on TCP")
    parser.add_argument("--bus", default="system", help="system, session or an address")
    parser.add_argument("--app", default="kodi", help="id of the application, by which resume points are kept")
    parser.add_argument("--every", type=float, default=10.0, metavar="SECONDS",
                        help="how often the position is asked for while nothing happens")
    parser.add_argument("--verbose", action="store_true", help="shows each notification of Kodi")
    options = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.INFO, stream=sys.stderr,
                        format="playhead-kodi: %(message)s")
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
