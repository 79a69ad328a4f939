# SPDX-License-Identifier: Apache-2.0
"""Is a schema that somebody else changed noticed, named, and accepted only when a person says so?"""

from __future__ import annotations

from typing import Any

import pytest

from backstitch.engine.adopt import adopt
from backstitch.engine.job import Job
from backstitch.engine.run import make_plan
from backstitch.engine.shape import find_drift, signature
from backstitch.model.drift import Drift
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

START = "create table users (id bigint primary key, name text, nick text); create view names as select name from users"
FIRST = a_spec("- {name: a, addColumn: {table: users, column: a, type: int}}")
SECOND = a_spec("- {name: b, addColumn: {table: users, column: b, type: int}}", version="2")
MEDDLE = """
create table extra (x int primary key);
alter table users drop column a;
drop view names;
comment on table users is 'x'
"""


async def drift_of(engine: Engine) -> Drift | None:
    session = await (await engine.world()).database.connect(purpose="test", read_only=True)
    try:
        return await find_drift(session)
    finally:
        await session.close()


async def test_objects_that_somebody_else_changed_are_named(engine: Engine) -> None:
    engine.database.psql(START)
    assert await drift_of(engine) is None
    await engine.migrate(FIRST)
    drift = await drift_of(engine)
    assert drift is not None
    assert not drift.is_there
    engine.database.psql(MEDDLE)
    drift = await drift_of(engine)
    assert drift is not None
    assert drift.added == ("table public.extra",)
    assert drift.removed == ("column a of public.users", "view public.names")
    assert drift.changed == ("table public.users",)
    assert "migration change (version 1)" in str(drift)


async def test_what_we_keep_for_a_rollback_and_give_up_is_no_drift(engine: Engine) -> None:
    engine.database.psql(START)
    engine.database.psql("create table old (id int primary key)")
    steps = "- {name: c, dropColumn: {table: users, column: nick}}\n- {name: t, dropTable: {table: old}}"
    assert (await engine.migrate(a_spec(steps))).state is State.SUCCEEDED
    engine.database.psql("update backstitch.migrations set revert_until = clock_timestamp()")
    await engine.migrate(SECOND, name="second")  # purges first
    drift = await drift_of(engine)
    assert drift is not None
    assert not drift.is_there, drift


async def test_a_plan_says_so_and_production_waits_until_a_person_adopts_it(engine: Engine) -> None:
    engine.database.psql(START)
    await engine.migrate(FIRST)
    engine.database.psql(MEDDLE)
    plan = await make_plan(
        Job(namespace="shop", name="second", spec=SECOND, environment="staging"), await engine.world()
    )
    assert plan.drifted
    assert "added: table public.extra" in plan.warnings[0]
    record = await engine.migrate(SECOND, name="second", environment="production")
    assert (record.state, record.reason) == (State.WAITING, "Drifted")
    assert "table public.extra" in record.message
    done = await adopt(await engine.world())
    assert done.changed
    assert done.drift is not None
    assert done.drift.is_there
    assert not (await adopt(await engine.world())).changed
    assert (await engine.migrate(SECOND, name="second", environment="production")).state is State.SUCCEEDED


@pytest.mark.one_major
@pytest.mark.parametrize("how", ["assume", "policy", "staging"])
async def test_drift_can_be_passed_by_name(engine: Engine, how: str) -> None:
    engine.database.psql(START)
    await engine.migrate(FIRST)
    engine.database.psql(MEDDLE)
    spec = SECOND
    more: dict[str, Any] = {"environment": "production"}
    if how == "assume":
        spec = a_spec(
            "- {name: b, addColumn: {table: users, column: b, type: int}}", version="2", assume={"drift": True}
        )
    elif how == "policy":
        more["policy"] = TargetPolicy.model_validate({"drift": "warn", "approval": {"required": 0}})
    else:
        more["environment"] = "staging"
    assert (await engine.migrate(spec, name="second", **more)).state is State.SUCCEEDED


async def test_a_rollback_leaves_no_drift(engine: Engine) -> None:
    engine.database.psql(START)
    never = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]
    assert (
        await engine.migrate(a_spec("- {name: a, addColumn: {table: users, column: a, type: int}}", checks=never))
    ).state is State.ROLLED_BACK
    drift = await drift_of(engine)
    assert drift is not None
    assert not drift.is_there


@pytest.mark.parametrize(
    "change",
    [
        "create table t2 (a int)", "drop view names", "alter table users alter name set not null",
        "comment on column users.name is 'x'", "grant select on users to public", "create index on users (name)",
        "create function f() returns int language sql as 'select 1'", "alter table users enable row level security",
        "alter view names rename to called", "create type mood as enum ('a')",
        "alter table users set (fillfactor = 50)",
    ],
)  # fmt: skip
async def test_the_steady_look_sees_every_change_of_the_schema_and_no_other(engine: Engine, change: str) -> None:
    engine.database.psql(START)
    session = await (await engine.world()).database.connect(purpose="test", read_only=True)
    try:
        before = await signature(session)
        engine.database.psql("insert into users select g, 'x' from generate_series(1, 1000) g; analyze users")
        assert await signature(session) == before
        engine.database.psql(change)
        assert await signature(session) != before
    finally:
        await session.close()
