# SPDX-License-Identifier: Apache-2.0
"""Is a database that came to rest what it must be? Judged by plain SQL, against a twin and the application's model."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.faults.campaign_application import Row
from tests.faults.campaign_cases import FIXED

_OURS = "'backstitch%'"
_SCHEMA = (
    "select 'table', relname, relkind::text, '' from pg_class where relnamespace = 'public'::regnamespace and "
    f"relkind in ('r', 'v', 'S') and relname not like {_OURS}",
    "select 'column', attrelid::regclass::text, attname, row_number() over (partition by attrelid order by attnum) || "
    "' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' || coalesce(pg_get_expr(adbin, adrelid), '') "
    "from pg_attribute join pg_class c on c.oid = attrelid left join pg_attrdef on adrelid = attrelid and "
    "adnum = attnum where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') and attnum > 0 and not "
    f"attisdropped and attname not like {_OURS}",
    "select 'index', tablename, indexname, indexdef from pg_indexes where schemaname = 'public' and indexname not "
    f"like {_OURS}",
    # NOT NULL is told with the columns; PostgreSQL 18 lists it here too, by names of its own
    "select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) || convalidated from "
    f"pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n' and conname not like {_OURS}",
    "select 'view', viewname, definition, '' from pg_views where schemaname = 'public'",
    "select 'trigger', tgrelid::regclass::text, tgname, '' from pg_trigger where not tgisinternal",
)
_LEFT = {
    "an advisory lock": "select 1 from pg_locks where locktype = 'advisory' and database = (select oid from "
    "pg_database where datname = current_database())",
    "an open transaction": "select 1 from pg_stat_activity where datname = current_database() and "
    "application_name like 'backstitch/%' and state like 'idle in transaction%'",
    "a lock": "select 1 from pg_locks l join pg_stat_activity a using (pid) where a.datname = current_database() "
    "and application_name like 'backstitch/%' and mode like '%Exclusive%' and l.relation is not null",
    "an invalid index": "select 1 from pg_index where not indisvalid",
    "a trigger": "select 1 from pg_trigger where tgname like 'backstitch%'",
    "a scratch database": "select 1 from pg_database where datname like 'backstitch_scratch%' and "
    "shobj_description(oid, 'pg_database') like '%' || current_database() || '%'",
    "a prepared transaction": "select 1 from pg_prepared_xacts where database = current_database()",
}
_APPLICATION = {"balance", "n", "stamp"}


def content(url: str) -> tuple[list[Any], int]:
    """Give the schema and every row that the application does not write, and the number of rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        found: list[Any] = []
        for query in _SCHEMA:
            found += sorted(connection.execute(query).fetchall())
        counted = 0
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and "
            f"relname not like {_OURS} order by 1"
        ).fetchall()
        for (table,) in tables:
            columns = [
                name
                for (name,) in connection.execute(
                    "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not "
                    "attisdropped and attname not like 'backstitch%%' order by attname",
                    (f'public."{table}"',),
                ).fetchall()
                if not (table == "accounts" and name in _APPLICATION)
            ]
            mine = f" where id <= {FIXED}" if table == "accounts" else ""
            listed = ", ".join(f'"{name}"' for name in columns)
            rows = sorted(connection.execute(f'select {listed} from public."{table}"{mine}').fetchall(), key=str)
            counted += len(rows)
            found.append((table, rows))
        return found, counted


def difference(found: list[Any], wanted: list[Any]) -> str:
    """Say in a line what differs."""
    more = [each for each in found if each not in wanted][:3]
    less = [each for each in wanted if each not in found][:3]
    return f"more: {str(more)[:400]} less: {str(less)[:400]}"


def against_model(url: str, model: dict[int, Row]) -> list[str]:
    """Compare the application's table with its model, row by row."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = {
            row: (balance, n, stamp)
            for row, balance, n, stamp in connection.execute("select id, balance, n, stamp from accounts").fetchall()
        }
    wrong = [f"lost account {row}, {model[row]}" for row in model.keys() - found.keys()]
    wrong += [f"account {row} came back or from nowhere, {found[row]}" for row in found.keys() - model.keys()]
    wrong += [
        f"account {row} is {found[row]}, acknowledged was {model[row]}"
        for row in found.keys() & model.keys()
        if found[row] != model[row]
    ]
    return wrong


def left_behind(url: str) -> list[str]:
    """Name what should be gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [what for what, query in _LEFT.items() if connection.execute(query).fetchone()]


def ledger_of(url: str, name: str) -> list[dict[str, Any]]:
    """Give the attempts of a migration, oldest first; none where there is no ledger."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select to_regclass('backstitch.migrations')").fetchone() == (None,):
            return []
        cursor = connection.execute(
            "select id, attempt, state, reason, message, backup->>'proven' as proven, backup->>'place' as place, "
            "rollback->>'verdict' as verdict, handled, started_at, (backup->>'takenAt')::timestamptz as taken_at, "
            "(select count(*) from backstitch.units u where u.migration_id = m.id and u.state = 'done') as done, "
            "(select coalesce(sum(rows), 0) from backstitch.units u where u.migration_id = m.id) as rows "
            "from backstitch.migrations m where name = %s order by id",
            (name,),
        )
        assert cursor.description is not None
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def against_object(status: dict[str, Any], attempt: dict[str, Any]) -> list[str]:
    """Compare the object's status with the ledger."""
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    wanted = {"Ready": "True" if attempt["state"] == "Succeeded" else "False"}
    if attempt["state"] == "RolledBack":
        wanted["RolledBack"] = "True"
    wrong = [f"condition {t} is {conditions.get(t)}" for t, value in wanted.items() if conditions.get(t) != value]
    if status.get("state") != attempt["state"]:
        wrong.append(f"the object says {status.get('state')}, the ledger {attempt['state']}")
    if "Reconciling" in conditions and conditions["Reconciling"] == "True":
        wrong.append("a resting object is still Reconciling")
    return wrong


def backup_came_first(attempt: dict[str, Any]) -> list[str]:
    """Tell whether a change was made without a proven backup before it."""
    if attempt["started_at"] is None:
        return []  # nothing was changed
    if attempt["proven"] != "true":
        return ["steps were run without a proven backup"]
    if attempt["taken_at"] is not None and attempt["taken_at"] > attempt["started_at"]:
        return ["the backup is younger than the first step"]
    return []
