# SPDX-License-Identifier: Apache-2.0
"""Rows go back to what they were although a constraint that was never validated would not take them now."""

from __future__ import annotations

import pytest

from backstitch.model.states import State
from tests.database.test_engine_edge import there_and_back
from tests.plugins.engine import Engine, a_spec

UNCHECKED = """
create table parent (id int primary key);
insert into parent select generate_series(1, 20);
create table item (id int primary key, a int, parent int);
insert into item select g, case when g % 3 > 0 then g end, g * 2 from generate_series(1, 30) g;
alter table item add constraint has_a check (a is not null) not valid;
comment on constraint has_a on item is 'some day';
alter table item add constraint of_parent foreign key (parent) references parent not valid;
"""


@pytest.mark.parametrize(
    "up",
    [
        "update item set a = 0, parent = 1 where a is null or parent > 20; alter table item validate constraint has_a",
        "update item set a = 0, parent = 2",
        "delete from item where a is null",
        "delete from item where parent > 20; alter table item validate constraint of_parent",
        "update item set a = 1 where a is null; alter table item alter column a set not null, drop constraint has_a",
    ],
)
async def test_rows_that_a_constraint_without_validation_did_not_cover_come_back(engine: Engine, up: str) -> None:
    engine.database.psql(UNCHECKED)
    await there_and_back(engine, [{"name": "s", "sql": {"up": up}}])


async def test_so_do_rows_of_partitions(engine: Engine) -> None:
    engine.database.psql(
        "create table ev (id int, a int, primary key (id)) partition by range (id); "
        "create table ev_1 partition of ev for values from (0) to (10); create table ev_2 partition of ev default; "
        "insert into ev select g, case when g % 3 > 0 then g end from generate_series(1, 30) g; "
        "alter table ev add constraint has_a check (a is not null) not valid"
    )
    await there_and_back(engine, [{"name": "s", "sql": {"up": "update ev set a = 0 where a is null"}}])


async def test_a_trigger_that_is_off_on_one_partition_stays_off_there(engine: Engine) -> None:
    engine.database.psql(
        "create table ev (id int, a int, primary key (id)) partition by range (id); "
        "create table ev_1 partition of ev for values from (0) to (10); create table ev_2 partition of ev default; "
        "insert into ev select g, g from generate_series(1, 30) g; create table seen (n int primary key); "
        "insert into seen values (0); create function see() returns trigger language plpgsql as "
        "$$ begin update seen set n = n + 1; return new; end $$; "
        "create trigger see before update on ev for each row execute function see(); "
        "alter table ev_1 disable trigger see; alter table ev_2 enable always trigger see"
    )
    await there_and_back(engine, [{"name": "s", "sql": {"up": "update ev set a = a * 2"}}])


async def test_a_type_changed_by_computing_in_code_is_taken_back_at_once(engine: Engine) -> None:
    engine.database.psql("create table t (id int primary key, x int); insert into t values (1, 20), (2, 25)")
    code = "do $$ begin execute 'alter table t alter column x type bigint using x * 100'; end $$"

    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": code}}]))

    assert record.state is State.ROLLED_BACK, record.message
    assert engine.rows("select sum(x) from t") == [(45,)]
