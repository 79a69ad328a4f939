# SPDX-License-Identifier: Apache-2.0
"""The sql step: the units it gives, its index statements and its down, and what is known after it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from backstitch.model.operations.run_sql import ConfigMapKey, RunSql
from backstitch.model.step import Step
from backstitch.model.units import ConcurrentUnit, IndexProbe, SqlUnit
from tests.unit.run_sql_facts import a_context, reasons_of, some_facts


def test_statements_of_one_transaction_are_one_unit_verbatim() -> None:
    up = "-- why\nALTER TABLE users ADD COLUMN a int;\nUPDATE users /* all */ SET a = 1;"
    units = RunSql(up=up, down="ALTER TABLE users DROP COLUMN a; SELECT 1").forward(a_context())
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
    units = RunSql(up=up).forward(a_context())
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
    (reason,) = reasons_of(up)
    assert said in reason


def test_a_down_beside_a_concurrent_statement_is_refused() -> None:
    (reason,) = reasons_of("SELECT 1; CREATE INDEX CONCURRENTLY i ON users (name)", down="SELECT 1")
    assert "step of its own" in reason


def test_a_down_may_drop_what_its_up_has_made_and_nothing_else() -> None:
    up = "CREATE TABLE a (b int); ALTER TABLE users ADD COLUMN c int"
    assert reasons_of(up, down="DROP TABLE a; ALTER TABLE users DROP COLUMN c") == ()
    assert "dropTable" in reasons_of(up, down="DROP TABLE users")[0]
    assert "dropColumn" in reasons_of(up, down="ALTER TABLE users DROP COLUMN name")[0]
    assert "dropColumn" in reasons_of(up, down="ALTER TABLE users DROP COLUMN c, DROP COLUMN name")[0]
    assert "CONCURRENTLY" in reasons_of(up, down="DROP INDEX CONCURRENTLY users_name")[0]
    assert reasons_of(up, down="SELEC")[0].startswith("down, line 1: ")


def test_the_text_may_come_from_config_maps() -> None:
    step = RunSql(
        up_from=ConfigMapKey(config_map="sql", key="up"), down_from=ConfigMapKey(config_map="sql", key="down")
    )
    assert step.sources() == ("sql/up", "sql/down")
    assert len(step.refuse(a_context())) == 2
    assert "sql/up" in step.refuse(a_context())[0]
    context = a_context(sql__up="SELECT 1", sql__down="SELECT 2")
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
    context = a_context().model_copy(update={"default_schema": "app"})
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
    assert some_facts().table(step.tables()[0]) is not None
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
    after = RunSql(up=up).after(a_context())
    users = after.table("users")
    assert users is not None
    assert (after.certain, users.certain) == (certain, users_certain)


def test_a_new_table_and_a_new_schema_are_known_after_it() -> None:
    after = RunSql(up="CREATE SCHEMA new; CREATE TABLE new.a (b int)").after(a_context())
    table = after.table("new.a")
    assert table is not None
    assert not table.certain
    assert "new" in after.schemas
