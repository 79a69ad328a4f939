# SPDX-License-Identifier: Apache-2.0
"""SIGKILL before and after every call of the demo's two stories: each ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dev.postgres import PostgresServer
from tests.faults.story import REHEARSED, START, STORIES, content, deviations, in_a_child
from tests.plugins.crash import Counter, Moment
from tests.plugins.pg import PgCluster, majors_of

REHEARSAL_STRIDE = 67
QUICK_STRIDE = 17  # of the quick pass: every 17th point, a different moment each time


def crash_everywhere(
    cluster: PgCluster, folder: Path, story: str, points: list[tuple[int, Moment]], goal: list[object]
) -> list[str]:
    """Kill the story at each of these points, run it again to rest, and give what was wrong."""
    found = []
    for number, moment in points:
        name = f"crash_{os.getpid()}_{number}_{moment}"
        store = folder / name
        database = cluster.create(name)
        try:
            database.psql(START)
            status = in_a_child(database, store, story, Counter(number, moment))
            if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
                found.append(f"{story} {moment} call {number}: it was not killed (status {status})")
                continue
            status = in_a_child(database, store, story, Counter())
            if status != 0:
                found.append(f"{story} {moment} call {number}: the second run failed (status {status})")
                continue
            found += [f"{story} {moment} call {number}: {w}" for w in deviations(database, story, goal)]
        finally:
            database.close()
            cluster.drop(database)
    return found


def counted(cluster: PgCluster, folder: Path, story: str) -> tuple[list[str], list[object]]:
    """Run a story without a kill: its calls, and the content that every killed run must come to."""
    database = cluster.create(f"calm_{os.getpid()}_{story.replace('-', '_')}")
    try:
        database.psql(START)
        report = folder / "calls.json"
        assert in_a_child(database, folder / "calm", story, Counter(), report) == 0
        goal = content(database)
        assert deviations(database, story, goal) == []
        return json.loads(report.read_text()), goal
    finally:
        database.close()
        cluster.drop(database)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.timeout(900)
def test_a_sample_of_crash_points(pg_cluster: PgCluster, tmp_path: Path, story: str) -> None:
    calls, goal = counted(pg_cluster, tmp_path, story)
    moments: list[Moment] = ["before", "after"]
    points = [(n, moments[i % 2]) for i, n in enumerate(range(1, len(calls) + 1, QUICK_STRIDE))]
    assert crash_everywhere(pg_cluster, tmp_path, story, points, goal) == []


@pytest.mark.one_major
@pytest.mark.parametrize("story", REHEARSED)
@pytest.mark.timeout(900)
def test_a_sample_of_crash_points_of_a_rehearsal(pg_cluster: PgCluster, tmp_path: Path, story: str) -> None:
    calls, goal = counted(pg_cluster, tmp_path, story)
    moments: list[Moment] = ["before", "after"]
    points = [(n, moments[i % 2]) for i, n in enumerate(range(1, len(calls) + 1, REHEARSAL_STRIDE))]
    assert crash_everywhere(pg_cluster, tmp_path, story, points, goal) == []


@pytest.fixture
def newest(request: pytest.FixtureRequest) -> Iterator[PgCluster]:
    """A server of the newest major only: the sample above runs on each, and every point takes minutes."""
    cluster = PgCluster(PostgresServer(max(majors_of(request.config))))
    try:
        yield cluster
    finally:
        cluster.stop()


def every_point(calls: list[str]) -> list[tuple[int, Moment]]:
    """Give every crash point once.

    Nothing outside changes between the answer of one call and the sending of the next, so "after n" is "before n+1".
    Only where calls run side by side (a dump beside the making of its scratch database) are both moments worth a try.
    """
    side_by_side = ("pg_dump", "pg_restore", "put ", "get ", "connect ", "CREATE DATABASE", "DROP DATABASE", "COMMENT")
    points: list[tuple[int, Moment]] = [(1, "before")]
    for number, call in enumerate(calls, start=1):
        if number > 1 and call.lstrip().startswith(side_by_side):
            points.append((number, "before"))
        points.append((number, "after"))
    return points


def in_two_processes(
    cluster: PgCluster, folder: Path, story: str, points: list[tuple[int, Moment]], goal: list[object]
) -> list[str]:
    """Share the points between two processes, because most of a run is waiting for the server."""
    reports = [folder / f"found-{n}.json" for n in range(2)]
    children = []
    for n, report in enumerate(reports):
        pid = os.fork()
        if not pid:
            code = 1
            try:
                cluster.admin = psycopg.connect(cluster.server.url(), autocommit=True)  # not the parent's socket
                report.write_text(json.dumps(crash_everywhere(cluster, folder, story, points[n::2], goal)))
                code = 0
            except BaseException:  # the child must not return into pytest
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(pid)
    statuses = [os.waitpid(pid, 0)[1] for pid in children]
    assert statuses == [0, 0], "a process that tries crash points ended early"
    return [line for report in reports for line in json.loads(report.read_text())]


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
@pytest.mark.timeout(3600)
def test_every_crash_point(newest: PgCluster, tmp_path: Path, story: str) -> None:
    calls, goal = counted(newest, tmp_path, story)
    points = every_point(calls)
    found = in_two_processes(newest, tmp_path, story, points, goal)
    print(f"\n{story}: {len(calls)} calls, {len(points)} crash points, {len(found)} deviations")
    assert found == []
