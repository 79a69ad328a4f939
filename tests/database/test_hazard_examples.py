# SPDX-License-Identifier: Apache-2.0
"""The examples of hazards on real servers: is the good one accepted, and does the bad one take the lock we say?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from backstitch.core import hazards_session
from backstitch.core.hazard import Rule
from backstitch.core.hazards import RULES
from backstitch.model.script import Statement, split
from tests.plugins.pg import PgCluster

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "hazards"

SHOP = """
CREATE ROLE shop_admin; CREATE ROLE shop_reader;
GRANT shop_admin TO CURRENT_USER;
CREATE SCHEMA archive; CREATE SCHEMA shop;
CREATE TYPE mood AS ENUM ('happy'); CREATE TYPE address AS (city text);
CREATE DOMAIN weight AS integer CONSTRAINT weight_positive CHECK (VALUE > 0);
CREATE SEQUENCE order_numbers;
CREATE TABLE countries (id bigint PRIMARY KEY, name text);
CREATE TABLE customers (id bigint NOT NULL, country_id bigint, UNIQUE (id));
CREATE UNIQUE INDEX customers_id ON customers (id);
CREATE TABLE documents (id bigint);
CREATE TABLE orders (
  id bigint PRIMARY KEY, customer_id bigint, country_id bigint, total numeric(10,2), note varchar(20), status text,
  code text, span tstzrange, placed_at timestamptz NOT NULL DEFAULT now(),
  gross numeric GENERATED ALWAYS AS (total * 1.2) STORED,
  CONSTRAINT orders_note_present CHECK (note IS NOT NULL));
