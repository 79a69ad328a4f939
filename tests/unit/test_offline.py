# SPDX-License-Identifier: Apache-2.0
"""Is a connection refused while a unit test runs?"""

from __future__ import annotations

import asyncio
import socket

import pytest


async def test_a_unit_test_cannot_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(AssertionError, match="tried to connect"):
        await asyncio.open_connection(*server.getsockname())
