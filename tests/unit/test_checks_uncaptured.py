# SPDX-License-Identifier: Apache-2.0
"""Are the tables named that a migration may have written without images of it?"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from backstitch.core.uncaptured import EVERY_TABLE, uncaptured_tables
from backstitch.model.spec import MigrationSpec


def spec(*steps: Mapping[str, object], **more: object) -> MigrationSpec:
    named = [{"name": f"s{i}", **step} for i, step in enumerate(steps)]
    plain = {"targetRef": {"name": "t"}, "version": "1", "type": "data", "phases": [{"name": "p", "steps": named}]}
    return MigrationSpec.model_validate({**plain, **more})


def with_down(up: str) -> dict[str, object]:
    return {"sql": {"up": up, "down": "SELECT 1"}}


@pytest.mark.parametrize(
    "up, tables",
    [
        ("INSERT INTO notes VALUES (1); UPDATE shop.users SET x = 1", {"public.notes", "shop.users"}),
        ("WITH a AS (INSERT INTO b VALUES (1) RETURNING 1) SELECT * FROM a", {"public.b"}),
        ("DELETE FROM notes", {EVERY_TABLE}),
        ("WITH a AS (DELETE FROM b RETURNING 1) INSERT INTO c SELECT * FROM a", {EVERY_TABLE}),
        ("TRUNCATE notes", {EVERY_TABLE}),
        ("DO $$ BEGIN END $$", {EVERY_TABLE}),
        ("SELECT fill()", {EVERY_TABLE}),
        ("SELECT 1", set()),
        ("this is not SQL", {EVERY_TABLE}),
    ],
)
def test_what_a_step_with_a_down_may_write(up: str, tables: set[str]) -> None:
    assert uncaptured_tables(spec(with_down(up)), {}) >= tables
    assert (EVERY_TABLE in uncaptured_tables(spec(with_down(up)), {})) == (EVERY_TABLE in tables)


def test_steps_without_a_down_have_images() -> None:
    backfill = {"backfill": {"table": "users", "set": {"a": "b"}}}
    assert uncaptured_tables(spec({"sql": {"up": "DELETE FROM users"}}, backfill), {}) == frozenset()


def test_texts_of_config_maps_are_read_and_a_missing_one_may_do_anything() -> None:
    step = {"sql": {"upFrom": {"configMap": "c", "key": "up"}, "downFrom": {"configMap": "c", "key": "down"}}}
    assert uncaptured_tables(spec(step), {"c/up": "INSERT INTO notes VALUES (1)"}) == {"public.notes"}
    assert uncaptured_tables(spec(step), {}) == {EVERY_TABLE}


def test_names_without_a_schema_follow_the_search_path() -> None:
    migration = spec(with_down("INSERT INTO notes VALUES (1)"), searchPath=["shop", "public"])
    assert uncaptured_tables(migration, {}) == {"shop.notes"}
