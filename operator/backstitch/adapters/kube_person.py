# SPDX-License-Identifier: Apache-2.0
"""What does a person do with our objects in Kubernetes, with kubectl's own settings? Used by the kubectl plugin.

Nothing here needs more than the person's own rights; the API server says no in their name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from backstitch.adapters.kube import APPROVALS, KINDS, MIGRATIONS
from backstitch.adapters.kube_api import MERGE_PATCH, ApiError, Body, Gone, KubeApi, path_of
from backstitch.core.errors import UsageError
from backstitch.model.names import API_VERSION, GROUP, VERSION

_PATIENCE_S = 5.0
_DEFAULT = str(Path("~/.kube/config").expanduser())


class Person:
    """One person at one cluster, in one namespace."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self._api = api
        self.namespace = namespace

    @classmethod
    async def connect(cls, *, context: str | None, namespace: str | None) -> Person:
        """Give the cluster and namespace of $KUBECONFIG or ~/.kube/config. Raises UsageError: there is none."""
        file = os.environ.get("KUBECONFIG") or _DEFAULT
        settings = Configuration()
        try:
            await config.load_kube_config(config_file=file, context=context, client_configuration=settings)
            contexts, active = config.list_kube_config_contexts(config_file=file)
        except (config.ConfigException, OSError) as error:
            raise UsageError(f"No way to a Kubernetes API server: {error}. Set KUBECONFIG.") from error
        chosen = next((each for each in contexts if each["name"] == context), active)
        return cls(
            KubeApi(ApiClient(configuration=settings)), namespace or chosen["context"].get("namespace", "default")
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def name(self) -> str:
        """Give this person's user name, as the API server knows it. Raises ApiError."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = path_of("selfsubjectreviews", group="authentication.k8s.io", version="v1")
        answer = await self._api.request("POST", path, body=body, patience_s=_PATIENCE_S)
        return str(answer["status"]["userInfo"]["username"])

    async def read(self, name: str, plural: str = MIGRATIONS) -> Body:
        """Give one object. Raises UsageError: there is none of that name; ApiError."""
        try:
            return await self._api.request("GET", self._path(plural, name), patience_s=_PATIENCE_S)
        except Gone:
            kind = KINDS[plural]
            raise UsageError(
                f"There is no {kind} {name} in namespace {self.namespace} (or its CRD is missing)."
            ) from None

    async def all(self, plural: str = MIGRATIONS) -> list[Body]:
        """Give all objects of a kind in the namespace. Raises ApiError."""
        return list((await self._api.request("GET", self._path(plural), patience_s=_PATIENCE_S))["items"])

    async def annotate(self, name: str, annotation: str, value: str | None, plural: str = MIGRATIONS) -> None:
        """Set an annotation, or take it away. Raises UsageError: there is no such object; ApiError."""
        await self.read(name, plural)
        await self._api.request(
            "PATCH",
            self._path(plural, name),
            body={"metadata": {"annotations": {annotation: value}}},
            content_type=MERGE_PATCH,
            patience_s=_PATIENCE_S,
        )

    async def approve(self, name: str, spec: dict[str, Any]) -> None:
        """Create a MigrationApproval. Raises ApiError, with the API server's reason where a policy or RBAC says no."""
        body = {
            "apiVersion": API_VERSION,
            "kind": "MigrationApproval",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        try:
            await self._api.request(
                "POST", self._path(APPROVALS), body=body, patience_s=_PATIENCE_S, retry_conflict=False
            )
        except Gone as error:
            raise ApiError("The CRD of MigrationApproval is not installed: apply crds/.", status=404) from error

    def _path(self, plural: str, name: str | None = None) -> str:
        return path_of(plural, group=GROUP, version=VERSION, namespace=self.namespace, name=name)
