# SPDX-License-Identifier: Apache-2.0
"""Which migrations does a directory hold, as some tool's users keep them, and in which order do they run?

Works on texts by path, so nothing here reads files. How one file holds two directions is in migration_dirs_files.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from backstitch.core.errors import UsageError
from backstitch.core.migration_dirs_dialect import for_postgres
from backstitch.core.migration_dirs_files import DBMATE, MARKED, Migration, from_dbmate, from_marked

__all__ = ["Migration", "MigrationDirectory", "Order", "Tool", "read_migrations"]

Order = Literal["name", "number"]
Tool = Literal["golang-migrate", "sqlx", "diesel", "prisma", "flyway", "dbmate", "goose", "sqitch", "pairs", "plain"]

_NUMBER = re.compile(r"\d+")
_FLYWAY = re.compile(r"(?P<kind>[VURB])(?P<version>[0-9][0-9._]*)?__(?P<name>.*)\.sql", re.IGNORECASE)
_NO_TRANSACTION = re.compile(r"\s*--\s*(no-transaction|atlas:txmode\s+none)\b", re.IGNORECASE)
_BACK = ("undo", "down", "rollback", "revert")
_WAY = re.compile(
    r"(?:(?P<number>\d+)\.(?P<first>do|undo)\.(?P<rest>.+)|(?P<name>.+)[._-](?P<last>up|down|rollback|revert))\.sql",
    re.IGNORECASE,
)
_PLAN_LINE = re.compile(r"^(?P<change>[^\s@#%\[][^\s\[]*)(?=\s|$)")


# The table in which a tool writes down what has run. It is there before the first migration, and some refer to it.
_OWN_TABLES: dict[Tool, str] = {
    "golang-migrate": "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
    "diesel": "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY NOT NULL, "
    "run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "dbmate": "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)",
}


@dataclass(frozen=True)
class MigrationDirectory:
    """The migrations of a directory in the order in which they run, whose layout it is, and what was left out."""

    tool: Tool
    migrations: tuple[Migration, ...]
    notes: tuple[str, ...] = ()

    @property
    def own_table(self) -> str:
        """Give the statement that makes the tool's own table, where a migration speaks of it; else ''."""
        statement = _OWN_TABLES.get(self.tool, "")
        name = statement.split(" ")[2] if statement else ""
        if not any(name and name in m.up for m in self.migrations):
            return ""
        makes_it = re.compile(rf"create\s+table\s+(if\s+not\s+exists\s+)?[\w.\"]*{name}", re.IGNORECASE)
        return "" if any(makes_it.search(m.up) for m in self.migrations) else statement


@dataclass(frozen=True)
class _Found:
    migration: Migration
    rank: tuple[object, ...] = ()  # the tool's own order


def read_migrations(files: Mapping[str, str], order: Order | None = None) -> MigrationDirectory:
    """Give the migrations among these files (relative path with `/` -> text).

    `order` is by whole name or by the first number in it; without it, as the tool itself does. A directory that
    only holds the migrations' directory is looked through. Raises UsageError when no layout is recognised.
    """
    files, left_out = for_postgres(files)
    found = _recognise(files) or _below(files)
    if found is None:
        raise UsageError(
            "No migrations were recognised here: expected N_name.up.sql (golang-migrate, sqlx), folders with "
            "up.sql (diesel) or migration.sql (Prisma), V1__name.sql (Flyway), `-- migrate:up` (dbmate), "
            "`-- +goose Up` (goose), sqitch.plan, or plain .sql files. Give the folder that holds them."
        )
    tool, entries, notes = found
    if order is not None:
        ranks: dict[Order, Callable[[_Found], tuple[object, ...]]] = {"name": _by_name, "number": _by_number}
        entries = sorted(entries, key=ranks[order])
    else:
        entries = sorted(entries, key=lambda e: e.rank)
    return MigrationDirectory(tool, tuple(e.migration for e in entries), (*left_out, *notes))


_Recognised = tuple[Tool, list[_Found], list[str]]


