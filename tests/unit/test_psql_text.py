# SPDX-License-Identifier: Apache-2.0
"""Does a script written for psql become the SQL it stands for, and is everything else left as it is?"""

from __future__ import annotations

import pytest

from backstitch.core.psql_text import as_sql


def test_what_only_talks_to_the_person_goes_and_lines_keep_their_numbers() -> None:
    text = "\\echo hello\n\\set ON_ERROR_STOP on\nCREATE TABLE t (a text);\n\\restrict abc\nSELECT 1;"

    assert as_sql(text) == "\n\nCREATE TABLE t (a text);\n\nSELECT 1;"


def test_a_file_ends_where_psql_would_leave_it() -> None:
    assert as_sql("SELECT 1;\n\\q\nSELECT 2;") == "SELECT 1;"


@pytest.mark.parametrize("command", ["\\i other.sql", "\\connect other", "SELECT 1 \\gexec", "\\set name value"])
def test_what_does_more_is_left_for_the_parser_to_refuse(command: str) -> None:
    assert as_sql(command) == command


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '\n\\echo x\n';",
        "CREATE FUNCTION f() RETURNS text AS $x$\n\\echo x\nCOPY t FROM stdin;\n$x$ LANGUAGE sql;",
        "/* \n\\echo x\n*/ SELECT E'\\\\n';",
        'SELECT "\n\\a\n";',
    ],
)
def test_inside_of_quotes_and_comments_nothing_is_a_command(text: str) -> None:
    assert as_sql(text) == text


def test_copied_rows_become_inserts() -> None:
    text = '-- data\nCOPY public.t (id, "Name") FROM stdin;\n1\ta\'b\\tc\n2\t\\N\n\\.\n\nSELECT 1;'

    found = as_sql(text)

    assert "INSERT INTO public.t (id, \"Name\") OVERRIDING SYSTEM VALUE VALUES ('1', 'a''b\tc'), ('2', NULL);" in found
    assert found.split("\n").index("SELECT 1;") == text.split("\n").index("SELECT 1;") - 1


def test_copied_csv_has_a_header_and_its_own_delimiter() -> None:
    text = "COPY t\n  (a, b)\nFROM STDIN WITH (FORMAT csv, HEADER, DELIMITER '|');\na|b\n1|\"x|y\"\n|z\n\\.\n"

    found = as_sql(text)

    assert "VALUES ('1', 'x|y'), (NULL, 'z');" in found
    assert "COPY" not in found


def test_no_rows_are_no_statement() -> None:
    assert as_sql("COPY t (a) FROM stdin;\n\\.\n").strip() == ""
