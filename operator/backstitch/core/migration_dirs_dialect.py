# SPDX-License-Identifier: Apache-2.0
"""Which files are for PostgreSQL, where a project keeps migrations for several kinds of database side by side?

By a part of the name (`1_users.postgres.up.sql`, with `1_users.up.sql` for the others) or by a folder (`postgres/`).
"""

from __future__ import annotations

from collections.abc import Mapping

_OURS = ("postgres", "postgresql", "pgsql", "psql", "pg")
_OTHERS = frozenset(
    (
        *("mysql", "mysql8", "mariadb", "tidb", "sqlite", "sqlite3", "cockroach", "cockroachdb", "crdb", "mssql"),
        *("sqlserver", "oracle", "h2", "hsqldb", "db2", "spanner", "clickhouse", "duckdb", "derby", "snowflake"),
    )
)
_NEUTRAL = ("all", "any", "common")


def for_postgres(files: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Give the files that PostgreSQL gets, the kind taken out of their names, and a note of what was left out."""
    left_out: set[str] = set()
    folders = {part.lower() for path in files for part in path.split("/")[:-1]}
    by_folder = bool(folders & set(_OURS))
    plain: dict[str, str] = {}
    special: dict[str, str] = {}
    any_kind = any(_kind(path) for path in files)
    for path, text in files.items():
        other = [p for p in path.split("/")[:-1] if by_folder and p.lower() in _OTHERS]
        kind = _kind(path)
        if other or kind in _OTHERS:
            left_out.add(other[0] if other else kind)
        elif kind in _OURS:
            special[_without(path, kind)] = text
        elif any_kind and (neutral := next((n for n in _NEUTRAL if n in _parts(path)), None)):
            plain[_without(path, neutral)] = text
        else:
            plain[path] = text
    notes = [f"Files for {', '.join(sorted(left_out))} were left out."] if left_out else []
    return {**plain, **special}, notes


def _parts(path: str) -> list[str]:
    """Give the parts between dots of a file's name, without the first and the ending, in small letters."""
    return [p.lower() for p in path.rpartition("/")[2].split(".")[1:-1]]


def _kind(path: str) -> str:
    return next((p for p in _parts(path) if p in _OURS or p in _OTHERS), "") if path.endswith(".sql") else ""


def _without(path: str, part: str) -> str:
    folder, slash, name = path.rpartition("/")
    parts = name.split(".")
    at = next(n for n, p in enumerate(parts) if n and p.lower() == part)
    return folder + slash + ".".join(parts[:at] + parts[at + 1 :])
