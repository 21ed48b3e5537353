#!/usr/bin/python3
"""What the service has to stand on a box. One JSON line a check; the last line is DONE."""
import json
import os
import pwd
import re
import signal
import stat
import time

import dbus

from machine import (Collector, Failed, Player, closed, credential, drop_in, dropped_in, expect, hits,
                     holding, is_active, journal, last_error, main_pid, owner, run, show, status,
                     systemctl, tls_collector, wait, write)

# The unit's own is 60 s. Everything that depends on it is shortened with it.
WATCHDOG_SECONDS = 2
# A quarter of an hour is 15 periods of 60 s.
IDLE_PERIODS = 16
CONFIG = "/etc/playheadd/playheadd.toml"
REQUIRE_SYNC = "[clock]\nrequire_sync = true\n"
TIMEDATED = "systemd-timedated.service"
CHECKS = []
player = None


def check(name):
    def add(function):
        CHECKS.append((name, function))
        return function
    return add


def misconfigured(part, seen_by_reload=True):
    """The service runs without a configuration that it can use, and says so with this part."""
    # This may be the call that starts it; one that nobody answers is an error of another name.
    caller = Player()
    error = caller.tell("open", "film-0")
    caller.leaves()
    expect(error == "tv.playhead.Error.NotConfigured", f"a player got {error}")
    expect(is_active() and owner() == main_pid(), f"the service is {show('ActiveState')}")
    expect(show("StatusText").startswith("misconfigured: "), show("StatusText"))
    said = last_error()
    expect(said.startswith("nothing is tracked or sent since 20") and part in said, said)
    for command in ("status", "doctor", "queue", "sessions", "flush"):
        said = run("playheadctl", command)
        expect(said.returncode == 1 and part in said.stdout + said.stderr, f"{command}: {said}")
    tried = run("systemctl", "reload", "playheadd")
    failed = tried.returncode != 0
    expect(failed or not seen_by_reload, "the reload of no configuration succeeded")
    expect(is_active() and show("StatusText").startswith("misconfigured: "), show("StatusText"))


@check("first boot without a configuration: it is there and says so; a reload starts it")
def first_boot():
    expect(is_active(), f"the service is {show('ActiveState')}")
    pid, name = main_pid(), unique_name()
    misconfigured("there is no configuration")
    told = entries("50764ad7e97949a69a8447de9c65655f")
    expect(all(entry["PRIORITY"] == "3" for entry in told), f"{told}")
    expect(any("collector.url" in entry["PLAYHEAD_WHY"] for entry in told), f"{told}")
    expect(not os.listdir("/var/lib/playheadd"), f"{os.listdir('/var/lib/playheadd')}")
    with open("/opt/playheadd-tests/playheadd.toml") as good:
        write(CONFIG, good.read())
    systemctl("reload", "playheadd")
    wait("the end of it", lambda: not show("StatusText").startswith("misconfigured"))
    expect(last_error() == "", last_error())
    expect((main_pid(), unique_name()) == (pid, name), "it is another process or connection")


@check("READY means: the name is owned and the store is open")
def ready():
    expect(is_active(), f"the service is {show('ActiveState')}")
    expect(owner() == main_pid(), f"the name belongs to {owner()}, the service is {main_pid()}")
    held = run("ls", "-l", f"/proc/{main_pid()}/fd").stdout
    expect("/var/lib/playheadd/db" in held, f"no open store: {held}")


@check("the state is the service's own, and closed")
def state():
    where = os.stat("/var/lib/playheadd")
    uid = pwd.getpwnam("playheadd").pw_uid
    expect((where.st_uid, stat.S_IMODE(where.st_mode)) == (uid, 0o700), f"{where}")
    with open(f"/proc/{main_pid()}/status") as status:
        of = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    expect(of["Uid"].split()[0] == str(uid), f"it runs as {of['Uid']}")
    expect(int(of["CapEff"], 16) == 0, f"it has capabilities {of['CapEff']}")
    expect((of["NoNewPrivs"], of["Seccomp"]) == ("1", "2"), "the sandbox is not in force")


@check("only root and the service's user may own the name, only players may call")
def policy():
    asked = run("runuser", "-u", "viewer", "--", "busctl", "call", "org.freedesktop.DBus", "/",
                "org.freedesktop.DBus", "RequestName", "su", "tv.playhead.Agent1", "7")
    expect("denied" in asked.stderr or "not allowed" in asked.stderr, f"{asked}")
    stranger = Player("stranger")
    error = stranger.tell("open", "film-0")
    expect(error == "org.freedesktop.DBus.Error.AccessDenied", f"a stranger got {error}")
    stranger.leaves()


