# SPDX-License-Identifier: Apache-2.0
"""Which migrations does a campaign run? Mixed from every family of operations, each with its meaning in plain SQL.

A case stands on tables of its own and on `accounts`, which the application writes meanwhile. `goal` says in SQL,
without the software under test, what success means: it is carried out on a twin database, and the two are compared.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

Step = tuple[dict[str, Any], str]
"""One step of a spec without its name, and its meaning in SQL."""

ACCOUNTS = """
create table accounts (id bigint primary key, city text, balance bigint not null default 0,
    n bigint not null default 0, stamp text);
insert into accounts (id, city) select g, 'city ' || g % 7 from generate_series(1, 200) g;
"""
FIXED = 200  # accounts up to this id are never deleted by the application


@dataclass(frozen=True)
class Case:
    """One migration, and what must come of it."""

    number: int
    families: tuple[str, ...]
    start: str
    spec: dict[str, Any]  # phases and checks
    goal: str
    wish: str  # succeed, check fails, step fails, cancel, rollback, rollback after success

    @property
    def name(self) -> str:
        """The name of its DatabaseMigration."""
        return f"c{self.number}"


def start_of(i: int) -> str:
    """The tables of case `i`."""
    return f"""
create table t{i} (id int primary key, name text not null, city text, total int default 5, extra text,
    constraint t{i}_positive check (total >= 0));
create index t{i}_city on t{i} (city);
insert into t{i} select g, 'name ' || g, case when g % 3 = 0 then null else 'city ' || g % 5 end, g, 'x' || g
    from generate_series(1, 120) g;
