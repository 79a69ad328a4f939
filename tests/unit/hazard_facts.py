# SPDX-License-Identifier: Apache-2.0
"""The shop that the examples in tests/data/hazards speak of: large, small, partitioned and crowded tables."""

from __future__ import annotations

from backstitch.model.facts import Column, Constraint, Facts, Index, Table


def _index(table: str, name: str, *columns: str, unique: bool = False, primary: bool = False) -> Index:
    word = "UNIQUE INDEX" if unique else "INDEX"
    definition = f"CREATE {word} {name} ON public.{table} USING btree ({', '.join(columns)})"
    constraint = name if primary else None
    return Index(
        name=name, definition=definition, columns=columns, unique=unique, primary=primary, constraint=constraint
    )


def shop() -> Facts:
    """Give the facts of the sample shop."""
    key = Column(name="id", type="bigint", not_null=True)
    orders = Table(
        name="orders",
        columns=(
            key,
            Column(name="customer_id", type="bigint"),
            Column(name="country_id", type="bigint"),
            Column(name="total", type="numeric(10,2)"),
            Column(name="gross", type="numeric", generated="s"),
            Column(name="note", type="character varying(20)"),
            Column(name="status", type="text"),
            Column(name="code", type="text"),
            Column(name="span", type="tstzrange"),
            Column(name="placed_at", type="timestamp with time zone", not_null=True, default="now()"),
        ),
        constraints=(
            Constraint(
                name="orders_note_present", kind="check", definition="CHECK ((note IS NOT NULL))", columns=("note",)
            ),
        ),
        indexes=(
            _index("orders", "orders_pkey", "id", unique=True, primary=True),
            _index("orders", "orders_customer_id", "customer_id"),
            _index("orders", "orders_status", "status"),
            _index("orders", "orders_code", "code", unique=True),
        ),
        estimated_rows=5_000_000,
        bytes=2_000_000_000,
    )
    customers = Table(
        name="customers",
        columns=(key, Column(name="country_id", type="bigint")),
        indexes=(_index("customers", "customers_id", "id", unique=True),),
        estimated_rows=80_000,
        bytes=100_000_000,
    )
    countries = Table(
        name="countries",
        columns=(key, Column(name="name", type="text")),
        indexes=(_index("countries", "countries_pkey", "id", unique=True, primary=True),),
        estimated_rows=200,
        bytes=16_384,
    )
    events = Table(
        name="events",
        kind="partitioned",
        columns=(key, Column(name="at", type="timestamp with time zone", not_null=True)),
        estimated_rows=40_000_000,
        bytes=9_000_000_000,
    )
    crowded = Table(
        name="crowded",
        columns=(key, Column(name="a", type="text"), Column(name="b", type="text")),
        indexes=tuple(_index("crowded", f"crowded_{n}", "a", "id") for n in range(10)),
        estimated_rows=1_000_000,
        bytes=500_000_000,
    )
    tables = (orders, customers, countries, events, crowded)
    return Facts(
        server_version=180000,
        database="shop",
        tables={str(table.qualified): table for table in tables},
        schemas=("public", "archive"),
    )
