#!/usr/bin/env python3
"""The evening of evening.py through the agent, the three ways of examples/pipeline, and ClickHouse.
usage: run.py PLAYHEADCTL bodies|ways|queries

Exit status 0: as it should be; 1: it is not, and standard error says how.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing is left in the tree

from chdb import session
from google.protobuf import json_format

import evening
import ways

LARGEST, MOST = 64 * 1024, 100


def configuration():
    """What the page says that a box needs."""
    page = (ways.PIPELINE / "README.md").read_text()
    return re.search(r"```toml\n(.*?)```", page, re.S).group(1)


def delivered(playheadctl, box, seed):
    """(arrival in Unix time, body) of each request that reached the collector. Session ids are random numbers,
    so each box has a seed of its own."""
    with tempfile.TemporaryDirectory() as place:
        timeline, settings = pathlib.Path(place, "box.jsonl"), pathlib.Path(place, "playheadd.toml")
        timeline.write_text("".join(json.dumps(line) + "\n" for line in box.lines))
        settings.write_text(configuration())
        command = [playheadctl, "simulate", timeline, "--config", settings, "--seed", str(seed),
                   "--until", str(evening.CLOSE - box.starts),
                   "--set", f"analytics.app_installation_id={box.name}"]
        out = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    for exchange in map(json.loads, out.splitlines()):
        unanswered = exchange["status"] is None and box.deaf[0] <= exchange["at"] < box.deaf[1]
        if unanswered or exchange["status"] == 200:
            yield box.starts + exchange["at"], exchange["body"]


def all_delivered(playheadctl, boxes):
    """Everything in the order of its arrival. Each request comes again a quarter of an hour later, so in another
    insert: within one, ClickHouse itself drops the second."""
    arrivals = []
    for seed, box in enumerate(boxes):
        for at, body in delivered(playheadctl, box, seed):
            arrivals += [(at, body), (at + 900, body)]
    return sorted(arrivals, key=lambda arrival: arrival[0])


def check_bodies(arrivals):
    """Each body is a message of OTLP and nothing else, and says the same when it is written anew."""
    seen = {}
    for _, body in arrivals:
        message = ways.message(body)
        again = json_format.MessageToDict(message, use_integers_for_enums=True)
        assert again == body, f"not proto3 JSON to the letter:\n{json.dumps(body)}\n{json.dumps(again)}"
        assert len(json.dumps(body, separators=(",", ":")).encode()) <= LARGEST
        records = [r for of in message.resource_logs for scope in of.scope_logs for r in scope.log_records]
        assert 0 < len(records) <= MOST, len(records)
        for record in records:
            keys = [attribute.key for attribute in record.attributes]
            assert len(keys) == len(set(keys)), keys
            uid = ways.as_map(record.attributes)["log.record.uid"]
            assert uid and seen.setdefault(uid, record) == record, f"{uid} is two records"
    print(f"{len(arrivals)} bodies with {len(seen)} records")


class ClickHouse:
    """The tables of table.sql once for each way, in databases of their own."""

    def __init__(self):
        self.connection = session.Session()

    def create(self, database):
        self.run("table.sql", database)
        # The evening is of a fixed date, and its rows grow old; and what is not merged yet has to count once too.
        self.connection.query(f"SYSTEM STOP MERGES {database}.playback")

    def run(self, file, database, form="JSONEachRow", **parameters):
        text = re.sub(r"(?m)--.*$", "", (ways.PIPELINE / file).read_text())
        text = re.sub(r"\bplayhead(?=[.;])", database, text)
        statements = [statement for statement in text.split(";") if statement.strip()]
        for statement in statements:
            answer = self.connection.query(statement, form, params=parameters)
        return [json.loads(line) for line in str(answer).splitlines()]

    def insert(self, database, rows):
        lines = "\n".join(json.dumps(row) for row in rows)
        # Vector's sink sets this one.
        nested = "SETTINGS input_format_import_nested_json = 1" if database == "vector" else ""
        self.connection.query(f"INSERT INTO {database}.incoming {nested} FORMAT JSONEachRow {lines}")

    def table(self, database):
        query = f"SELECT * EXCEPT received FROM {database}.playback FINAL ORDER BY session_id, uid"
        return [json.loads(line) for line in str(self.connection.query(query, "JSONEachRow")).splitlines()]


def load(clickhouse, database, way, arrivals):
    rows = []
    for at, body in arrivals:
        rows += [row | {"Received": f"{at:.3f}"} for row in way(body)]
    # In many inserts, so that a repeat is in another part of the table.
    for begin in range(0, len(rows), 100):
        clickhouse.insert(database, rows[begin:begin + 100])
    return len(rows)


def check_ways(arrivals):
    """The same rows come out of all three ways, and each record once."""
    ways.check_places()
    # What says nothing is no row and no error.
    empty = ({}, {"resourceLogs": [{}]}, {"resourceLogs": [{"scopeLogs": [{}]}]})
    arrivals += [(evening.CLOSE, body) for body in empty]
    clickhouse = ClickHouse()
    tables = {}
    for name, way in ways.all_ways().items():
        clickhouse.create(name)
        rows = load(clickhouse, name, way, arrivals)
        tables[name] = clickhouse.table(name)
        print(f"{name}: {rows} rows in, {len(tables[name])} records")
    records = {r for _, body in arrivals for r in uids(body)}
    of_the_page = dict(re.findall(r'(?m)^"(.+)" = "(.+)"$', configuration()))
    assert {json.dumps(row["resource"]) for row in tables["collector"]} == {json.dumps(of_the_page)}
    for name, table in tables.items():
        assert len(table) == len(records), f"{name}: {len(table)} of {len(records)}"
        for ours, theirs in zip(table, tables["collector"]):
            assert ours == theirs, f"{name} and collector:\n{ours}\n{theirs}"


def uids(body):
    return [row["LogAttributes"]["log.record.uid"] for row in ways.collector(body)]


def same(what, found, wanted):
    assert found == wanted, f"{what}:\n  found  {found}\n  wanted {wanted}"
    print(f"{what}: {found}")


def clock(unix):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(unix))


class Operator:
    """Asks the five queries and compares the answers with what happened."""

    def __init__(self, truth):
        self.truth = truth
        self.clickhouse = ClickHouse()
        self.clickhouse.create("collector")

    def ask(self, query, **moments):
        return self.clickhouse.run(f"{query}.sql", "collector", **{k: clock(at) for k, at in moments.items()})

    def viewers_now(self, at):
        wanted = {}
        for begin, end, media, state in self.truth.viewers:
            if begin <= at < end:
                row = wanted.setdefault(media, dict.fromkeys(["viewers", "playing", "in_ads", "paused", "stalled"], 0))
                row["viewers"] += 1
                row[state] += 1
        found = {row["media_id"]: {key: int(row[key]) for key in row if key not in ("media_id", "title")}
                 for row in self.ask("viewers-now", at=at)}
        same(f"viewers at {clock(at)}", found, wanted)

    def silent_boxes(self, at):
        rows = self.ask("silent-boxes", at=at)
        same(f"silent at {clock(at)}", {row["box"]: row["watching"] for row in rows}, evening.SILENT[at])
        for row in rows:
            assert bool(row["in_session"]) == bool(row["watching"]), row

    def time_watched(self, begin, end):
        rows = self.ask("time-watched", **{"from": begin, "to": end})
        watched = {row["media_id"]: row["seconds_watched"] for row in rows}
        assert watched.keys() == self.truth.watched.keys(), watched
        for media, wanted in self.truth.watched.items():
            missing = wanted - watched[media]
            assert -0.1 <= missing <= evening.UNREPORTED.get(media, 0.1), f"{media}: {watched[media]} of {wanted} s"
            print(f"watched {media}: {watched[media]} of {wanted} s")

    def offline_content(self):
        """It counts when it was watched, before half past seven, and not when it arrived, an hour later."""
        span = {"from": evening.SIX, "to": evening.SIX + 5400}
        film = {row["media_id"]: row["seconds_watched"] for row in self.ask("time-watched", **span)}["island"]
        same("the downloaded film", film, self.truth.watched["island"])

    def resumes(self, begin, end):
        rows = self.ask("resumes", **{"from": begin, "to": end})
        found = {row["media_id"]: (int(row["starts"]), int(row["resumes"])) for row in rows}
        wanted = {media: (self.truth.starts[media], self.truth.resumes[media])
                  for media in self.truth.watched}
        same("starts and resumes", found, wanted)

    def stalls(self, begin, end):
        rows = self.ask("stalls", **{"from": begin, "to": end})
        found = {(row["hour"], row["box"]): [int(row["stalls"]), row["seconds_stalled"], int(row["at_start"])]
                 for row in rows}
        same("stalls", found, {(clock(at), box): stalls for (at, box), stalls in self.truth.stalls.items()})


def check_queries(arrivals, truth):
    """What has arrived by a moment is in the tables when an operator looks at that moment."""
    operator = Operator(truth)
    loaded = 0
    for look in sorted({*evening.LOOKS, *evening.SILENT}):
        until = sum(1 for at, _ in arrivals if at <= look)
        load(operator.clickhouse, "collector", ways.collector, arrivals[loaded:until])
        loaded = until
        if look in evening.LOOKS:
            operator.viewers_now(look)
        if look in evening.SILENT:
            operator.silent_boxes(look)
    load(operator.clickhouse, "collector", ways.collector, arrivals[loaded:])
    # A moment of the past, with all that came later in the table.
    operator.viewers_now(evening.LOOKS[-2])
    whole = (evening.SIX - 7 * 86400, evening.CLOSE)
    operator.time_watched(*whole)
    operator.offline_content()
    operator.resumes(*whole)
    operator.stalls(*whole)


def main(playheadctl, what):
    truth, boxes = evening.evening()
    arrivals = all_delivered(playheadctl, boxes)
    if what == "bodies":
        check_bodies(arrivals)
    elif what == "ways":
        check_ways(arrivals)
    else:
        check_queries(arrivals, truth)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in ("bodies", "ways", "queries"):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