def entries(message_id):
    """The journal's entries of one kind, by the service."""
    return [json.loads(line) for line in journal("-o", "json", f"MESSAGE_ID={message_id}").splitlines()]


def unique_name():
    """The connection that has the agent's name."""
    return run("busctl", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetNameOwner",
               "s", "tv.playhead.Agent1").stdout


def agent(user, *words):
    """A call of the agent as somebody, over the system bus."""
    verb, *rest = words
    return run("runuser", "-u", user, "--", "busctl", verb, "tv.playhead.Agent1",
               "/tv/playhead/Agent1", "tv.playhead.Agent1", *rest)


@check("a member of playhead-admin says what the viewer allows, nobody else does")
def consent():
    for word in ("unknown", "in"):
        said = agent("settings", "call", "SetConsent", "s", word)
        expect(said.returncode == 0, f"the settings screen got {said.stderr}")
        seen = agent("settings", "get-property", "Consent").stdout
        expect(seen.strip() == f's "{word}"', f"it reads {seen}")
    for user in ("viewer", "stranger"):
        said = agent(user, "call", "SetConsent", "s", "out")
        expect(said.returncode != 0 and "denied" in said.stderr.lower(), f"{user}: {said}")
    said = agent("settings", "call", "Flush")
    expect(said.returncode != 0, "a settings screen may do everything")
    seen = agent("stranger", "get-property", "Consent").stdout
    expect(seen.strip() == 's "in"', f"it is {seen}")


@check("a player plays over the system bus")
def plays():
    global player
    player = Player()
    player.does("open", "film-1")
    player.does("Play")
    player.presses_keys(2)
    player.all_arrived()


@check("the status line is for people")
def status_text():
    wait("1 session, N hits delivered", lambda: ": 1 session, " in show("StatusText"))
    told = run("systemctl", "status", "playheadd").stdout
    expect("hits delivered" in told, told)


@check("a reload reads the configuration; a broken one fails, and leaves the old in force")
def reload():
    pid = main_pid()
    systemctl("reload", "playheadd")
    wait("a word of it in the journal", lambda: "configuration was read anew" in journal())
    with holding(CONFIG, "\n[collector\n"):
        for _ in range(2):
            tried = run("systemctl", "reload", "playheadd")
            expect(tried.returncode != 0, "the reload of a broken configuration succeeded")
            in_force = "the old configuration is in force since 20"
            wait("the status that says so", lambda: in_force in show("StatusText"))
            said = last_error()
            expect(said.startswith(in_force) and "playheadd.toml:" in said, said)
            expect("the old one stays in force" in journal(), "no word of it in the journal")
            # It comes natively, from inside the sandbox, with its fields.
            told = entries("168b3e5eaaf74c4cb524a2e1d152d010")
            expect(told and told[-1]["PRIORITY"] == "3", f"{told}")
            expect("toml:" in told[-1]["PLAYHEAD_ERROR"], f"{told}")
            expect(told[-1]["_PID"] == str(pid), f"{told}")
            expect(is_active() and main_pid() == pid, f"the service is {show('ActiveState')}")
    systemctl("reload", "playheadd")
    wait("the end of it", lambda: last_error() == "")
    expect("old configuration" not in show("StatusText"), show("StatusText"))
    expect(main_pid() == pid and is_active(), "the service did not stay")
    player.presses_keys(1)
    player.all_arrived()


@check("journalctl -x explains what an operator has to act on")
def explained():
    updated = run("journalctl", "--update-catalog")
    expect(updated.returncode == 0, f"{updated}")
    said = run("journalctl", "-x", "--no-pager", "-u", "playheadd").stdout
    expect("Subject: The new configuration of playheadd is broken" in said, said)
    expect("Correct the file and the line that the message names" in said, said)


@check("stopped and started: the session goes on, nothing answered is lost")
def stop_and_start():
    Collector.deaf()
    player.presses_keys()
    systemctl("stop", "playheadd")
    expect(show("Result") == "success", f"the stop ended with {show('Result')}")
    expect(owner() == 0, "somebody still owns the name")
    Collector.listening()
    systemctl("start", "playheadd")
    expect(owner() == main_pid(), "started without the name")
    player.presses_keys(2)
    player.all_arrived()


