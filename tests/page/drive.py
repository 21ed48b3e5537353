#!/usr/bin/env python3
"""Looks at the page of the bench collector in a headless Chromium, and takes its pictures.

usage: drive.py --bin DIR [--out DIR] [--only NAME]      Exit status 0: all was seen; 77: no browser.
"""
import argparse
import contextlib
import glob
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

import browser
from browser import Browser

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EVENING = os.path.join(ROOT, "demo/evening.jsonl")
PROGRAM = None
READY = "document.querySelectorAll('#findings .finding').length > 0"


@contextlib.contextmanager
def collector(*arguments):
    """A collector of its own; gives its URL."""
    with tempfile.TemporaryDirectory() as directory:
        where = os.path.join(directory, "url")
        process = subprocess.Popen([PROGRAM, "collector", "--listen", "127.0.0.1:0", "--url-file",
                                    where, *arguments], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        try:
            # It says where it listens once the file is written.
            while "http" not in (line := process.stderr.readline()):
                expect(line, "the collector has ended")
            with open(where) as handle:
                yield handle.read()
        finally:
            process.terminate()
            process.wait()


def expect(truth, words):
    if not truth:
        raise AssertionError(words)


def same(found, wanted, what):
    expect(found == wanted, f"{what}: expected {wanted!r}, got {found!r}")


def texts(page, selector):
    return page.run("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)",
                    selector)


def table(page):
    """The table of the sessions, by session."""
    page.run("showAs(true)")
    page.until("the table", "document.querySelectorAll('#sessions-body tr').length > 0")
    rows = page.run("return [...document.querySelectorAll('#sessions-body tr')]"
                    ".map((r) => [...r.children].map((c) => c.textContent))")
    names = page.run(
        "return [...document.querySelectorAll('#table-view table')[0].querySelectorAll('thead th')]"
        ".map((c) => c.textContent)")
    page.run("showAs(false)")
    return {row[1]: dict(zip(names, row)) for row in rows}


def figures(page):
    return dict(page.run("return [...document.querySelectorAll('#figures .figure')]"
                         ".map((f) => [f.children[0].textContent, f.children[1].textContent])"))


def colour_of(page, session, state):
    """Whether the middle of a bar of this state has its colour, on the canvas."""
    return page.run("""
        const session = app.view.lanes.find((s) => s.sid === arguments[0]);
        const part = session.spans.find((s) => s.state === arguments[1]);
        if (!part) return 'no such bar';
        choose(app, session, null); fit(app.model, app.view, session);
        app.view.scale = 80 / Math.min(part.to - part.from, 1000); app.view.from = part.from - 2;
        paint();
        const at = places(session.row, app.view), x = xOf(app.view, part.from) + 12;
        const y = RULER - app.view.top + at.bar + 2;
        const c = document.getElementById('canvas').getContext('2d');
        const seen = new Set();
        for (let i = 0; i < 8; i++) for (let j = 0; j < 8; j++) {
          seen.add([...c.getImageData(x + i, y + j, 1, 1).data].slice(0, 3).map((n) => n.toString(16).padStart(2, '0')).join(''));
        }
        return seen.has(app.look[arguments[1]].slice(1)) || [...seen].join(' ');""", session, state)


def quiet(page):
    """The console has no word of a violated policy or an error."""
    said = [line for line in page.messages() if "willReadFrequently" not in line]  # this test's own
    same(said, [], "messages on the console")


def evening(page, url):
    """The scripted evening ends in the lanes, arrows, figures and warnings that it must."""
    page.go(url + "/")
    page.until("the evening", READY)
    rows = table(page)
    same(sorted(rows), [f"S{n}" for n in range(1, 10)], "lanes")
    same([rows[f"S{n}"]["Media"] for n in (1, 2, 3, 4, 8, 9)],
         ["Channel One", "News 24", "Sport Live"] + ["Harbour Lights"] * 3, "names")
    same({sid: row["Resumed"] for sid, row in rows.items() if row["Resumed"] != "–"},
         {"S6": "from S5 at 0:15", "S7": "from S6 at 0:30", "S8": "from S4 at 14:00",
          "S9": "from S8 at 15:54"}, "who resumes whom")
    same(rows["S4"]["State"], "went on as S8", "the film when the network was gone")
    same(rows["S9"]["State"], "sessionComplete", "the end of the film")
    same((rows["S9"]["Refused"], rows["S9"]["Late"]), ("1", "95"), "the hits of the last session")
    groups = page.run("return app.view.rows.filter((r) => r.group).map((r) => r.group.app)")
    same(groups, ["Living Room TV", "Tablet"], "groups")
    for session, states in {"S4": ["starting", "playing", "paused", "buffering", "seeking", "ad",
                                   "background"], "S7": ["ad", "seeking", "playing"]}.items():
        for state in states:
            same(colour_of(page, session, state), True, f"the colour of {state} in {session}")
    page.run("choose(app, app.view.lanes.find((s) => s.sid === 'S4'), null)")
    page.until("its figures", "document.getElementById('figures-title').textContent.startsWith('Harbour')")
    seen = figures(page)
    same({k: seen[k] for k in ("startup", "played", "paused", "buffering", "stalls", "seeks", "ads")},
         {"startup": "1.0 s", "played": "10 min 51 s", "paused": "1 min 31 s", "buffering": "8 s",
          "stalls": "1", "seeks": "1", "ads": "4 · 1 min 00 s"}, "figures")
    page.run("choose(app, app.view.lanes.find((s) => s.sid === 'S9'), null)")
    page.until("its figures", "document.getElementById('figures').textContent.includes('resumed')")
    same(figures(page)["resumed"], "15:54 → 15:54", "from where to where")
    gaps = page.run("return app.view.lanes.flatMap((s) => s.gaps.map((g) => `${s.sid} ${g.cause}`))")
    for gap in ("S9 agent away", "S8 player gone", "S4 outage"):
        expect(gap in gaps, f"expected the gap {gap!r} in {gaps}")
    same(page.run("return app.model.outages.map((o) => (o.to - o.from) / 1000)"), [720], "outages")
    page.run("choose(app, null, null)")
    page.until("all findings", "document.querySelectorAll('.finding').length === 8")
    found = " | ".join(texts(page, ".finding .go"))
    for words in ("Three SessionStart for one film in a minute", "The playhead moves during an ad, from 1:49",
                  "SeekStart without an end for 1 min 05 s", "A hit was refused. pauseStart",
                  "The session ends and goes on 4 s later", "95 hits arrived late"):
        expect(words in found, f"expected {words!r} in {found}")
    links = page.run("return [...document.querySelectorAll('.finding a')].map((a) => a.href)")
    for link in set(links):
        page_, anchor = link.split("#")
        with urllib.request.urlopen(page_) as answer:
            expect(f'id="{anchor}"' in answer.read().decode(), f"{link} leads nowhere")
    quiet(page)


def by_keyboard(page, url):
    """Everything without a mouse."""
    page.go(url + "/")
    page.until("the evening", READY)
    for _ in range(20):
        page.keys("Tab")
        if page.run("return document.activeElement.id") == "canvas":
            break
    same(page.run("return document.activeElement.id"), "canvas", "what has the focus")
    whole = page.run("return app.view.scale")
    for key in "wwww":
        page.keys(key)
    expect(page.run("return app.view.scale") > whole * 3, "w zooms in")
    before = page.run("return app.view.from")
    page.keys("d")
    expect(page.run("return app.view.from") > before, "d goes on in time")
    page.keys("a", "Left")
    expect(page.run("return app.view.from") < before, "a and the arrow go back")
    page.keys("f")
    same(page.run("return app.view.scale"), whole, "f fits")
    page.keys("Down", "Down")
    page.until("the second session", "document.getElementById('figures-title').textContent.startsWith('News 24')")
    page.keys("n", "n")
    page.until("its second hit", "document.getElementById('details-title').textContent === 'play'")
    page.until("what is said", "document.getElementById('said').textContent.includes('play at')")
    expect('"eventType": "play"' in texts(page, "#details pre")[0], "the JSON of the hit")
    page.keys("/")
    same(page.run("return document.activeElement.id"), "find", "/ goes to the field")
    page.keys(*"refused", "Enter")
    page.keys(*["\ue003"] * 7, *"400", "Enter")
    page.until("the refused hit", "document.querySelector('#details .refusal') !== null")
    page.keys("Escape")
    same(page.run("return document.activeElement.id"), "canvas", "Escape leaves the field")
    page.keys("t")
    page.until("the table", "!document.getElementById('table-view').hidden")
    same(page.run("return document.querySelectorAll('#sessions-body tr').length"), 9, "rows")
    page.keys("t")
    page.keys("Escape")
    page.until("nothing chosen", "document.getElementById('figures-title').textContent.startsWith('All')")
    quiet(page)


def pointer(page, url):
    """Mouse: hover and click show a hit, drag pans, the wheel with Ctrl zooms."""
    page.go(url + "/")
    page.until("the evening", READY)
    x, y = page.run("""
        const s = app.view.lanes.find((s) => s.sid === 'S9'), hit = s.hits.find((h) => h.refused);
        const box = document.getElementById('canvas').getBoundingClientRect();
        return [box.left + xOf(app.view, hit.x), box.top + RULER - app.view.top + places(s.row, app.view).ticks]""")
    page.point(x, y)
    page.until("what is under the mouse", "document.getElementById('tip').textContent.includes('refused')")
    page.point(x, y, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0})
    page.until("its details", "document.querySelector('#details .refusal') !== null")
    before = page.run("return app.view.from")
    page.point(x, y, {"type": "pointerDown", "button": 0},
               {"type": "pointerMove", "duration": 0, "x": int(x) - 120, "y": int(y)},
               {"type": "pointerUp", "button": 0})
    expect(page.run("return app.view.from") > before, "a drag to the left goes on in time")
    scale = page.run("return app.view.scale")
    page.run("document.getElementById('canvas').dispatchEvent(new WheelEvent('wheel', "
             "{deltaY: -300, ctrlKey: true, clientX: 600, clientY: 300, cancelable: true}))")
    expect(page.run("return app.view.scale") > scale, "Ctrl and the wheel zoom")
    scale = page.run("return app.view.scale")
    page.devtools("Input.dispatchTouchEvent", type="touchStart", touchPoints=[
        {"x": 500, "y": 300, "id": 1}, {"x": 560, "y": 300, "id": 2}])
    page.devtools("Input.dispatchTouchEvent", type="touchMove", touchPoints=[
        {"x": 440, "y": 300, "id": 1}, {"x": 620, "y": 300, "id": 2}])
    page.devtools("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    page.until("two fingers zoom", f"app.view.scale > {scale} * 1.5")
    quiet(page)


START = {"analytics.trackingServer": "t", "analytics.reportSuite": "r", "media.id": "film",
         "visitor.marketingCloudOrgId": "o", "media.name": "A Film", "media.length": 600,
         "media.contentType": "vod", "media.playerName": "p", "media.channel": "c"}


def post(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get("Location", "")
    except urllib.error.HTTPError as error:
        return error.code, ""


def event(kind, playhead, ts, **params):
    body = {"eventType": kind, "playerTime": {"playhead": playhead, "ts": ts}}
    return {**body, "params": params} if params else body


def live(page, _url):
    """Hits show as they come; a reload in the middle loses nothing, nor does a page that was there."""
    with collector() as url:
        page.go(url + "/")
        page.until("an empty page", "!document.getElementById('empty').hidden"
                   " && document.getElementById('state').textContent === 'live'")
        now = int(time.time() * 1000)
        status, where = post(url, "/api/v1/sessions", event("sessionStart", 0, now, **START))
        same(status, 201, "the start")
        hits = where.replace(url, "") + "/events"
        for n in range(40):
            post(url, hits, event("play" if n == 0 else "ping", n, now + n * 1000))
        page.until("half of it", "figuresOf(app.model.order[0]).hits === 41")
        page.go(url + "/")
        page.until("all of it again", "app.model.order.length && figuresOf(app.model.order[0]).hits === 41")
        for n in range(40, 80):
            post(url, hits, event("ping", n, now + n * 1000))
        page.until("the rest", "figuresOf(app.model.order[0]).hits === 81")
        post(url, hits, event("ping", 80, now - 60_000))
        same(post(url, hits, event("chapterStart", 1, now))[0], 400, "a chapter without its parameters")
        page.until("its refusal", "document.getElementById('findings').textContent.includes('media.chapter.index')")
        page.run("find('chapterStart')")
        page.until("the validator's reason", "(document.querySelector('#details .refusal') || {}).textContent"
                   ".includes('expected an object with media.chapter.index')")
        rows = table(page)
        same([(r["Hits"], r["Late"], r["Refused"]) for r in rows.values()], [("83", "1", "1")], "the sums")
        post(url, "/bench/clear", {})
        page.until("an empty page again", "!document.getElementById('empty').hidden")
        quiet(page)


DATASTREAM = "3d2c9a54-5f0e-4a6b-9c1d-7e8f90a1b2c3"
KINDS = {"media-collection": "Media Collection", "media-edge": "Media Edge", "otlp": "OpenTelemetry"}
# What is the same of a session whatever the protocol.
COMMON = ("Media", "Player", "Began", "Lasted", "Played", "Paused", "Stalls", "Seeks", "Ads")


def shown_over(page, kind, directory):
    """The evening as a protocol reports it: the sessions in their order, and the file."""
    saved = os.path.join(directory, f"{kind}.jsonl")
    with open(saved, "w") as out:
        subprocess.run([PROGRAM, "simulate", "--set", f"collector.kind={kind}", "--set",
                        f"edge.datastream_id={DATASTREAM}", EVENING], stdout=out,
                       stderr=subprocess.DEVNULL, check=True)
    with collector("--open", saved) as url:
        page.go(url + "/")
        page.until(kind, "app.view.lanes.length > 0 && !app.stale")
        return list(table(page).values()), saved


def protocols(page, _url):
    """The same evening over each protocol has the same lanes, names and figures."""
    told = lambda rows: [[row[name] for name in COMMON] for row in rows]
    with tempfile.TemporaryDirectory() as directory:
        evenings = {kind: shown_over(page, kind, directory) for kind in KINDS}
        wanted, _ = evenings["media-collection"]
        same(len(wanted), 9, "sessions")
        for kind, (rows, saved) in evenings.items():
            same({row["Collector"] for row in rows}, {KINDS[kind]}, "what is spoken")
            if kind == "otlp":
                # Its receiver has no sessions, so the film goes on in its own after the outage.
                first, second = (row for row in rows if row["Media"] == "Harbour Lights")
                before, after, last = (row for row in wanted if row["Media"] == "Harbour Lights")
                same((first["Began"], second["Began"]), (before["Began"], last["Began"]), "the film")
                same(second["Resumed"], f"from {first['Session']} at 15:54", "where the film goes on")
                for name in ("Stalls", "Seeks", "Ads"):
                    same(int(first[name]), int(before[name]) + int(after[name]), name)
                rows_, wanted_ = ([row for row in of if row["Media"] != "Harbour Lights"] for of in (rows, wanted))
                same(told(rows_), told(wanted_), "the other sessions over otlp")
            else:
                same(told(rows), told(wanted), f"the sessions over {kind}")
                same([(row["Session"], row["Resumed"]) for row in rows],
                     [(row["Session"], row["Resumed"]) for row in wanted], f"who resumes whom over {kind}")
            # The page reads such a file itself, beside a collector that has something else.
            with collector() as url:
                page.go(url + "/")
                page.until("an empty page", "document.getElementById('state').textContent === 'live'")
                page.run("document.querySelector('details.menu').open = true")
                page.type_into("#import", saved)
                page.until("the file", "document.getElementById('message').textContent.includes(' hits')")
                same(list(table(page).values()), rows, f"the file of {kind} on the page")


def attribute(key, value):
    kind = {bool: "boolValue", str: "stringValue", float: "doubleValue"}[type(value)]
    return {"key": key, "value": {kind: value}}


def log(session, kind, ts, playhead, **more):
    """A record of OTLP."""
    texts = {"session.id": session, "log.record.uid": f"{session} {kind} {ts}", "media.playhead": float(playhead)}
    start = {"media.id": "film", "media.name": "A Film", "media.playerName": "p"} if kind == "sessionStart" else {}
    return {"timeUnixNano": f"{ts}000000", "eventName": f"media.{kind}", "attributes": [
        attribute(key, value) for key, value in {**texts, **start, **more}.items()]}


def logs(at, records, collector, status=200, **more):
    """A request of OTLP, as the collector keeps it."""
    resource = {"attributes": [attribute("service.instance.id", "0123456789abcdef")]}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
    return {"at_ms": at, "method": "POST", "path": "/v1/logs", "body": body, "status": status, "sid": None,
            "counted": status is None or status < 300, "fault": status is None, "collector": collector, **more}


def streams(page, _url):
    """Two collectors and their requests of many records: lanes of their own, repeats once, refusals, resumes."""
    begin = 1_700_000_000_000
    at = lambda seconds: begin + seconds * 1000
    one, two = "0f6e7d5a-0000-4000-8000-000000000001", "77aa0000-0000-4000-8000-000000000002"
    start = event("sessionStart", 0, begin, **START, appInstallationId="0123456789abcdef")
    records = [
        {"at_ms": begin, "method": "POST", "path": "/api/v1/sessions", "body": start, "status": 201, "sid": "S1",
         "counted": True, "fault": False},
        logs(at(0), [log(one, "sessionStart", at(0), 0), log(one, "play", at(0), 0)], "own"),
        # The answer is lost, so the record comes again.
        logs(at(10), [log(one, "ping", at(10), 10)], "own", None),
        logs(at(20), [log(one, "ping", at(10), 10), log(one, "ping", at(20), 20)], "own"),
        logs(at(30), [log(one, "ping", at(30), 30)], "own", 400, refusal="no such attribute"),
        logs(at(40), [log(one, "sessionEnd", at(40), 40), log(two, "sessionStart", at(40), 40, **{
            "media.resume": True, "session.previous_id": one})], "own"),
        # This one is told of everything a minute later, as it wishes.
        logs(at(0), [log(one, "sessionStart", at(0), 0)], "slow"),
        *(logs(at(60 * n), [log(one, "ping", at(60 * n - 10 * s), 0) for s in range(5, -1, -1)], "slow")
          for n in range(1, 4))]
    with tempfile.TemporaryDirectory() as directory:
        saved = os.path.join(directory, "hits.jsonl")
        with open(saved, "w") as out:
            out.writelines(json.dumps(record) + "\n" for record in records)
        with collector("--open", saved) as url:
            page.go(url + "/")
            page.until("all of it", "app.view.lanes.length === 4 && !app.stale")
            spoken = page.run("return app.view.rows.filter((r) => r.group).map((r) => r.group.spoken)")
            same(sorted(spoken), ["Media Collection", "OpenTelemetry to own", "OpenTelemetry to slow"], "groups")
            page.run("showAs(true)")
            page.until("the table", "document.querySelectorAll('#sessions-body tr').length === 4")
            rows = page.run("return [...document.querySelectorAll('#sessions-body tr')].map((r) => [1, 2, 12, 13, 14, 15]"
                            ".map((n) => r.children[n].textContent))")
            same(sorted(rows), sorted([
                ["S1", "Media Collection", "1", "0", "0", "–"],
                ["0f6e7d5a", "OpenTelemetry to own", "7", "0", "1", "–"],
                ["77aa0000", "OpenTelemetry to own", "1", "0", "0", "from 0f6e7d5a at 0:40"],
                ["0f6e7d5a", "OpenTelemetry to slow", "19", "0", "0", "–"]]), "the sessions")
            page.run("const s = app.view.lanes.find((s) => s.collector === 'own' && !s.resume);"
                     "choose(app, s, s.hits.find((h) => h.repeat))")
            page.until("its hits", "document.getElementById('hits-caption').textContent === 'Hits of A Film'")
            remarks = page.run("return [...document.querySelectorAll('#hits-body tr')].map((r) => r.lastChild.textContent)")
            same(remarks, ["", "", "", "came before", "", "refused: no such attribute", ""], "remarks")
            same(figures(page)["pings"], "2", "a repeat counts once")
            shown = json.loads(texts(page, "#details pre")[0])
            same(shown["timeUnixNano"], f"{at(10)}000000", "the record alone")
            expect("Three SessionStart" not in " ".join(texts(page, ".finding .go")), "a viewing is told to three")
            page.run("app.model.notes = []")
            made = page.run("return asTimeline(app.model)")
            same(made.count('"SessionStart"'), 1, "a viewing in the timeline")


def idle(page, _url):
    """A session that ended in a long pause was idle until the next one goes on."""
    with collector() as url:
        now = int(time.time() * 1000)
        at = lambda minutes: now - minutes * 60_000
        _, where = post(url, "/api/v1/sessions", event("sessionStart", 0, at(50), **START))
        hits = where.replace(url, "") + "/events"
        for kind, playhead, minutes in (("play", 0, 50), ("pauseStart", 300, 45), ("sessionEnd", 300, 15)):
            same(post(url, hits, event(kind, playhead, at(minutes)))[0], 204, kind)
        post(url, "/api/v1/sessions", event("sessionStart", 300, at(5), **START, **{"media.resume": True}))
        page.go(url + "/")
        page.until("both", "app.view.lanes.length === 2 && !app.stale")
        same(colour_of(page, "S1", "idle"), True, "the colour of idle")
        same(table(page)["S2"]["Resumed"], "from S1 at 5:00", "who resumes whom")


MISTAKES = {
    "return": "sessionstart-on-the-return-from-the-background",
    "ads": "a-playhead-that-moves-during-ads",
    "ads-wrong-no-break": "ads-without-a-break",
    "seek": "seekstart-without-an-end",
    "heartbeat": "a-heartbeat-of-the-players-own",
    "pause": "ending-the-session-at-a-pause",
    "units": "milliseconds-for-seconds",
    "complete": "no-complete",
}


def mistakes(page, _url):
    """Each mistake of docs/mistakes is found by its name, and what is right is not complained of."""
    for path in sorted(glob.glob(os.path.join(ROOT, "docs/mistakes/*.jsonl"))):
        name = os.path.basename(path).removesuffix(".jsonl")
        with collector("--open", path) as url:
            page.go(url + "/")
            page.until(name, "app.view.lanes.length > 0 && !app.stale")
            found = page.run("return [...document.querySelectorAll('.finding:not(.note) a')]"
                             ".map((a) => a.href.split('#')[1])")
        if "right" in name:
            same(found, [], f"findings of {name}")
        else:
            link = MISTAKES.get(name) or MISTAKES[name.split("-")[0]]
            expect(link in found, f"{name}: expected {link} in {found}")


def files(page, url):
    """What is exported can be opened, and simulated."""
    page.go(url + "/")
    page.until("the evening", READY)
    exports = page.run("return [asTrace(app.model), asTimeline(app.model), asHits(app.model)]")
    before = table(page)
    with tempfile.TemporaryDirectory() as directory:
        names = [os.path.join(directory, n) for n in ("trace.json", "timeline.jsonl", "hits.jsonl")]
        for name, content in zip(names, exports):
            with open(name, "w") as out:
                out.write(content)
        trace = json.loads(exports[0])["traceEvents"]
        expect(all(e["ph"] in "MXbeisf" and "pid" in e and (e["ph"] == "M" or "ts" in e) for e in trace),
               "events of a Chrome trace")
        with open(EVENING) as original:
            same([json.loads(line) for line in exports[1].splitlines()],
                 [json.loads(line) for line in original], "the timeline")
        for name in names:
            with collector("--open", name) as other:
                page.go(other + "/")
                page.until(f"{name} is shown", READY)
                after = table(page)
                same({s: (r["Hits"], r["Resumed"]) for s, r in after.items()},
                     {s: (r["Hits"], r["Resumed"]) for s, r in before.items()}, name)
                same(post(other, "/api/v1/sessions", event("sessionStart", 0, 1, **START))[0], 404,
                     "a hit for a saved file")
        # The page opens them itself, beside a collector.
        with collector() as other:
            for name in (names[0], names[2]):
                page.go(other + "/")
                page.until("an empty page", "document.getElementById('state').textContent === 'live'")
                page.run("document.querySelector('details.menu').open = true")
                page.type_into("#import", name)
                page.until("the file", "document.getElementById('message').textContent.includes('431 hits')")
                same(sorted(table(page)), sorted(before), name)
            # From hits alone a timeline can be made, which simulates.
            page.run("app.model.notes = []")
            made = page.run("return asTimeline(app.model)")
        with open(names[1], "w") as out:
            out.write(made)
        done = subprocess.run([PROGRAM, "simulate", names[1]], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        same(done.returncode, 0, "simulate on the timeline made of hits")
        expect(done.stdout.count("sessionStart") >= 9, "its sessions")


def policy(page, url):
    """The page may load nothing from elsewhere, and no stranger's page may read it."""
    with urllib.request.urlopen(url + "/") as answer:
        header = answer.headers["Content-Security-Policy"]
    expect("default-src 'none'" in header and "unsafe" not in header, header)
    request = urllib.request.Request(url + "/bench/stream", headers={"Host": "evil.example"})
    try:
        urllib.request.urlopen(request)
        raise AssertionError("a stranger's name was served")
    except urllib.error.HTTPError as error:
        same(error.code, 421, "the answer to a stranger's name")
    page.go(url + "/")
    page.until("the evening", READY)
    loaded = page.run("return performance.getEntriesByType('resource').map((e) => new URL(e.name).host)")
    same(set(loaded), {url.split("//")[1]}, "where things come from")


def axe_script(out):
    """axe-core by npm, fetched once below target/; None if npm or the network is not there."""
    script = os.path.join(out, "axe", "package", "axe.min.js")
    if not os.path.exists(script):
        where = os.path.join(out, "axe")
        os.makedirs(where, exist_ok=True)
        try:
            subprocess.run(["npm", "pack", "axe-core@4", "--pack-destination", where], check=True,
                           capture_output=True, timeout=120)
            with tarfile.open(glob.glob(os.path.join(where, "axe-core-*.tgz"))[0]) as package:
                os.makedirs(os.path.dirname(script), exist_ok=True)
                with open(script, "wb") as kept:
                    kept.write(package.extractfile("package/axe.min.js").read())
        except (OSError, subprocess.SubprocessError, IndexError):
            return None
    with open(script) as handle:
        return handle.read()


def axe(page, url):
    """axe-core finds no violation: timeline, a chosen hit, the table, dark and light, the text."""
    script = axe_script(OUT)
    if script is None:
        print("SKIP: axe-core: npm cannot fetch it here")
        return
    look = """const done = arguments[0]; axe.run().then((r) => done(r.violations.map((v) =>
        `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 140)).join(' ')}`)))"""
    page.go(url + "/")
    page.until("the evening", READY)
    page.run(script)
    for theme in ("light", "dark"):
        page.run(f"theme('{theme}')")
        for step in ("choose(app, null, null); showAs(false)",
                     "choose(app, app.view.lanes[5], app.view.lanes[5].hits.find((h) => h.refused))",
                     "showAs(true)", "showAs(false); document.querySelectorAll('details').forEach((d) => { d.open = true })",
                     "document.querySelectorAll('details').forEach((d) => { d.open = false })"):
            page.run(step)
            page.run_async("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))")
            same(page.run_async(look), [], f"axe, {theme}, after {step}")
    page.go(url + "/bench/integrating-a-player")
    page.run(script)
    same(page.run_async(look), [], "axe, the text")


def pictures(page, url):
    """Light, dark, narrow, table."""
    settle = "const done = arguments[0]; setTimeout(() => requestAnimationFrame(() => done()), 300)"

    def take(name, width, height, script):
        page.size(width, height)
        page.run(script)
        page.run_async(settle)
        page.screenshot(os.path.join(OUT, name))

    page.go(url + "/")
    page.until("the evening", READY)
    refused = "choose(app, app.view.lanes[5], app.view.lanes[5].hits.find((h) => h.refused)); fit(app.model, app.view)"
    take("light.png", 1440, 860, f"theme('light'); {refused}")
    take("dark.png", 1440, 860, "theme('dark'); choose(app, app.view.lanes[3], null); fit(app.model, app.view, app.view.chosen)")
    take("table.png", 1440, 860, "theme('light'); showAs(true)")
    take("narrow.png", 420, 900, "showAs(false); choose(app, null, null); fit(app.model, app.view)")
    take("narrow-dark.png", 420, 900, "theme('dark')")
    for name in ("narrow.png", "narrow-dark.png"):
        expect(os.path.getsize(os.path.join(OUT, name)) > 10_000, name)
    same(page.run("return document.documentElement.scrollWidth <= innerWidth"), True, "nothing sticks out")
    page.devtools("Emulation.clearDeviceMetricsOverride")


CHECKS = [policy, evening, by_keyboard, pointer, live, idle, protocols, streams, mistakes, files, axe, pictures]


def main():
    global PROGRAM, OUT
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default=os.path.join(ROOT, "target/release"))
    parser.add_argument("--out", default=os.path.join(ROOT, "target/page"))
    parser.add_argument("--only")
    arguments = parser.parse_args()
    why = browser.missing()
    if why:
        print(f"SKIP: the page of the bench collector: {why}")
        return 77
    PROGRAM, OUT = os.path.join(arguments.bin, "playheadctl"), arguments.out
    os.makedirs(OUT, exist_ok=True)
    failed = 0
    with collector("--open", EVENING) as url:
        page = Browser()
        try:
            for check in CHECKS:
                if arguments.only and check.__name__ != arguments.only:
                    continue
                try:
                    page.size(1440, 860)
                    check(page, url)
                    print(f"ok    {check.__name__}: {check.__doc__.splitlines()[0]}", flush=True)
                except (AssertionError, RuntimeError) as error:
                    failed += 1
                    print(f"FAIL  {check.__name__}: {error}", flush=True)
        finally:
            page.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
