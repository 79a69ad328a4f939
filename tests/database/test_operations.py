# SPDX-License-Identifier: Apache-2.0
"""Does every operation go forward, back to the same bytes, and forward again? One file of data/operations is one case.

Each case is a whole migration of one step, run by the engine on a real server: the rows are there, the facts that
plans are computed from are what the operation said they would be (`after`), and what pg_dump and all rows say after
the rollback is what they said before the first change.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstitch.core.plan import token_of
from backstitch.engine.facts import read_facts
from backstitch.engine.job import Requests
from backstitch.model.facts import Facts, Table
from backstitch.model.operations import OPERATIONS, StepContext
from backstitch.model.sql import QualifiedName
from backstitch.model.states import State
from dev.pgbinaries import find_bin_dir
from tests.plugins.engine import Engine, a_spec
from tests.plugins.pg import TestDatabase

DATA = Path(__file__).parents[1] / "data" / "operations"
CASES = sorted(DATA.glob("*/*.yaml"))
_SKIPPED_LINES = ("\\restrict", "\\unrestrict", "CREATE TRIGGER backstitch_")  # a key of the dump's own; images


def picture(database: TestDatabase) -> list[str]:
    """Everything of the application: its schema as pg_dump writes it, and a digest of each table's rows."""
    tool = find_bin_dir(database.server.major, install=False) / "pg_dump"
    ours = ["--exclude-schema=backstitch", "--exclude-schema=backstitch_quarantine"]
    done = subprocess.run([tool, "--schema-only", *ours, database.superuser_url], check=True, capture_output=True)
    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith(_SKIPPED_LINES)]
    tables = database.psql(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN "
        "('pg_catalog', 'information_schema', 'backstitch', 'backstitch_quarantine') ORDER BY 1, 2"
    )
    for schema, name in tables:
        table = QualifiedName(schema, name).sql
        rows = database.psql(f"SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {table} t")
        lines.append(f"{table}: {rows[0]}")
    return lines


def texts(rows: list[tuple[Any, ...]]) -> list[list[str | None]]:
    """Rows as a case writes them: text, NULL as null, booleans as in YAML."""
    return [[None if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in row] for row in rows]


def shape(facts: Facts, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """What later steps of a plan rely on, without what only the server can word (definitions, types)."""

    def one(table: Table) -> Any:
        return {
            "columns": [(c.name, c.not_null, c.default is None, c.identity) for c in table.columns],
            "constraints": sorted(
                (c.name, c.kind, c.validated, c.references or "", () if c.kind == "check" else c.columns)
                for c in table.constraints
                if c.kind != "notNull"
            ),
            "indexes": sorted((i.name, i.unique, i.primary, i.valid, i.partial, i.columns) for i in table.indexes),
            "key": table.key,
        }

    return {name: one(table) for name, table in facts.tables.items() if name not in leave_out}


def uncertain(facts: Facts) -> set[str]:
    """Tables that later steps look at again instead of trusting what the plan thinks of them."""
    return {name for name, table in facts.tables.items() if not table.certain}


@pytest.mark.parametrize("path", CASES, ids=lambda p: f"{p.parent.name}-{p.stem}")
async def test_an_operation_goes_forward_and_back_to_the_same_bytes_and_forward_again(
    path: Path, engine: Engine
) -> None:
    case = yaml.safe_load(path.read_text())
    database = engine.database
    database.psql(case["setup"])
    start = picture(database)
    spec = a_spec([{"name": "the-step", **case["step"]}], rollback={"revertWindow": "1h"})
    operation = spec.steps()[0][1].operation
    sources = case.get("sources", {})
    session = await (await engine.world()).database.connect(purpose="test")
    before = await read_facts(session)

    record = await engine.migrate(spec, sources=sources)
    assert (record.state, record.message) == (State.SUCCEEDED, record.message), record.message
    for check in case["after_forward"]:
        assert texts(engine.rows(check["query"])) == check["rows"], check["query"]
    after = await read_facts(session)
    context = StepContext(facts=before, step="the-step", token=token_of("shop", "change"), sources=sources)
    simulated = operation.after(context)
    assert shape(simulated, uncertain(simulated)) == shape(after, uncertain(simulated))
    assert all(simulated.tables[name].kind == "partition" for name in uncertain(simulated))
    assert operation.done_when(after)
    assert picture(database) != start

    engine.requests = Requests(rollback="please")
    record = await engine.migrate(spec, sources=sources)
    assert record.state == State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert (record.rollback.verdict, record.rollback.differences) == ("Identical", ())
    assert picture(database) == start
    assert shape(await read_facts(session)) == shape(before)

    engine.requests = Requests(retry="again")
    record = await engine.migrate(spec, sources=sources)
    assert record.state == State.SUCCEEDED, record.message
    for check in case["after_forward"]:
        assert texts(engine.rows(check["query"])) == check["rows"], check["query"]
    await session.close()


def test_every_operation_has_cases_and_every_case_an_operation() -> None:
    found = {kind: len(list((DATA / kind).glob("*.yaml"))) for kind in OPERATIONS}
    del found["sql"], found["dropOldShape"]  # needs a step before it: test_both_versions.py
    assert all(number >= 2 for number in found.values()), found
    assert {p.parent.name for p in CASES} <= set(OPERATIONS)
