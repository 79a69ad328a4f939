# SPDX-License-Identifier: Apache-2.0
"""How does a MigrationTarget become a database, a backup store and the tools? And the ConfigMap texts of a spec?

Secrets are read at each connect and kept nowhere. Everything is of the target's own namespace.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from backstitch.adapters.conninfo import ConnectionSettings, parse_secret
from backstitch.adapters.dump import PgArchiver
from backstitch.adapters.kube import TARGETS, Cluster, Key
from backstitch.adapters.kube_api import ApiError, KubeApi
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.adapters.tools import find_tools
from backstitch.app.wiring import open_other_server
from backstitch.core.errors import BackupFailed, TargetError, UsageError
from backstitch.core.policy import rules_for
from backstitch.core.ports import Archiver, Clock, ObjectStore
from backstitch.engine.job import OtherServer
from backstitch.model.backup_spec import BackupProof
from backstitch.model.base import Frozen
from backstitch.model.operations.run_sql import ConfigMapKey
from backstitch.model.spec import BackupStorage, MigrationSpec, SecretRef, TargetSpec

logger = logging.getLogger(__name__)

DEFAULT_KEEP = 10
_MAJOR_HOLDS_S = 60.0


class NotThere(TargetError):
    """Something a migration names does not exist (yet): look again in a while, nobody failed."""


class _Unread(TargetError):
    """The API server did not answer."""


@dataclass(frozen=True)
class Target:
    """One target, ready to be worked with."""

    key: Key
    spec: TargetSpec
    database: PostgresDatabase
    identity: str
    """host:port/database: two targets with one identity are one database."""

    @property
    def keep(self) -> int:
        """Give how many backups are kept."""
        return (self.spec.backup.keep if self.spec.backup else None) or DEFAULT_KEEP

    @property
    def proof(self) -> BackupProof:
        """Give what must be proven before the first change."""
        return (self.spec.backup.proof if self.spec.backup else None) or "dump"


class Targets:
    """Opens targets by what Kubernetes says now."""

    def __init__(self, cluster: Cluster, clock: Clock, mark: Callable[[], str] = str) -> None:
        self._cluster = cluster
        self._mark = mark
        self._clock = clock
        self._majors: dict[str, tuple[int, float]] = {}

    async def read(self, key: Key) -> dict[str, Any]:
        """Give the MigrationTarget object. Raises NotThere (`TargetMissing`), ApiError."""
        body = await self._cluster.read(TARGETS, key)
        if body is None:
            raise NotThere(
                f"There is no MigrationTarget {key.name} in namespace {key.namespace}. Create it; the migration waits.",
                reason="TargetMissing",
            )
        return body

    async def open(self, key: Key) -> Target:
        """Give the target. Nothing is connected yet.

        Raises NotThere (`TargetMissing`, `SecretMissing`), TargetError (`TargetInvalid`, `SecretIncomplete`), ApiError.
        """
        return await self.open_body(key, await self.read(key))

    async def open_body(self, key: Key, body: dict[str, Any]) -> Target:
        """Give the target of an object that was read already, see `open`."""
        try:
            spec = TargetSpec.model_validate(body["spec"])
        except ValidationError as error:
            raise TargetError(
                f"MigrationTarget {key.name} is not valid: {explain_invalid(error)}",
                reason="TargetInvalid",
                retry=False,
            ) from None

        last: ConnectionSettings | None = None

        async def settings() -> ConnectionSettings:
            """Read them anew; those of the last connect only while the API server is away, so that a run goes on."""
            nonlocal last
            try:
                last = await self._settings(key.namespace, spec.secret_ref, patience_s=10.0 if last is None else 1.0)
            except _Unread as error:
                if last is None:
                    raise
                logger.warning(
                    "the API server is away; using the settings of the last connect", extra={"error": error.message}
                )
            return last

        now = await settings()
        database = PostgresDatabase(settings, name=now.dbname, role=spec.owner_role, mark=self._mark())
        return Target(key, spec, database, f"{now.host}:{now.port}/{now.dbname}".lower())

    async def store(self, target: Target) -> ObjectStore | None:
        """Give where its backups go; None: it names no place. Raises NotThere, TargetError (`StorageInvalid`)."""
        backup = target.spec.backup
        if backup is None:
            return None
        try:
            return open_store(
                parse_store_url(
                    backup.url,
                    endpoint=backup.endpoint,
                    region=backup.region,
                    keys=await self._keys(target.key.namespace, backup),
                )
            )
        except UsageError as error:
            raise TargetError(error.message, reason="StorageInvalid", retry=False) from None

    async def secret(self, target: Target, name: str, what: str) -> dict[str, bytes]:
        """Give a Secret of the target's namespace, `what` being what it is for. Raises NotThere, TargetError."""
        return await self._secret(target.key.namespace, name, what, 10.0)

    @property
    def api(self) -> KubeApi:
        """Give the way to objects of others."""
        return self._cluster.api

    async def archiver(self, target: Target) -> Archiver | None:
        """Give the dump tools of the server's version; None where there is no place for a backup anyway.

        Raises TargetError: the server cannot be reached, or `ToolsMissing` where policy asks for a backup.
        """
        if target.spec.backup is None:
            return None
        try:
            tools = await find_tools(await self._major(target))
            return PgArchiver(target.database, tools, role=target.spec.owner_role)
        except BackupFailed as error:
            if not rules_for(target.spec.environment, target.spec.policy, target.spec.rehearsal).backup:
                return None
            raise TargetError(error.message, reason=error.reason, retry=False) from None

    async def other_server(self, target: Target) -> OtherServer | None:
        """Give the server that copies for rehearsals are made on, where the target names one.

        Raises NotThere (`SecretMissing`), TargetError: it cannot be reached, or its tools are missing.
        """
        ref = target.spec.rehearsal.secret_ref if target.spec.rehearsal else None
        if ref is None:
            return None
        secret = SecretRef(name=ref.name, ssl_mode=ref.ssl_mode)

        async def settings() -> ConnectionSettings:
            return await self._settings(target.key.namespace, secret, patience_s=10.0)

        return await open_other_server(await PostgresDatabase.load(settings))

    async def _major(self, target: Target) -> int:
        """Give the server's major version, asked at most once a minute: it costs a connection."""
        now = self._clock.monotonic()
        known, asked_at = self._majors.get(target.identity, (0, float("-inf")))
        if now - asked_at < _MAJOR_HOLDS_S:
            return known
        session = await target.database.connect(purpose="look", read_only=True)
        try:
            self._majors[target.identity] = (session.server_version // 10000, now)
            return session.server_version // 10000
        finally:
            await session.close()

    async def read_sources(self, namespace: str, spec: MigrationSpec) -> tuple[dict[str, str], tuple[str, ...]]:
        """Give the ConfigMap texts the spec names, as "configmap/key" -> text, and what is missing. Raises ApiError."""
        wanted = sorted({(key.config_map, key.key) for key in config_map_keys(spec)})
        texts: dict[str, str] = {}
        missing: list[str] = []
        read: dict[str, dict[str, str] | None] = {}
        for name, key in wanted:
            if name not in read:
                read[name] = await self._cluster.read_config_map(Key(namespace, name))
            found = read[name]
            if found is None:
                missing.append(f"ConfigMap {name} (key {key})")
            elif key not in found:
                there = ", ".join(sorted(found)) or "none"
                missing.append(f"key {key} of ConfigMap {name} (its keys: {there})")
            else:
                texts[f"{name}/{key}"] = found[key]
        return texts, tuple(dict.fromkeys(missing))

    async def _settings(self, namespace: str, ref: SecretRef, *, patience_s: float) -> ConnectionSettings:
        secret = await self._secret(namespace, ref.name, "connection settings", patience_s)
        ca: str | None = None
        if ref.ca_secret_name:
            ca_secret = await self._secret(namespace, ref.ca_secret_name, "CA certificate", patience_s)
            if "ca.crt" not in ca_secret:
                raise TargetError(f"Secret {ref.ca_secret_name} has no key ca.crt.", reason="SecretIncomplete")
            ca = ca_secret["ca.crt"].decode("utf-8", "replace")
        return parse_secret(secret, host=ref.host, port=ref.port, dbname=ref.dbname, ssl_mode=ref.ssl_mode, ca_pem=ca)

    async def _keys(self, namespace: str, backup: BackupStorage) -> dict[str, str | bytes]:
        if not backup.secret_name:
            return {}
        return dict(await self._secret(namespace, backup.secret_name, "backup storage", 10.0))

    async def _secret(self, namespace: str, name: str, what: str, patience_s: float) -> dict[str, bytes]:
        try:
            data = await self._cluster.read_secret(Key(namespace, name), patience_s=patience_s)
        except ApiError as error:  # the engine knows what to do with a target that cannot be had for a while
            unread = f"Secret {name} ({what}) cannot be read: {error.message}"
            raise (_Unread if error.retry else TargetError)(unread, reason=error.reason) from error
        if data is None:
            raise NotThere(
                f"Secret {name} ({what}) is not there in namespace {namespace}. Create it; the migration waits.",
                reason="SecretMissing",
            )
        return data


def config_map_keys(value: object) -> Iterator[ConfigMapKey]:
    """Find every reference to a ConfigMap key in a spec, in whatever operation it is."""
    if isinstance(value, ConfigMapKey):
        yield value
    elif isinstance(value, Frozen):
        for name in type(value).model_fields:
            yield from config_map_keys(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from config_map_keys(item)


def explain_invalid(error: ValidationError) -> str:
    """Give the first things that are wrong, each with its place as it stands in the YAML; no values in it."""
    found = []
    for detail in error.errors(include_url=False, include_input=False)[:3]:
        place = ".".join(str(part) for part in detail["loc"])
        found.append(f"spec{'.' + place if place else ''}: {detail['msg'].removeprefix('Value error, ')}")
    more = error.error_count() - len(found)
    return "; ".join(found) + (f"; and {more} more" if more > 0 else "") + "."
