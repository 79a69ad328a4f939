# SPDX-License-Identifier: Apache-2.0
"""How is CloudNativePG asked for backups and for a second server? core.point_in_time.PhysicalBackups on its objects.

We write Backup and Cluster objects and read their status; CloudNativePG's own operator does the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from backstitch.adapters.dump import PgArchiver
from backstitch.adapters.kube_api import ApiError, Body, Gone, KubeApi, Stale, path_of
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.tools import find_tools
from backstitch.core import cnpg
from backstitch.core.errors import BackupFailed, TargetError
from backstitch.core.point_in_time import SideServer
from backstitch.core.ports import Clock
from backstitch.model.backup_spec import CloudNativePG
from backstitch.model.point_in_time import PhysicalBackup, PhysicalKind, RestorePoint

_LIMIT_S = 6 * 3600.0
_POLL_S = 2.0


class CnpgBackups:
    """The backups of one Cluster."""

    def __init__(
        self,
        spec: CloudNativePG,
        api: KubeApi,
        namespace: str,
        database: PostgresDatabase,
        clock: Clock,
        *,
        role: str | None = None,
    ) -> None:
        self._spec = spec
        self._api = api
        self._namespace = namespace
        self._database = database
        self._clock = clock
        self._role = role

    @property
    def method(self) -> str:
        """Give the method's name."""
        return "cloudNativePG"

    @property
    def place(self) -> str:
        """Give the Cluster, for people."""
        return f"CloudNativePG cluster {self._namespace}/{self._spec.cluster}"

    @property
    def may_restore(self) -> bool:
        """A second Cluster can always be asked for."""
        return True

    async def back_up(self, kind: PhysicalKind, mark: str) -> PhysicalBackup:
        """Ask for a Backup, or find the one of this mark, and wait for its end. Raises BackupFailed."""
        wanted = cnpg.backup_object(self._spec, self._namespace, mark)
        await self._create("backups", wanted)
        until = self._clock.monotonic() + _LIMIT_S
        while (found := cnpg.read_backup(await self._read("backups", wanted["metadata"]["name"]))) is None:
            if self._clock.monotonic() > until:
                raise BackupFailed(
                    f"Backup {wanted['metadata']['name']} is not complete after {_LIMIT_S / 3600:.0f} h.",
                    reason="BackupFailed",
                )
            await self._clock.sleep(_POLL_S)
        return found

    async def newest(self) -> PhysicalBackup | None:
        """Give the newest complete Backup of the Cluster, whoever asked for it. Raises BackupFailed."""
        answer = await self._request("GET", self._path("backups"))
        ours = [b for b in answer.get("items", []) if b["spec"]["cluster"]["name"] == self._spec.cluster]
        done = [cnpg.read_backup(b) for b in ours if (b.get("status") or {}).get("phase") == "completed"]
        return max((b for b in done if b), key=lambda b: b.taken_at, default=None)

    async def archived_up_to(self, timeline: int) -> str:
        """Give "": the archive is the plugin's; the server's own word (pg_stat_archiver) must do."""
        return ""

    @asynccontextmanager
    async def side_server(self, point: RestorePoint) -> AsyncIterator[SideServer]:
        """Ask for a Cluster that recovers to the point, wait until it is healthy, give it; deleted after the block."""
        source = await self._read("clusters", self._spec.cluster)
        wanted = cnpg.recovery_cluster(self._spec, source, await self._read("backups", point.backup), point)
        name = wanted["metadata"]["name"]
        await self._create("clusters", wanted)
        try:
            until = self._clock.monotonic() + _LIMIT_S
            while not cnpg.is_recovered(await self._read("clusters", name)):
                if self._clock.monotonic() > until:
                    raise BackupFailed(
                        f"Cluster {name} has not recovered to {point.name} after {_LIMIT_S / 3600:.0f} h. Look at its "
                        "events and at the log of its recovery job.",
                        reason="RecoveryFailed",
                    )
                await self._clock.sleep(_POLL_S)
            settings = await self._database.settings()
            params = {**settings.params, "host": f"{name}-rw.{self._namespace}.svc", "port": "5432"}
            params.pop("hostaddr", None)
            params["sslmode"] = "require"  # its certificate is of a CA of its own
            database = PostgresDatabase.of(replace(settings, params=params, ca_pem=None), role=self._role)
            tools = await find_tools(await self._major())
            yield SideServer(database, PgArchiver(database, tools, role=self._role), f"cluster {name}")
        finally:
            await self._delete("clusters", name)

    def by_hand(self, point: RestorePoint) -> tuple[str, ...]:
        """Give what a person does."""
        return (
            f"make a Cluster with bootstrap.recovery from the archive of {self._spec.cluster}, "
            f"recoveryTarget.targetName {point.name}, targetTLI {point.timeline}, "
            f"and backupID of Backup {point.backup}",
            "stop the application, wait until the new Cluster is healthy, and let the application connect to it",
        )

    async def _major(self) -> int:
        session = await self._database.connect(purpose="look", read_only=True)
        try:
            return session.server_version // 10000
        finally:
            await session.close()

    async def _create(self, plural: str, body: Body) -> None:
        """The same object is there already after a kill."""
        try:
            await self._request("POST", self._path(plural), body=body)
        except Stale:
            there = await self._read(plural, body["metadata"]["name"])
            if (there["metadata"].get("labels") or {}).items() >= cnpg.OURS.items():
                return
            raise BackupFailed(
                f"There is a {body['kind']} {body['metadata']['name']} that is not ours.", reason="NameTaken"
            ) from None

    async def _read(self, plural: str, name: str) -> Body:
        return await self._request("GET", self._path(plural, name))

    async def _delete(self, plural: str, name: str) -> None:
        try:
            await self._api.request("DELETE", self._path(plural, name))
        except Gone:
            return
        except ApiError as error:
            raise BackupFailed(f"Cluster {name} could not be deleted: {error.message}", reason=error.reason) from error

    async def _request(self, method: Any, path: str, *, body: Body | None = None) -> Body:
        try:
            return await self._api.request(method, path, body=body, retry_conflict=False)
        except Stale:
            raise
        except ApiError as error:
            if error.retry:  # the engine tries a target again that cannot be had for a while
                raise TargetError(f"{self.place}: {error.message}", reason=error.reason) from error
            raise BackupFailed(
                f"{self.place}: {error.message} Is CloudNativePG installed, and has the operator the rights of "
                "docs/backups.md?",
                reason="CloudNativePGRefused",
            ) from error

    def _path(self, plural: str, name: str | None = None) -> str:
        return path_of(plural, group=cnpg.CNPG_GROUP, version=cnpg.CNPG_VERSION, namespace=self._namespace, name=name)
