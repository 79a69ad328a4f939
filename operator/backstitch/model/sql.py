# SPDX-License-Identifier: Apache-2.0
"""Names and literals in SQL text that we write ourselves. User SQL is never built here, only run as written."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_SCHEMA = "public"
MAX_IDENTIFIER_BYTES = 63  # NAMEDATALEN - 1; PostgreSQL truncates longer names silently

RELATIONS_NAMED = (
    "(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname || '.' || c.relname = %s)"
)
"""SQL that finds what a parameter written as `str(QualifiedName)` names; to_regclass would fold case and split dots."""


class QualifiedName(NamedTuple):
    """A relation's schema and name, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """Give the name quoted for use in SQL text."""
        return f"{quote_ident(self.schema)}.{quote_ident(self.name)}"


def quote_ident(name: str) -> str:
    """Quote one identifier. Raises ValueError for what cannot be one (empty, NUL, over 63 bytes)."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} cannot be an identifier: it is empty or has a NUL byte in it.")
    if len(name.encode()) > MAX_IDENTIFIER_BYTES:
        raise ValueError(
            f"{name!r} is longer than {MAX_IDENTIFIER_BYTES} bytes; PostgreSQL would cut it silently. Shorten it."
        )
    return '"' + name.replace('"', '""') + '"'


def quote_literal(value: str | None) -> str:
    """Quote a text value; every session of ours has standard_conforming_strings on."""
    if value is None:
        return "NULL"
    if "\0" in value:
        raise ValueError("PostgreSQL text cannot hold a NUL byte.")
    return "'" + value.replace("'", "''") + "'"


def columns_sql(names: tuple[str, ...] | list[str]) -> str:
    """Quote several column names, with commas between them."""
    return ", ".join(quote_ident(name) for name in names)


def parse_name(text: str) -> QualifiedName:
    """Read `table`, `schema.table` or `"odd.schema"."odd table"` as a person writes it in the YAML.

    Case is kept as written (the YAML names the object, not SQL text). Raises ValueError.
    """
    parts: list[str] = []
    rest = text
    while rest:
        if rest.startswith('"'):
            end = 1
            while True:
                end = rest.find('"', end)
                if end < 0:
                    raise ValueError(f"{text!r} is not a name: a double quote is not closed.")
                if rest[end : end + 2] != '""':
                    break
                end += 2
            parts.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :]
            if rest and not rest.startswith("."):
                raise ValueError(f"{text!r} is not a name: expected a dot after the quoted part.")
        else:
            part, dot, tail = rest.partition(".")
            parts.append(part)
            rest = "." + tail if dot else ""
        rest = rest.removeprefix(".") if rest != "." else "\0"
    if not 1 <= len(parts) <= 2 or any(not part for part in parts):
        raise ValueError(f"{text!r} is not a table name; write `table` or `schema.table`.")
    for part in parts:
        quote_ident(part)
    return QualifiedName(*parts) if len(parts) == 2 else QualifiedName(DEFAULT_SCHEMA, parts[0])