@check("stopped and called: the bus starts it, the session goes on")
def activated():
    systemctl("stop", "playheadd")
    player.presses_keys(2)
    expect(is_active(), "the call was answered by nobody's service")
    player.all_arrived()


@check("SIGKILL, 5 times: the session goes on, nothing answered is lost")
def killed():
    for _ in range(5):
        survives_sigkill(player)


def survives_sigkill(viewing):
    pid = main_pid()
    Collector.deaf()
    viewing.presses_keys()
    os.kill(pid, signal.SIGKILL)
    Collector.listening()
    wait("a restart", lambda: is_active() and main_pid() not in (0, pid))
    viewing.presses_keys(2)
    viewing.all_arrived()


@check("a blocked loop: the watchdog bites, the session goes on, nothing answered is lost")
def blocked():
    pid, restarts = main_pid(), int(show("NRestarts"))
    Collector.deaf()
    player.presses_keys()
    os.kill(pid, signal.SIGSTOP)
    Collector.listening()
    wait("a restart", lambda: is_active() and main_pid() not in (0, pid))
    expect(int(show("NRestarts")) == restarts + 1, "more than one restart")
    expect("Watchdog timeout" in journal(), "it was not the watchdog")
    player.presses_keys(2)
    player.all_arrived()


@check("one session from first to last")
def one_session():
    player.does("End")
    player.all_arrived()
    starts = [kind for _, kind, _ in hits()].count("sessionStart")
    expect(starts == 1, f"{starts} sessionStart")
    player.leaves()


@check("Media Edge: SIGKILL, 5 times: the session goes on, nothing answered is lost")
def killed_with_media_edge():
    with open(CONFIG) as handle:
        edge = handle.read().replace("[collector]\n", '[collector]\nkind = "media-edge"\n')
    edge += '[edge]\ndatastream_id = "11111111-2222-4333-8444-555555555555"\n'
    # So many kills in so short a time are one too many for StartLimitBurst=.
    systemctl("reset-failed", "playheadd")
    with holding(CONFIG, instead=edge):
        systemctl("reload", "playheadd")
        wait("the other kind", lambda: status()["CollectorKind"] == "media-edge")
        viewing = Player()
        viewing.does("open", "film-edge")
        viewing.does("Play")
        for _ in range(5):
            survives_sigkill(viewing)
        viewing.does("End")
        viewing.all_arrived()
        viewing.leaves()
    systemctl("reload", "playheadd")
    wait("the first kind", lambda: status()["CollectorKind"] == "media-collection")


def does_not_get_ready(why):
    systemctl("reset-failed", "playheadd")
    before = journal("-o", "json").count("\n")
    tried = run("systemctl", "start", "playheadd")
    expect(tried.returncode != 0, f"it got ready {why}")
    run("systemctl", "stop", "playheadd")
    said = [json.loads(line) for line in journal("-o", "json").splitlines()[before:]]
    ready = [line for line in said if str(line["MESSAGE"]).startswith("Started playheadd")]
    expect(not ready, f"it got ready {why}")
    return "\n".join(str(line["MESSAGE"]) for line in said)


@check("no READY without the name")
def name_taken():
    systemctl("stop", "playheadd")
    bus = dbus.SystemBus(private=True)
    bus.request_name("tv.playhead.Agent1")
    said = does_not_get_ready("without the name")
    bus.close()
    expect("tv.playhead.Agent1 is not to be had" in said, f"no reason in the journal: {said}")


@check("a store that cannot be used is said aloud, and the agent works")
def no_store():
    # The daemon never refuses to start over its own state (docs/behaviour.md 2.9).
    drop_in("store", "[Service]\nExecStart=\nExecStart=/usr/bin/playheadd --state-dir /usr/none\n")
    systemctl("restart", "playheadd")
    wait("the status that says so", lambda: "the store cannot be written" in show("StatusText"))
    said = journal()
    systemctl("stop", "playheadd")
    drop_in("store", None)
    expect("/usr/none" in said, f"no reason in the journal: {said}")


@check("a reload checks the configuration that the daemon was started with")
def reload_of_another():
    other = "/etc/playheadd/other.toml"
    started = f"[Service]\nExecStart=\nExecStart=/usr/bin/playheadd --config {other}\n"
    with dropped_in("config", started), holding(CONFIG, instead="broken") as good:
        write(other, good)
        systemctl("restart", "playheadd")
        systemctl("reload", "playheadd")
        write(other, "broken")
        tried = run("systemctl", "reload", "playheadd")
        expect(tried.returncode != 0 and is_active(), "it checked another one")
        systemctl("stop", "playheadd")


