# SPDX-License-Identifier: Apache-2.0
"""Second places of backups through the engine: required before the first change, used when the first place fails."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from backstitch.adapters.storage import open_store
from backstitch.adapters.store_url import parse_store_url
from backstitch.engine.copies import StoreCopy
from backstitch.engine.job import World
from backstitch.model.record import Record
from backstitch.model.spec import Environment
from backstitch.model.states import State
from tests.database.test_engine_forward import FULL_NAME, SHOP
from tests.database.test_engine_rollback import NEVER, content
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import TestDatabase


@dataclass
class CopyingEngine(Engine):
    """An engine whose target has a second place for backups."""

    copies: tuple[StoreCopy, ...] = field(default=())

    async def world(self) -> World:
        return replace(await super().world(), copies=self.copies)


@pytest.fixture
def copying(database: TestDatabase, tmp_path: Path) -> CopyingEngine:
    database.psql(SHOP)
    second = open_store(parse_store_url(f"file://{tmp_path}/second"))
    return CopyingEngine(database, f"file://{tmp_path}/first", copies=(StoreCopy(second, required=True),))


@pytest.mark.parametrize("damage", ["gone", "flipped", "older"])
async def test_a_rollback_restores_the_copy(copying: CopyingEngine, tmp_path: Path, damage: str) -> None:
    before = content(copying)

    def spoil(record: Record) -> None:
        if record.state is not State.VERIFYING:
            return
        copying.on_record = None
        (full,) = (tmp_path / "first").rglob("full.pgc")
        if damage == "gone":
            (tmp_path / "first").rename(tmp_path / "moved")
        elif damage == "flipped":
            data = bytearray(full.read_bytes())
            data[len(data) // 2] ^= 1
            full.write_bytes(data)
        else:
            full.write_bytes((full.parent / "schema.pgc").read_bytes())

    copying.on_record = spoil
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "restoreBackup"})
    record = await copying.migrate(spec, environment="staging")
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert record.rollback.rung == 4
    assert content(copying) == before
    assert record.backup is not None
    assert [copy.verified_at is not None for copy in record.backup.copies] == [True]


async def test_no_place_that_is_whole_is_said_with_the_trouble_of_each(copying: CopyingEngine, tmp_path: Path) -> None:
    def spoil(record: Record) -> None:
        if record.state is State.VERIFYING:
            copying.on_record = None
            for full in tmp_path.rglob("full.pgc"):
                full.write_bytes(b"nothing")

    copying.on_record = spoil
    spec = a_spec(FULL_NAME, checks=NEVER, rollback={"strategy": "restoreBackup"})
    record = await copying.migrate(spec, environment="staging")
    assert (record.state, record.reason) == (State.NEEDS_HELP, "BackupDamaged"), record.message
    assert record.message.count("reads back as 7 bytes") == 2
    assert "Nothing was restored" in record.message


async def test_without_the_required_copy_nothing_begins(copying: CopyingEngine, tmp_path: Path) -> None:
    (tmp_path / "second").write_text("a file where a folder should be")
    record = await copying.migrate(a_spec(FULL_NAME), environment="staging")
    assert (record.state, record.reason) == (State.STOPPED, "CopyMissing"), record.message
    assert copying.rows("select 1 from information_schema.columns where column_name = 'full_name'") == []


@pytest.mark.parametrize("environment", ["development", "staging"])
async def test_point_in_time_without_a_method_for_it_does_not_begin(
    copying: CopyingEngine, environment: Environment
) -> None:
    spec = a_spec(FULL_NAME, rollback={"strategy": "pointInTime"})
    record = await copying.migrate(spec, environment=environment)
    assert (record.state, record.reason) == (State.STOPPED, "PointMissing"), record.message
    assert copying.rows("select 1 from information_schema.columns where column_name = 'full_name'") == []
