# SPDX-License-Identifier: Apache-2.0
"""What the sql step refuses, and what it says instead."""

from __future__ import annotations

import pytest

from tests.unit.run_sql_facts import reasons_of, some_facts


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
        ("INSERT INTO users (name) SELECT pg_read_file('/etc/passwd')", "pg_read_file reaches files"),
        ("UPDATE users SET name = pg_catalog.pg_read_binary_file('x')::text", "reaches files"),
        ("SELECT lo_import('/etc/passwd')", "lo_import reaches files"),
        ("CREATE VIEW v AS SELECT * FROM pg_ls_dir('/') d", "pg_ls_dir reaches files"),
        ("ALTER TABLE users ADD COLUMN a text DEFAULT pg_stat_file('x')::text", "reaches files"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "the whole server"),
        ("SELECT pg_reload_conf()", "the whole server"),
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
    reasons = reasons_of(up)
    assert reasons
    assert said in reasons[0]
    assert reasons[0].startswith("up, line 1: ")


@pytest.mark.parametrize(
    "up",
    [
        "SET LOCAL timezone = 'UTC'",
        "SELECT app.lo_import('a function of the application')",
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
    assert reasons_of(up) == ()


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
    (reason,) = reasons_of(up)
    assert said in reason


def test_nothing_is_said_of_names_when_the_facts_are_not_certain() -> None:
    facts = some_facts().model_copy(update={"certain": False})
    assert reasons_of("SELECT * FROM nothing_known", facts=facts) == ()


def test_rows_that_could_not_be_found_again_need_a_key_or_a_down() -> None:
    (reason,) = reasons_of("DELETE FROM log WHERE line = 'x'")
    assert "public.log has neither a primary key" in reason
    assert reasons_of("DELETE FROM log WHERE line = 'x'", down="INSERT INTO log (line) VALUES ('x')") == ()


@pytest.mark.parametrize("new", ["varchar(5)", "integer USING code::integer"])
def test_a_type_change_that_loses_values_needs_a_down(new: str) -> None:
    up = f"ALTER TABLE users ALTER COLUMN code TYPE {new}"
    (reason,) = reasons_of(up)
    assert "public.users.code may not survive" in reason
    assert reasons_of(up, down="ALTER TABLE users ALTER COLUMN code TYPE varchar(10)") == ()
