# SPDX-License-Identifier: Apache-2.0
"""How does a test get a real Kubernetes API server, our CRDs on it, and a namespace of its own?"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from dev.apiserver import ApiServer
from dev.kubebinaries import cache_dir, find_kube_binaries, is_complete
from dev.processes import ServerError

_CRDS = Path(__file__).parents[2] / "crds"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Build the API server (or wait for a build that runs) before the clock of the first test that needs it starts."""
    if (
        "api_server" in getattr(item, "fixturenames", ())
        and not ApiServer().is_external
        and not is_complete(cache_dir())
    ):
        capture = item.config.pluginmanager.getplugin("capturemanager")
        assert capture is not None, "pytest runs without its capture plugin"
        with capture.global_and_fixture_disabled():
            try:
                find_kube_binaries()
            except ServerError as error:
                pytest.exit(str(error), returncode=3)
    return (yield)


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """An API server with the CRDs of crds/ installed; started once, 4 s."""
    server = ApiServer()
    try:
        server.start()
    except ServerError as error:
        pytest.exit(f"the API server is needed and could not be started: {error}", returncode=3)
    try:
        if any(_CRDS.glob("*.yaml")):
            server.install_crds(_CRDS)
        yield server
    finally:
        server.stop()


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """The name of a fresh namespace. Afterwards its deletion is asked for, not awaited: no controller would do it."""
    name = f"test-{secrets.token_hex(5)}"
    api_server.run_kubectl("create", "namespace", name)
    yield name
    api_server.run_kubectl("delete", "namespace", name, "--wait=false")
