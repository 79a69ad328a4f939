# SPDX-License-Identifier: Apache-2.0
"""What would going back to the backup give up? The rows that the application wrote since, counted, agreed and exported.

Counted twice: first while everybody writes, so that a person is asked early; then behind the write fence, where the
number is exact. The yes is to a number: one row more, and it stops again. What is agreed to be lost is exported as CSV
to the backup's folder before the databases change their names. Rows that the application deleted come back; they
leave no trace and are not counted.
"""

from __future__ import annotations

import json
import re

from backstitch.core.errors import RollbackFailed, StorageError
from backstitch.core.ports import ObjectStore, Session
from backstitch.engine.capture import look_at_tables
from backstitch.engine.context import Run
from backstitch.engine.digest import ordinary_tables
from backstitch.engine.proof import theirs_sql
from backstitch.engine.streams import close_stream, once, read_object

Lost = dict[str, int]  # rows by `schema.name`, where there are any
_AGREED = re.compile(r"(?:^|[\s,;])lose=([0-9]+)$")


async def count_lost(run: Run, session: Session) -> Lost:
    """Count the rows of every table that others wrote since the backup's snapshot, as `session` sees them."""
    snapshot = (run.entry.start or {})["snapshot"]
    lost: Lost = {}
    for rel in await ordinary_tables(session):
        table = (await look_at_tables(session, [rel]))[0]
        theirs = await theirs_sql(session, run.id, table, snapshot)
        rows = await session.rows(f"SELECT count(*) AS n FROM {table.sql} t WHERE {theirs}")
        if rows[0]["n"]:
            lost[rel] = int(rows[0]["n"])
    return lost


async def agreed(run: Run) -> int:
    """Give how many rows may be lost: by the spec, or by the request that asked for this rollback (`… lose=37`).

    A request that an earlier attempt has acted on was a yes to the rows of that time.
    """
    rollback = run.entry.spec.rollback
    by_spec = (rollback.max_lost_rows or 0) if rollback and rollback.accept_data_loss else 0
    asked = run.world.requests()
    rows = await run.session.rows(
        "SELECT DISTINCT jsonb_array_elements_text(handled) AS token FROM backstitch.migrations "
        "WHERE namespace = %s AND name = %s AND attempt < %s",
        (run.entry.namespace, run.entry.name, run.entry.attempt),
    )
    old = {r["token"] for r in rows}
    pairs = (("rollback", asked.rollback), ("retry", asked.retry))
    said = [_AGREED.search(token) for kind, token in pairs if token and f"{kind}:{token}" not in old]
    return max([by_spec, *(int(found.group(1)) for found in said if found)])


def in_words(lost: Lost) -> str:
    """Give such as `3 in public.orders, 1 in public.notes`, the most first."""
    return ", ".join(f"{rows} in {rel}" for rel, rows in sorted(lost.items(), key=lambda item: -item[1]))


async def refuse_more(run: Run, lost: Lost) -> None:
    """Raise RollbackFailed where more would be lost than anybody agreed to."""
    total, allowed = sum(lost.values()), await agreed(run)
    if total <= allowed:
        return
    already = f", and a yes was given to {allowed}" if allowed else ""
    raise RollbackFailed(
        f"Restoring the backup would lose {total} rows that the application has written since ({in_words(lost)})"
        f"{already}. Nothing was restored. To say yes to that number, set backstitch.dev/rollback to a new value that "
        f"ends in ` lose={total}`; the rows are exported first. With rollback.capture nothing would have been lost.",
        reason="DataLossNotAccepted",
    )


async def export_lost(run: Run, session: Session, lost: Lost, store: ObjectStore, folder: str) -> None:
    """Write the rows as CSV with a header, one object per table, and last what they are. Raises StorageError."""
    snapshot = (run.entry.start or {})["snapshot"]
    for rel in lost:
        table = (await look_at_tables(session, [rel]))[0]
        theirs = await theirs_sql(session, run.id, table, snapshot)
        stream = session.copy_out(
            f"COPY (SELECT * FROM {table.sql} t WHERE {theirs}) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)"
        )
        try:
            await store.put(f"{folder}lost/{rel}.csv", stream)
        finally:
            await close_stream(stream)
    await store.put(f"{folder}lost/rows.json", once(json.dumps(lost).encode()))


async def exported(store: ObjectStore, folder: str) -> Lost:
    """Give what was exported before the swap; nothing where nothing was."""
    try:
        return dict(json.loads(await read_object(store, f"{folder}lost/rows.json")))
    except StorageError as error:
        if error.reason != "ObjectMissing":
            raise
        return {}
