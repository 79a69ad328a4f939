# SPDX-License-Identifier: Apache-2.0
"""Do the database fixtures give what the other tests rely on?"""

from __future__ import annotations

import psycopg
import pytest

from tests.plugins.pg import OWNER, PgCluster, TestDatabase


def test_a_database_is_empty_and_owned_by_a_role_that_is_no_superuser(database: TestDatabase) -> None:
    assert database.psql("select count(*) from pg_class where relnamespace = 'public'::regnamespace") == [(0,)]
    owner = database.psql(
        "select rolname, rolsuper, rolcreatedb from pg_database d join pg_roles r on r.oid = d.datdba "
        "where datname = current_database() and current_user = rolname"
    )
    assert owner == [(OWNER, False, True)]


async def test_connections_a_test_leaves_open_do_not_keep_its_database(pg_cluster: PgCluster) -> None:
    database = pg_cluster.create("left_open")
    connection = await database.connect()
    await connection.execute("create table kept (id int)")
    database.psql("begin; insert into kept values (1); prepare transaction 'left'")
    database.close()
    pg_cluster.drop(database)
    left = pg_cluster.admin.execute("select count(*) from pg_database where datname = 'left_open'").fetchone()
    assert left == (0,)


def test_a_durable_server_keeps_committed_rows_over_a_crash_and_its_port(own_database: TestDatabase) -> None:
    assert own_database.psql("show fsync") == [("on",)]
    own_database.psql("create table kept (id int); insert into kept values (7)")
    own_database.server.kill()
    with pytest.raises(psycopg.OperationalError):
        own_database.psql("select 1")
    own_database.server.start()
    assert own_database.psql("select id from kept") == [(7,)]


def test_a_test_that_leaves_the_shared_server_down_does_not_spoil_the_next_one(pg_cluster: PgCluster) -> None:
    with pg_cluster.fresh_database() as database:
        database.server.halt()
    with pg_cluster.fresh_database() as database:
        assert database.psql("select 1") == [(1,)]


def test_servers_want_a_password(database: TestDatabase) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(database.url.replace(f"{OWNER}:", f"{OWNER}:wrong-"))
