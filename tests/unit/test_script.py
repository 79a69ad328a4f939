# SPDX-License-Identifier: Apache-2.0
"""The splitter: the eight traps of parsers (safety.md 6.2), tags, kinds, tables; and any text at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backstitch.model.script import ScriptError, Statement, skip_comments, split
from backstitch.model.sql import QualifiedName


def _refusal(text: str) -> ScriptError:
    with pytest.raises(ScriptError) as caught:
        split(text)
    return caught.value


def test_a_nul_byte_is_refused_because_the_parser_would_not_see_what_follows() -> None:
    error = _refusal("SELECT 1;\nSELECT 2\0; DROP TABLE t")
    assert (error.line, error.column) == (2, 9)
    assert "NUL" in error.reason


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + " + ".join(["1"] * 2000),
        "SELECT " + " || ".join(["'a'"] * 500),
        "SELECT " + "(SELECT " * 200 + "1" + ")" * 200,
        "SELECT * FROM a" + " JOIN b ON true" * 300,
        "SELECT 1 WHERE " + "NOT " * 2000 + "true",
    ],
    ids=["2000-operators", "500-concatenations", "200-subqueries", "300-joins", "2000-nots"],
)
def test_deep_statements_are_analysed_all_the_same(text: str) -> None:
    (statement,) = split(text + "; ")
    assert statement.text == text
    assert statement.kind == "query"


@pytest.mark.parametrize("joiner", [" + 1", " JOIN b ON true", "::int", " UNION SELECT 1", " AND true"])
def test_what_would_exhaust_the_stack_is_refused_and_takes_nothing_down(joiner: str) -> None:
    start = "SELECT * FROM a" if "JOIN" in joiner else "SELECT 1"
    error = _refusal("SELECT 1;\n" + start + joiner * 100_000)
    assert error.line == 2 or "bytes" in error.reason


def test_many_rows_are_not_taken_for_depth() -> None:
    rows = ", ".join(f"({n}, -{n}, 'a-b+c', now())" for n in range(15_000))
    (statement,) = split(f"INSERT INTO t (a, b, c, d) VALUES {rows}")
    assert statement.writes == (QualifiedName("public", "t"),)


def test_offsets_are_bytes_for_the_parser_and_characters_for_us() -> None:
    text = "SELECT 'żółć 🐘';\nSELECT 'é' /* ü */ ;\nDELETE FROM t"
    assert [s.text for s in split(text)] == ["SELECT 'żółć 🐘'", "SELECT 'é' /* ü */", "DELETE FROM t"]
    assert [s.line for s in split(text)] == [1, 2, 3]
    error = _refusal("SELECT 'żółć 🐘' frm t")
    assert (error.line, error.column) == (1, 21)
    assert "frm ⟪here⟫t" in error.reason


@pytest.mark.parametrize(
    "text",
    [
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "EXPLAIN ANALYZE DELETE FROM t",
        "WITH a AS (SELECT 1), b AS (INSERT INTO t DEFAULT VALUES RETURNING *) SELECT * FROM a, b",
    ],
)
def test_a_hidden_change_of_rows_is_dml(text: str) -> None:
    (statement,) = split(text)
    assert statement.kind == "dml"
    assert QualifiedName("public", "t") in statement.writes


def test_explain_alone_changes_nothing() -> None:
    assert split("EXPLAIN DELETE FROM t")[0].kind == "query"


@pytest.mark.parametrize(
    "text, line, said",
    [
        ("\\copy t FROM 'x.csv'", 1, "\\copy is a command of psql"),
        ("SELECT 1;\n\\i other.sql\n", 2, "\\i is a command of psql"),
        ("SELECT 1 \\gexec", 1, "\\gexec is a command of psql"),
        ("SELECT 1;\n\\.\n", 2, "command of psql"),
        ("SELECT :limit", 1, "psql variables"),
        ("SELECT 1;\nCOPY t (a, b) FROM stdin;\n1\tone\n\\.\n", 2, "COPY … FROM STDIN"),
        ("SELECT 1;\nCOPY t FROM STDIN", 2, "COPY … FROM STDIN"),
        ("SELECT $1", 1, "parameter"),
    ],
)
def test_what_psql_or_a_driver_would_add_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    error = _refusal(text)
    assert error.line == line
    assert said in error.reason


@pytest.mark.parametrize("text", ["", "  \n", "-- nothing\n", "/* a /* nested */ comment */", ";;;"])
def test_a_script_without_a_statement_is_an_error(text: str) -> None:
    assert "no statement" in _refusal(text).reason


@pytest.mark.parametrize("text", ["SELECT 'abc", "SELECT $$abc", "SELEC 1", "SELECT (1", 'SELECT "a'])
def test_a_syntax_error_has_its_place_and_an_excerpt(text: str) -> None:
    error = _refusal("SELECT 1;\n\n" + text)
    assert error.line == 3
    assert "⟪here⟫" in error.reason


def test_lone_surrogates_are_refused() -> None:
    assert "UTF-8" in _refusal("SELECT '\ud800'").reason


def test_bodies_are_not_split() -> None:
    text = (
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;\n"
        "DO $x$ BEGIN PERFORM 1; PERFORM ';'; END $x$;\n"
        "SELECT ';', 'it''s; ok', E'\\';' , \"a;b\" FROM (SELECT 1 AS \"a;b\") s; -- ;\n"
    )
    assert [s.tag for s in split(text)] == ["CREATE FUNCTION", "DO", "SELECT"]


def test_comments_before_a_statement_belong_to_it_because_they_may_be_hints() -> None:
    text = "/*+ SeqScan(a) */ SELECT 1;\n-- why\nSELECT 2; -- end"
    first, second = split(text)
    assert first.text == "/*+ SeqScan(a) */ SELECT 1"
    assert second.text == "-- why\nSELECT 2"
    assert (second.first_line, second.line) == (2, 3)
    assert second.excerpt == "SELECT 2"


@pytest.mark.parametrize(
    "text, tag, kind, in_transaction",
    [
        ("ALTER TABLE a ADD COLUMN b int", "ALTER TABLE", "ddl", True),
        ("ALTER TABLE a RENAME CONSTRAINT b TO c", "ALTER TABLE", "ddl", True),
        ("ALTER INDEX a RENAME TO b", "ALTER INDEX", "ddl", True),
        ("ALTER VIEW a RENAME COLUMN b TO c", "ALTER VIEW", "ddl", True),
        ("DROP MATERIALIZED VIEW a", "DROP MATERIALIZED VIEW", "ddl", True),
        ("CREATE INDEX i ON a (b)", "CREATE INDEX", "ddl", True),
        ("CREATE INDEX CONCURRENTLY i ON a (b)", "CREATE INDEX", "ddl", False),
        ("DROP INDEX CONCURRENTLY i", "DROP INDEX", "ddl", False),
        ("REINDEX TABLE CONCURRENTLY a", "REINDEX", "maintenance", False),
        ("REINDEX (CONCURRENTLY) INDEX i", "REINDEX", "maintenance", False),
        ("REINDEX (CONCURRENTLY false) INDEX i", "REINDEX", "maintenance", True),
        ("REINDEX SCHEMA public", "REINDEX", "maintenance", False),
        ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", "ALTER TABLE", "ddl", False),
        ("ALTER TABLE a DETACH PARTITION b", "ALTER TABLE", "ddl", True),
        ("VACUUM a", "VACUUM", "maintenance", False),
        ("ANALYZE a", "ANALYZE", "maintenance", True),
        ("CLUSTER", "CLUSTER", "maintenance", False),
        ("CLUSTER a USING i", "CLUSTER", "maintenance", True),
        ("CREATE DATABASE a", "CREATE DATABASE", "server", False),
        ("DROP DATABASE a", "DROP DATABASE", "server", False),
        ("ALTER SYSTEM SET work_mem = 1", "ALTER SYSTEM", "server", False),
        ("CREATE TABLESPACE a LOCATION '/x'", "CREATE TABLESPACE", "server", False),
        ("DROP SUBSCRIPTION a", "DROP SUBSCRIPTION", "server", False),
        ("COMMIT", "COMMIT", "transaction", True),
        ("SET LOCAL work_mem = 1", "SET", "session", True),
        ("REVOKE SELECT ON a FROM b", "REVOKE", "ddl", True),
        ("DO $$ BEGIN END $$", "DO", "do", True),
        ("CALL p()", "CALL", "do", True),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", "MERGE", "dml", True),
        ("SELECT * INTO z FROM a", "SELECT", "ddl", True),
        ("COPY a TO '/x'", "COPY", "copy", True),
        ("ALTER TYPE a ADD VALUE 'x'", "ALTER TYPE", "ddl", True),
    ],
)
def test_tag_kind_and_transaction(text: str, tag: str, kind: str, in_transaction: bool) -> None:
    (statement,) = split(text)
    assert (statement.tag, statement.kind, statement.in_transaction) == (tag, kind, in_transaction)


@pytest.mark.parametrize(
    "text, writes, reads",
    [
        ("INSERT INTO a SELECT * FROM s.b JOIN c ON true", "public.a", "s.b public.c"),
        ("UPDATE a SET x = 1 FROM b", "public.a", "public.b"),
        ("WITH b AS (SELECT 1) SELECT * FROM b, c", "", "public.c"),
        ("WITH b AS (SELECT 1) SELECT * FROM s.b", "", "s.b"),
        ("ALTER TABLE a ADD FOREIGN KEY (x) REFERENCES b", "public.a", "public.b"),
        ("CREATE TABLE a (x int REFERENCES b)", "public.a", "public.b"),
        ("CREATE VIEW v AS SELECT * FROM a", "public.v", "public.a"),
        ("CREATE TABLE z AS SELECT * FROM q", "public.z", "public.q"),
        ("TRUNCATE a, s.b", "public.a s.b", ""),
        ("DROP TABLE a, s.b", "public.a s.b", ""),
        ("DROP TRIGGER t ON s.a", "s.a", ""),
        ("DROP POLICY p ON a", "public.a", ""),
        ("CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION f()", "public.a", ""),
        ("ALTER INDEX i RENAME TO j", "", "public.i"),
        ("COPY a TO '/x'", "", "public.a"),
        ('DELETE FROM "Odd Schema"."a.b"', "Odd Schema.a.b", ""),
    ],
)
def test_tables(text: str, writes: str, reads: str) -> None:
    (statement,) = split(text)
    assert " ".join(map(str, statement.writes)) == writes
    assert sorted(map(str, statement.reads)) == sorted(reads.split())


def test_names_without_a_schema_take_the_one_given() -> None:
    assert split("DELETE FROM t", default_schema="shop")[0].writes == (QualifiedName("shop", "t"),)


_PIECES = st.sampled_from(
    [
        "SELECT 1",
        "select 'a;b -- c'",
        "INSERT INTO t (a) VALUES ('é', $$;$$)",
        "/* hint; /* nested ; */ */ DELETE FROM t",
        "-- a; b\nUPDATE t SET a = 1",
        "DO $x$ BEGIN NULL; END $x$",
        'CREATE TABLE "ż;" (a int)',
        "SELECT 1 /* 🐘; */",
    ]
)
_BETWEEN = st.sampled_from([";", ";\n", " ;\n\n", ";;", "; \t"])


@given(st.lists(st.tuples(_PIECES, _BETWEEN), min_size=1, max_size=12))
def test_the_pieces_are_the_text_and_nothing_is_lost_between_them(parts: list[tuple[str, str]]) -> None:
    text = "".join(piece + between for piece, between in parts)
    statements = split(text)
    assert [s.text for s in statements] == [piece for piece, _ in parts]
    end = 0
    for statement in statements:
        assert text[statement.start : statement.start + len(statement.text)] == statement.text
        assert set(text[end : statement.start]) <= set("; \t\n")
        end = statement.start + len(statement.text)
    assert set(text[end:]) <= set("; \t\n")
    for statement in statements:
        assert [s.kind for s in split(statement.text)] == [statement.kind]


@given(st.text(max_size=80) | st.text(alphabet="SELECT '\"$;-/*\\()\n\0é1:,.", max_size=60))
@example("\ufeffSELECT 1")
@example("$$")
@example("SELECT 1;\x00")
def test_no_text_crashes_it(text: str) -> None:
    try:
        statements = split(text)
    except ScriptError as caught:
        error = caught
    else:
        _check_slices(text, statements)
        return
    assert 1 <= error.line <= text.count("\n") + 1
    assert error.reason


def _check_slices(text: str, statements: tuple[Statement, ...]) -> None:
    end = 0
    for statement in statements:
        assert statement.text
        assert statement.start >= end
        end = statement.start + len(statement.text)
        assert text[statement.start : end] == statement.text
    assert skip_comments(text, end) == len(text)
