"""Checks of a guest program: one JSON line each, and DONE as the last line."""
import json

from machine import Failed, run

CHECKS = []


def check(name):
    def add(function):
        CHECKS.append((name, function))
        return function
    return add


def run_all():
    for name, function in CHECKS:
        verdict, why = "PASS", ""
        try:
            function()
        except Failed as error:
            verdict, why = "FAIL", str(error)
        except Exception as error:  # the rest still has to be looked at
            verdict, why = "FAIL", repr(error)
        print(json.dumps({"verdict": verdict, "name": name, "why": why}), flush=True)
    with open("/var/log/playheadd.journal", "w") as log:
        log.write(run("journalctl", "-o", "short-precise", "--no-pager", "-u", "playheadd").stdout)
    print("DONE", flush=True)
