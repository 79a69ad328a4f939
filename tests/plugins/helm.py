# SPDX-License-Identifier: Apache-2.0
"""How does a test get Helm, and our chart rendered by it?"""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.helm import find_helm, ready_helm
from dev.processes import ServerError

CHART = Path(__file__).parents[2] / "charts" / "backstitch"
MONITORING = ("monitoring.coreos.com/v1/PodMonitor", "monitoring.coreos.com/v1/PrometheusRule")


class Helm:
    """Helm on our chart."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever comes of it."""
        return subprocess.run([str(self._program), *arguments], capture_output=True, text=True, check=False, timeout=60)

    def render(
        self,
        *values: str,
        sets: Sequence[str] = (),
        kinds: Sequence[str] = (),
        namespace: str = "backstitch",
        release: str = "backstitch",
    ) -> list[dict[str, Any]]:
        """Give the objects of a release with files of `ci/` as values, on a cluster that knows `kinds` too."""
        done = self.run(
            "template",
            release,
            str(CHART),
            f"--namespace={namespace}",
            *[f"--values={CHART / 'ci' / name}.yaml" for name in values],
            *[f"--set={each}" for each in sets],
            *[f"--api-versions={each}" for each in kinds],
        )
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.safe_load_all(done.stdout) if each]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Build Helm (or wait for a build that runs) before the clock of the first test that needs it starts."""
    if "helm" in getattr(item, "fixturenames", ()):
        try:
            if ready_helm() is None:
                capture = item.config.pluginmanager.getplugin("capturemanager")
                assert capture is not None, "pytest runs without its capture plugin"
                with capture.global_and_fixture_disabled():
                    find_helm()
        except ServerError as error:
            pytest.exit(str(error), returncode=3)
    return (yield)


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The pinned Helm."""
    return Helm(find_helm())
