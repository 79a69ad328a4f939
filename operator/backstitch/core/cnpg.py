# SPDX-License-Identifier: Apache-2.0
"""Which objects does CloudNativePG need for a backup and for a second server, and what do theirs say?

Written against its API postgresql.cnpg.io/v1 as of 1.30; a cluster test holds them against its own CRDs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backstitch.core.errors import BackupFailed
from backstitch.model.backup_spec import CloudNativePG
from backstitch.model.names import GROUP
from backstitch.model.point_in_time import PhysicalBackup, RestorePoint

CNPG_GROUP, CNPG_VERSION = "postgresql.cnpg.io", "v1"
API_VERSION = f"{CNPG_GROUP}/{CNPG_VERSION}"
DEFAULT_PLUGIN = "barman-cloud.cloudnative-pg.io"
MARK = f"{GROUP}/mark"
OURS = {"app.kubernetes.io/managed-by": "backstitch"}
HEALTHY = "Cluster in healthy state"

# What a Cluster that recovers takes over from the one it comes from: the same server programs, room and settings.
_TAKEN_OVER = (
    "imageName", "imageCatalogRef", "imagePullSecrets", "imagePullPolicy", "storage", "walStorage", "tablespaces",
    "resources", "affinity", "nodeMaintenanceWindow", "postgresUID", "postgresGID", "serviceAccountTemplate",
    "seccompProfile", "podSecurityContext", "securityContext",
)  # fmt: skip
# Settings of postgresql.conf that recovery needs at least as high, and nothing that starts anybody's jobs.
_FLOORS = (
    "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
    "max_locks_per_transaction",
)  # fmt: skip


def backup_object(spec: CloudNativePG, namespace: str, mark: str) -> dict[str, Any]:
    """Give the Backup of one attempt; its name follows from the mark, so that a restart finds it."""
    method = spec.method or "plugin"
    wanted: dict[str, Any] = {"cluster": {"name": spec.cluster}, "method": method}
    if method == "plugin":
        wanted["pluginConfiguration"] = {"name": spec.plugin or DEFAULT_PLUGIN}
    return _object("Backup", namespace, short_name(spec.cluster, mark), mark, wanted)


def read_backup(body: Mapping[str, Any]) -> PhysicalBackup | None:
    """Give what a Backup says when it is complete; None while it runs. Raises BackupFailed when it failed."""
    status = body.get("status") or {}
    if status.get("phase") == "failed":
        raise BackupFailed(
            f"CloudNativePG could not take Backup {body['metadata']['name']}: "
            f"{status.get('error') or 'it does not say why'}.",
            reason="BackupFailed",
        )
    if status.get("phase") != "completed":
        return None
    return PhysicalBackup(
        label=body["metadata"]["name"],
        kind="full",  # whether it shares blocks with an earlier one is the business of its store
        taken_at=datetime.fromisoformat(status.get("stoppedAt") or status["startedAt"]),
        mark=(body["metadata"].get("annotations") or {}).get(MARK, ""),
    )


def recovery_cluster(
    spec: CloudNativePG, source: Mapping[str, Any], backup: Mapping[str, Any], point: RestorePoint
) -> dict[str, Any]:
    """Give the Cluster that recovers to the point: one instance of the source's own image, no archive of its own.

    Its application role keeps its password, because it gets the source's own Secret. Raises BackupFailed where the
    source does not say where its archive is, or the Backup has no id yet.
    """
    whole, name = source["spec"], source["metadata"]["name"]
    if not (backup_id := (backup.get("status") or {}).get("backupId")):
        raise BackupFailed(f"Backup {backup['metadata']['name']} has no status.backupId.", reason="BackupFailed")
    # a named target needs the id: nobody can tell which backup comes before a name
    target = {"backupID": backup_id, "targetName": point.name, "targetTLI": str(point.timeline)}
    first = (whole.get("bootstrap") or {}).get("initdb") or (whole.get("bootstrap") or {}).get("recovery") or {}
    database = first.get("database", "app")
    wanted = {field: whole[field] for field in _TAKEN_OVER if field in whole}
    wanted["instances"] = 1
    wanted["externalClusters"] = [{"name": "origin", **_archive_of(spec, whole, name)}]
    wanted["bootstrap"] = {
        "recovery": {
            "source": "origin",
            "recoveryTarget": target,
            "database": database,
            "owner": first.get("owner", database),
            "secret": first.get("secret", {"name": f"{name}-app"}),
        }
    }
    parameters = (whole.get("postgresql") or {}).get("parameters") or {}
    if floors := {field: parameters[field] for field in _FLOORS if field in parameters}:
        wanted["postgresql"] = {"parameters": floors}
    return _object("Cluster", source["metadata"]["namespace"], short_name(name, point.name), point.name, wanted)


def _archive_of(spec: CloudNativePG, whole: Mapping[str, Any], name: str) -> dict[str, Any]:
    if (spec.method or "plugin") == "plugin":
        wanted = spec.plugin or DEFAULT_PLUGIN
        plugin = next((p for p in whole.get("plugins") or [] if p.get("name") == wanted), None)
        if plugin is not None:
            return {"plugin": {"name": wanted, "parameters": {"serverName": name, **(plugin.get("parameters") or {})}}}
    elif store := (whole.get("backup") or {}).get("barmanObjectStore"):
        return {"barmanObjectStore": {"serverName": name, **store}}
    raise BackupFailed(
        f"Cluster {name} has no archive of method {spec.method or 'plugin'}: spec.plugins (or "
        "spec.backup.barmanObjectStore) does not say where it is.",
        reason="ArchivingOff",
    )


def is_recovered(body: Mapping[str, Any]) -> bool:
    """Tell whether a Cluster has come to the end of its recovery and can be used."""
    status = body.get("status") or {}
    return status.get("phase") == HEALTHY and bool(status.get("readyInstances"))


def short_name(cluster: str, mark: str) -> str:
    """Give a name of at most 50 characters, which is what a Cluster's may have."""
    return f"{cluster[:30].rstrip('-.')}-bst-{hashlib.sha256(mark.encode()).hexdigest()[:10]}"


def _object(kind: str, namespace: str, name: str, mark: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": dict(OURS), "annotations": {MARK: mark}},
        "spec": dict(spec),
    }
