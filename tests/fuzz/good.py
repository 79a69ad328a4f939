# SPDX-License-Identifier: Apache-2.0
"""What is good input, from which the fuzzer starts? One rich example of each kind; a test asks that each is taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

STEP: dict[str, Any] = {"table": "users", "column": "full_name", "type": "text", "default": "''"}
MIGRATION: dict[str, Any] = {
    "apiVersion": "backstitch.dev/v1alpha1",
    "kind": "DatabaseMigration",
    "metadata": {"name": "m", "namespace": "shop", "annotations": {"backstitch.dev/author": "ana"}},
    "spec": {
        "targetRef": {"name": "shop"},
        "version": "20260101.1",
        "type": "schema",
        "dependsOn": [{"name": "before"}],
        "assume": {"schemaVersion": "1", "tables": ["users"], "rowCounts": {"users": 3}, "drift": True},
        "searchPath": ["app", "public"],
        "deadline": "1h30m",
        "phases": [
            {
                "name": "one",
                "steps": [
                    {"name": "a", "addColumn": STEP},
                    {"name": "b", "sql": {"up": "SELECT 1", "down": "SELECT 2"}, "estimatedTime": "5m"},
                    {"name": "c", "backfill": {"table": "users", "set": {"full_name": "name"}, "where": "id > 3"}},
                ],
                "checks": [{"name": "x", "noNulls": {"table": "t", "columns": ["c"]}}],
            },
            {"name": "two", "contract": True, "steps": [{"name": "d", "dropTable": {"table": "old"}}]},
        ],
        "checks": [{"name": "z", "query": "SELECT 0", "expect": {"type": "number", "min": 0, "max": 3}}],
        "workload": [{"name": "q", "query": "SELECT 1"}],
        "rollback": {"strategy": "auto", "revertWindow": "24h", "maxKeptRows": 5},
    },
}
SCHEDULE: dict[str, Any] = {"full": "0 3 * * 0", "timeZone": "Europe/Berlin", "keep": 3}
POLICY: dict[str, Any] = {
    "backup": "full",
    "lockAllowance": "60s",
    "drift": "wait",
    "approval": {"required": 2, "approvers": ["ana", "bo"], "notAuthor": True, "validFor": "8h"},
    "windows": [{"cron": "0 2 * * 6", "duration": "4h", "timeZone": "Europe/Berlin"}],
    "freezes": [{"start": "2026-12-20T00:00:00Z", "end": "2027-01-05T00:00:00Z", "reason": "holidays"}],
}
TARGET: dict[str, Any] = {
    "apiVersion": "backstitch.dev/v1alpha1",
    "kind": "MigrationTarget",
    "metadata": {"name": "shop", "namespace": "shop"},
    "spec": {
        "environment": "production",
        "secretRef": {"name": "shop-db", "host": "db", "port": 5432, "sslMode": "verify-full"},
        "backup": {
            "url": "s3://bucket/prefix",
            "secretName": "s3",
            "method": "pgBackRest",
            "proof": "restore",
            "pgBackRest": {"stanza": "shop", "sideFolder": "/var/side"},
            "schedule": {**SCHEDULE, "incremental": "0 * * * *"},
            "copies": [{"url": "file:///copies", "required": True}],
        },
        "policy": POLICY,
        "ownerRole": "shop_owner",
        "rehearsal": {"place": "sample", "sample": {"maxRowsPerTable": 10, "maxSize": "20Gi"}, "lockBudget": "2s"},
    },
}
APPROVAL: dict[str, Any] = {
    "apiVersion": "backstitch.dev/v1alpha1",
    "kind": "MigrationApproval",
    "metadata": {"name": "yes", "namespace": "shop"},
    "spec": {
        "migrationRef": {"name": "m"},
        "planDigest": "a" * 64,
        "approver": "bo",
        "rehearsalDigest": "b" * 64,
        "validFor": "12h",
        "comment": "read it",
    },
}
STATUS: dict[str, Any] = {
    "state": "Succeeded",
    "observedGeneration": 1,
    "reason": "Succeeded",
    "message": "done",
    "handledRequests": ["1"],
    "revertUntil": "2026-01-02T00:00:00Z",
    "conditions": [{"type": "Ready", "status": "True"}],
}
SECRETS: list[dict[str, Any]] = [
    {"uri": "postgresql://app:s3cret@db:5432/shop?sslmode=require"},
    {"host": "db", "port": "5432", "dbname": "shop", "user": "app", "password": "s3cret", "ca.crt": "-----BEGIN"},
    {"fqdn-uri": "postgresql://app:s3cret@db.shop.svc/shop", "username": "app", "password": "s3cret", "dbname": "*"},
    {"pgbouncer-host": "pool", "user": "app", "password": "s3cret"},
    {"username": b"app", "password": b"s3cret", "host": b"db", "database": b"shop"},
]
URLS = ["postgresql://app@db:5432/shop?sslmode=require", "host=db dbname=shop user=app", "postgres://u@[::1]:5/d"]

_OBJECT = '{"key":"shop/m/1-1-abc/%s.pgc","size":1,"sha256":"aa"}'
MANIFEST_TEXT = (
    '{"format":1,"request":{"namespace":"shop","name":"m","attempt":"1-1-abc"},"takenAt":"2026-01-01T00:00:00Z",'
    '"database":"shop","systemIdentifier":"1","timeline":1,"serverVersion":180000,"toolVersion":"18.1",'
    '"compression":"gzip","lsn":"0/1","snapshot":"1:1:","full":' + _OBJECT % "full" + ',"schemaOnly":'
    + _OBJECT % "schema" + ',"tables":{"public.users":{"rows":1,"digest":"ab"}}}'
)  # fmt: skip
PROOF_TEXT = (
    '{"provenAt":"2026-01-01T00:00:00Z","manifestSha256":"aa","tables":1,"rows":1,"ownersKept":true,'
    '"milliseconds":{"restore":5}}'
)
