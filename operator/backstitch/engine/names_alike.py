# SPDX-License-Identifier: Apache-2.0
"""Are there two relations that are written alike as `schema.name`, such as "a.b"."c" and "a"."b.c"?

Facts, images and digests know a relation by that text. Where it means two, nothing may begin, and no step may make it
so: rows of one would be taken for rows of the other.
"""

from __future__ import annotations

from backstitch.core.errors import StepFailed
from backstitch.core.ports import Session
from backstitch.model.sql import QualifiedName

# Without a schema that has a dot in its name there are none; the server then looks at the few schemas only.
_ALIKE = """
SELECT array_agg(n.nspname::text ORDER BY n.nspname) AS schemas, array_agg(c.relname::text ORDER BY n.nspname) AS names
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE EXISTS (SELECT FROM pg_catalog.pg_namespace s WHERE strpos(s.nspname, '.') > 0)
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
 GROUP BY n.nspname || '.' || c.relname HAVING count(*) > 1 LIMIT 1
"""


async def why_alike(session: Session) -> str | None:
    """Name two relations that are written alike, and what to do; None where there are none."""
    rows = await session.rows(_ALIKE)
    if not rows:
        return None
    both = " and ".join(QualifiedName(*pair).sql for pair in zip(rows[0]["schemas"], rows[0]["names"], strict=True))
    return (
        f"{both} are written alike once a dot is put between schema and name, so their rows could be taken for each "
        "other's. Rename one of them, or its schema."
    )


async def refuse_alike(session: Session) -> None:
    """Raise StepFailed where the open transaction has made two relations that are written alike."""
    found = await why_alike(session)
    if found:
        raise StepFailed(found, reason="NamesAlike")