def _folders(files: Mapping[str, str]) -> set[str]:
    return {path.split("/", 1)[0] for path in files if "/" in path}


def _below(files: Mapping[str, str]) -> _Recognised | None:
    """Look through folders: the only one that holds migrations, or several that are numbered, one after the other."""
    inner: dict[str, _Recognised] = {}
    for folder in _folders(files):
        below = {p.removeprefix(f"{folder}/"): text for p, text in files.items() if p.startswith(f"{folder}/")}
        here = _recognise(below) or _below(below)
        if here is not None:
            inner[folder] = here
    if len(inner) < 2:
        return next(iter(inner.values()), None)
    numbered = {folder: _version(folder) for folder in inner if re.match(r"[vV]?\d", folder)}
    if len(numbered) < len(inner) or len({tool for tool, _, _ in inner.values()}) > 1:
        return None
    entries: list[_Found] = []
    for folder in sorted(inner, key=lambda f: (numbered[f], f)):
        for entry in sorted(inner[folder][1], key=lambda e: e.rank):
            moved = replace(entry.migration, name=f"{folder}/{entry.migration.name}")
            entries.append(_Found(moved, (len(entries),)))
    return next(iter(inner.values()))[0], entries, [note for _, _, notes in inner.values() for note in notes]


def _recognise(files: Mapping[str, str]) -> _Recognised | None:
    top = {p: t for p, t in files.items() if "/" not in p and p.endswith(".sql")}
    if "sqitch.plan" in files:
        return "sqitch", *_sqitch(files)
    if any(PurePosixPath(p).name == "migration.sql" and p.count("/") == 1 for p in files):
        return "prisma", _folders_with(files, "migration.sql"), []
    if any(PurePosixPath(p).name == "up.sql" and p.count("/") == 1 for p in files):
        return "diesel", _folders_with(files, "up.sql"), []
    if any(p.endswith(".up.sql") for p in top):
        return "golang-migrate", _pairs(top), []
    if any(_FLYWAY.fullmatch(PurePosixPath(p).name) for p in files):
        return "flyway", *_flyway(files)
    if any(DBMATE.search(t) for t in top.values()):
        return "dbmate", [_Found(from_dbmate(p, t), (p,)) for p, t in top.items() if DBMATE.search(t)], []
    if any(MARKED.search(t) for t in top.values()):
        goose = [_Found(from_marked(p, t)) for p, t in top.items() if MARKED.search(t)]
        return "goose", [_Found(g.migration, _by_number(g)) for g in goose], []
    if paired := _paired(top):
        return "pairs", paired, []
    if top:
        plain = [
            Migration(p.removesuffix(".sql"), t, transactional=not _NO_TRANSACTION.match(t)) for p, t in top.items()
        ]
        entries = [_Found(m) for m in plain]
        numbered = all(_NUMBER.match(m.name) for m in plain)
        return "plain", [_Found(e.migration, _by_number(e) if numbered else _by_name(e)) for e in entries], []
    return None


def _by_name(found: _Found) -> tuple[object, ...]:
    return (found.migration.name,)


def _by_number(found: _Found) -> tuple[object, ...]:
    number = _NUMBER.search(found.migration.name)
    return (0 if number else 1, int(number[0]) if number else 0, found.migration.name)


def _pairs(files: Mapping[str, str]) -> list[_Found]:
    """golang-migrate and sqlx: N_name.up.sql with or without N_name.down.sql; the number decides."""
    entries = []
    for path, text in files.items():
        if path.endswith(".up.sql"):
            name = path.removesuffix(".up.sql")
            plain = not _NO_TRANSACTION.match(text)
            entries.append(_Found(Migration(name, text, files.get(f"{name}.down.sql"), plain)))
    return [_Found(e.migration, _by_number(e)) for e in entries]


