# SPDX-License-Identifier: Apache-2.0
"""Which suite does a test belong to? The folder says; nobody marks by hand, except `slow`."""

from __future__ import annotations

from pathlib import Path

import pytest

SUITES = {
    "unit": "rules and values: no server, no network",
    "contract": "the promises of each port, on the fake and on the real adapter",
    "database": "real PostgreSQL",
    "cluster": "a real API server",
    "e2e": "the operator as a process with both servers",
    "faults": "the same stories with something broken",
    "bench": "numbers, never part of pass or fail",
}


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in SUITES.items():
        config.addinivalue_line("markers", f"{name}: {meaning} (set from the folder)")
    config.addinivalue_line("markers", "one_major: nothing in it depends on PostgreSQL's version; the newest is enough")
    config.addinivalue_line("markers", "slow: takes many seconds; left out of `make test`, run by .ci/run")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parents[1]
    for item in items:
        if item.path.is_relative_to(tests) and (suite := item.path.relative_to(tests).parts[0]) in SUITES:
            item.add_marker(suite)
