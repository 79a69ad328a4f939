# SPDX-License-Identifier: Apache-2.0
"""Does the demo, as a process, end as it says, show no secret, and leave nothing behind, also when it is stopped?"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.demo_cluster import cells

ROOT = Path(__file__).parents[2]
LIMIT_S = 280


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo, started; all that it makes is in a temporary folder of this test."""
    yield from _started(tmp_path)


@pytest.fixture
def kept_demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo that leaves everything running at its end."""
    yield from _started(tmp_path, KEEP="1")


def _started(folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "dev.demo"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator"), "TMPDIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        process.terminate()


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("backstitch-*")]


@pytest.mark.slow
def test_the_demo_tells_its_stories_and_leaves_nothing(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    said, _ = demo.communicate(timeout=LIMIT_S)
    assert demo.returncode == 0, said
    for end in ("it ended Succeeded", "it ended RolledBack", "it ended Refused", " 0 did not"):
        assert end in said
    assert "Did you mean public.customers?" in said
    assert re.search(r"postgres(ql)?://[^ ]*:[^ ]*@", said) is None
    assert left_behind(tmp_path) == []


@pytest.mark.slow
def test_a_demo_that_is_kept_can_be_used_and_is_removed_when_it_is_stopped(
    kept_demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert kept_demo.stdout is not None
    said = ""
    for line in kept_demo.stdout:
        said += line
        if "Ctrl-C stops" in line:
            break
    found = re.search(r'alias k="(.*)"', said)
    assert found is not None, said
    kubectl = found[1].split()
    undo = [*kubectl, "annotate", "dbm", "full-name", "backstitch.dev/rollback=please"]
    subprocess.run(undo, check=True, capture_output=True, timeout=30)
    wait = [*kubectl, "wait", "--for=jsonpath={.status.state}=RolledBack", "dbm/full-name", "--timeout=60s"]
    subprocess.run(wait, check=True, capture_output=True, timeout=90)
    kept_demo.send_signal(signal.SIGINT)
    assert kept_demo.wait(60) == 130
    assert left_behind(tmp_path) == []


def test_a_line_of_a_watch_is_read_whatever_cells_are_empty() -> None:
    assert cells("NAME   TARGET   VERSION   STATE   PHASE   PROGRESS   READY   AGE") is None
    assert cells("a   shop   1          0s") == ("a", "", "", "", "", "0s")
    assert cells("a   shop   1   BackingUp           0/4 0%   False   1s") == (
        *("a", "BackingUp", ""),
        *("0/4 0%", "False", "1s"),
    )
    assert cells("a   shop   1   Migrating   fill   2/4 57%   False   9s") == (
        *("a", "Migrating", "fill"),
        *("2/4 57%", "False", "9s"),
    )
