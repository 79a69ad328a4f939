# SPDX-License-Identifier: Apache-2.0
"""Do the images of a transaction tell its story in order? Triggers that change the same row again turn it round.

A statement's images are written when it ends, and what its triggers change in the meantime ends before. Nobody else
can write a row between two changes of one transaction, so where one image does not begin with what the one before
left, their order is wrong: they are replaced by one image of the whole change.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from backstitch.core.errors import StepFailed
from backstitch.core.ports import Session
from backstitch.engine.ledger import UnitRow

_SOME = (
    "(SELECT id, old, new FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s AND id > %s "
    "AND rel = %s"
)
_SAME = (
    "NOT EXISTS (SELECT FROM jsonb_array_elements(%s::jsonb) p "
    "WHERE {child}->>(p->>0) IS DISTINCT FROM {parent}->>(p->>1))"
)


# Rows written in a savepoint, which blocks with EXCEPTION make, bear its id. So do their images, written in it too;
# the proof must know that id as ours.
_OWN_INNER_WRITES = """
INSERT INTO backstitch.writes SELECT migration_id,
  (ours + mod(x - mod(ours, 4294967296) + 4294967296, 4294967296))::text::xid8 FROM (
    SELECT DISTINCT migration_id, xmin::text::numeric AS x, pg_current_xact_id()::text::numeric AS ours
      FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s AND id > %s) i ON CONFLICT DO NOTHING
"""

# A counter that a trigger raises once for every row of a batch: one image in place of thousands.
_JOIN_UPDATES = """
WITH many AS (SELECT rel, key, max(id) AS id, (array_agg(old ORDER BY id))[1] AS old FROM backstitch.images
  WHERE migration_id = %s AND step = %s AND unit = %s AND id > %s
  GROUP BY rel, key HAVING count(*) > 1 AND bool_and(op = 'U')),
shorter AS (DELETE FROM backstitch.images i USING many m WHERE i.migration_id = %s AND i.step = %s AND i.unit = %s
  AND i.id > %s AND i.rel = m.rel AND i.key = m.key AND i.id <> m.id)
UPDATE backstitch.images i SET old = m.old FROM many m WHERE i.migration_id = %s AND i.step = %s AND i.unit = %s
  AND i.id = m.id
"""


async def newest_image(session: Session, migration_id: int, row: UnitRow) -> int:
    """Give the number of the unit's newest image, 0 for none. Ask it when a transaction begins."""
    rows = await session.rows(
        "SELECT coalesce(max(id), 0) AS id FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s",
        (migration_id, row.step, row.unit),
    )
    return int(rows[0]["id"])


async def straighten(session: Session, migration_id: int, row: UnitRow, since: int) -> None:
    """Join the images of rows that triggers changed again. Raises StepFailed for keys that took children along."""
    which = (migration_id, row.step, row.unit, since)
    await session.execute(_OWN_INNER_WRITES, which)
    twisted = await session.rows(
        "SELECT DISTINCT rel, key::text AS key FROM (SELECT rel, key, old, lag(new) OVER w AS before, "
        "row_number() OVER w AS nth FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s "
        "AND id > %s AND rel IN (SELECT n.nspname || '.' || c.relname FROM pg_trigger t JOIN pg_class c "
        "ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname NOT LIKE 'backstitch\\_%%') "
        "WINDOW w AS (PARTITION BY rel, key ORDER BY id)) i WHERE nth > 1 AND before IS DISTINCT FROM old",
        which,
    )
    for t in twisted:
        await _join(session, which, t["rel"], t["key"])
    await session.execute(_JOIN_UPDATES, (*which, *which, *which[:3]))
    await _refuse_moved_keys(session, which)


async def _join(session: Session, which: tuple[int, ...], rel: str, key: str) -> None:
    images = await session.rows(
        "DELETE FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s AND id > %s AND rel = %s "
        "AND key = %s::jsonb RETURNING id, old::text AS old, new::text AS new",
        (*which, rel, key),
    )
    left = Counter(i["old"] for i in images) - Counter(i["new"] for i in images)
    came = Counter(i["new"] for i in images) - Counter(i["old"] for i in images)
    if not left and not came:
        return  # it is what it was
    (old,), (new,) = left or (images[0]["old"],), came or (images[0]["new"],)
    await session.execute(
        "INSERT INTO backstitch.images (migration_id, step, unit, id, rel, op, key, old, new) OVERRIDING SYSTEM VALUE "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (*which[:3], max(i["id"] for i in images), rel, _op(old, new), key, old, new),
    )


def _op(old: str | None, new: str | None) -> str:
    if old is None:
        return "I"
    return "D" if new is None else "U"


async def _refuse_moved_keys(session: Session, which: tuple[int, ...]) -> None:
    """Raise StepFailed where a changed key took the rows that refer to it along (ON UPDATE CASCADE).

    Images have the old and the new key apart, so neither the parent nor its children could go back first.
    """
    keys = await session.rows(
        "SELECT k.conname AS name, pn.nspname || '.' || p.relname AS parent, cn.nspname || '.' || c.relname AS child, "
        "(SELECT array_agg(a.attname::text ORDER BY x.ord) FROM unnest(k.conkey) WITH ORDINALITY x(num, ord) "
        "JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.num) AS columns, "
        "(SELECT array_agg(a.attname::text ORDER BY x.ord) FROM unnest(k.confkey) WITH ORDINALITY x(num, ord) "
        "JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.num) AS parents "
        "FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace "
        "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace "
        "WHERE k.contype = 'f' AND k.confupdtype = 'c' AND pn.nspname || '.' || p.relname IN "
        "(SELECT rel FROM backstitch.images WHERE migration_id = %s AND step = %s AND unit = %s AND id > %s "
        "GROUP BY rel HAVING count(DISTINCT op) > 1)",
        which,
    )
    for key in keys:
        pairs = json.dumps(list(zip(key["columns"], key["parents"], strict=True)))
        parameters: tuple[Any, ...] = (*which, key["child"], *which, key["parent"], pairs, *which, key["parent"], pairs)
        if await session.rows(
            f"SELECT FROM {_SOME} AND op = 'U') u WHERE "
            f"EXISTS (SELECT FROM {_SOME} AND op = 'D') d WHERE d.id < u.id AND "
            f"{_SAME.format(child='u.old', parent='d.old')}) AND EXISTS (SELECT FROM {_SOME} AND op = 'I') n WHERE "
            f"{_SAME.format(child='u.new', parent='n.new')}) LIMIT 1",
            parameters,
        ):
            raise StepFailed(
                f"The keys of {key['parent']} that this changes take rows of {key['child']} along ({key['name']}), "
                "and row images cannot tell which old key became which new one. Give the step a `down`.",
                reason="NoReverse",
            )
