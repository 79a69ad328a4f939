# SPDX-License-Identifier: Apache-2.0
"""`make faults N=1000 SEED=7`: do N mixed migrations end as promised while everything is killed, cut and frozen?

Two operators as processes, a PostgreSQL server, an API server, an S3 server, an application with four writers and two
readers on each of two databases. Cases and faults come from the seed. Exit code 1 where anything deviates.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from tests.faults.campaign_cases import Case, a_case
from tests.faults.campaign_faults import Nemesis
from tests.faults.campaign_lane import Lane, Result
from tests.faults.campaign_stage import Stage

LANES = 2
GAP_S = 4.0


def cases_of(number: int, seed: int) -> list[Case]:
    """Give the migrations of a campaign; the first ones are the same whatever the number."""
    rng = random.Random(f"cases {seed}")
    return [a_case(i, rng) for i in range(1, number + 1)]


def run_campaign(
    number: int, seed: int, *, major: int = 18, gap_s: float = GAP_S, limit_s: float = float("inf")
) -> tuple[Result, str]:
    """Run it; give what was found and a report. Half way the operators become rivals without a common Lease.

    After `limit_s` seconds no migration is begun any more (after half of it, none in the first half).
    """
    began = time.monotonic()
    result, cases = Result(), cases_of(number, seed)
    stage = Stage(major)
    nemesis = Nemesis(stage, seed, gap_s)
    try:
        stage.start()
        nemesis.start()
        for rivals, part in ((False, cases[: (number + 1) // 2]), (True, cases[(number + 1) // 2 :])):
            if rivals and part:
                with stage.calm:
                    stage.make_rivals()
            until = began + limit_s * (1.0 if rivals else 0.5)
            lanes = [
                threading.Thread(target=Lane(stage, result, f"lane{n}{'r' if rivals else ''}", seed).play,
                                 args=(part[n::LANES], until))
                for n in range(LANES)
            ]  # fmt: skip
            for lane in lanes:
                lane.start()
            for lane in lanes:
                lane.join()
        nemesis.stop()
        result.deviations += stage.deviations
        if result.deviations:
            kept = Path(tempfile.mkdtemp(prefix="backstitch-campaign-logs-"))
            shutil.copytree(stage.folder, kept / "operators", ignore=shutil.ignore_patterns("kubeconfig"))
            shutil.copy(stage.server.log, kept / "postgres.log")
            print(f"logs: {kept}", flush=True)
    finally:
        nemesis.stop()
        stage.close()
    return result, report(seed, result, nemesis, stage, time.monotonic() - began)


def report(seed: int, result: Result, nemesis: Nemesis, stage: Stage, seconds: float) -> str:
    """Give the totals, as a table for docs/reliability.md."""
    number = result.ends.total()
    faults, refused = sorted(nemesis.counts.items()), sorted(result.refused.items())
    ends = {end: sum(n for (_, e), n in result.ends.items() if e == end) for end in {e for _, e in result.ends}}
    rows = [
        ("Migrations, seed", f"{number}, {seed}"),
        ("Ended", ", ".join(f"{end} {n}" for end, n in sorted(ends.items()))),
        ("Asked for help on the way", str(result.helped)),
        ("Faults", f"{nemesis.counts.total()}: " + ", ".join(f"{k} {n}" for k, n in faults)),
        ("Operators started again", str(stage.restarts)),
        ("Rows compared", f"{result.rows:,}"),
        ("Writes acknowledged and checked", f"{result.writes:,}"),
        ("Writes without an answer, settled", f"{result.unknown:,}"),
        ("Reads checked", f"{result.reads:,}"),
        ("Statements of the application refused", ", ".join(f"{k} {n}" for k, n in refused) or "none"),
        ("Longest write of the application", f"{result.write_s:.1f} s"),
        ("Longest time to rest", f"{result.longest_s:.0f} s"),
        ("Longest time without progress", f"{result.quiet_s:.0f} s"),
        ("Took", f"{seconds / 60:.0f} min, {number / seconds * 60:.1f} migrations a minute"),
        ("Deviations", str(len(result.deviations))),
    ]  # fmt: skip
    lines = ["", "| What | Number |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows), ""]
    lines += [f"wish {wish}: {end} {n}" for (wish, end), n in sorted(result.ends.items())]
    lines += [f"{n} times {reason}" for reason, n in result.reasons.most_common()]
    lines += [f"families: {', '.join(f'{k} {n}' for k, n in sorted(result.families.items()))}"]
    return "\n".join(lines + [f"DEVIATION {each}" for each in result.deviations])


def main() -> int:
    """Run a campaign by the words of the command line; give the exit code."""
    parser = argparse.ArgumentParser(description="migrations under faults, from a seed")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--major", type=int, default=18)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no migration after so many")
    parser.add_argument("--gap", type=float, default=GAP_S, help="mean seconds of peace between two faults")
    given = parser.parse_args()
    limit_s = given.minutes * 60
    result, text = run_campaign(given.n, given.seed, major=given.major, gap_s=given.gap, limit_s=limit_s)
    print(text, flush=True)
    return 1 if result.deviations else 0


if __name__ == "__main__":
    sys.exit(main())