def _paired(files: Mapping[str, str]) -> list[_Found]:
    """Other tools' two files for a migration: N.do.name / N.undo.name, name-up / name-down, name / name.rollback."""
    found = {p: m for p in files if (m := _WAY.fullmatch(p))}
    backs = {_both(m): files[p] for p, m in found.items() if _way(m) in _BACK}
    if not backs:
        return []
    entries = []
    for path, text in files.items():
        match = found.get(path)
        if match is None or _way(match) not in _BACK:
            name = path.removesuffix(".sql") if match is None else _both(match)
            plain = not _NO_TRANSACTION.match(text)
            entries.append(_Found(Migration(name, text, backs.get(name), plain)))
    return [_Found(e.migration, _by_number(e)) for e in entries]


def _way(match: re.Match[str]) -> str:
    return str(match["first"] or match["last"]).lower()


def _both(match: re.Match[str]) -> str:
    return f"{match['number']}.{match['rest']}" if match["first"] else str(match["name"])


def _folders_with(files: Mapping[str, str], forward: str) -> list[_Found]:
    """diesel, sqlx, Prisma: one folder a migration. A metadata.toml may switch the transaction off."""
    entries = []
    for path, text in files.items():
        folder, _, name = path.rpartition("/")
        if name == forward and folder and "/" not in folder:
            settings = files.get(f"{folder}/metadata.toml", "")
            off = re.search(r"^\s*run_in_transaction\s*=\s*false\b", settings, re.MULTILINE)
            plain = not off and not _NO_TRANSACTION.match(text)
            entries.append(_Found(Migration(folder, text, files.get(f"{folder}/down.sql"), plain), (folder,)))
    return entries


def _flyway(files: Mapping[str, str]) -> tuple[list[_Found], list[str]]:
    """Flyway: V by version, then R by description; U is the way back of the V with its version."""
    entries, notes, undo = [], [], {}
    named = {p: m for p in files if (m := _FLYWAY.fullmatch(PurePosixPath(p).name))}
    for path, match in named.items():
        if match["kind"].upper() == "U":
            undo[_version(match["version"])] = files[path]
    for path, match in named.items():
        kind, name = match["kind"].upper(), PurePosixPath(path).name.removesuffix(".sql")
        off = re.search(r"^\s*executeInTransaction\s*=\s*false\b", files.get(f"{path}.conf", ""), re.MULTILINE)
        if kind == "V":
            version = _version(match["version"])
            made = Migration(name, files[path], undo.get(version), not off)
            entries.append(_Found(made, (0, version, name)))
        elif kind == "R":
            entries.append(_Found(Migration(name, files[path], transactional=not off), (1, (), match["name"])))
        elif kind == "B":
            notes.append(f"{name} is a baseline; it was left out, because every version before it is run.")
    return entries, notes


def _version(text: str | None) -> tuple[int, ...]:
    numbers = [int(n) for n in _NUMBER.findall(text or "")]
    while numbers and numbers[-1] == 0:  # 1 and 1.0 are one version
        numbers.pop()
    return tuple(numbers)


def _sqitch(files: Mapping[str, str]) -> tuple[list[_Found], list[str]]:
    """sqitch: in the plan's order. Of a reworked change, the earlier script is named after the tag that follows it."""
    changes: list[tuple[str, str | None]] = []  # change, first tag after it
    open_until_tag: list[int] = []
    for line in files["sqitch.plan"].splitlines():
        stripped = line.strip()
        if stripped.startswith("@"):
            for at in open_until_tag:
                changes[at] = (changes[at][0], stripped.split()[0])
            open_until_tag = []
        elif named := _PLAN_LINE.match(stripped):
            changes.append((named["change"], None))
            open_until_tag.append(len(changes) - 1)
    last = {change: at for at, (change, _) in enumerate(changes)}
    entries, notes = [], []
    for at, (change, tag) in enumerate(changes):
        file = change if last[change] == at else f"{change}{tag or ''}"
        deploy = files.get(f"deploy/{file}.sql")
        if deploy is None:
            notes.append(f"{change} is in sqitch.plan, but deploy/{file}.sql is not there.")
            continue
        entries.append(_Found(Migration(file, deploy, files.get(f"revert/{file}.sql")), (at,)))
    return entries, notes
