# SPDX-License-Identifier: Apache-2.0
"""Do the rarer things in migrations come back: rings of deferred keys, casts, event triggers, several parents?"""

from __future__ import annotations

import pytest

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.migration_dirs import Migration
from backstitch.engine.roundtrip import roundtrip
from tests.plugins.pg import TestDatabase

_RING = """
CREATE TABLE ship (id int PRIMARY KEY, captain int);
CREATE TABLE sailor (id int PRIMARY KEY, ship int REFERENCES ship DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE ship ADD FOREIGN KEY (captain) REFERENCES sailor DEFERRABLE INITIALLY DEFERRED;
INSERT INTO ship VALUES (1, 1), (2, 2); INSERT INTO sailor VALUES (1, 1), (2, 2);
"""
_CAST = """
CREATE TYPE grams AS (n int);
CREATE FUNCTION said(grams) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1.n || ' g' $$;
CREATE CAST (grams AS text) WITH FUNCTION said(grams) AS ASSIGNMENT;
CREATE FUNCTION near(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT abs($1 - $2) < 2';
CREATE OPERATOR ~~= (LEFTARG = int, RIGHTARG = int, FUNCTION = near, COMMUTATOR = ~~=);
CREATE FUNCTION heard() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER listen ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION heard();
ALTER EVENT TRIGGER listen DISABLE;
"""
_PARENTS = """
CREATE TABLE a (x int); CREATE TABLE b (y int); CREATE TABLE c (z int) INHERITS (a, b); INSERT INTO c VALUES (1, 2, 3);
"""

_CASES = {
    "rows that point at each other": (
        _RING,
        "DELETE FROM ship WHERE id = 1; DELETE FROM sailor WHERE id = 1; INSERT INTO ship VALUES (3, 3); "
        "INSERT INTO sailor VALUES (3, 3); UPDATE ship SET captain = 3 WHERE id = 2",
        "",
    ),
    "rows written as a replica": (
        _RING,
        "SET session_replication_role = replica; INSERT INTO ship VALUES (9, 9); DELETE FROM sailor; "
        "SET session_replication_role = DEFAULT",
        "",
    ),
    "a cast with its function": (_CAST, "DROP FUNCTION said(grams) CASCADE", ""),
    "a function of a cast replaced": (
        _CAST,
        "DROP CAST (grams AS text); DROP FUNCTION said(grams); CREATE FUNCTION said(grams) RETURNS text LANGUAGE sql "
        "AS 'SELECT $1.n::text'; CREATE CAST (grams AS text) WITH FUNCTION said(grams)",
        "",
    ),
    "an operator": (_CAST, "DROP OPERATOR ~~= (int, int); DROP FUNCTION near(int, int)", ""),
    "an event trigger": (_CAST, "DROP EVENT TRIGGER listen; DROP FUNCTION heard()", ""),
    "an event trigger switched on": (_CAST, "ALTER EVENT TRIGGER listen ENABLE ALWAYS", ""),
    "a wrapper with server and mapping": (
        "",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; "
        "CREATE USER MAPPING FOR PUBLIC SERVER s",
        "",
    ),
    "the first of two parents": (
        _PARENTS,
        "ALTER TABLE c NO INHERIT a; ALTER TABLE b ADD COLUMN w int",
        "inheritedLocally",
    ),
    "data in the file": ("CREATE TABLE t (id int PRIMARY KEY)", "COPY t (id) FROM stdin;\n1\n2\n\\.\n", ""),
    "a schema with default privileges": (
        "",
        "CREATE SCHEMA s; ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO PUBLIC; "
        "CREATE TABLE s.t (a int)",
        "",
    ),
}


@pytest.mark.parametrize("case", _CASES, ids=lambda c: c.replace(" ", "-"))
async def test_it_comes_back(database: TestDatabase, case: str) -> None:
    setup, up, exception = _CASES[case]
    server = PostgresDatabase.of(parse_url(database.superuser_url))
    first, second = await roundtrip(server, [Migration("setup", setup), Migration("it", up)], SystemClock())

    assert first.computed.verdict == "Identical", first
    assert second.computed.verdict in ("Identical", "IdenticalExcept"), second
    assert second.computed.exceptions == ((exception,) if exception else ()), second
