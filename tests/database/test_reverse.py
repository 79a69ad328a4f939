# SPDX-License-Identifier: Apache-2.0
"""Does the computed reverse bring the schema and the rows back, for changes as people write them?

Every file of tests/data/reverse is one case: `-- setup`, `-- forward`, and before them perhaps
`-- expect: except NAME` (identical but for that), `-- expect: problem TEXT` (refused with that text),
`-- since: MAJOR` or `-- as: superuser`. What is proven: forward, reverse, compare schema and rows, forward again,
same goal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.ports import Session
from backstitch.core.reverse import reverse
from backstitch.engine.catalog import read_catalog
from backstitch.engine.fingerprint import compare, fingerprint
from backstitch.model.catalog import Catalog
from tests.plugins.pg import PgCluster, TestDatabase

_FOLDER = Path(__file__).parent.parent / "data" / "reverse"
_ROLES = ("reverse_reader", "reverse_writer", "reverse_boss")


@dataclass
class Case:
    """One file of the corpus."""

    name: str
    setup: str = ""
    forward: str = ""
    exception: str | None = None
    problem: str | None = None
    since: int = 0
    superuser: bool = False
    sections: dict[str, str] = field(default_factory=dict)


def _read(path: Path) -> Case:
    case = Case(path.stem)
    part = ""
    for line in path.read_text().splitlines():
        if found := re.fullmatch(r"-- (setup|forward)", line):
            part = found[1]
        elif found := re.fullmatch(r"-- expect: (except|problem) (.*)", line):
            setattr(case, "exception" if found[1] == "except" else "problem", found[2])
        elif found := re.fullmatch(r"-- since: (\d+)", line):
            case.since = int(found[1])
        elif line == "-- as: superuser":
            case.superuser = True
        elif part:
            setattr(case, part, getattr(case, part) + line + "\n")
    assert case.setup, path
    assert case.forward, path
    return case


_CASES = [_read(path) for path in sorted(_FOLDER.glob("*.sql"))]


@pytest.fixture
def roles(pg_cluster: PgCluster, database: TestDatabase) -> None:
    """Roles that the cases grant to; the owner of the test database is a member of each."""
    for role in _ROLES:
        database.psql(
            f"do $$ begin if not exists (select from pg_roles where rolname = '{role}') then create role {role}; "
            f"grant {role} to app_owner; end if; end $$",
            superuser=True,
        )


async def _rows(session: Session, catalog: Catalog) -> dict[str, list[str]]:
    found = {}
    for thing in catalog.objects:
        if thing.key.kind == "table" or (thing.key.kind == "materializedView" and thing.fields["populated"]):
            schema, name = (part.replace('"', '""') for part in (thing.key.schema, thing.key.name))
            rows = await session.rows(f'SELECT to_jsonb(t)::text AS r FROM "{schema}"."{name}" t ORDER BY 1')
            found[f"{schema}.{name}"] = [row["r"] for row in rows]
    return found


async def _run(session: Session, *statements: str) -> None:
    async with session.transaction():
        for statement in statements:
            await session.execute(statement)


async def _open(database: TestDatabase, *, superuser: bool = False) -> Session:
    url = database.superuser_url if superuser else database.url
    return await PostgresDatabase.of(parse_url(url)).connect(purpose="test")


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
async def test_reverse_brings_schema_and_rows_back(database: TestDatabase, case: Case) -> None:
    if database.server.major < case.since:
        return  # the syntax is not there yet; the case runs on the newer server
    session = await _open(database, superuser=case.superuser)
    try:
        await session.execute("SET search_path = public")
        await _run(session, case.setup)
        before = await read_catalog(session)
        rows = await _rows(session, before)
        async with session.transaction():
            await session.execute(case.forward)
            after = await read_catalog(session)
        # What is stored in the ledger is JSON; the same must come of it.
        computed = reverse(Catalog.from_plain(before.to_plain()), after)

        if case.problem is not None:
            assert any(case.problem in p for p in computed.problems), computed
            return
        assert computed.problems == ()
        await session.execute("SET search_path = ''")
        await _run(session, *computed.statements)

        back = await read_catalog(session)
        result = compare(before, back)
        statements = "\n".join(computed.statements)
        assert result.verdict == ("IdenticalExcept" if case.exception else "Identical"), f"{result}\n{statements}"
        assert result.exceptions == ((case.exception,) if case.exception else ())
        assert set(result.exceptions) == set(computed.exceptions)
        assert (fingerprint(back).total == fingerprint(before).total) is (case.exception is None)
        assert await _rows(session, back) == rows

        await session.execute("SET search_path = public")
        await _run(session, case.forward)
        again = compare(after, await read_catalog(session))
        assert again.verdict == "Identical" or case.exception, again
    finally:
        await session.close()
