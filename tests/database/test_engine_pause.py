# SPDX-License-Identifier: Apache-2.0
"""Approvals, windows and pauses on a real database: what begins, what waits, and what does a pause hold?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backstitch.adapters.clock import SystemClock
from backstitch.core.approvals import Approval
from backstitch.core.permission import Permit
from backstitch.engine.job import Requests
from backstitch.model.record import Record
from backstitch.model.spec import TargetPolicy
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

USERS = "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'Ana'), (2, 'Bo');"
ADD = """
- {name: add, addColumn: {table: users, column: nick, type: text}}
- {name: fill, updateRows: {table: users, set: {nick: name}, where: "true"}}
"""
ASKS = TargetPolicy.model_validate({"approval": {"required": 1}})


def columns(engine: Engine) -> set[str]:
    rows = engine.rows("SELECT attname::text FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0")
    return {name for (name,) in rows if not name.startswith(("backstitch_", "...."))}


def yes(digest: str, *, ago: timedelta = timedelta()) -> dict[str, Any]:
    given = Approval(name="y", approver="ana", plan_digest=digest, created=SystemClock().now() - ago)
    return {"permit": Permit(approvals=(given,)), "policy": ASKS}


async def test_it_waits_for_a_yes_to_this_very_plan_and_remembers_whose_it_was(engine: Engine) -> None:
    engine.database.psql(USERS)
    waiting = await engine.migrate(a_spec(ADD), policy=ASKS)
    assert (waiting.state, waiting.reason) == (State.AWAITING_APPROVAL, "AwaitingApproval")
    assert waiting.plan_digest in waiting.message
    assert waiting.plan is not None
    assert "ADD COLUMN" in waiting.plan.steps[0].statements[0]
    assert columns(engine) == {"id", "name"}

    assert (await engine.migrate(a_spec(ADD), **yes("0" * 64))).state is State.AWAITING_APPROVAL
    late = await engine.migrate(a_spec(ADD), **yes(waiting.plan_digest, ago=timedelta(days=2)))
    assert (late.state, "expired" in late.message) == (State.AWAITING_APPROVAL, True)

    done = await engine.migrate(a_spec(ADD), **yes(waiting.plan_digest))
    assert (done.state, done.approved_by) == (State.SUCCEEDED, ("ana",))
    assert (await engine.migrate(a_spec(ADD), policy=ASKS)).approved_by == ("ana",)  # from the ledger


async def test_an_edit_voids_the_yes(engine: Engine) -> None:
    engine.database.psql(USERS)
    digest = (await engine.migrate(a_spec(ADD), policy=ASKS)).plan_digest
    edited = a_spec(ADD.replace("{nick: name}", "{nick: upper(name)}"))
    record = await engine.migrate(edited, **yes(digest))
    assert record.state is State.AWAITING_APPROVAL
    assert "it is for plan" in record.message


async def test_a_closed_window_keeps_it_from_beginning(engine: Engine) -> None:
    engine.database.psql(USERS)
    now = SystemClock().now()
    policy = TargetPolicy.model_validate(
        {"freezes": [{"start": now - timedelta(hours=1), "end": now + timedelta(hours=1), "reason": "Sale"}]}
    )
    record = await engine.migrate(a_spec(ADD), policy=policy)
    assert (record.state, record.reason) == (State.WAITING, "Frozen")
    assert record.again_after_s is not None
    assert columns(engine) == {"id", "name"}


async def test_a_pause_holds_between_two_steps_and_ends_where_it_began(engine: Engine) -> None:
    engine.database.psql(USERS)
    engine.requests = Requests(pause="please")
    assert (await engine.migrate(a_spec(ADD))).reason == "Paused"
    assert columns(engine) == {"id", "name"}

    def pause_after_the_first_step(record: Record) -> None:
        if record.steps[0].state == "done":
            engine.requests = Requests(pause="please")

    engine.requests = Requests()
    engine.on_record = pause_after_the_first_step
    held = await engine.migrate(a_spec(ADD))
    assert (held.state, held.reason) == (State.MIGRATING, "Paused")
    assert held.again_after_s is not None
    assert engine.rows("SELECT count(*) FROM users WHERE nick IS NOT NULL") == [(0,)]
    assert (await engine.migrate(a_spec(ADD))).reason == "Paused"  # looking again changes nothing

    engine.on_record = None
    engine.requests = Requests()
    done = await engine.migrate(a_spec(ADD))
    assert (done.state, done.attempt) == (State.SUCCEEDED, 1)
    assert engine.rows("SELECT count(*) FROM users WHERE nick = name") == [(2,)]


async def test_a_pause_past_the_deadline_rolls_back(engine: Engine) -> None:
    engine.database.psql(USERS)

    def pause(record: Record) -> None:
        if record.steps[0].state == "done":
            engine.requests = Requests(pause="please")

    engine.on_record = pause
    assert (await engine.migrate(a_spec(ADD))).reason == "Paused"
    engine.database.psql("UPDATE backstitch.migrations SET deadline_at = clock_timestamp() - interval '1 s'")
    record = await engine.migrate(a_spec(ADD))
    assert record.state is State.ROLLED_BACK
    assert record.rollback is not None
    assert record.rollback.verdict == "Identical"
    assert columns(engine) == {"id", "name"}
