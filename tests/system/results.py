"""Passed, failed, skipped: said aloud one by one, counted in the last line."""


class Results:
    def __init__(self):
        self.counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}

    def say(self, verdict, name, why=""):
        self.counts[verdict] += 1
        print(f"{verdict} {name}" + (f": {why}" if why else ""), flush=True)

    def passed(self, name, remark=""):
        self.say("PASS", name, remark)

    def failed(self, name, why):
        self.say("FAIL", name, why)

    def skipped(self, name, why):
        self.say("SKIP", name, why)

    def check(self, name, holds, why):
        if holds:
            self.passed(name)
        else:
            self.failed(name, why)

    def close(self):
        """The last line, and the exit status."""
        passed, failed, skipped = self.counts.values()
        print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
        return 1 if failed else 0
