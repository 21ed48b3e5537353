#!/usr/bin/env python3
"""Plays films, a song and a channel in a real Kodi, with the sidecar beside it, and says what was done.

usage: run.py BUS_ADDRESS (Debian: kodi xvfb libgl1-mesa-dri, and kodi-pvr-iptvsimple for the
channel)

Kodi runs under Xvfb with software GL and a home of its own that is thrown away. Each line on standard output
is something that Kodi has confirmed; what the collector gets is for the caller to judge. Exit status 0 when
all of it was done, 77 with a reason when Kodi is not installed.
"""
import glob
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import wave

HERE = os.path.dirname(os.path.abspath(__file__))
SIDECAR = os.path.join(HERE, "..", "playhead_kodi.py")
# Seconds that anything may take here before the test fails.
LIMIT = 120
FILM, SHORT, SONG = 60, 6, 8
PVR = "pvr.iptvsimple"

SETTINGS = """<advancedsettings version="1.0">
  <jsonrpc><tcpport>{port}</tcpport></jsonrpc>
</advancedsettings>
"""
CHANNELS = """#EXTM3U
#EXTINF:-1 tvg-id="one",Channel One
{film}
"""
PVR_SETTINGS = """<settings version="2">
  <setting id="m3uPathType">0</setting>
  <setting id="m3uPath">{list}</setting>
</settings>
"""


def done(text):
    print(text, flush=True)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as handle:
        handle.write(text)


