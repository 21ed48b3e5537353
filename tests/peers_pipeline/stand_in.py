"""Until the agent speaks OTLP itself: the requests of the Media Collection API as those of docs/otlp.md."""
import hashlib
import json


def value(of):
    if isinstance(of, bool):
        return {"boolValue": of}
    if isinstance(of, str):
        return {"stringValue": of}
    return {"doubleValue": of}


def attributes(of):
    return [{"key": key, "value": what if isinstance(what, dict) else value(what)} for key, what in of.items()]


# After ten minutes without a word the Media Collection API takes a session as closed, and the agent opens it
# anew, as a resume, at the first ping that was not delivered: the news on the train. Resumes, and seconds.
REOPENED = {"news": (1, 10.0)}


def request(box, hits, sid):
    records = []
    for hit in hits:
        kind, when = hit["eventType"], hit["playerTime"]
        uid = hashlib.sha1(json.dumps([box, sid, hit]).encode()).hexdigest()
        has = {"session.id": f"{box}-{sid}", "log.record.uid": uid, "media.playhead": float(when["playhead"])}
        params = hit.get("params", {})
        has |= {key: what for key, what in params.items() if key.startswith("media.")}
        has |= {f"media.custom.{key}": what for key, what in hit.get("customMetadata", {}).items()}
        for key, what in hit.get("qoeData", {}).items():
            has[key] = {"intValue": str(what)} if not isinstance(what, str) else what
        nanoseconds = f"{when['ts']}000000"
        records.append({"timeUnixNano": nanoseconds, "observedTimeUnixNano": nanoseconds,
                        "severityNumber": 17 if kind == "error" else 9,
                        "severityText": "ERROR" if kind == "error" else "INFO",
                        "eventName": f"media.{kind}", "attributes": attributes(has)})
    resource = attributes({"service.name": "playheadd", "service.version": "0.1.0",
                           "service.instance.id": box, "deployment.environment.name": "test"})
    scope = {"name": "playheadd", "version": "0.1.0"}
    return {"resourceLogs": [{"resource": {"attributes": resource},
                              "scopeLogs": [{"scope": scope, "logRecords": records}]}]}


def translated(box, exchanges):
    """The same exchanges with bodies of OTLP. A request without an answer has the sid of its path."""
    for number, exchange in enumerate(exchanges):
        in_path = exchange["path"].split("/sessions/")[-1].removesuffix("/events")
        sid = exchange["sid"] or (in_path if "/" not in in_path else f"none-{number}")
        body = exchange["body"]
        hits = body if isinstance(body, list) else [body]
        for first in range(0, len(hits), 100):
            yield exchange | {"body": request(box, hits[first:first + 100], sid)}
