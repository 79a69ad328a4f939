# SPDX-License-Identifier: Apache-2.0
"""How does a test get an object store that speaks S3, and a bucket of its own on it?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from dev.processes import ServerError
from dev.s3 import S3Server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server of the session. A test that halts it must resume it."""
    try:
        server = S3Server()
    except ServerError as error:
        pytest.exit(f"the S3 server is needed and could not be started: {error}", returncode=3)
    with server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    """The name of an empty bucket on the session's S3 server."""
    return s3_server.create_bucket(f"test-{secrets.token_hex(6)}")
