# SPDX-License-Identifier: Apache-2.0
"""Which objects does the database have right now? The whole schema as one value, ours left out."""

from __future__ import annotations

from typing import Any

from backstitch.core.ports import Row, Session
from backstitch.engine.catalog import code, rare, relations, rules
from backstitch.model.catalog import Catalog, CatalogObject, Key, ObjectId

_COLUMNS = "kind, schema, name, sub, classid, oid, subid, pclass, poid, psub, fields, raw, soft"
# search_path='' qualifies every deparsed name; without JIT, because these queries look dear and are not.
_PINS = {"search_path": "", "quote_all_identifiers": "off", "jit": "off"}


async def read_catalog(session: Session) -> Catalog:
    """Give every object of the database, as it is for this session's transaction.

    Runs inside the transaction that is open, or one of its own. The session's search_path is '' meanwhile and is
    put back. Raises DatabaseError.
    """
    async with session.transaction():
        asked = ", ".join(f"current_setting('{name}') AS {name}" for name in _PINS)
        before = (await session.rows(f"SELECT {asked}"))[0]
        await _set(session, _PINS)
        found = await session.rows(_query(session.server_version))
        edges = await session.rows(code.DEPENDENCIES)
        await _set(session, before)
    objects = tuple(_object(row) for row in found)
    return Catalog(session.server_version, objects, _dependencies(objects, edges))


async def _set(session: Session, settings: dict[str, Any]) -> None:
    calls = ", ".join(f"set_config('{name}', %s, true)" for name in settings)
    await session.rows(f"SELECT {calls}", list(settings.values()))


def _query(server_version: int) -> str:
    parts = (
        relations.SCHEMAS,
        relations.RELATIONS,
        relations.SEQUENCES,
        relations.COLUMNS,
        relations.DEFAULTS,
        relations.INHERITANCE,
        rules.constraints(server_version),
        rules.INDEXES,
        rules.TRIGGERS,
        rules.RULES,
        rules.POLICIES,
        rules.STATISTICS,
        code.FUNCTIONS,
        code.TYPES,
        code.PUBLICATIONS,
        code.EXTENSIONS,
        code.DEFAULT_PRIVILEGES,
        rare.OTHERS,
    )
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return f"SELECT * FROM ({union}) AS found({_COLUMNS}) ORDER BY kind, schema, name, sub"


def _object(row: Row) -> CatalogObject:
    parent = None if row["pclass"] is None else ObjectId(row["pclass"], int(row["poid"]), int(row["psub"]))
    return CatalogObject(
        key=Key(row["kind"], row["schema"], row["name"], row["sub"]),
        id=ObjectId(row["classid"], int(row["oid"]), int(row["subid"])),
        parent=parent,
        fields=row["fields"],
        raw=row["raw"],
        soft=row["soft"],
    )


def _dependencies(objects: tuple[CatalogObject, ...], edges: list[Row]) -> tuple[tuple[ObjectId, ObjectId], ...]:
    """Bring pg_depend down to our objects: what is internal to another (row types, `_RETURN` rules, indexes behind
    constraints, members of extensions) is that other one."""
    known = {o.id for o in objects}
    inner: dict[ObjectId, ObjectId] = {}
    plain: list[tuple[ObjectId, ObjectId]] = []
    for row in edges:
        one, other = (
            ObjectId(row["class"].removeprefix("pg_catalog."), row["oid"], row["sub"]),
            ObjectId(row["refclass"].removeprefix("pg_catalog."), row["refoid"], row["refsub"]),
        )
        if row["how"] in ("i", "e"):
            inner.setdefault(one, other)
        plain.append((one, other))

    def resolve(at: ObjectId) -> ObjectId | None:
        for _ in range(8):
            if at in known:
                return at
            if at in inner:
                at = inner[at]
            elif at.subid:
                at = at._replace(subid=0)
            else:
                return None
        return None

    resolved = {(a, b) for one, other in plain if (a := resolve(one)) and (b := resolve(other)) and a != b}
    return tuple(sorted(resolved))
