# SPDX-License-Identifier: Apache-2.0
"""A small catalog and the two calls that the tests of the sql step share."""

from __future__ import annotations

from backstitch.model.facts import Column, Facts, Index, Table
from backstitch.model.operations.base import StepContext
from backstitch.model.operations.run_sql import RunSql


def some_facts() -> Facts:
    users = Table(
        name="users",
        columns=(
            Column(name="id", type="bigint", not_null=True),
            Column(name="name", type="text"),
            Column(name="code", type="character varying(10)"),
        ),
        indexes=(
            Index(
                name="users_pkey",
                definition="CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id)",
                columns=("id",),
                unique=True,
                primary=True,
                constraint="users_pkey",
            ),
            Index(
                name="users_name",
                definition="CREATE INDEX users_name ON public.users USING btree (name)",
                columns=("name",),
                clustered=True,
                comment="it's quick",
            ),
        ),
    )
    log = Table(name="log", columns=(Column(name="line", type="text"),))
    parts = Table(name="parts", kind="partitioned", columns=users.columns, indexes=())
    tables = (users, log, parts)
    return Facts(
        database="shop",
        tables={str(t.qualified): t for t in tables},
        schemas=("public", "app"),
        other_names=("app.seq",),
    )


def a_context(facts: Facts | None = None, **sources: str) -> StepContext:
    named = {key.replace("__", "/"): text for key, text in sources.items()}
    return StepContext(facts=facts or some_facts(), step="s", token="0123abcd", sources=named)


def reasons_of(up: str, down: str | None = None, facts: Facts | None = None) -> tuple[str, ...]:
    return RunSql(up=up, down=down).refuse(a_context(facts))