@check("a daemon that does not run: status says why, and starts nobody")
def not_running():
    systemctl("reset-failed", "playheadd")
    said = run("playheadctl", "status")
    stopped = "playheadd.service is inactive (dead)" in said.stderr
    expect(said.returncode == 3 and stopped and "systemctl start" in said.stderr, f"{said}")
    with dropped_in("line", "[Service]\nExecStart=\nExecStart=/usr/bin/playheadd --nonsense\n"):
        run("systemctl", "start", "playheadd")
        wait("its failure", lambda: show("ActiveState") == "failed")
        expect(show("NRestarts") == "0", f"{show('NRestarts')} restarts")
        for _ in range(2):
            said = run("playheadctl", "status")
            why = "exit status 2" in said.stderr and "command line" in said.stderr
            expect(said.returncode == 3 and why, f"{said}")
        expect(show("ActiveState") == "failed", "somebody has started it")
    systemctl("reset-failed", "playheadd")


@check("clock.require_sync in the unit as it is: where nobody says that the clock is synchronised, "
       "that is said, and how to show it")
def clock_hidden():
    systemctl("mask", "--runtime", TIMEDATED)
    with holding(CONFIG, REQUIRE_SYNC):
        systemctl("restart", "playheadd")
        said = wait("what is wrong", last_error)
        expect(said.startswith("nothing is sent since 20"), f"it says {said!r}")
        wait("the status", lambda: said in show("StatusText"))
        expect("ProtectClock=no" in journal(), "not said in the journal")
        checked = run("playheadd", "--check")
        expect(checked.returncode == 0 and "ProtectClock=no" in checked.stderr, f"{checked}")
        # The drop-in as it is quoted.
        quoted = re.findall(r"'(\[Service\]|\w+=[^']*)'", said)
        expect(len(quoted) == 3, f"no drop-in in {said}")
        with dropped_in("clock", "\n".join(quoted) + "\n"):
            systemctl("restart", "playheadd")
            # Whoever could say it besides would be asked at once.
            time.sleep(2)
            expect(last_error() == "", f"with that drop-in: {last_error()}")
        for line in quoted[1:]:
            with dropped_in("clock", f"[Service]\n{line}\n"):
                systemctl("restart", "playheadd")
                wait(f"what is wrong with {line} alone", last_error)
        systemctl("stop", "playheadd")
    systemctl("unmask", "--runtime", TIMEDATED)


@check("clock.require_sync in the unit as it is: what timedated says counts, and the mark of timesyncd")
def clock_told():
    mark = "/run/systemd/timesync/synchronized"
    with holding(CONFIG, REQUIRE_SYNC):
        systemctl("restart", "playheadd")
        wait("a question to timedated", lambda: show("ActiveState", TIMEDATED) == "active")
        asked = run("busctl", "get-property", "org.freedesktop.timedate1",
                    "/org/freedesktop/timedate1", "org.freedesktop.timedate1", "NTPSynchronized")
        print(f"timedated says {asked.stdout.strip()}", flush=True)
        if asked.stdout.strip() == "b true":
            wait("its word", lambda: status()["ClockTrusted"])
        else:
            # A kernel that nobody synchronises, as of most machines that build.
            expect(status()["DeliveryState"] == "waiting-clock", f"{status()}")
            os.makedirs(os.path.dirname(mark))
            write(mark, "")
            wait("the mark", lambda: status()["ClockTrusted"])
            os.remove(mark)
        expect(last_error() == "", f"it says {last_error()!r}")
        systemctl("stop", "playheadd")


@check("a player whose call starts the service hears of a broken configuration, and no restart helps")
def broken_configuration():
    for broken in ("broken", "[heartbeat]\nmain = 1\n"):
        systemctl("stop", "playheadd")
        with holding(CONFIG, instead=broken):
            misconfigured("playheadd.toml:")
            expect(show("NRestarts") == "0", f"{show('NRestarts')} restarts")
        systemctl("reload", "playheadd")
        wait("the end of it", lambda: last_error() == "")


