# SPDX-License-Identifier: Apache-2.0
"""How is a CSV file read? As PostgreSQL's COPY … CSV HEADER reads it: empty is NULL, "" is an empty text."""

from __future__ import annotations

from typing import NamedTuple


class CsvError(ValueError):
    """The text is not CSV; the message names the line."""


class CsvTable(NamedTuple):
    """The header and the rows below it; None is NULL."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


def read_csv(text: str) -> CsvTable:
    """Give a CSV text's header and rows. Empty lines are left out; a byte order mark is too. Raises CsvError."""
    if "\0" in text:
        raise CsvError("there is a NUL byte in it, which PostgreSQL text cannot hold")
    lines = list(_records(text.removeprefix("\ufeff")))
    if not lines:
        raise CsvError("it is empty; the first line must name the columns")
    _, header = lines[0]
    names = tuple((name or "").strip() for name in header)
    if "" in names:
        raise CsvError(f"column {names.index('') + 1} of the first line has no name")
    rows = []
    for line, record in lines[1:]:
        if len(record) != len(names):
            raise CsvError(f"line {line} has {len(record)} values, and the first line names {len(names)} columns")
        rows.append(tuple(record))
    return CsvTable(names, tuple(rows))


def _records(text: str) -> list[tuple[int, list[str | None]]]:
    """Give the records, each with the number of its first line."""
    found: list[tuple[int, list[str | None]]] = []
    record: list[str | None] = []
    line = first = 1
    at = 0
    while at < len(text):
        value, end = _field(text, at, line)
        line += text.count("\n", at, end)
        record.append(value)
        if end < len(text) and text[end] == ",":
            at = end + 1
            if at == len(text):
                record.append(None)
            continue
        at = end + (2 if text.startswith("\r\n", end) else 1)
        line += 1
        if record != [None]:
            found.append((first, record))
        record, first = [], line
    if record:
        found.append((first, record))
    return found


def _field(text: str, start: int, line: int) -> tuple[str | None, int]:
    """Give one value, and where the comma or line end after it is."""
    if not text.startswith('"', start):
        end = start
        while end < len(text) and text[end] not in ",\r\n":
            end += 1
        value = text[start:end]
        if '"' in value:
            raise CsvError(f"line {line} has a quote inside a value that does not begin with one: {value[:40]!r}")
        return value or None, end
    parts = []
    at = start + 1
    while True:
        close = text.find('"', at)
        if close < 0:
            raise CsvError(f"line {line} has a quote that is not closed")
        parts.append(text[at:close])
        if not text.startswith('"', close + 1):
            break
        parts.append('"')
        at = close + 2
    end = close + 1
    if end < len(text) and text[end] not in ",\r\n":
        raise CsvError(f"line {line} has {text[end]!r} after a closing quote; a comma or the line's end must follow")
    return "".join(parts), end
