# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in the middle of a captured restore: whatever is done is done once, and every row is right in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.story import RESTORED
from tests.faults.test_crash_points import counted, crash_everywhere, every_point, in_two_processes, newest
from tests.plugins.crash import Moment
from tests.plugins.pg import PgCluster

__all__ = ["newest"]

STRIDE = 131
SLOW_STRIDE = 23  # every point takes half an hour; the offset moves with the number of calls


@pytest.mark.one_major
@pytest.mark.parametrize("story", RESTORED)
@pytest.mark.timeout(900)
def test_a_sample_of_crash_points_of_a_captured_restore(pg_cluster: PgCluster, tmp_path: Path, story: str) -> None:
    calls, goal = counted(pg_cluster, tmp_path, story)
    assert "by the application" in str(goal)
    moments: list[Moment] = ["before", "after"]
    points = [(n, moments[i % 2]) for i, n in enumerate(range(1, len(calls) + 1, STRIDE))]
    assert crash_everywhere(pg_cluster, tmp_path, story, points, goal) == []


@pytest.mark.slow
@pytest.mark.parametrize("story", RESTORED)
@pytest.mark.timeout(3600)
def test_crash_points_of_the_way_back(newest: PgCluster, tmp_path: Path, story: str) -> None:
    """From the first call of the rollback on; what comes before is tried with the other stories."""
    calls, goal = counted(newest, tmp_path, story)
    back = calls.index("observe RollingBack")
    points = [point for point in every_point(calls) if point[0] >= back][len(calls) % SLOW_STRIDE :: SLOW_STRIDE]
    found = in_two_processes(newest, tmp_path, story, points, goal)
    print(f"\n{story}: {len(calls)} calls, {len(points)} crash points of the way back, {len(found)} deviations")
    assert found == []
