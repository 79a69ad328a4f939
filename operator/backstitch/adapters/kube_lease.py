# SPDX-License-Identifier: Apache-2.0
"""How is a Lease (coordination.k8s.io/v1) read and written, so that of two writers only one wins?

Every write names the resourceVersion it was decided on. Called by app/lease.py, which decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backstitch.adapters.kube_api import ApiError, Body, Gone, KubeApi, Stale, path_of

_GROUP = "coordination.k8s.io"
_PATIENCE_S = 0.0  # who holds or waits comes again in a moment anyway


@dataclass(frozen=True)
class LeaseRecord:
    """A Lease as it was read or written."""

    uid: str
    version: str
    holder: str
    duration_s: int
    transitions: int


class Leases:
    """The Leases of one cluster."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def read(self, namespace: str, name: str) -> LeaseRecord | None:
        """Give a Lease, or None when there is none. Raises ApiError."""
        try:
            return _record(await self._api.request("GET", _path(namespace, name), patience_s=_PATIENCE_S))
        except Gone:
            return None

    async def write(
        self,
        namespace: str,
        name: str,
        seen: LeaseRecord | None,
        *,
        holder: str,
        duration_s: int,
        transitions: int,
        now: datetime,
        acquired: datetime | None,
    ) -> LeaseRecord | None:
        """Create (`seen` is None) or replace it; None when it is not as it was seen. Raises ApiError.

        `now` is for people who read the Lease; nothing of ours compares times of two machines.
        """
        metadata: dict[str, Any] = {"name": name, "namespace": namespace}
        if seen is not None:
            metadata |= {"resourceVersion": seen.version, "uid": seen.uid}
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": duration_s,
            "leaseTransitions": transitions,
            "renewTime": _micro_time(now),
        }
        if acquired is not None:
            spec["acquireTime"] = _micro_time(acquired)
        body = {"apiVersion": f"{_GROUP}/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        try:
            answer = await self._api.request(
                "POST" if seen is None else "PUT",
                _path(namespace, None if seen is None else name),
                body=body,
                patience_s=_PATIENCE_S,
                retry_conflict=False,
            )
        except Stale:
            return None
        except Gone as error:
            if seen is not None:
                return None  # deleted meanwhile: the next look finds none and creates it
            raise ApiError(
                f"The Lease {namespace}/{name} cannot be created: {error.message}. Is there that namespace?", status=404
            ) from None
        return _record(answer)


def _path(namespace: str, name: str | None) -> str:
    return path_of("leases", group=_GROUP, namespace=namespace, name=name)


def _record(body: Body) -> LeaseRecord:
    spec = body.get("spec") or {}
    return LeaseRecord(
        uid=body["metadata"]["uid"],
        version=body["metadata"]["resourceVersion"],
        holder=spec.get("holderIdentity") or "",
        duration_s=int(spec.get("leaseDurationSeconds") or 0),
        transitions=int(spec.get("leaseTransitions") or 0),
    )


def _micro_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
