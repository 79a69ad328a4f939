# SPDX-License-Identifier: Apache-2.0
"""Does the S3 fixture behave like a store: keys kept, wrong keys refused, nothing lost while it is away?"""

from __future__ import annotations

import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from dev.s3 import S3Server


def _open(server: S3Server, bucket: str, secret_key: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint=server.endpoint,
        access_key_id=server.access_key,
        secret_access_key=secret_key,
        region=server.region,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


async def test_an_object_is_kept_while_the_server_is_away(s3_server: S3Server, bucket: str) -> None:
    store = _open(s3_server, bucket, s3_server.secret_key)
    await store.put_async("a/b", b"x" * 7_000_000)
    s3_server.halt()
    with pytest.raises(BaseError):
        await store.head_async("a/b")
    s3_server.resume()
    assert (await store.head_async("a/b"))["size"] == 7_000_000


async def test_a_wrong_secret_key_is_refused(s3_server: S3Server, bucket: str) -> None:
    store = _open(s3_server, bucket, "0" * 40)
    with pytest.raises(BaseError):
        await store.put_async("a", b"x")
    assert list((s3_server.objects / bucket).iterdir()) == []