@check("a session that was open is there again after a start with a broken configuration")
def session_outlives_mistake():
    viewing = Player()
    viewing.does("open", "film-2")
    viewing.does("Play")
    systemctl("stop", "playheadd")
    with holding(CONFIG, instead="broken"):
        error = viewing.tell("Pause")
        expect(error == "tv.playhead.Error.NotConfigured", f"its player got {error}")
    systemctl("reload", "playheadd")
    viewing.does("Pause")
    viewing.does("End")
    viewing.leaves()


def report_suite():
    return json.loads(run("playheadctl", "status", "--json").stdout)["ReportSuite"]


@check("layers: the vendor's, the local one that masks it, and a variable of the unit")
def layers():
    suite = '[analytics]\nreport_suite = "{}"\n'
    places = {}
    for place in ("/usr/lib/playheadd", "/etc/playheadd"):
        os.makedirs(f"{place}/conf.d", exist_ok=True)
        places[place] = f"{place}/conf.d/50-suite.toml"
    try:
        # Later ones win: conf.d of the vendor comes after the local file.
        write(places["/usr/lib/playheadd"], suite.format("vendor"))
        systemctl("reload", "playheadd")
        wait("the vendor's", lambda: report_suite() == "vendor")
        write(places["/etc/playheadd"], suite.format("local"))
        systemctl("reload", "playheadd")
        wait("the local one", lambda: report_suite() == "local")
        said = run("playheadctl", "config", "--origin").stdout
        line = [line for line in said.splitlines() if line.startswith("report_suite")]
        expect(line and places["/etc/playheadd"] in line[0], said)
        # An empty one switches it off.
        write(places["/etc/playheadd"], "")
        systemctl("reload", "playheadd")
        wait("that of the first file", lambda: report_suite() == "box")
        variable = "[Service]\nEnvironment=PLAYHEADD_ANALYTICS__REPORT_SUITE=unit\n"
        with dropped_in("variable", variable):
            systemctl("restart", "playheadd")
            expect(report_suite() == "unit", report_suite())
    finally:
        for path in places.values():
            if os.path.exists(path):
                os.remove(path)
    systemctl("restart", "playheadd")
    expect(report_suite() == "box", report_suite())


def recipe(heading):
    """The blocks of a section of the page for operators: language and text."""
    with open("/opt/playheadd-tests/operating.md") as page:
        section = page.read().split(f"\n{heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```(\w+)\n(.*?)```", section, re.S)


def carry_out(script, where):
    said = run("sh", "-ec", script, cwd=where)
    expect(said.returncode == 0, f"{script}: {said}")


def collector_line():
    """What doctor says of the collector."""
    said = run("playheadctl", "doctor", "--json")
    checks = json.loads(said.stdout)["checks"]
    return next(check for check in checks if check["check"] == "collector")


@check("the password of a proxy by the recipe of the page: a file that nobody else reads")
def password():
    script = [text for language, text in recipe("## Secrets") if language == "sh"][3]
    path = "/etc/playheadd/conf.d/50-proxy.toml"
    try:
        carry_out(script, "/")
        where = os.stat(path)
        group = pwd.getpwnam("playheadd").pw_gid
        expect((where.st_uid, where.st_gid, stat.S_IMODE(where.st_mode)) == (0, group, 0o640), f"{where}")
        closed(path)
        expect("proxy.example" in run("playheadctl", "config").stdout, "it is not read")
    finally:
        os.remove(path)
        systemctl("reload", "playheadd")


