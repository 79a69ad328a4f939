# SPDX-License-Identifier: Apache-2.0
"""What do the backup tests share? A small shop, the ports of a backup on it, and what to look for afterwards."""

from __future__ import annotations

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.conninfo import parse_url
from backstitch.adapters.dump import open_archiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.engine.backup import BackupPorts
from backstitch.engine.scratch import SCRATCH_PREFIX
from backstitch.model.backup import BackupRequest
from tests.fakes import MemoryStore
from tests.plugins.pg import TestDatabase

REQUEST = BackupRequest(namespace="shop", name="change", attempt="a1", version="1", fingerprint="f")
KEYS = [f"shop/change/a1/{name}" for name in ("full.pgc", "manifest.json", "proof.json", "schema.pgc")]

OURS = "FROM pg_stat_activity WHERE application_name LIKE 'backstitch/%' AND datname = current_database()"

SHOP = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, mood mood, notes json, paid money, at timestamptz);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int REFERENCES users, note text);
CREATE TABLE days (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE days_2026 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW happy AS SELECT * FROM users WHERE mood = 'happy';
CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM users;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO users SELECT g, 'n' || g, 'happy', '{"a":  1}', 1.5, now() FROM generate_series(1, 300) g;
INSERT INTO orders (user_id, note) SELECT g, '<a/>' FROM generate_series(1, 300) g;
INSERT INTO days SELECT '2026-01-01'::date + g, g FROM generate_series(0, 99) g;
CREATE SCHEMA backstitch;
CREATE TABLE backstitch.migrations (a int);
CREATE SCHEMA backstitch_quarantine;
CREATE TABLE backstitch_quarantine.dropped AS SELECT 1 AS a;
"""


async def ports_of(database: TestDatabase, url: str | None = None, store: MemoryStore | None = None) -> BackupPorts:
    target = PostgresDatabase.of(parse_url(url or database.url))
    archiver = await open_archiver(target, database.server.major * 10000)
    return BackupPorts(target, archiver, store or MemoryStore(), SystemClock())


def scratch_left(database: TestDatabase) -> list[str]:
    rows = database.psql("SELECT datname FROM pg_database", superuser=True)
    return [name for (name,) in rows if name.startswith(SCRATCH_PREFIX)]


def store_of(ports: BackupPorts) -> MemoryStore:
    assert isinstance(ports.store, MemoryStore)
    return ports.store
