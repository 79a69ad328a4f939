# SPDX-License-Identifier: Apache-2.0
"""What may a person write in the fields of an operation? The types of names, expressions and SQL types.

Anything that is not exactly one name, one expression or one type is refused when the YAML is read, so that no field
can smuggle in a second clause. Whether an expression is right is for the server to say.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from backstitch.model.names import OWN_SCHEMAS, RESERVED_PREFIX
from backstitch.model.sql import parse_name, quote_ident

_TYPE = re.compile(
    r"""^\s*(?:"(?:[^"]|"")+"|[^\W\d]\w*)                # a word or a quoted name
        (?:\s*\.\s*(?:"(?:[^"]|"")+"|[^\W\d]\w*))?       # schema.type
        (?:\s+[^\W\d]\w*)*                               # double precision, timestamp with time zone
        \s*(?:\(\s*[\w-]+(?:\s*,\s*[\w-]+)*\s*\))?       # (10, 2)
        (?:\s+[^\W\d]\w*)*                               # … with time zone
        (?:\s*\[\s*\d*\s*\])*\s*$""",
    re.VERBOSE,
)
_CLAUSE_WORDS = frozenset(
    [
        "default",
        "not",
        "null",
        "check",
        "unique",
        "primary",
        "references",
        "generated",
        "constraint",
        "collate",
        "using",
    ]
)
_QUOTED = re.compile(
    r"""\b[eE]'(?:[^'\\]|\\.|'')*'                # a string with backslash escapes
      | '(?:[^']|'')*'                            # a string
      | "(?:[^"]|"")*"                            # a name
      | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$   # dollar quotes
    """,
    re.VERBOSE | re.DOTALL,
)


def code_only(expression: str) -> str:
    """Give an expression with its strings and quoted names blanked out, for looking at what is left."""
    return _QUOTED.sub(" ", expression)


def check_expression(text: str) -> str:
    """Give the text back when it is one expression by its shape. Raises ValueError."""
    if "\0" in text:
        raise ValueError("an expression cannot hold a NUL byte")
    code = code_only(text)
    for mark, what in ((";", "a semicolon"), ("--", "a comment"), ("/*", "a comment"), ("'", "an open quote")):
        if mark in code:
            raise ValueError(f"{text!r} has {what} in it; write one SQL expression, or use a `sql` step")
    depth = 0
    for char in code:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth < 0:
            break
    if depth != 0:
        raise ValueError(f"{text!r} has parentheses that do not match; write one SQL expression")
    if '"' in code or not text.strip():
        raise ValueError(f"{text!r} is not a complete SQL expression")
    return text


def _check_list(text: str) -> str:
    """Refuse a comma outside parentheses: in SET and DEFAULT it would start another clause. Raises ValueError."""
    check_expression(text)
    depth = 0
    for char in code_only(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(char, 0)
        if char == "," and depth == 0:
            raise ValueError(f"{text!r} has a comma in it; write one SQL expression, in parentheses if it is a list")
    return text


def _check_table(text: str) -> str:
    name = parse_name(text)
    if name.schema in OWN_SCHEMAS or name.name.startswith(RESERVED_PREFIX):
        raise ValueError(f"{name} is Backstitch's own; names that begin with {RESERVED_PREFIX} are reserved")
    return text


def _check_identifier(text: str) -> str:
    quote_ident(text)
    if text.startswith(RESERVED_PREFIX):
        raise ValueError(
            f"{text!r} cannot be used: names that begin with {RESERVED_PREFIX} are reserved for Backstitch"
        )
    return text


def _check_type(text: str) -> str:
    words = set(re.findall(r"\w+", code_only(text).lower()))
    if not _TYPE.match(text) or words & _CLAUSE_WORDS:
        raise ValueError(
            f"{text!r} is not one type; write only the type, such as `text`, `numeric(10,2)` or `timestamp with time "
            "zone`. Default, NOT NULL and constraints have fields or steps of their own"
        )
    return text


def unique_names(names: list[str], what: str) -> None:
    """Raise ValueError when a name is given twice."""
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"{what} {twice[0]!r} is given more than once")


def cel(*rules: tuple[str, str]) -> ConfigDict:
    """Give the model config that makes the API server hold these rules: pairs of CEL rule and message."""
    return ConfigDict(
        json_schema_extra={"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rules]}
    )


TableName = Annotated[str, Field(min_length=1, max_length=140), AfterValidator(_check_table)]
"""`table` or `schema.table`, not one of ours."""

Identifier = Annotated[str, Field(min_length=1, max_length=63), AfterValidator(_check_identifier)]
"""One name, as it is (no quotes), not one of ours."""

Expression = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_check_list)]
"""One SQL expression."""

Condition = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(check_expression)]
"""One SQL condition over the rows of a table."""

TypeName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_type)]
"""One SQL type."""
