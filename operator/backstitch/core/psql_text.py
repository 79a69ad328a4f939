# SPDX-License-Identifier: Apache-2.0
"""What does a file written for psql say in SQL? What only talks to the person is left out; COPY data becomes INSERTs.

Flyway and sqitch take such files, and pg_dump writes them. A command that does more (`\\i`, `\\gexec`, `\\connect`) is
left for the parser to refuse with its line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from backstitch.model.sql import quote_literal

_SPEAKS_ONLY = re.compile(
    r"\\(echo|qecho|warn|timing|pset|encoding|restrict|unrestrict|errverbose|x|a|t|H|set\s+(ON_ERROR_\w+|QUIET|ECHO\w*|"
    r"VERBOSITY|AUTOCOMMIT|HIST\w*|PROMPT\d|SHOW_\w+|FETCH_COUNT)|unset|\?|!?\s*$)(\s|$)"
)
_ENDS = re.compile(r"\\(q|quit)\s*$")
_COPY = re.compile(
    r"copy\s+(?P<table>(?:\"[^\"]+\"|[\w$.])+)\s*(?P<columns>\([^)]*\))?\s+from\s+stdin\s*(?P<options>[^;]*);?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_OPENING = re.compile(r"'|\"|\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$|--|/\*|;")
_ROWS = 200  # of one INSERT
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def as_sql(text: str) -> str:
    """Give the same script without what psql alone understands; lines keep their numbers as far as they can."""
    if "\\" not in text:
        return text
    lines = iter(text.split("\n"))
    out: list[str] = []
    inside = ""  # the quote or comment that is open at the end of the line
    statement = ""  # what the line before left unfinished
    for line in lines:
        if not inside and not statement.strip() and line.lstrip().startswith("\\"):
            if _ENDS.match(line.strip()):
                break
            out.append("" if _SPEAKS_ONLY.match(line.strip()) else line)
            continue
        begun = statement
        inside, statement = _scan(line, inside, statement)
        found = None if inside or statement.strip() else _COPY.match(_last_statement(begun + "\n" + line))
        if found is None:
            out.append(line)
            continue
        data = list(_data(lines))
        out[len(out) - begun.count("\n") :] = [""] * begun.count("\n")  # the COPY itself, also over several lines
        out.append(_inserts(found, data))
        out += [""] * max(0, len(data) - out[-1].count("\n"))
    return "\n".join(out)


def _scan(line: str, inside: str, statement: str) -> tuple[str, str]:
    """Go through a line: give what is open at its end, and the statement it leaves unfinished."""
    at = 0
    while at < len(line):
        if inside:
            closing = "*/" if inside == "/*" else inside
            end = line.find(closing, at)
            if end < 0:
                break
            at, inside = end + len(closing), ""
            continue
        found = _OPENING.search(line, at)
        if found is None:
            statement += line[at:]
            break
        statement += line[at : found.start()]
        at = found.end()
        if found[0] == "--":
            break
        if found[0] == ";":
            statement = ""
        else:
            statement += " " if found[0] == "/*" else found[0]
            inside = found[0]
    return inside, f"{statement}\n" if statement.strip() or inside else ""


def _last_statement(text: str) -> str:
    lines = [re.sub(r"--.*$", "", line) for line in text.split("\n")]
    return "\n".join(lines).strip().rstrip(";").rpartition(";")[2].strip()


def _data(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.rstrip("\r") == "\\.":
            return
        yield line.rstrip("\r")


def _inserts(found: re.Match[str], data: list[str]) -> str:
    options = found["options"].lower()
    delimiter = _option(found["options"], "delimiter")
    null = _option(found["options"], "null")
    if "csv" in options:
        rows = list(csv.reader(io.StringIO("\n".join(data)), delimiter=delimiter or ","))
        rows = rows[1:] if "header" in options else rows
        values = [[None if v == (null or "") else v for v in row] for row in rows]
    else:
        rows = [line.split(delimiter or "\t") for line in data]
        values = [[None if v == (null or "\\N") else _unescaped(v) for v in row] for row in rows]
    into = f"INSERT INTO {found['table']} {found['columns'] or ''} OVERRIDING SYSTEM VALUE VALUES "
    parts = [values[start : start + _ROWS] for start in range(0, len(values), _ROWS)]
    return " ".join(into + ", ".join(f"({', '.join(map(quote_literal, row))})" for row in part) + ";" for part in parts)


def _option(options: str, name: str) -> str | None:
    found = re.search(rf"\b{name}\s+(?:as\s+)?(e?)'([^']*)'", options, re.IGNORECASE)
    return None if found is None else _unescaped(found[2]) if found[1] else found[2]


def _unescaped(value: str) -> str:
    def one(found: re.Match[str]) -> str:
        what = found[1]
        if what[0] == "x" and len(what) > 1:
            return chr(int(what[1:], 16))
        if what[0] in "01234567":
            return chr(int(what, 8) & 0xFF)
        return _ESCAPES.get(what, what)

    return re.sub(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", one, value, flags=re.DOTALL)
