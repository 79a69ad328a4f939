# SPDX-License-Identifier: Apache-2.0
"""What triggers and rules of the application do in our transactions comes back; nothing sets them off twice."""

from __future__ import annotations

import pytest

from tests.database.test_engine_edge import TWICE, there_and_back
from tests.plugins.engine import Engine, a_spec

TRIGGERS = """
create table audit (id bigint generated always as identity primary key, what text);
create table total (id int primary key, n int, s int); insert into total values (1, 0, 0);
create table item (id int primary key, a int, touched int default 0);
create function on_item() returns trigger language plpgsql as $$ begin
  insert into audit (what) values (tg_op);
  update total set n = n + 1, s = s + coalesce(new.a, 0) where id = 1;
  return null; end $$;
insert into item select g, g from generate_series(1, 30) g;
create trigger on_item after insert or update or delete on item for each row execute function on_item();
"""


@pytest.mark.parametrize(
    "step",
    [
        {"sql": {"up": "update item set a = 100 where id < 20; delete from item where id > 25"}},
        {"updateRows": {"table": "item", "set": {"a": "100"}, "where": "id < 20", "batchRows": 4}},
        {"deleteRows": {"table": "item", "where": "id < 20", "batchRows": 4}},
        {"upsert": {"table": "item", "conflict": {"columns": ["id"], "action": "update"},
                    "rows": [{"values": {"id": "1", "a": "7"}}, {"values": {"id": "99", "a": "8"}}]}},
    ],
)  # fmt: skip
async def test_what_triggers_of_the_application_write_elsewhere_comes_back(
    engine: Engine, step: dict[str, object]
) -> None:
    engine.database.psql(TRIGGERS)
    await there_and_back(engine, [{"name": "s", **step}])


async def test_a_trigger_that_changes_its_own_row_again_comes_back(engine: Engine) -> None:
    engine.database.psql(
        "create table t (id int primary key, a int, rev int default 0); insert into t (id, a) values (1, 1), (2, 2);"
        "create function again() returns trigger language plpgsql as $$ begin "
        "update t set rev = rev + 1 where id = new.id; return null; end $$;"
        "create trigger again after insert or update on t for each row when (pg_trigger_depth() = 0) "
        "execute function again()"
    )
    await there_and_back(engine, "update t set a = 5; insert into t (id, a) values (3, 3)")


async def test_deferred_work_of_the_application_comes_back(engine: Engine) -> None:
    engine.database.psql(TRIGGERS)
    engine.database.psql(
        "drop trigger on_item on item; create constraint trigger on_item after insert or update or delete on item "
        "deferrable initially deferred for each row execute function on_item()"
    )
    await there_and_back(
        engine, [{"name": "s", "updateRows": {"table": "item", "set": {"a": "100"}, "where": "true", "batchRows": 7}}]
    )


async def test_rules_of_the_application_are_not_set_off_by_rows_that_go_back(engine: Engine) -> None:
    engine.database.psql(
        "create table t (id int primary key, a int); insert into t values (1, 1);"
        "create table log (id int generated always as identity primary key, a int);"
        "create rule gone as on delete to t do also insert into log (a) values (old.a);"
        "create rule come as on insert to t do also insert into log (a) values (new.a)"
    )
    await there_and_back(engine, "insert into t values (2, 2); delete from t where id = 1")
    assert engine.rows("select ev_enabled::text from pg_rewrite where rulename in ('gone', 'come')") == [("O",), ("O",)]


async def test_a_counter_that_a_trigger_raises_for_every_row_has_one_image_a_batch(engine: Engine) -> None:
    engine.database.psql(TRIGGERS)
    step = {"updateRows": {"table": "item", "set": {"a": "100"}, "where": "true", "batchRows": 100}}
    await there_and_back(engine, [{"name": "s", **step}])
    assert engine.rows("select count(*) from backstitch.images where rel = 'public.total'") == [(1,)]


async def test_rows_written_in_a_savepoint_are_known_as_the_migrations_own(engine: Engine) -> None:
    engine.database.psql(TWICE)
    block = "do $$ begin begin update t set a = 9; exception when others then raise; end; end $$"
    await engine.migrate(a_spec([{"name": "s", "sql": {"up": block}}]))
    assert engine.rows(
        "select count(*) from t where xmin::text::bigint not in (select xid::text::bigint from backstitch.writes)"
    ) == [(0,)]
