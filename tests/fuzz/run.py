# SPDX-License-Identifier: Apache-2.0
"""Run the fuzzer for long: `python -m tests.fuzz.run N=100000 SEED=7 [AREA=sql]`, with PYTHONPATH=operator:.

Each input has a seed of its own (`SEED/area/number`), which the message of a failure names and which gives it again.
"""

from __future__ import annotations

import random
import sys
import time
import traceback
from dataclasses import dataclass, field

from tests.fuzz.areas import AREAS

SLOW_S = 5.0  # processor time of one input; the slowest good ones take 0.2


@dataclass
class Told:
    """What came of one area."""

    inputs: int = 0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)


def fuzz(area: str, count: int, seed: int, first: int = 0) -> Told:
    """Feed inputs to one area; a failure is an error that is not ours, or an input that takes too long."""
    told = Told()
    for number in range(first, first + count):
        rng = random.Random(f"{seed}/{area}/{number}")
        began = time.process_time()
        try:
            AREAS[area](rng)
        except Exception:
            told.failures.append(f"{seed}/{area}/{number}: {traceback.format_exc(limit=-6)}")
        took = time.process_time() - began
        if took > SLOW_S:
            told.failures.append(f"{seed}/{area}/{number}: it took {took:.1f} s")
        told.slowest_s = max(told.slowest_s, took)
        told.inputs += 1
    return told


def main(arguments: list[str]) -> int:
    """Run and print a line for each area; 1 when anything failed."""
    given = dict(each.split("=", 1) for each in arguments)
    count, seed, first = int(given.get("N", "1000")), int(given.get("SEED", "1")), int(given.get("FIRST", "0"))
    failed = False
    for area in given.get("AREA", ",".join(AREAS)).split(","):
        told = fuzz(area, count, seed, first)
        print(
            f"{area}: {told.inputs} inputs, {len(told.failures)} failures, slowest {told.slowest_s:.2f} s", flush=True
        )
        for failure in told.failures[:3]:
            print(failure.encode(errors="backslashreplace").decode())
        failed = failed or bool(told.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
