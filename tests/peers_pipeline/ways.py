"""A body of OTLP on its three ways into playhead.incoming, each with what examples/pipeline says itself: the
program of vector.yaml in Vector's language, otlp-rows.lua in LuaJIT, and for the OpenTelemetry Collector the
messages of OTLP with the columns that its ClickHouse exporter fills (exporter_logs.go)."""
import json
import pathlib
import urllib.parse

import lupa.luajit21
import vrl_python
import yaml
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

PIPELINE = pathlib.Path(__file__).parents[2] / "examples" / "pipeline"


def configuration(file):
    return yaml.safe_load((PIPELINE / file).read_text())


def message(body):
    """The body as the real message; what the definition does not know is an error."""
    return json_format.Parse(json.dumps(body), ExportLogsServiceRequest(), ignore_unknown_fields=False)


def as_string(value):
    """pcommon.Value.AsString of the Collector."""
    kind = value.WhichOneof("value")
    plain = getattr(value, kind) if kind else ""
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < 1e21:
        return str(int(plain))
    return str(plain)


def as_map(attributes):
    return {attribute.key: as_string(attribute.value) for attribute in attributes}


def collector(body):
    rows = []
    for of_resource in message(body).resource_logs:
        resource = as_map(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                nanoseconds = record.time_unix_nano or record.observed_time_unix_nano
                rows.append({
                    "Timestamp": f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09}",
                    "TraceId": record.trace_id.hex(), "SpanId": record.span_id.hex(), "TraceFlags": record.flags,
                    "SeverityText": record.severity_text, "SeverityNumber": record.severity_number,
                    "ServiceName": resource.get("service.name", ""), "Body": as_string(record.body),
                    "ResourceSchemaUrl": of_resource.schema_url, "ResourceAttributes": resource,
                    "ScopeSchemaUrl": of_scope.schema_url, "ScopeName": of_scope.scope.name,
                    "ScopeVersion": of_scope.scope.version,
                    "ScopeAttributes": as_map(of_scope.scope.attributes),
                    "LogAttributes": as_map(record.attributes), "EventName": record.event_name})
    return rows


class Vector:
    def __init__(self):
        self.program = configuration("vector.yaml")["transforms"]["rows"]["source"]
        self.runtime = vrl_python.VRLRuntime("UTC")

    def __call__(self, body):
        # What the source http_server adds.
        event = body | {"path": "/v1/logs", "source_type": "http_server", "timestamp": "2026-11-01T00:00:00Z"}
        return self.runtime.execute(self.program, event).processed_event


class FluentBit:
    def __init__(self):
        (script,) = configuration("fluent-bit.yaml")["pipeline"]["filters"]
        self.lua = lupa.luajit21.LuaRuntime()
        self.lua.execute((PIPELINE / script["script"]).read_text())
        self.call = self.lua.globals()[script["call"]]

    def __call__(self, body):
        code, _, rows = self.call("v1_logs", 0.0, self.lua.table_from(body, recursive=True))
        # -1 drops the body, 2 takes the rows in its place.
        assert code in (-1, 2), f"the filter returned {code}"
        return [self.plain(row) for row in rows.values()] if code == 2 else []

    def plain(self, row):
        return {key: dict(of.items()) if lupa.luajit21.lua_type(of) == "table" else of for key, of in row.items()}


def check_places():
    """Each receiver listens where boxes send to, and inserts where table.sql takes it."""
    collector_, vector, fluent_bit = (configuration(f) for f in ("otelcol.yaml", "vector.yaml", "fluent-bit.yaml"))
    exporter, sink = collector_["exporters"]["clickhouse"], vector["sinks"]["clickhouse"]
    (receives,), (sends,) = fluent_bit["pipeline"]["inputs"], fluent_bit["pipeline"]["outputs"]
    listens = [collector_["receivers"]["otlp"]["protocols"]["http"]["endpoint"],
               vector["sources"]["boxes"]["address"], f"{receives['listen']}:{receives['port']}"]
    assert listens == ["0.0.0.0:4318"] * 3, listens
    assert vector["sources"]["boxes"]["path"] == "/v1/logs"
    into = [f"{exporter['database']}.{exporter['logs_table_name']}", f"{sink['database']}.{sink['table']}",
            urllib.parse.unquote(sends["uri"]).split(" INTO ")[1].removesuffix(" FORMAT JSONEachRow")]
    assert into == ["playhead.incoming"] * 3, into


def all_ways():
    return {"collector": collector, "vector": Vector(), "fluent_bit": FluentBit()}
