"""Compares the speed of two builds of burn-pg, in turns, so that both run under the same conditions.

    python benches/compare.py OLD_BINARY NEW_BINARY [ROUNDS]

Prints the medians over the rounds, 7 by default, and their ratio. Run it on a quiet machine.
"""

import statistics
import sys

from shapes import SHAPES, train

OLD, NEW = sys.argv[1:3]
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 7

print("| shape | threads | old, steps/s | new, steps/s | new / old |")
print("| --- | --- | --- | --- | --- |")
for name, *shape in SHAPES:
    for threads, options in (("all", []), ("1", ["--threads", "1"])):
        rounds = [[train(binary, *shape, *options)["steps_per_second"] for binary in (OLD, NEW)] for _ in range(ROUNDS)]
        old, new = map(statistics.median, zip(*rounds))
        print(f"| {name} | {threads} | {old:,.0f} | {new:,.0f} | {new / old:.3f} |", flush=True)
