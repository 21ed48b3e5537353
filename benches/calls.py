"""How long a call takes: one that stores nothing beside a bare echo, and one that is on the medium when it
is answered beside a bare echo that keeps an entry. By turns, in the same run."""
from rig import Rig

COUNT = 600
BUDGET = (1.3, 1.6)


def measure(programs, table):
    with Rig(programs, collector=True, floor=True) as rig:
        seen = [tuple(map(float, line.split())) for line in rig.caller("calls", rig.address, COUNT).splitlines()]
    nothing, bare, stored, kept = seen
    for index, part in enumerate(("p50", "p99")):
        table.add(f"call that stores nothing, {part}, us", nothing[index], bare[index])
        table.add("- times a bare echo", nothing[index] / bare[index], 1, BUDGET[index], shown="{:.2f}")
    for index, part in enumerate(("p50", "p99")):
        table.add(f"call that is stored, {part}, us", stored[index], kept[index])
        table.add("- times an echo that stores", stored[index] / kept[index], 1, shown="{:.2f}")
