# SPDX-License-Identifier: Apache-2.0
"""How is one request sent to the Kubernetes API server, and which of our errors does a bad answer become?

The transport of `kubernetes.aio` with plain dicts: its model classes would cost 24 MB for four kinds. The content
type is always given, because the client guesses wrong for lists. Called by adapters/kube.py alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast
from urllib.parse import quote

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from backstitch.core.errors import BackstitchError

Body = dict[str, Any]
ContentType = Literal[
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
]

JSON: ContentType = "application/json"
JSON_PATCH: ContentType = "application/json-patch+json"
MERGE_PATCH: ContentType = "application/merge-patch+json"
APPLY: ContentType = "application/apply-patch+yaml"

_ONE_TRY_S = 10.0
_RETRIED = frozenset({409, 429, 500, 502, 503, 504})
_LONGEST_PAUSE_S = 5.0
# httpx-like clutter of aiohttp; OSError covers refused and reset connections
_CONNECTION_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError)


class ApiError(BackstitchError):
    """The API server did not do what was asked. `status` is the HTTP status, 0 when there was no answer."""

    reason = "ApiServerRefused"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, reason="ApiServerUnavailable" if status in _RETRIED or status == 0 else None)
        self.status = status

    @property
    def retry(self) -> bool:
        """Tell whether the same request may work in a moment."""
        return self.status == 0 or self.status in _RETRIED


class Gone(ApiError):
    """The object, or the thing the request was about, is not there (any more)."""

    reason = "NotFound"


class NotLeading(ApiError):
    """Our hold of the Lease is not fresh, so another operator may be at work: nothing may be written now."""

    def __init__(self) -> None:
        super().__init__("Not written: this operator's hold of the Lease is not fresh, another one may lead.", status=0)
        self.reason = "NotLeading"


class Stale(ApiError):
    """The object changed since it was read: read it again and decide again."""

    reason = "Changed"


def _nothing() -> None:
    """Do nothing."""


class KubeApi:
    """A connection to one API server. Use `KubeApi.connect()`, and close it at the end."""

    def __init__(self, client: ApiClient, *, if_forbidden: str = "") -> None:
        self._client = client
        self._if_forbidden = if_forbidden  # what to do about it, for the reader of the message

    @classmethod
    async def connect(cls) -> KubeApi:
        """Give a connection as the pod's service account, or as $KUBECONFIG or ~/.kube/config say outside of one.

        Raises ApiError when there is neither.
        """
        settings = Configuration()
        try:
            if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
                config.load_incluster_config(client_configuration=settings)
            else:
                # named, because the library keeps what KUBECONFIG was when it was imported
                await config.load_kube_config(
                    config_file=os.environ.get("KUBECONFIG") or "~/.kube/config", client_configuration=settings
                )
        except (config.ConfigException, OSError) as error:
            raise ApiError(
                f"No way to a Kubernetes API server: {error}. Run in a pod with a service account, or set KUBECONFIG.",
                status=401,
            ) from error
        hint = " Give the operator's service account the rights of manifests/rbac.yaml."
        return cls(ApiClient(configuration=settings), if_forbidden=hint)

    async def close(self) -> None:
        """Close the connections; safe to call twice."""
        await self._client.close()

    async def request(
        self,
        method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: ContentType = JSON,
        patience_s: float = 20.0,
        retry_conflict: bool = True,
        before_each_try: Callable[[], None] = _nothing,
    ) -> Body:
        """Send one request and give the answer. Retried while `patience_s` lasts: 409, 429, 5xx, no connection.

        Every request of ours may be sent twice without harm. `retry_conflict=False` gives a 409 back at once.
        `before_each_try` may raise an ApiError, which counts as an answer.
        Raises Gone (404, 410), Stale (409, or 422 of a failed JSON patch test), ApiError.
        """
        deadline = asyncio.get_running_loop().time() + patience_s
        pause = 0.2
        while True:
            try:
                before_each_try()
                return await self._try(method, path, query, body, content_type)
            except ApiError as error:
                conflict = isinstance(error, Stale) and not (retry_conflict and error.status == 409)
                left = deadline - asyncio.get_running_loop().time()
                if not error.retry or conflict or left <= pause:
                    raise
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _try(
        self, method: str, path: str, query: Mapping[str, str] | None, body: object, content_type: ContentType
    ) -> Body:
        try:
            prepared = await self._client.param_serialize(
                method=method,
                resource_path=path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(*prepared, _request_timeout=_ONE_TRY_S)
            text = await answer.read()
        except _CONNECTION_ERRORS as error:
            raise ApiError(
                f"The API server did not answer {method} {path}: {type(error).__name__}. Is it up, and reachable?",
                status=0,
            ) from error
        if 200 <= answer.status < 300:
            return cast(Body, json.loads(text)) if text else {}
        raise _error(method, path, answer.status, text, self._if_forbidden)


def _error(method: str, path: str, status: int, text: bytes, if_forbidden: str) -> ApiError:
    try:
        said = str(json.loads(text).get("message", ""))
    except (ValueError, AttributeError):
        said = ""
    message = f"{method} {path} was answered with {status}: {said or 'no message'}"
    if status in (404, 410):
        return Gone(message, status=status)
    if status == 409 or (status == 422 and "test operation" in said) or "the server rejected our request" in said:
        return Stale(message, status=status)
    if status == 403:
        message += if_forbidden
    return ApiError(message, status=status)


def path_of(
    plural: str, *, group: str = "", version: str = "v1", namespace: str | None = None, name: str | None = None
) -> str:
    """Give the path of a kind, or of one object."""
    parts = ["", "apis", group, version] if group else ["", "api", version]
    if namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(plural)
    if name is not None:
        parts.append(quote(name, safe=""))
    return "/".join(parts)
