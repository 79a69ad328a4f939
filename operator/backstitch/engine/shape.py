# SPDX-License-Identifier: Apache-2.0
"""Which schema did the last migration leave, or a person accept? Fingerprints of it in the ledger, and the drift since.

`signature` is the steady look: it reads no definition, only which row versions the system catalogs have (8 ms beside
36 ms for the whole at 20 tables, 25 ms beside 540 ms at 500). Where it has not moved, nothing has.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backstitch.core.ports import Session
from backstitch.engine.catalog import read_catalog
from backstitch.engine.context import Run
from backstitch.engine.fingerprint import fingerprint
from backstitch.engine.ledger_schema import shapes_exist
from backstitch.model.catalog import Fingerprint
from backstitch.model.drift import Drift, without_parts

_CATALOGS = [
    "class",
    "attribute",
    "attrdef",
    "constraint",
    "index",
    "trigger",
    "rewrite",
    "policy",
    "proc",
    "aggregate",
    "type",
    "enum",
    "range",
    "namespace",
    "sequence",
    "inherits",
    "partitioned_table",
    "description",
    "extension",
    "statistic_ext",
    "publication",
    "publication_rel",
    "default_acl",
    "event_trigger",
    "cast",
    "operator",
    "collation",
    "opclass",
    "opfamily",
    "foreign_table",
    "foreign_server",
    "foreign_data_wrapper",
    "language",
    "seclabel",
    "db_role_setting",
    "largeobject_metadata",
    "transform",
    "ts_config",
    "ts_dict",
]
_VERSIONS = " UNION ALL ".join(
    f"SELECT {n} AS n, count(*) || '/' || coalesce(sum(hashint8(xmin::text::bigint * 65536 + "
    f"(ctid::text::point)[1]::bigint)), 0) AS seen FROM pg_catalog.pg_{name}"
    for n, name in enumerate(_CATALOGS)
)
_SIGNATURE = f"SELECT md5(string_agg(seen, ',' ORDER BY n)) AS signature FROM ({_VERSIONS}) found"


@dataclass(frozen=True)
class Shape:
    """A schema as it was left."""

    id: int
    taken_at: datetime
    why: str  # for people, such as `migration full-name (version 3)`
    version: str | None  # set where an existing database was taken in
    source: str | None  # the tool whose history that version came from
    total: str
    objects: dict[str, str]


async def signature(session: Session) -> str:
    """Give 32 hex digits that change with every change of the schema (and after VACUUM FULL of a catalog)."""
    return str((await session.rows(_SIGNATURE))[0]["signature"])


async def latest_shape(session: Session) -> Shape | None:
    """Give the schema as it was left last, or None where no one has taken one down."""
    if not await shapes_exist(session):
        return None
    rows = await session.rows("SELECT * FROM backstitch.shapes ORDER BY id DESC LIMIT 1")
    return _shape(rows[0]) if rows else None


async def latest_shape_id(session: Session) -> int | None:
    """Give the number of the schema as it was left last, or None where no one has taken one down."""
    if not await shapes_exist(session):
        return None
    rows = await session.rows("SELECT id FROM backstitch.shapes ORDER BY id DESC LIMIT 1")
    return int(rows[0]["id"]) if rows else None


async def adopted(session: Session) -> tuple[datetime, str] | None:
    """Give when an existing database was taken in, and at which version; None where none was."""
    if not await shapes_exist(session):
        return None
    rows = await session.rows(
        "SELECT taken_at, version FROM backstitch.shapes WHERE version IS NOT NULL ORDER BY id DESC LIMIT 1"
    )
    return (rows[0]["taken_at"], rows[0]["version"]) if rows else None


async def keep_shape(
    session: Session, why: str, *, version: str | None = None, source: str | None = None, now: Fingerprint | None = None
) -> None:
    """Take down the schema as it is, in the caller's transaction; earlier ones keep their total only."""
    if now is None:
        now = fingerprint(await read_catalog(session))
    rows = await session.rows(
        "INSERT INTO backstitch.shapes (why, version, source, total, objects) VALUES (%s, %s, %s, %s, %s) RETURNING id",
        (why, version, source, now.total, json.dumps(now.objects)),
    )
    await session.execute(
        "UPDATE backstitch.shapes SET objects = '{}' WHERE id < %s AND objects <> '{}'", (rows[0]["id"],)
    )


async def leave_shape(run: Run) -> None:
    """Take down the schema that this migration leaves, or leaves behind when it has gone back."""
    async with run.transaction():
        await keep_shape(run.session, f"migration {run.entry.name} (version {run.entry.version})")


async def find_drift(session: Session) -> Drift | None:
    """Compare the schema with the one that was left last; None where none was taken down."""
    left = await latest_shape(session)
    return None if left is None else drift_from(left, fingerprint(await read_catalog(session)))


def drift_from(left: Shape, now: Fingerprint) -> Drift:
    """Give what differs from a schema as it was left."""
    was, found = left.objects, now.objects
    return Drift(
        left_by=left.why,
        left_at=left.taken_at,
        added=without_parts(found.keys() - was.keys()),
        removed=without_parts(was.keys() - found.keys()),
        changed=tuple(sorted(n for n in found.keys() & was.keys() if found[n] != was[n])),
    )


def _shape(row: dict[str, Any]) -> Shape:
    return Shape(**{name: row[name] for name in ("id", "taken_at", "why", "version", "source", "total", "objects")})
