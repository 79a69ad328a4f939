# SPDX-License-Identifier: Apache-2.0
"""Would taking a row away take others with it? Foreign keys that cascade are no error, so they are asked beforehand."""

from __future__ import annotations

from backstitch.core.errors import StatementFailed
from backstitch.core.ports import Session
from backstitch.engine.capture import Captured
from backstitch.engine.image_sql import same_key
from backstitch.model.sql import quote_ident

_CASCADES = """
SELECT k.conname AS name, format('%%I.%%I', n.nspname, c.relname) AS child, k.conrelid = k.confrelid AS own,
       (SELECT array_agg(a.attname::text ORDER BY x.ord) FROM unnest(k.conkey) WITH ORDINALITY x(num, ord)
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.num) AS columns,
       (SELECT array_agg(a.attname::text ORDER BY x.ord) FROM unnest(k.confkey) WITH ORDINALITY x(num, ord)
         JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.num) AS parents
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.confrelid = %s::bigint::oid AND k.confdeltype IN ('c', 'n', 'd')
"""


async def refuse_cascade(session: Session, table: Captured, types: dict[str, str], images: str, which: str) -> None:
    """Raise StatementFailed (23503) where deleting rows `t` by images `i` would delete or change other rows.

    `which` joins `t` and `i`. Rows of the table itself that are deleted by the same images are no hindrance.
    """
    for key in await session.rows(_CASCADES, (table.oid,)):
        refers = " AND ".join(
            f"r.{quote_ident(c)} = t.{quote_ident(p)}" for c, p in zip(key["columns"], key["parents"], strict=True)
        )
        too = f" AND NOT EXISTS (SELECT FROM {images} WHERE {same_key(table, types, 'r')})" if key["own"] else ""
        if await session.rows(
            f"SELECT FROM {table.sql} t, {images}, {key['child']} r WHERE {which} AND {refers}{too} LIMIT 1"
        ):
            raise StatementFailed(
                f"Rows of {key['child']} refer to rows of {table.rel} that would go ({key['name']}).", sqlstate="23503"
            )
