# SPDX-License-Identifier: Apache-2.0
"""The sql step: what it refuses and what it says instead, the units it gives, and what is known after it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from backstitch.model.facts import Column, Facts, Index, Table
from backstitch.model.operations.base import StepContext
from backstitch.model.operations.run_sql import ConfigMapKey, RunSql
from backstitch.model.step import Step
from backstitch.model.units import ConcurrentUnit, IndexProbe, SqlUnit


def _facts() -> Facts:
    users = Table(
        name="users",
        columns=(
            Column(name="id", type="bigint", not_null=True),
            Column(name="name", type="text"),
            Column(name="code", type="character varying(10)"),
        ),
        indexes=(
            Index(
                name="users_pkey",
                definition="CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)",
                columns=("id",),
                unique=True,
                primary=True,
                constraint="users_pkey",
            ),
            Index(
                name="users_name",
                definition="CREATE INDEX users_name ON public.users USING btree (name)",
                columns=("name",),
                clustered=True,
                comment="it's quick",
            ),
        ),
    )
    log = Table(name="log", columns=(Column(name="line", type="text"),))
    parts = Table(name="parts", kind="partitioned", columns=users.columns, indexes=())
    tables = (users, log, parts)
    return Facts(
        database="shop",
        tables={str(t.qualified): t for t in tables},
        schemas=("public", "app"),
        other_names=("app.seq",),
    )


def _context(facts: Facts | None = None, **sources: str) -> StepContext:
    named = {key.replace("__", "/"): text for key, text in sources.items()}
    return StepContext(facts=facts or _facts(), step="s", token="0123abcd", sources=named)


def _reasons(up: str, down: str | None = None, facts: Facts | None = None) -> tuple[str, ...]:
    return RunSql(up=up, down=down).refuse(_context(facts))


@pytest.mark.parametrize(
    "up, said",
    [
        ("BEGIN; SELECT 1", "already is one transaction"),
        ("COMMIT", "already is one transaction"),
        ("SAVEPOINT a", "already is one transaction"),
        ("PREPARE TRANSACTION 'x'", "outlives its session"),
        ("SET ROLE admin", "role is set by the operator"),
        ("SET LOCAL ROLE admin", "role is set by the operator"),
        ("RESET ROLE", "role is set by the operator"),
        ("SET SESSION AUTHORIZATION admin", "session_authorization is set by the operator"),
        ("SET session_replication_role = replica", "session_replication_role is set by the operator"),
        ("SET LOCAL search_path = app", "search_path is set by the operator"),
        ("SET LOCAL lock_timeout = 0", "lock_timeout is set by the operator"),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "set by the operator"),
        ("SET timezone = 'UTC'", "SET LOCAL timezone"),
        ("SELECT set_config('search_path', 'app', true)", "set_config may not change search_path"),
        ("SELECT pg_catalog.set_config(name, 'app', true) FROM users", "computed setting"),
        ("PREPARE a AS SELECT 1", "depends on the session"),
        ("LISTEN a", "depends on the session"),
        ("DECLARE c CURSOR FOR SELECT 1", "depends on the session"),
        ("ALTER SYSTEM SET work_mem = '1GB'", "whole server"),
        ("CREATE DATABASE a", "whole server"),
        ("DROP TABLESPACE a", "whole server"),
        ("CREATE SUBSCRIPTION a CONNECTION '' PUBLICATION b", "whole server"),
        ("CREATE ROLE a", "whole server"),
        ("COPY users TO PROGRAM 'sh'", "runs a program"),
        ("COPY users FROM '/tmp/x'", "outside this database"),
        ("VACUUM FULL users", "Run it outside of migrations"),
        ("CLUSTER users USING users_name", "Run it outside of migrations"),
        ("REINDEX TABLE CONCURRENTLY users", "Run it outside of migrations"),
        ("ALTER TABLE parts DETACH PARTITION p CONCURRENTLY", "cannot go back"),
        ("DROP TABLE users", "Use dropTable"),
        ("DROP TABLE IF EXISTS users, log", "DROP TABLE public.users, public.log destroys rows"),
        ("ALTER TABLE users ADD COLUMN a int, DROP COLUMN name", "Use dropColumn"),
        ("TRUNCATE users", "Use deleteRows"),
        ("DROP SCHEMA app CASCADE", "CASCADE"),
        ("ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE", "CASCADE"),
        ("TRUNCATE users CASCADE", "CASCADE"),
        ("DROP OWNED BY app", "nobody has named"),
        ("ALTER TABLE users DISABLE TRIGGER ALL", "Name the trigger"),
        ("CREATE TEMP TABLE a (b int)", "ON COMMIT DROP"),
        ("UPDATE backstitch.migrations SET state = 'done'", "belongs to the operator"),
        ("DROP SCHEMA backstitch_quarantine", "belongs to the operator"),
        ("ALTER TABLE users SET SCHEMA backstitch_quarantine", "belongs to the operator"),
        ("SELECT backstitch.f()", "belongs to the operator"),
        ("GRANT USAGE ON SCHEMA backstitch TO PUBLIC", "belongs to the operator"),
        ("CREATE VIEW v AS SELECT * FROM (SELECT 1 FROM backstitch.units) x", "belongs to the operator"),
        ("DROP TRIGGER backstitch_images ON users", "backstitch_images"),
        ("ALTER TABLE users DISABLE TRIGGER backstitch_images", "backstitch_images"),
        ("ALTER TABLE users ADD COLUMN backstitch_old int", "backstitch_old"),
        ("CREATE INDEX backstitch_1 ON users (name)", "backstitch_1"),
        ("ALTER TYPE mood ADD VALUE 'calm'; UPDATE users SET name = 'calm'", "earlier step of its own"),
        ("SELEC 1", "syntax error"),
        ("\\d users", "command of psql"),
        ("-- only words", "no statement"),
    ],
)
def test_it_is_refused_with_what_to_do(up: str, said: str) -> None:
    reasons = _reasons(up)
    assert reasons
    assert said in reasons[0]
    assert reasons[0].startswith("up, line 1: ")


@pytest.mark.parametrize(
    "up",
    [
        "SET LOCAL timezone = 'UTC'",
        "SELECT set_config('timezone', 'UTC', true)",
        "CREATE TEMP TABLE a (b int) ON COMMIT DROP; DROP TABLE a",
        "CREATE TABLE a (b int, c int); ALTER TABLE a DROP COLUMN c; TRUNCATE a; DROP TABLE a",
        "ALTER TABLE users ADD COLUMN a int; UPDATE users SET a = 1",
        "CREATE TABLE a (b int); INSERT INTO a (b) VALUES (1); CREATE VIEW v AS SELECT * FROM a; SELECT * FROM v",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT count(*) FROM pg_class, information_schema.tables, generate_series(1, 2) g",
        "DROP VIEW IF EXISTS never",
        "ALTER TABLE IF EXISTS never ADD COLUMN a int",
        "ALTER TABLE users RENAME TO people; SELECT * FROM people",
        "DO $$ BEGIN END $$; SELECT * FROM whatever_it_made",
        "ALTER INDEX users_name RENAME TO users_by_name",
        "ALTER SEQUENCE app.seq RESTART",
        "CREATE SCHEMA new; CREATE TABLE new.a (b int); INSERT INTO new.a VALUES (1)",
        "ALTER TYPE mood ADD VALUE 'calm'",
        "ALTER TABLE users ALTER COLUMN code TYPE varchar(20)",
        "ALTER TABLE users ALTER COLUMN id TYPE numeric",
    ],
)
def test_what_can_be_done_is_not_refused(up: str) -> None:
    assert _reasons(up) == ()


@pytest.mark.parametrize(
    "up, said",
    [
        ("SELECT 1;\n\nUPDATE usrs SET name = 'x'", "line 3: table public.usrs does not exist in database shop. "
         "Did you mean public.users?"),
        ("SELECT * FROM ap.t", "schema ap does not exist in database shop. Did you mean app?"),
        ("ALTER TABLE users ADD FOREIGN KEY (id) REFERENCES lgo (line)", "public.lgo does not exist"),
        ("UPDATE users SET nme = 'x'", "table public.users has no column nme. Did you mean name?"),
        ("INSERT INTO users (id, nme) VALUES (1, 'x')", "has no column nme"),
        ("ALTER TABLE users ALTER COLUMN nme SET DEFAULT ''", "has no column nme"),
        ("ALTER TABLE users RENAME COLUMN zzz TO y", "has no column zzz. It has: id, name, code"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_is_said_with_a_near_one(up: str, said: str) -> None:
    (reason,) = _reasons(up)
    assert said in reason


def test_nothing_is_said_of_names_when_the_facts_are_not_certain() -> None:
    facts = _facts().model_copy(update={"certain": False})
    assert _reasons("SELECT * FROM nothing_known", facts=facts) == ()


def test_rows_that_could_not_be_found_again_need_a_key_or_a_down() -> None:
    (reason,) = _reasons("DELETE FROM log WHERE line = 'x'")
    assert "public.log has neither a primary key" in reason
    assert _reasons("DELETE FROM log WHERE line = 'x'", down="INSERT INTO log (line) VALUES ('x')") == ()


@pytest.mark.parametrize("new", ["varchar(5)", "integer USING code::integer"])
def test_a_type_change_that_loses_values_needs_a_down(new: str) -> None:
    up = f"ALTER TABLE users ALTER COLUMN code TYPE {new}"
    (reason,) = _reasons(up)
    assert "public.users.code may not survive" in reason
    assert _reasons(up, down="ALTER TABLE users ALTER COLUMN code TYPE varchar(10)") == ()


def test_statements_of_one_transaction_are_one_unit_verbatim() -> None:
    up = "-- why\nALTER TABLE users ADD COLUMN a int;\nUPDATE users /* all */ SET a = 1;"
    units = RunSql(up=up, down="ALTER TABLE users DROP COLUMN a; SELECT 1").forward(_context())
    assert units == (
        SqlUnit(
            statements=("-- why\nALTER TABLE users ADD COLUMN a int", "UPDATE users /* all */ SET a = 1"),
            down=("ALTER TABLE users DROP COLUMN a", "SELECT 1"),
        ),
    )


def test_index_statements_outside_transactions_are_units_of_their_own_in_order() -> None:
    up = (
        "CREATE TABLE a (b int); CREATE INDEX CONCURRENTLY i ON app.t (b); SELECT 1; SELECT 2;"
        "DROP INDEX CONCURRENTLY users_name"
    )
    units = RunSql(up=up).forward(_context())
    assert units == (
        SqlUnit(statements=("CREATE TABLE a (b int)",)),
        ConcurrentUnit(
            forward="CREATE INDEX CONCURRENTLY i ON app.t (b)",
            probe=IndexProbe(schema_name="app", index="i", present=True),
            backward='DROP INDEX CONCURRENTLY "app"."i"',
            table="app.t",
        ),
        SqlUnit(statements=("SELECT 1", "SELECT 2")),
        ConcurrentUnit(
            forward="DROP INDEX CONCURRENTLY users_name",
            probe=IndexProbe(schema_name="public", index="users_name", present=False),
            backward="CREATE INDEX CONCURRENTLY users_name ON public.users USING btree (name)",
            backward_after=(
                "COMMENT ON INDEX \"public\".\"users_name\" IS 'it''s quick'",
                'ALTER TABLE "public"."users" CLUSTER ON "users_name"',
            ),
            table="public.users",
        ),
    )


@pytest.mark.parametrize(
    "up, said",
    [
        ("CREATE INDEX CONCURRENTLY ON users (name)", "needs a name"),
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (name)", "IF NOT EXISTS"),
        ("CREATE INDEX CONCURRENTLY users_name ON users (code)", "already has an index users_name"),
        ("CREATE INDEX CONCURRENTLY i ON parts (name)", "partitioned"),
        ("DROP INDEX CONCURRENTLY IF EXISTS users_name", "IF EXISTS"),
        ("DROP INDEX CONCURRENTLY users_pkey", "Use dropConstraint"),
        ("DROP INDEX CONCURRENTLY nothing", "index public.nothing does not exist"),
    ],
)
def test_an_index_statement_without_a_certain_way_back_is_refused(up: str, said: str) -> None:
    (reason,) = _reasons(up)
    assert said in reason


def test_a_down_beside_a_concurrent_statement_is_refused() -> None:
    (reason,) = _reasons("SELECT 1; CREATE INDEX CONCURRENTLY i ON users (name)", down="SELECT 1")
    assert "step of its own" in reason


def test_a_down_may_drop_what_its_up_has_made_and_nothing_else() -> None:
    up = "CREATE TABLE a (b int); ALTER TABLE users ADD COLUMN c int"
    assert _reasons(up, down="DROP TABLE a; ALTER TABLE users DROP COLUMN c") == ()
    assert "dropTable" in _reasons(up, down="DROP TABLE users")[0]
    assert "dropColumn" in _reasons(up, down="ALTER TABLE users DROP COLUMN name")[0]
    assert "dropColumn" in _reasons(up, down="ALTER TABLE users DROP COLUMN c, DROP COLUMN name")[0]
    assert "CONCURRENTLY" in _reasons(up, down="DROP INDEX CONCURRENTLY users_name")[0]
    assert _reasons(up, down="SELEC")[0].startswith("down, line 1: ")


def test_the_text_may_come_from_config_maps() -> None:
    step = RunSql(
        up_from=ConfigMapKey(config_map="sql", key="up"), down_from=ConfigMapKey(config_map="sql", key="down")
    )
    assert step.sources() == ("sql/up", "sql/down")
    assert len(step.refuse(_context())) == 2
    assert "sql/up" in step.refuse(_context())[0]
    context = _context(sql__up="SELECT 1", sql__down="SELECT 2")
    assert step.refuse(context) == ()
    assert step.forward(context) == (SqlUnit(statements=("SELECT 1",), down=("SELECT 2",)),)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"up": "SELECT 1", "upFrom": {"configMap": "a", "key": "b"}},
        {"up": "SELECT 1", "down": "SELECT 1", "downFrom": {"configMap": "a", "key": "b"}},
        {"up": "SELECT 1", "undo": "SELECT 1"},
    ],
)
def test_one_text_each_and_no_other_field(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RunSql.model_validate(fields)


def test_names_without_a_schema_are_in_the_first_of_the_search_path() -> None:
    context = _context().model_copy(update={"default_schema": "app"})
    up = "CREATE TABLE t (a int); DROP TABLE t; CREATE INDEX CONCURRENTLY i ON t (a)"
    step = RunSql(up=up)
    assert step.refuse(context) == ()
    assert step.forward(context)[-1].model_dump()["probe"]["schema_name"] == "app"
    assert "app.t" in step.after(context).tables
    assert "index app.users_name does not exist" in RunSql(up="DROP INDEX CONCURRENTLY users_name").refuse(context)[0]


def test_it_is_a_step() -> None:
    step = Step.model_validate({"name": "a", "sql": {"up": "SELECT 1"}})
    assert isinstance(step.operation, RunSql)


def test_tables_are_named_as_a_person_would() -> None:
    step = RunSql(up='UPDATE users SET a = 1; DELETE FROM "Odd"."a.b"; SELECT * FROM c')
    assert step.tables() == ("public.users", 'Odd."a.b"')
    assert _facts().table(step.tables()[0]) is not None
    assert RunSql(up="SELEC").tables() == ()


@pytest.mark.parametrize(
    "up, certain, users_certain",
    [
        ("SELECT 1; UPDATE users SET name = 'x'", True, True),
        ("ALTER TABLE users ADD COLUMN a int", True, False),
        ("CREATE INDEX i ON users (name)", True, False),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", True, True),
        ("CREATE TABLE a (b int)", True, True),
        ("ALTER TABLE users RENAME TO people", False, True),
        ("DROP VIEW v", False, True),
        ("DO $$ BEGIN END $$", False, False),
        ("CALL p()", False, False),
        ("SELECT make_tables()", False, False),
        ("SELEC", False, True),
    ],
)
def test_what_it_may_have_changed_is_no_longer_certain(up: str, certain: bool, users_certain: bool) -> None:
    after = RunSql(up=up).after(_context())
    users = after.table("users")
    assert users is not None
    assert (after.certain, users.certain) == (certain, users_certain)


def test_a_new_table_and_a_new_schema_are_known_after_it() -> None:
    after = RunSql(up="CREATE SCHEMA new; CREATE TABLE new.a (b int)").after(_context())
    table = after.table("new.a")
    assert table is not None
    assert not table.certain
    assert "new" in after.schemas
