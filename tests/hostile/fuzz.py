"""``python -m tests.hostile.fuzz [SECONDS]``: the tests of `test_fuzz` with ever new examples.

It ends at the first example that breaks a rule, and prints the smallest that does.
"""

from __future__ import annotations

import sys
import time

from hypothesis import seed, settings

from tests.hostile import test_fuzz

A_ROUND = settings(max_examples=1000, deadline=None, database=None)


def main(seconds: float) -> None:
    tests = (test for test in vars(test_fuzz).values() if hasattr(test, "hypothesis"))
    targets = [A_ROUND(test) for test in tests]
    first = int(time.time())
    for number in range(first, sys.maxsize):
        for target in targets:
            if time.time() - first > seconds:
                print(f"{number - first} rounds of {len(targets)} targets: nothing found")
                return
            print(f"{target.__name__} (seed {number})", flush=True)
            seed(number)(target)()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
