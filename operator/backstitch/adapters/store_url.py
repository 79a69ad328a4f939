# SPDX-License-Identifier: Apache-2.0
"""Where do backups go, and with which keys? A URL and a Secret (or the environment) become one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from backstitch.core.errors import UsageError

DEFAULT_REGION = "us-east-1"
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$")  # S3's rule; also keeps paths and spaces out
_KEY_ID = ("accessKeyId", "AWS_ACCESS_KEY_ID", "ACCESS_KEY_ID", "aws_access_key_id")
_KEY_SECRET = ("secretAccessKey", "AWS_SECRET_ACCESS_KEY", "ACCESS_SECRET_KEY", "aws_secret_access_key")
_TOKEN = ("sessionToken", "AWS_SESSION_TOKEN", "ACCESS_SESSION_TOKEN", "aws_session_token")
_ENDPOINT = ("endpoint", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_REGION = ("region", "AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class StoreLocation:
    """A place for backups. Without keys, S3 is reached with the machine's or the service account's own identity."""

    kind: Literal["file", "s3"]
    path: str  # of a directory; or the prefix within the bucket, without slashes at its ends
    bucket: str = ""
    endpoint: str | None = None
    region: str = DEFAULT_REGION
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Give it as a URL for people; no keys in it."""
        if self.kind == "file":
            return f"file://{self.path}"
        return f"s3://{self.bucket}/{self.path}" if self.path else f"s3://{self.bucket}"


def parse_store_url(
    url: str,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    keys: Mapping[str, str | bytes] | None = None,
) -> StoreLocation:
    """Read file:///directory or s3://bucket/prefix. `keys`: a Secret's decoded data, or the environment.

    An endpoint with http:// is taken as it is, because somebody wrote it; without one S3 is always https.
    Raises UsageError.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        raise UsageError(_wrong(url, "it is no URL.")) from None
    if parts.query or parts.fragment:
        raise UsageError(_wrong(parts.scheme + "://…", "nothing may follow the path (no ? and no #)."))
    if parts.username is not None or parts.password is not None:
        raise UsageError(_wrong(parts.scheme + "://…", "keys do not belong in it; give them in a Secret or as AWS_*."))
    if parts.scheme == "file":
        return _file(url, parts)
    if parts.scheme == "s3":
        texts = {name: _text(value) for name, value in (keys or {}).items()}
        return _s3(url, parts, endpoint or _first(texts, _ENDPOINT), region or _first(texts, _REGION), texts)
    raise UsageError(_wrong(url, "it begins with neither file:// nor s3://."))


def _file(url: str, parts: SplitResult) -> StoreLocation:
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(_wrong(url, f"file:// needs an absolute path: file:///{parts.netloc}{parts.path}."))
    if not path.startswith("/") or path.strip("/") == "" or "\0" in path or ".." in path.split("/"):
        raise UsageError(_wrong(url, "the path must be absolute, not / itself, and have no .. in it."))
    return StoreLocation(kind="file", path="/" + path.strip("/"))


def _s3(
    url: str, parts: SplitResult, endpoint: str | None, region: str | None, texts: Mapping[str, str]
) -> StoreLocation:
    if not _BUCKET.match(parts.netloc):
        raise UsageError(_wrong(url, f"{parts.netloc!r} is no bucket name (3 to 63 of a-z, 0-9, dot and dash)."))
    prefix = unquote(parts.path).strip("/")
    if any(part in ("", ".", "..") for part in prefix.split("/") if prefix):
        raise UsageError(_wrong(url, "the prefix has an empty part or a dot part."))
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise UsageError(f"The endpoint {endpoint!r} of the backup storage must begin with https:// or http://.")
    key_id, key_secret = _first(texts, _KEY_ID), _first(texts, _KEY_SECRET)
    if (key_id is None) != (key_secret is None):
        there, missing = ("accessKeyId", "secretAccessKey") if key_id else ("secretAccessKey", "accessKeyId")
        raise UsageError(f"The keys of the backup storage have {there} but no {missing}; give both or neither.")
    return StoreLocation(
        kind="s3",
        path=prefix,
        bucket=parts.netloc,
        endpoint=endpoint.rstrip("/") if endpoint else None,
        region=region or DEFAULT_REGION,
        access_key_id=key_id,
        secret_access_key=key_secret,
        session_token=_first(texts, _TOKEN),
    )


def _wrong(url: str, why: str) -> str:
    return f"The backup URL {url!r} cannot be used: {why} Write file:///directory or s3://bucket/prefix."


def _first(texts: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((texts[name] for name in names if texts.get(name)), None)


def _text(value: str | bytes) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else value).strip()
