# SPDX-License-Identifier: Apache-2.0
"""Does a unit test really need no server? While one runs, every attempt to connect is an error."""

from __future__ import annotations

import socket
from collections.abc import Generator

import pytest


def _refuse(_socket: socket.socket, address: object) -> None:
    raise AssertionError(f"a unit test tried to connect to {address}: move it to another suite, or pass a fake")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("unit"):
            patch.setattr(socket.socket, "connect", _refuse)
            patch.setattr(socket.socket, "connect_ex", _refuse)
        return (yield)
