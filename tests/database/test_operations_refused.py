# SPDX-License-Identifier: Apache-2.0
"""Do drops name what depends on them in a real catalog, and does what they keep really go when the window has ended?"""

from __future__ import annotations

import pytest

from backstitch.engine.facts import read_facts
from backstitch.engine.run import purge
from backstitch.model.operations import StepContext
from backstitch.model.states import State
from tests.plugins.engine import Engine, a_spec

SHOP = """
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, note text,
                    short text GENERATED ALWAYS AS (left(email, 2)) STORED);
CREATE TABLE orders (id int PRIMARY KEY, mail text REFERENCES users (email));
CREATE VIEW mails AS SELECT email FROM users;
CREATE MATERIALIZED VIEW counts AS SELECT count(*) AS n FROM orders;
CREATE FUNCTION noted() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM users WHERE note <> ''; END;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER on_note BEFORE UPDATE OF note ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE POLICY noted ON users USING (note IS NOT NULL);
CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (10);
CREATE TABLE parent (a int); CREATE TABLE child (more int) INHERITS (parent);
INSERT INTO users (id, email, note) SELECT n, 'm' || n, 'x' FROM generate_series(1, 9) n;
"""


async def refusal(engine: Engine, step: str) -> str:
    session = await (await engine.world()).database.connect(purpose="test")
    facts = await read_facts(session)
    await session.close()
    operation = a_spec(f"[{{name: s, {step}}}]").steps()[0][1].operation
    return " ".join(operation.refuse(StepContext(facts=facts, step="s", token="0a1b2c3d")))


@pytest.mark.parametrize(
    ("step", "named"),
    [
        ("dropColumn: {table: users, column: email}",
         ["view public.mails", "column short of table public.users", "foreign key orders_mail_fkey of public.orders"]),
        ("dropColumn: {table: users, column: note}",
         ["function public.noted()", "trigger on_note on table public.users", "policy noted on table public.users"]),
        ("dropColumn: {table: users, column: id}", ["primary key"]),
        ("dropColumn: {table: parts, column: v}", ["public.parts is partitioned"]),
        ("dropTable: {table: users}",
         ["view public.mails", "function public.noted()", "foreign key orders_mail_fkey of public.orders"]),
        ("dropTable: {table: orders}", ["materialized view public.counts"]),
        ("dropTable: {table: parent}", ["public.child", "NO INHERIT"]),
        ("dropTable: {table: child}", ["public.parent", "NO INHERIT"]),
        ("dropColumn: {table: child, column: more}", ["public.parent"]),
        ("dropTable: {table: parts_1}", ["a partition", "DETACH"]),
        ("dropConstraint: {table: users, name: users_email_key}", ["orders_mail_fkey of public.orders"]),
        ("dropIndex: {table: users, name: users_email_key}", ["use dropConstraint"]),
        ("createIndex: {table: parts, name: i, columns: [v]}", ["each partition"]),
        ("createTable: {table: users_pkey, columns: [{name: a, type: int}]}", ["something called public.users_pkey"]),
        ("createTable: {table: nowhere.t, columns: [{name: a, type: int}]}", ["Schema nowhere does not exist"]),
        ("deleteRows: {table: mails, where: 'true'}", ["public.mails is a view"]),
        ("setNotNull: {table: user, column: note}", ["Did you mean public.users?"]),
    ],
)  # fmt: skip
async def test_a_drop_names_what_depends_on_it(engine: Engine, step: str, named: list[str]) -> None:
    engine.database.psql(SHOP)
    said = await refusal(engine, step)
    for part in named:
        assert part in said


async def test_what_is_used_by_nothing_may_go(engine: Engine) -> None:
    engine.database.psql(SHOP + "DROP MATERIALIZED VIEW counts; DROP FUNCTION noted; DROP POLICY noted ON users;")
    assert await refusal(engine, "dropTable: {table: orders}") == ""
    engine.database.psql("DROP TRIGGER on_note ON users")
    assert await refusal(engine, "dropColumn: {table: users, column: note}") == ""


async def test_a_refused_migration_leaves_nothing_behind(engine: Engine) -> None:
    engine.database.psql(SHOP)
    record = await engine.migrate(a_spec("[{name: s, dropTable: {table: users}}]"))
    assert record.state == State.REFUSED
    assert "view public.mails" in record.message
    assert engine.rows("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'backstitch%'") == [(0,)]


async def test_what_was_dropped_is_gone_when_the_revert_window_has_ended(engine: Engine) -> None:
    engine.database.psql(
        "CREATE TABLE a (id serial PRIMARY KEY, x text NOT NULL CHECK (x <> ''), y int); CREATE TABLE b (LIKE a);"
        "INSERT INTO a (x, y) VALUES ('1', 2)"
    )
    steps = "[{name: one, dropColumn: {table: a, column: x}}, {name: two, dropTable: {table: b}}]"
    record = await engine.migrate(a_spec(steps, rollback={"revertWindow": "0s"}))
    assert record.state == State.SUCCEEDED
    engine.database.psql("INSERT INTO a (y) VALUES (3); ALTER TABLE a RENAME TO renamed")
    kept = (
        "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'backstitch_quarantine'::regnamespace), "
        "(SELECT count(*) FROM pg_attribute WHERE attrelid = 'renamed'::regclass AND attname LIKE 'backstitch%')"
    )
    assert engine.rows(kept) == [(1, 1)]
    assert await purge(await engine.world()) == ["shop/change"]
    assert engine.rows(kept) == [(0, 0)]
    assert engine.rows("SELECT * FROM renamed ORDER BY 1") == [(1, 2), (2, 3)]


async def test_rows_written_while_a_column_was_dropped_stay(engine: Engine) -> None:
    engine.database.psql(
        "CREATE TABLE a (id int PRIMARY KEY, x text DEFAULT 'd' NOT NULL CHECK (x <> ''));"
        "INSERT INTO a VALUES (1, 'one')"
    )
    spec = a_spec("[{name: one, dropColumn: {table: a, column: x}}]")
    assert (await engine.migrate(spec)).state == State.SUCCEEDED
    engine.database.psql("INSERT INTO a VALUES (2)")
    engine.requests = engine.requests.__class__(rollback="back")
    record = await engine.migrate(spec)
    assert record.state == State.ROLLED_BACK, record.message
    assert engine.rows("SELECT id, x FROM a ORDER BY 1") == [(1, "one"), (2, "d")]
