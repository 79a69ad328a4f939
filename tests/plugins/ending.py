# SPDX-License-Identifier: Apache-2.0
"""How does a test run end? As the command line does (app/leave.py): threads of obstore may abort an interpreter that
takes itself down, and a green run would count as failed."""

from __future__ import annotations

import atexit
import os
import sys

import pytest

_status: list[int] = []


def _end() -> None:
    if _status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[0])


atexit.register(_end)  # this plugin is loaded first, so this runs after what the others have registered


def pytest_sessionfinish(session: pytest.Session, exitstatus: int | pytest.ExitCode) -> None:
    _status.append(int(exitstatus))
