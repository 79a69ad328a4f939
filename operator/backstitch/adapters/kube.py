# SPDX-License-Identifier: Apache-2.0
"""What does the operator do in Kubernetes? Reads of objects, Secrets and ConfigMaps; status, finalizer, events.

Plain dicts go in and come out. Called by app/; the engine knows nothing of Kubernetes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, NamedTuple

from backstitch.adapters.kube_api import APPLY, JSON_PATCH, ApiError, Body, Gone, KubeApi, NotLeading, Stale, path_of
from backstitch.adapters.kube_lease import Leases
from backstitch.model.names import API_VERSION, FIELD_MANAGER, FINALIZER, GROUP, VERSION

MIGRATIONS = "databasemigrations"
TARGETS = "migrationtargets"
APPROVALS = "migrationapprovals"
KINDS = {MIGRATIONS: "DatabaseMigration", TARGETS: "MigrationTarget", APPROVALS: "MigrationApproval"}
_PAGE = "200"


class Key(NamedTuple):
    """Which object of a kind."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Cluster:
    """One Kubernetes cluster, seen with the operator's rights."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.leases = Leases(api)
        self.may_write: Callable[[], bool] = lambda: True
        """Asked before each try of each write to our objects; where it says no the try fails as `NotLeading`."""

    @classmethod
    async def connect(cls) -> Cluster:
        """Give the cluster the environment names, see KubeApi.connect."""
        return cls(await KubeApi.connect())

    @property
    def api(self) -> KubeApi:
        """Give the connection, for objects of others (CloudNativePG's)."""
        return self._api

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def is_up(self) -> bool:
        """Tell whether the API server answers now (one try)."""
        try:
            await self._api.request("GET", "/version", patience_s=0)
        except ApiError:
            return False
        return True

    async def read(self, plural: str, key: Key) -> Body | None:
        """Give one of our objects, or None when it is not there. Raises ApiError."""
        try:
            return await self._api.request("GET", _ours(plural, key.namespace, key.name))
        except Gone:
            return None

    async def approvals_of(self, migration: Key) -> list[Body]:
        """Give the MigrationApprovals that name a migration. Raises ApiError; Gone where their CRD is not installed."""
        answer = await self._api.request(
            "GET",
            _ours(APPROVALS, migration.namespace),
            query={"fieldSelector": f"spec.migrationRef.name={migration.name}"},
        )
        return list(answer.get("items", []))

    async def list_objects(self, plural: str, namespace: str | None = None) -> AsyncIterator[Body]:
        """Give all objects of a kind, in pages, of one namespace or of all. Raises ApiError."""
        page = ""
        while True:
            query = {"limit": _PAGE} | ({"continue": page} if page else {})
            answer = await self._api.request("GET", _ours(plural, namespace), query=query)
            for item in answer.get("items", []):
                yield item
            page = answer.get("metadata", {}).get("continue", "")
            if not page:
                return

    async def read_secret(self, key: Key, *, patience_s: float = 10.0) -> dict[str, bytes] | None:
        """Give a Secret's data, decoded, or None when there is no such Secret. `get` only, never list. Raises ApiError.

        A value that is no base64 cannot come from an API server.
        """
        try:
            secret = await self._api.request(
                "GET", path_of("secrets", namespace=key.namespace, name=key.name), patience_s=patience_s
            )
        except Gone:
            return None
        try:
            return {name: base64.b64decode(text, validate=True) for name, text in (secret.get("data") or {}).items()}
        except binascii.Error:
            raise ApiError(f"Secret {key} has a value that is no base64.", status=500) from None

    async def read_config_map(self, key: Key) -> dict[str, str] | None:
        """Give a ConfigMap's texts, or None when there is no such ConfigMap. Raises ApiError."""
        try:
            answer = await self._api.request(
                "GET", path_of("configmaps", namespace=key.namespace, name=key.name), patience_s=10
            )
        except Gone:
            return None
        return dict(answer.get("data") or {})

    def _check_may_write(self) -> None:
        if not self.may_write():
            raise NotLeading

    async def apply_status(
        self,
        plural: str,
        key: Key,
        uid: str,
        status: dict[str, Any],
        *,
        patience_s: float = 20.0,
        seen: str | None = None,
    ) -> str | None:
        """Write the whole status by server-side apply; give the new resourceVersion, None when the object is gone.

        `seen` is the resourceVersion that the object must still have, else Stale is raised. What we leave out of
        `status` disappears, what others wrote stays. The status subresource takes no precondition on the uid (tried
        on 1.36), so without `seen` a newer object of the same name may get this status until its own pass writes; the
        answer tells. Raises ApiError.
        """
        body = {
            "apiVersion": API_VERSION,
            "kind": KINDS[plural],
            "metadata": {"name": key.name, "namespace": key.namespace}
            | ({"resourceVersion": seen} if seen is not None else {}),
            "status": status,
        }
        try:
            answer = await self._api.request(
                "PATCH",
                _ours(plural, key.namespace, key.name) + "/status",
                query={"fieldManager": FIELD_MANAGER, "force": "true"},
                body=body,
                content_type=APPLY,
                patience_s=patience_s,
                retry_conflict=seen is None,
                before_each_try=self._check_may_write,
            )
        except Gone:
            return None
        return str(answer["metadata"]["resourceVersion"]) if answer["metadata"]["uid"] == uid else None

    async def add_finalizer(self, plural: str, key: Key, uid: str) -> Literal["held", "deleting", "gone"]:
        """Keep the object from going away until we let it. Raises ApiError.

        `deleting`: it is on its way out and never had our finalizer, so none can be added any more.
        """
        for _ in range(10):
            body = await self.read(plural, key)
            if body is None or body["metadata"]["uid"] != uid:
                return "gone"
            held: list[str] = body["metadata"].get("finalizers", [])
            if FINALIZER in held:
                return "held"
            if "deletionTimestamp" in body["metadata"]:
                return "deleting"
            if await self._set_finalizers(plural, key, body, [*held, FINALIZER]):
                return "held"
        raise ApiError(f"The finalizer of {key} could not be set: the object changes all the time.", status=409)

    async def remove_finalizer(self, plural: str, key: Key, uid: str) -> None:
        """Let the object go, as far as we are concerned; nothing happens when it is gone. Raises ApiError."""
        for _ in range(10):
            body = await self.read(plural, key)
            if body is None or body["metadata"]["uid"] != uid:
                return
            held: list[str] = body["metadata"].get("finalizers", [])
            if FINALIZER not in held:
                return
            if await self._set_finalizers(plural, key, body, [f for f in held if f != FINALIZER]):
                return
        raise ApiError(f"The finalizer of {key} could not be removed: the object changes all the time.", status=409)

    async def post_event(self, event: Body) -> None:
        """Write one event object. Raises ApiError; the caller decides that an event may be lost."""
        path = path_of("events", namespace=event["metadata"]["namespace"])
        await self._api.request("POST", path, body=event, patience_s=5, retry_conflict=False)

    async def _set_finalizers(self, plural: str, key: Key, body: Body, finalizers: list[str]) -> bool:
        """Write the list if nobody changed the object since `body` was read; False: read it again."""
        patch: list[Body] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": body["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/metadata/finalizers", "value": finalizers},
        ]
        try:
            await self._api.request(
                "PATCH",
                _ours(plural, key.namespace, key.name),
                query={"fieldManager": FIELD_MANAGER},
                body=patch,
                content_type=JSON_PATCH,
                retry_conflict=False,
                before_each_try=self._check_may_write,
            )
        except Stale:
            return False
        except Gone:
            return False  # the next read tells
        return True


def _ours(plural: str, namespace: str | None, name: str | None = None) -> str:
    return path_of(plural, group=GROUP, version=VERSION, namespace=namespace, name=name)
