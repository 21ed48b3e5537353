"""A viewing at the end of a box: what the collector gets when the box is shut down under a player."""
import json
import os
import subprocess
import tempfile

from box import Cannot, base_tree, boot, can_boot, furnish, keep_journal, probe

NAME = "shutdown: a viewing when the box is shut down"
ENDED = "shutdown: the session ended and was delivered before the box was off"


def run(results, binaries, box):
    cache = os.environ.get("PLAYHEADD_SYSTEM_ROOT") or os.path.expanduser("~/.cache/playheadd-system")
    try:
        probe()
        os.makedirs(cache, exist_ok=True)
        tree = base_tree(cache)
        with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as place:
            root = os.path.join(place, "root")
            subprocess.run(["cp", "-a", "--reflink=auto", tree, root], check=True)
            can_boot(root)
            furnish(root, binaries, box, "shutdown.service")
            boot(results, root, "shutdown")
            with open(os.path.join(root, "var/log/collector.jsonl")) as log:
                got = [json.loads(line) for line in log if line.endswith("\n")]
            kinds = [(hit["sid"], hit["body"]["eventType"]) for hit in got
                     if hit["body"]["eventType"] != "ping"]
            one = {sid for sid, _ in kinds}
            results.check(ENDED, len(one) == 1 and kinds[-1][1] == "sessionEnd", f"{kinds[-4:]}")
            keep_journal(root, cache)
    except Cannot as lack:
        results.skipped(NAME, str(lack))