@check("secrets by the recipes of the page: credentials, a renewed one, a broken one; files")
def secrets():
    blocks = recipe("## Secrets")
    scripts = [text for language, text in blocks if language == "sh"]
    settings = [text for language, text in blocks if language == "toml"]
    expect(len(scripts) == 4 and len(settings) == 2, f"{blocks}")
    to_credentials, renew, to_files, _ = scripts
    secret, conf = "/root/secrets", "/etc/playheadd/conf.d/50-collector.toml"
    url = "https://127.0.0.1:8971"
    here = [text.replace("https://collector.example", url) for text in settings]
    expect(all(url in text for text in here), f"{settings}")
    with tls_collector(secret):
        try:
            os.makedirs(os.path.dirname(conf), exist_ok=True)
            write(conf, here[0])
            # The drop-in comes with the package; until it is in force the daemon says what is missing.
            systemctl("restart", "playheadd")
            misconfigured("CREDENTIALS_DIRECTORY")
            carry_out(to_credentials, secret)
            found = collector_line()
            expect(found["ok"] and "certificate is good" in found["text"], f"{found}")
            for name in ("ca.pem", "client.pem", "client.key"):
                closed(f"/etc/playheadd/secrets/{name}")
            # A reload, which does not break, has the old one; the recipe takes the new one.
            before = credential("client.pem")
            for name in ("client.pem", "client.key"):
                os.remove(f"{secret}/{name}")
            systemctl("restart", "tls-collector")
            wait("new ones", lambda: os.path.exists(f"{secret}/client.key"))
            run("cp", f"{secret}/client.pem", f"{secret}/client.key", "/etc/playheadd/secrets")
            systemctl("reload", "playheadd")
            expect(credential("client.pem") == before, "a reload copies credentials")
            carry_out(renew, secret)
            with open(f"{secret}/client.pem", "rb") as new:
                expect(credential("client.pem") == new.read() != before, "it has the old one")
            found = collector_line()
            expect(found["ok"], f"{found}")
            # One that is missing or broken: the service is there and says so.
            for wrong in ("this is no key", None):
                with holding("/etc/playheadd/secrets/client.key", instead=wrong or "x"):
                    if wrong is None:
                        os.remove("/etc/playheadd/secrets/client.key")
                    systemctl("restart", "playheadd")
                    # The command of a reload has no credentials here, so it cannot find it broken.
                    misconfigured("client_key_file", seen_by_reload=False)
            systemctl("restart", "playheadd")
            expect(last_error() == "", last_error())
            # Boxes without credentials: a reload is enough.
            drop_in("credentials", None)
            write(conf, here[1])
            carry_out(to_files, secret)
            systemctl("restart", "playheadd")
            found = collector_line()
            expect(found["ok"], f"{found}")
            pid = main_pid()
            with holding("/etc/playheadd/client.key", instead="this is no key"):
                tried = run("systemctl", "reload", "playheadd")
                expect(tried.returncode != 0, "the reload of a broken key succeeded")
                wait("the words for it", lambda: "client_key_file" in last_error())
                expect("the old configuration is in force" in last_error(), last_error())
                found = collector_line()
                expect(found["ok"], f"the old key is in use: {found}")
            systemctl("reload", "playheadd")
            wait("the end of it", lambda: last_error() == "")
            expect(main_pid() == pid, "it is another process")
        finally:
            for path in (conf, "/etc/systemd/system/playheadd.service.d/credentials.conf"):
                if os.path.exists(path):
                    os.remove(path)
            systemctl("daemon-reload")
            systemctl("restart", "playheadd")


@check(f"idle for {IDLE_PERIODS} watchdog periods of {WATCHDOG_SECONDS} s (as 15 min are of the "
       "unit's 60 s): no restart")
def idle():
    systemctl("reset-failed", "playheadd")
    systemctl("start", "playheadd")
    pid = main_pid()
    expect(show("WatchdogUSec") == f"{WATCHDOG_SECONDS}s", show("WatchdogUSec"))
    time.sleep(IDLE_PERIODS * WATCHDOG_SECONDS)
    expect(is_active() and main_pid() == pid and show("NRestarts") == "0", "it was restarted")


@check("the journal can be read")
def readable():
    lines = [json.loads(line) for line in journal("-o", "json").splitlines()]
    expect(all(isinstance(line["MESSAGE"], str) for line in lines), "bytes that are no text")
    ours = [line["MESSAGE"] for line in lines if line.get("_COMM") == "playheadd"]
    expect(any("ready" in text and "127.0.0.1:8970" in text for text in ours), "no word of ready")
    expect(any("stopped" in text for text in ours), "no word of the stop")
    stamped = [text for text in ours if text[:2] == "20" or "\x1b" in text]
    expect(not stamped, f"times or colours of its own: {stamped[:3]}")
    expect(len(ours) < 250, f"{len(ours)} lines for a short evening")


def say(verdict, name, why=""):
    print(json.dumps({"verdict": verdict, "name": name, "why": why}), flush=True)


def main():
    print(f"the bus is {show('Id', 'dbus.service')}", flush=True)
    for name, function in CHECKS:
        try:
            function()
        except Failed as error:
            say("FAIL", name, str(error))
        except Exception as error:  # the rest still has to be looked at
            say("FAIL", name, repr(error))
        else:
            say("PASS", name)
    with open("/var/log/playheadd.journal", "w") as log:
        log.write(run("journalctl", "-o", "short-precise", "--no-pager", "-u", "playheadd").stdout)
    print("DONE", flush=True)


main()