CREATE INDEX orders_customer_id ON orders (customer_id); CREATE INDEX orders_status ON orders (status);
CREATE UNIQUE INDEX orders_code ON orders (code);
INSERT INTO orders (id, note, status, code) SELECT n, 'n', 's', n::text FROM generate_series(1, 100) n;
CREATE TABLE archive_orders (id bigint PRIMARY KEY, total numeric);
CREATE TABLE crowded (id bigint, a text, b text);
CREATE TABLE events (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2027 (LIKE events INCLUDING ALL);
CREATE VIEW open_orders AS SELECT id, total FROM orders WHERE status = 'open';
CREATE MATERIALIZED VIEW sales AS SELECT id, total FROM orders; CREATE UNIQUE INDEX sales_id ON sales (id);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PUBLICATION feed FOR TABLE countries;
"""

# What an example takes for granted; run before it in the same transaction. (Its locks stay too, so where it locks
# the same table, the test shows that the example runs and no more.)
TRIGGER = "CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch()"
CHECK = "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0) NOT VALID"
BEFORE = {
    "add-column-stored-generated": "ALTER TABLE orders DROP COLUMN gross",
    "generated-kind-unsaid": "ALTER TABLE orders DROP COLUMN gross",
    "add-column-not-null-without-default": "TRUNCATE orders",
    "add-column-unique": "ALTER TABLE orders DROP COLUMN code",
    "add-column-references": "ALTER TABLE orders DROP COLUMN country_id",
    "add-column-references-default": "TRUNCATE orders; ALTER TABLE orders DROP COLUMN country_id",
    "add-column-constrained-domain": "DROP DOMAIN weight",
    "alter-column-type": "DROP VIEW open_orders; DROP MATERIALIZED VIEW sales; ALTER TABLE orders DROP COLUMN gross",
    "change-collation": "DROP VIEW open_orders",
    "add-unique-directly": "TRUNCATE orders",
    "primary-key-nullable": "ALTER TABLE orders DROP CONSTRAINT orders_pkey",
    "alter-domain-constraint": "ALTER DOMAIN weight DROP CONSTRAINT weight_positive; CREATE TABLE w (w weight)",
    "create-domain-with-constraint": "DROP DOMAIN weight",
    "drop-table": "DROP VIEW open_orders; DROP MATERIALIZED VIEW sales",
    "create-partition-of": "DROP TABLE events_2027",
    "drop-trigger": TRIGGER,
    "disable-trigger": TRIGGER,
}
# The good examples that need the bad one's object, or none of it.
BEFORE_GOOD = {
    "validate-in-same-transaction": CHECK,
    "alter-domain-constraint": "",
    "drop-schema": "DROP SCHEMA archive",
    "alter-publication": "DROP PUBLICATION feed",
}
EXTENSIONS = {"create-extension", "alter-extension", "drop-extension"}  # a minimal server has none to try with
BAD_NEEDS = {"generated-kind-unsaid": 18, "constraint-not-enforced": 18, "set-expression": 17}
GOOD_NEEDS = {"add-column-stored-generated": 18, "generated-kind-unsaid": 18}
NOT_HERE = {"move-tablespace"}  # a tablespace needs a directory of the server
MODES = {
    "ACCESS EXCLUSIVE": "AccessExclusiveLock",
    "SHARE ROW EXCLUSIVE": "ShareRowExclusiveLock",
    "SHARE UPDATE EXCLUSIVE": "ShareUpdateExclusiveLock",
    "SHARE": "ShareLock",
    "ROW EXCLUSIVE": "RowExclusiveLock",
}
DROPS = {"drop-schema", "cascade"}  # nothing of the shop is in it, so there is nothing to lock
LOCKS = (
    "SELECT DISTINCT l.mode FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' "
    "AND l.relation = ANY (%s)"
)


@pytest.fixture(scope="module")
def shop(pg_cluster: PgCluster) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """One shop for all examples: each is rolled back."""
    with pg_cluster.fresh_database() as database:
        database.psql(SHOP, superuser=True)
        with psycopg.connect(database.superuser_url, autocommit=True) as connection:
            yield connection
        database.psql("DROP OWNED BY shop_admin, shop_reader; DROP ROLE shop_admin, shop_reader", superuser=True)


def _run(shop: psycopg.Connection[tuple[object, ...]], statements: tuple[Statement, ...], before: str) -> set[str]:
    """Run an example and give the modes of lock it took on relations that were there before. Nothing stays."""
    with shop.transaction(force_rollback=True):
        if before:
            shop.execute(before.encode())
        old = [row[0] for row in shop.execute("SELECT oid FROM pg_class WHERE oid >= 16384").fetchall()]
        for statement in statements:
            shop.execute(statement.text.encode())
        return {str(row[0]) for row in shop.execute(LOCKS, (old,)).fetchall()}


def _statements(rule: Rule, name: str) -> tuple[Statement, ...]:
    return split((EXAMPLES / rule.id / f"{name}.sql").read_text(encoding="utf-8"))


def _mode(rule: Rule) -> str:
    """Give the mode a row's words begin with, "" when they speak of no lock on a table that was there."""
    words = re.match(r"[A-Z ]*[A-Z]", rule.lock)
    return MODES.get(words.group(), "") if words else ""


LOCKING = [
    r
    for r in RULES
    if _mode(r) and r.id not in EXTENSIONS | NOT_HERE and all(s.in_transaction for s in _statements(r, "bad"))
]
GOOD = [r for r in RULES if r not in hazards_session.RULES and r.id not in EXTENSIONS]


@pytest.mark.parametrize("rule", LOCKING, ids=lambda rule: rule.id)
def test_the_bad_example_takes_the_lock_we_say(
    shop: psycopg.Connection[tuple[object, ...]], rule: Rule, pg_major: int
) -> None:
    before = BEFORE.get(rule.id, "")
    if pg_major < BAD_NEEDS.get(rule.id, 0):
        with pytest.raises(psycopg.errors.SyntaxError):
            _run(shop, _statements(rule, "bad"), before)
    else:
        assert _mode(rule) in _run(shop, _statements(rule, "bad"), before) or rule.id in DROPS


@pytest.mark.parametrize("rule", GOOD, ids=lambda rule: rule.id)
def test_the_good_example_is_accepted(shop: psycopg.Connection[tuple[object, ...]], rule: Rule, pg_major: int) -> None:
    statements = _statements(rule, "good")
    before = BEFORE_GOOD.get(rule.id, BEFORE.get(rule.id, ""))
    if pg_major < GOOD_NEEDS.get(rule.id, 0):
        with pytest.raises(psycopg.errors.SyntaxError):
            _run(shop, statements, before)
    elif all(s.in_transaction for s in statements):
        _run(shop, statements, before)
    else:
        _run_alone(shop, statements)


def _run_alone(shop: psycopg.Connection[tuple[object, ...]], statements: tuple[Statement, ...]) -> None:
    """Run one CREATE or DROP INDEX CONCURRENTLY, and take it back."""
    (statement,) = statements
    shop.execute(statement.text.encode())
    index = statement.node.text("idxname")
    shop.execute(f'DROP INDEX "{index}"'.encode() if index else b"CREATE INDEX orders_status ON orders (status)")
