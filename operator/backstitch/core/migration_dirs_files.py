# SPDX-License-Identifier: Apache-2.0
"""How do dbmate and goose keep both directions in one file? Markers in comments part it; nothing else is changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

DBMATE = re.compile(r"^--\s*migrate:up\b", re.MULTILINE)
_MARK = r"(?:--\s*\+(?:goose|migrate|micrate)\s+|--+\s*rambler\s+|(?:#|--)\s*---?\s*!)"
MARKED = re.compile(
    rf"^\s*(?:{_MARK}ups?\b|--+\s*up\s+migration\s*$|---- create above / drop below ----|--\s*//\s*@undo\b)",
    re.MULTILINE | re.IGNORECASE,
)

_DBMATE_LINE = re.compile(r"^--\s*migrate:(?P<way>up|down)\b(?P<options>.*)$")
_MARKED_LINE = re.compile(rf"^\s*{_MARK}(?P<word>.+?)\s*$", re.IGNORECASE)
_NAMED_LINE = re.compile(r"^\s*--+\s*(?P<way>up|down)\s+migration\s*$", re.IGNORECASE)
_BELOW_IS_DOWN = re.compile(r"^(---- create above / drop below ----|--\s*//\s*@undo\b)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """One migration: its name for people, the SQL of both directions, whether its tool runs it in a transaction."""

    name: str
    up: str
    down: str | None = None
    transactional: bool = True


def from_dbmate(path: str, text: str) -> Migration:
    """Part a file at `-- migrate:up` and `-- migrate:down`; `transaction:false` switches the transaction off."""
    parts: dict[str, list[str]] = {}
    way = ""
    transactional = True
    for line in text.splitlines():
        found = _DBMATE_LINE.match(line)
        if found:
            way = found["way"]
            parts.setdefault(way, [])
            if way == "up" and re.search(r"\btransaction:\s*false\b", found["options"]):
                transactional = False
        elif way:
            parts[way].append(line)
    return Migration(path.removesuffix(".sql"), _joined(parts, "up") or "", _joined(parts, "down"), transactional)


def from_marked(path: str, text: str) -> Migration:
    """Part a file of goose, sql-migrate and their like. Statement markers can go: a parser finds the statements."""
    parts: dict[str, list[str]] = {}
    way = "up" if _BELOW_IS_DOWN.search(text) else ""  # what stands above the line has no mark of its own
    if way:
        parts[way] = []
    transactional = True
    for line in text.splitlines():
        if named := _NAMED_LINE.match(line):
            way = named["way"].lower()
            parts.setdefault(way, [])
            continue
        if _BELOW_IS_DOWN.match(line):
            way = "down"
            parts.setdefault(way, [])
            continue
        found = _MARKED_LINE.match(line)
        if not found:
            if way:
                parts[way].append(line)
            continue
        words = found["word"].lower().split()
        if words[0].rstrip("s") in ("up", "down"):
            way = words[0].rstrip("s")
            parts.setdefault(way, [])
            if way == "up" and "notransaction" in words:
                transactional = False
        elif words[:2] == ["no", "transaction"] or words[0] == "notransaction":
            transactional = False
    return Migration(path.removesuffix(".sql"), _joined(parts, "up") or "", _joined(parts, "down"), transactional)


def _joined(parts: dict[str, list[str]], way: str) -> str | None:
    return "\n".join(parts[way]) if way in parts else None