create table u{i} (id int primary key, name text);
create table v{i} (id int primary key, what text);
insert into v{i} select g, 'what ' || g from generate_series(1, 20) g;
create table w{i} (id int primary key, seen int not null default 0);
insert into w{i} select g, 0 from generate_series(1, 30) g;
"""


def _expand(i: int) -> list[Step]:
    return [
        (
            {"addColumn": {"table": f"t{i}", "column": "full_name", "type": "text"}},
            f"alter table t{i} add full_name text",
        ),
        (
            {"backfill": {"table": f"t{i}", "set": {"full_name": "name || '!'"}, "where": "full_name IS NULL",
                          "batchRows": 25}},
            f"update t{i} set full_name = name || '!'",
        ),
        ({"setNotNull": {"table": f"t{i}", "column": "full_name"}}, f"alter table t{i} alter full_name set not null"),
    ]  # fmt: skip


def _plain(i: int) -> dict[str, list[Step]]:
    """The families that are one step; no two of them touch the same thing."""
    t = f"t{i}"
    columns = [{"name": "id", "type": "bigint"}, {"name": "note", "type": "text", "default": "'x'"}]
    move = {"from": t, "to": f"u{i}", "columns": {"id": "id", "name": "name"}, "where": f"{t}.id % 5 = 0",
            "delete": True, "batchRows": 10}  # fmt: skip
    upsert = {"table": f"w{i}", "rows": [{"values": {"id": "1", "seen": "7"}}, {"values": {"id": "900", "seen": "8"}}],
              "conflict": {"columns": ["id"], "action": "update"}}  # fmt: skip
    sql = f"create view s{i} as select id from t{i}; update w{i} set seen = seen + 1; insert into w{i} values (500, 5)"
    stars = f"update accounts set city = city || '*' where id <= 40 and id % 3 = {i % 3}"
    return {
        "expand": _expand(i),
        "addConstraint": [({"addConstraint": {"table": t, "name": f"{t}_short", "check": "length(name) < 500"}},
                           f"alter table {t} add constraint {t}_short check (length(name) < 500)")],
        "createIndex": [({"createIndex": {"table": t, "name": f"{t}_name", "columns": ["name"]}},
                         f"create index {t}_name on {t} (name)")],
        "createTable": [({"createTable": {"table": f"x{i}", "columns": columns, "primaryKey": ["id"]}},
                         f"create table x{i} (id bigint primary key, note text default 'x')")],
        "deleteRows": [({"deleteRows": {"table": f"v{i}", "where": "id > 12", "batchRows": 3}},
                        f"delete from v{i} where id > 12")],
        "dropColumn": [({"dropColumn": {"table": t, "column": "extra"}}, f"alter table {t} drop extra")],
        "dropConstraint": [({"dropConstraint": {"table": t, "name": f"{t}_positive"}},
                            f"alter table {t} drop constraint {t}_positive")],
        "dropIndex": [({"dropIndex": {"table": t, "name": f"{t}_city"}}, f"drop index {t}_city")],
        "dropNotNull": [({"dropNotNull": {"table": t, "column": "name"}}, f"alter table {t} alter name drop not null")],
        "setDefault": [({"setDefault": {"table": t, "column": "total", "default": "6"}},
                        f"alter table {t} alter total set default 6")],
        "moveRows": [({"moveRows": move},
                      f"insert into u{i} select id, name from {t} where id % 5 = 0; delete from {t} where id % 5 = 0")],
        "renameTable": [({"renameTable": {"table": f"v{i}", "to": f"y{i}"}}, f"alter table v{i} rename to y{i}")],
        "dropTable": [({"dropTable": {"table": f"u{i}"}}, f"drop table u{i}")],
        "updateRows": [({"updateRows": {"table": t, "set": {"total": "total + 1"}, "where": "id % 2 = 0",
                                        "batchRows": 20}}, f"update {t} set total = total + 1 where id % 2 = 0")],
        "upsert": [({"upsert": upsert}, f"insert into w{i} values (1, 7), (900, 8) on conflict (id) do update set "
                    "seen = excluded.seen")],
        "sql": [({"sql": {"up": sql}}, sql)],
        # on the table that the application writes
        "accounts column": [({"addColumn": {"table": "accounts", "column": f"c{i}", "type": "text"}},
                             f"alter table accounts add c{i} text")],
        "accounts backfill": [
            ({"addColumn": {"table": "accounts", "column": f"b{i}", "type": "text"}},
             f"alter table accounts add b{i} text"),
            ({"backfill": {"table": "accounts", "set": {f"b{i}": "'b' || id"}, "where": f"b{i} IS NULL",
                           "batchRows": 60}}, f"update accounts set b{i} = 'b' || id"),
        ],
        "accounts index": [({"createIndex": {"table": "accounts", "name": f"accounts_{i}", "columns": ["city"]}},
                            f"create index accounts_{i} on accounts (city)")],
        "accounts rows": [({"updateRows": {"table": "accounts", "set": {"city": f"city || '+{i}'"},
                                           "where": f"id <= {FIXED} AND id % 4 = {i % 4}", "batchRows": 20}},
                           f"update accounts set city = city || '+{i}' where id <= {FIXED} and id % 4 = {i % 4}")],
        "accounts sql": [({"sql": {"up": stars}}, stars)],
    }  # fmt: skip


FAMILIES = tuple(_plain(0))
_APART = {"moveRows": {"dropTable"}, "dropTable": {"moveRows"}, "deleteRows": {"renameTable"},
          "renameTable": {"deleteRows"}, "sql": {"dropNotNull"}, "dropNotNull": {"expand", "sql"},
          "expand": {"dropNotNull"}}  # fmt: skip
WISHES = {
    "succeed": 50,
    "check fails": 16,
    "step fails": 8,
    "cancel": 8,
    "rollback": 6,
    "rollback after success": 12,
}
_THERE = {"name": "there", "query": "select count(*) from accounts", "expect": {"type": "number", "min": 1}}
_NEVER = {"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}


def a_case(number: int, rng: random.Random) -> Case:
    """Give case `number`; the same for the same state of `rng`."""
    wanted = rng.sample(FAMILIES, k=rng.choice((1, 2, 2, 3, 4)))
    families: list[str] = []
    for family in wanted:
        if not _APART.get(family, set()) & set(families):
            families.append(family)
    wish = rng.choices(tuple(WISHES), tuple(WISHES.values()))[0]
    steps = [step for family in families for step in _plain(number)[family]]
    if wish == "step fails":
        # it passes the plan, and fails on what is in the table
        bad: Step = ({"addConstraint": {"table": f"w{number}", "name": "broken", "check": "id < 3"}}, "")
        steps.append(bad)
    half = rng.randrange(len(steps) + 1)
    named = [{"name": f"s{n}", **spec} for n, (spec, _) in enumerate(steps)]
    phases = [{"name": name, "steps": part} for name, part in (("one", named[:half]), ("two", named[half:])) if part]
    checks = [_NEVER if wish == "check fails" else _THERE]
    return Case(
        number=number,
        families=tuple(families),
        start=start_of(number),
        spec={"phases": phases, "checks": checks},
        goal=";\n".join(goal for _, goal in steps if goal),
        wish=wish,
    )
