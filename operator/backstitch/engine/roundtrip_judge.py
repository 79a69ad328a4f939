# SPDX-License-Identifier: Apache-2.0
"""Is a copy what it was, after forward and back? For the way back that was computed, and for the author's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backstitch.core.errors import ConnectionLost, DatabaseError, RollbackFailed, StepFailed
from backstitch.core.migration_dirs import Migration
from backstitch.core.ports import Session
from backstitch.engine.catalog import read_catalog
from backstitch.engine.digest import all_digests, differing
from backstitch.engine.fingerprint import compare
from backstitch.engine.roundtrip_attempt import run_parts, undo_parts
from backstitch.engine.roundtrip_copy import Copy
from backstitch.engine.roundtrip_result import Judgement
from backstitch.engine.roundtrip_script import Part, Script, read_down
from backstitch.engine.roundtrip_sequences import positions, put_back
from backstitch.engine.roundtrip_server import SharedObjects
from backstitch.model.backup import TableDigest
from backstitch.model.catalog import Catalog
from backstitch.model.script import ScriptError

_UNSAFE_ENUM = "55P04"  # a new enum value is used in the transaction that adds it
_ADD_VALUE = re.compile(r"\bADD\s+VALUE\s+(?!IF\b)", re.IGNORECASE)


@dataclass(frozen=True)
class State:
    """What a database holds: its schema, and a digest for each table's rows."""

    catalog: Catalog
    rows: dict[str, TableDigest]
    hidden: tuple[str, ...] = ()  # tables whose rows our role may not all see, so that it cannot put them back


async def run_plain(session: Session, script: Script, shared: SharedObjects, *, again: bool = False) -> None:
    """Run a migration as its author's tool would. Raises DatabaseError where it fails there too.

    `again`: enum values that cannot go are still there from the first time.
    """
    texts = [_ADD_VALUE.sub("ADD VALUE IF NOT EXISTS ", t) if again else t for t in script.texts]
    if script.transactional:
        try:
            async with session.transaction():
                for text in texts:
                    await session.execute(text)
                if again:
                    await shared.see_that_nothing_changed(session)
                else:
                    await shared.allow_new_roles(session)
                return
        except DatabaseError as error:
            if error.sqlstate != _UNSAFE_ENUM:
                raise
    for text in texts:
        await session.execute(text)


async def judge_computed(
    copy: Copy, before: State, script: Script, parts: list[Part], shared: SharedObjects
) -> tuple[Judgement, Catalog | None, bool]:
    """Give the verdict on the computed way back, the catalog after forward again where it got so far, and whether rows
    were copied first."""
    try:
        async with copy.session() as session:
            start = await positions(session)
            try:
                done = await run_parts(session, before.catalog, parts, shared, transactional=script.transactional)
            except DatabaseError as error:
                if error.sqlstate != _UNSAFE_ENUM:
                    raise
                done = await run_parts(session, before.catalog, parts, shared, transactional=False)
    except ConnectionLost:
        raise
    except StepFailed as error:
        return Judgement(verdict="Refused", reason=error.message), None, False
    except DatabaseError as error:
        return Judgement(verdict="Failed", reason=error.message), None, False
    async with copy.session() as session:
        try:
            await undo_parts(session, done)
        except ConnectionLost:
            raise
        except (DatabaseError, StepFailed, RollbackFailed) as error:
            differences = (f"the way back does not run: {error.message}",)
            return Judgement(verdict="Different", differences=differences), None, done.kept
        judged = await _compare(session, before)
    if judged.verdict == "Different":
        return judged, None, done.kept
    async with copy.session() as session:
        try:
            await put_back(session, start)
            await run_plain(session, script, shared, again="enumValueAdded" in judged.exceptions)
        except ConnectionLost:
            raise
        except (DatabaseError, StepFailed) as error:
            differences = (f"forward again fails: {error.message}",)
            return Judgement(verdict="Different", differences=differences), None, done.kept
        return judged, await read_catalog(session), done.kept


async def _compare(session: Session, before: State) -> Judgement:
    schema = compare(before.catalog, await read_catalog(session))
    rows = differing(before.rows, await all_digests(session))
    if rows or schema.verdict == "Different":
        differences = (*schema.differences, *(f"rows: {r}" for r in rows))
        return Judgement(verdict="Different", differences=differences)
    return Judgement(verdict=schema.verdict, exceptions=schema.exceptions, differences=schema.differences)


async def judge_down(
    copy: Copy, before: State, script: Script, migration: Migration, shared: SharedObjects
) -> Judgement | None:
    """Give the verdict on the author's own way back; None when forward fails already."""
    try:
        down = read_down(migration)
    except ScriptError as error:
        return Judgement(verdict="Failed", reason=str(error))
    if down.outside:
        return Judgement(verdict="Refused", reason="; ".join(down.outside) + ".")
    async with copy.session() as session:
        try:
            await run_plain(session, script, shared)
        except ConnectionLost:
            raise
        except (DatabaseError, StepFailed):
            return None
    async with copy.session() as session:
        try:
            await run_plain(session, down, shared)
        except ConnectionLost:
            raise
        except (DatabaseError, StepFailed) as error:
            return Judgement(verdict="Failed", reason=error.message)
        return await _compare(session, before)
