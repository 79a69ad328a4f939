# SPDX-License-Identifier: Apache-2.0
"""Is every backup URL understood or refused with the reason, and do no keys come out?"""

from __future__ import annotations

import pytest

from backstitch.adapters.store_url import parse_store_url
from backstitch.core.errors import UsageError

KEYS = {"accessKeyId": "AKIAEXAMPLE1", "secretAccessKey": "wJalrXUtnFEMI-example"}


def test_a_directory() -> None:
    location = parse_store_url("file:///var/back%20ups/")
    assert (location.kind, location.path, location.url) == ("file", "/var/back ups", "file:///var/back ups")


def test_a_bucket_with_prefix_and_keys() -> None:
    location = parse_store_url("s3://my-bucket/a/b/", region="eu-central-1", keys=KEYS)
    assert (location.bucket, location.path, location.region) == ("my-bucket", "a/b", "eu-central-1")
    assert (location.access_key_id, location.secret_access_key) == tuple(KEYS.values())
    assert location.endpoint is None
    assert location.url == "s3://my-bucket/a/b"


@pytest.mark.parametrize("value", KEYS.values())
def test_keys_are_in_no_repr(value: str) -> None:
    location = parse_store_url("s3://my-bucket", keys=KEYS)
    assert value not in repr(location) + str(location) + location.url


def test_the_environment_gives_keys_region_and_endpoint() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "B",
        "AWS_SESSION_TOKEN": "C",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://minio:9000/",
        "PATH": "/bin",
    }
    location = parse_store_url("s3://bucket", keys=environment)
    assert (location.access_key_id, location.secret_access_key, location.session_token) == ("A", "B", "C")
    assert (location.region, location.endpoint) == ("eu-west-1", "http://minio:9000")


def test_what_is_given_wins_over_the_environment() -> None:
    location = parse_store_url("s3://bucket", region="r1", endpoint="https://e", keys={"AWS_REGION": "r2"})
    assert (location.region, location.endpoint) == ("r1", "https://e")


def test_bytes_of_a_secret_are_read() -> None:
    keys = {name: value.encode() + b"\n" for name, value in KEYS.items()}
    assert parse_store_url("s3://bucket", keys=keys).secret_access_key == KEYS["secretAccessKey"]


@pytest.mark.parametrize(
    "url, words",
    [
        ("", "neither"),
        ("/var/backups", "neither"),
        ("gs://bucket", "neither"),
        ("file://var/backups", "file:///var/backups"),
        ("file:///", "not / itself"),
        ("file:///a/../b", r"no \.\."),
        ("s3://", "bucket name"),
        ("s3://UPPER/x", "bucket name"),
        ("s3://ab/x", "bucket name"),
        ("s3://bucket/a//b", "empty part"),
        ("s3://bucket/../b", "dot part"),
        ("s3://bucket/a?region=x", "nothing may follow"),
        ("s3://key:hidden@bucket/a", "keys do not belong"),
        ("s3://[bucket/a", "no URL"),
    ],
)
def test_a_wrong_url_is_refused_with_the_reason(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_store_url(url)
    assert "hidden" not in caught.value.message


def test_half_a_key_pair_is_refused() -> None:
    with pytest.raises(UsageError, match="no secretAccessKey"):
        parse_store_url("s3://bucket", keys={"accessKeyId": "A"})


def test_an_endpoint_needs_a_scheme() -> None:
    with pytest.raises(UsageError, match="https://"):
        parse_store_url("s3://bucket", endpoint="minio:9000")