def write_film(path, seconds, width=64, height=36, rate=10):
    """A film that needs no encoder: AVI with one bare picture after another, and an index to seek by."""
    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    size, frames = width * height * 3, seconds * rate
    head = struct.pack("<14I", 1000000 // rate, size * rate, 0, 0x10, frames, 0, 1, size, width, height,
                       0, 0, 0, 0)
    stream = b"vids" + struct.pack("<I", 0) + struct.pack("<IHHIIIIIIII4H", 0, 0, 0, 0, 1, rate, 0, frames,
                                                          size, 0, 0, 0, 0, width, height)[:48]
    picture = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0)
    header = chunk(b"LIST", b"hdrl" + chunk(b"avih", head) + chunk(
        b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", picture)))
    pictures, index = b"", b""
    for number in range(frames):
        index += b"00db" + struct.pack("<III", 0x10, 4 + len(pictures), size)
        pictures += chunk(b"00db", bytes([number * 255 // frames]) * size)
    body = header + chunk(b"LIST", b"movi" + pictures) + chunk(b"idx1", index)
    with open(path, "wb") as handle:
        handle.write(chunk(b"RIFF", b"AVI " + body))


def write_song(path, seconds):
    with wave.open(path, "wb") as song:
        song.setnchannels(2)
        song.setsampwidth(2)
        song.setframerate(44100)
        song.writeframes(bytes(4 * 44100 * seconds))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Stage:
    """The processes and files of the test; nothing of them is left."""

    def __init__(self, bus):
        self.bus, self.port = bus, free_port()
        self.home = tempfile.mkdtemp(prefix="playhead-kodi-")
        self.running = []
        self.film, self.short, self.song = (os.path.join(self.home, name)
                                            for name in ("film.avi", "short.avi", "song.wav"))
        write_film(self.film, FILM)
        write_film(self.short, SHORT)
        write_song(self.song, SONG)
        data = os.path.join(self.home, ".kodi", "userdata")
        write(os.path.join(data, "advancedsettings.xml"), SETTINGS.format(port=self.port))
        # A sound card that is not there, and swallows sound in real time.
        write(os.path.join(self.home, ".asoundrc"), "pcm.!default { type null }\nctl.!default { type null }\n")
        channels = os.path.join(self.home, "channels.m3u")
        write(channels, CHANNELS.format(film=self.film))
        write(os.path.join(data, "addon_data", PVR, "instance-settings-1.xml"),
              PVR_SETTINGS.format(list=channels))
        write(os.path.join(data, "addon_data", PVR, "settings.xml"), PVR_SETTINGS.format(list=channels))
        self.display = self.start_display()

    def start(self, command, **options):
        process = subprocess.Popen(command, start_new_session=True, **options)
        self.running.append(process)
        return process

    def end(self, process, how=signal.SIGKILL):
        """Ends the process and all that it has started."""
        if process.poll() is None:
            os.killpg(process.pid, how)
        status = process.wait(LIMIT)
        self.running.remove(process)
        return status

    def close(self):
        for process in list(self.running):
            self.end(process)
        shutil.rmtree(self.home, ignore_errors=True)

    def start_display(self):
        reading, writing = os.pipe()
        self.start(["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x360x24", "-nolisten", "tcp"],
                   pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as handle:
            number = handle.readline().strip()
        if not number:
            raise RuntimeError("Xvfb did not start")
        return f":{number}"

    def start_kodi(self):
        environment = dict(os.environ, HOME=self.home, DISPLAY=self.display, LIBGL_ALWAYS_SOFTWARE="1",
                           DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent",
                           DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")
        log = open(os.path.join(self.home, "kodi.out"), "ab")
        self.kodi = self.start(["kodi", "--audio-backend=alsa"], env=environment, stdout=log, stderr=log)
        log.close()
        return Kodi(self)

    def start_sidecar(self):
        with open(os.path.join(self.home, "sidecar.out"), "wb") as log:
            self.sidecar = self.start([sys.executable, SIDECAR, "--kodi", f"127.0.0.1:{self.port}", "--bus",
                                       self.bus, "--every", "2"], stderr=log)

    def sidecar_says(self, words, times=1):
        """Waits until the sidecar that runs has said this so often."""
        for _ in breaths(f"the sidecar does not say '{words}'"):
            with open(os.path.join(self.home, "sidecar.out")) as log:
                if log.read().count(words) >= times:
                    return

    def kill_kodi(self):
        """SIGKILL, and its port is free again."""
        self.end(self.kodi)
        for _ in breaths("Kodi does not die"):
            try:
                socket.create_connection(("127.0.0.1", self.port), LIMIT).close()
            except OSError:
                return


class Kodi:
    """What the test says to Kodi, and hears of it."""

    def __init__(self, stage):
        self.stage, self.text, self.number = stage, "", 0
        self.heard = []
        for _ in breaths("Kodi does not listen"):
            if stage.kodi.poll() is not None:
                self.fail("Kodi did not start")
            try:
                self.socket = socket.create_connection(("127.0.0.1", stage.port), LIMIT)
                return
            except OSError:
                pass

    def fail(self, why):
        with open(os.path.join(self.stage.home, "kodi.out"), errors="replace") as out:
            print(out.read()[-4000:], file=sys.stderr)
        raise RuntimeError(f"{why}; heard: {self.heard[-5:]}")

    def read(self):
        """The next message."""
        while True:
            self.text = self.text.lstrip()
            try:
                message, end = json.JSONDecoder().raw_decode(self.text)
                self.text = self.text[end:]
                return message
            except ValueError:
                pass
            try:
                data = self.socket.recv(65536)
            except OSError as error:
                self.fail(f"Kodi says nothing more: {error}")
            if not data:
                self.fail("Kodi has hung up")
            self.text += data.decode()

    def ask(self, method, **parameters):
        self.number += 1
        self.socket.sendall(json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method,
                                        "params": parameters}).encode())
        while True:
            message = self.read()
            if message.get("id") == self.number:
                if "error" in message:
                    self.fail(f"{method}: {message['error']}")
                return message["result"]
            self.heard.append(message)

    def wait(self, method, **wanted):
        """Waits for a notification that has not been waited for yet, and gives its data."""
        while True:
            while self.heard:
                message = self.heard.pop(0)
                data = message.get("params", {}).get("data") or {}
                if message.get("method") == method and all(data.get(k) == v for k, v in wanted.items()):
                    return data
            self.heard.append(self.read())

    def open(self, **item):
        self.ask("Player.Open", item=item)
        self.wait("Player.OnAVStart")
        self.player = self.ask("Player.GetActivePlayers")[0]["playerid"]

    def plays_to(self, seconds):
        """Waits until the content is there."""
        for _ in breaths(f"Kodi does not play to {seconds} s"):
            clock = self.ask("Player.GetProperties", playerid=self.player, properties=["time"])["time"]
            if 60 * clock["minutes"] + clock["seconds"] >= seconds:
                return

    def player_does(self, method, notification, **parameters):
        self.ask(f"Player.{method}", playerid=self.player, **parameters)
        return self.wait(f"Player.{notification}")

    def seek(self, percent):
        self.player_does("Seek", "OnSeek", value={"percentage": percent})


def breaths(why):
    """Comes around until LIMIT seconds are over, and is an error then: for what can only be asked again."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        yield
        time.sleep(0.1)
    raise RuntimeError(why)


def a_film_to_its_end(kodi, stage):
    kodi.open(file=stage.film)
    kodi.plays_to(2)
    kodi.player_does("PlayPause", "OnPause")
    done("paused")
    kodi.player_does("PlayPause", "OnResume")
    kodi.seek(50)
    done("sought to 30")
    kodi.player_does("SetSpeed", "OnSpeedChanged", speed=2)
    kodi.player_does("SetSpeed", "OnSpeedChanged", speed=1)
    kodi.seek(95)
    kodi.wait("Player.OnStop", end=True)
    done("film: complete")


def a_film_that_is_left(kodi, stage):
    kodi.open(file=stage.film)
    kodi.plays_to(3)
    kodi.player_does("Stop", "OnStop")
    done("film: left after 3")


def another_film_takes_its_place(kodi, stage):
    kodi.open(file=stage.film)
    kodi.plays_to(2)
    kodi.open(file=stage.short)
    done("film: left for another")
    kodi.wait("Player.OnStop", end=True)
    done("short: complete")


def a_list_of_two(kodi, stage):
    kodi.ask("Playlist.Clear", playlistid=1)
    for file in (stage.short, stage.film):
        kodi.ask("Playlist.Add", playlistid=1, item={"file": file})
    kodi.open(playlistid=1, position=0)
    kodi.wait("Player.OnStop", end=True)
    kodi.wait("Player.OnAVStart")
    done("short: complete, the film follows")
    kodi.plays_to(1)
    kodi.player_does("Stop", "OnStop")
    done("film: left after 1")


def a_song(kodi, stage):
    kodi.open(file=stage.song)
    kodi.wait("Player.OnStop", end=True)
    done("song: complete")


def a_channel(kodi, stage):
    kodi.ask("Addons.SetAddonEnabled", addonid=PVR, enabled=True)
    for _ in breaths("there is no channel"):
        there = kodi.ask("XBMC.GetInfoBooleans", booleans=["PVR.HasTVChannels"])
        if there["PVR.HasTVChannels"]:
            break
    channels = kodi.ask("PVR.GetChannels", channelgroupid="alltv")["channels"]
    kodi.open(channelid=channels[0]["channelid"])
    stage.sidecar_says("Channel One plays")  # the time of a channel without a guide stands still
    kodi.player_does("Stop", "OnStop")
    done("channel: left")


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    for program, package in (("kodi", "kodi"), ("Xvfb", "xvfb")):
        if not shutil.which(program):
            print(f"{program} is not installed (Debian package {package})")
            return 77
    stage = Stage(arguments[0])
    try:
        # The sidecar is there first and waits for Kodi.
        stage.start_sidecar()
        kodi = stage.start_kodi()
        stage.sidecar_says("is there")
        for scene in (a_film_to_its_end, a_film_that_is_left, another_film_takes_its_place, a_list_of_two,
                      a_song):
            scene(kodi, stage)
        if glob.glob(f"/usr/lib/*/kodi/addons/{PVR}"):
            a_channel(kodi, stage)
        else:
            done(f"no channel: kodi-{PVR.replace('.', '-')} is not installed")
        kodi.open(file=stage.film)
        kodi.plays_to(2)
        stage.kill_kodi()
        done("film: Kodi was killed after 2")
        kodi = stage.start_kodi()
        stage.sidecar_says("is there", times=2)
        kodi.open(file=stage.film)
        kodi.plays_to(3)
        stage.end(stage.sidecar, signal.SIGTERM)
        done("film: the sidecar has ended after 3")
        stage.start_sidecar()
        stage.sidecar_says("film.avi plays at")
        done("film: goes on")
        kodi.player_does("Stop", "OnStop")
        done("film: left")
        stage.sidecar_says("nothing plays")
        if stage.end(stage.sidecar, signal.SIGTERM) != 0:
            raise RuntimeError("the sidecar did not end well")
    finally:
        stage.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
