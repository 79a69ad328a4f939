# SPDX-License-Identifier: Apache-2.0
"""Does a DatabaseMigration that is applied end Succeeded, RolledBack or Refused, and is that what kubectl shows?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from dev.processes import ServerError
from tests.plugins.operator import Shop, condition, eventually

ADD = {"name": "add", "addColumn": {"table": "users", "column": "nick", "type": "text"}}
BUMP: dict[str, Any] = {"name": "bump", "sql": {"up": "UPDATE users SET name = name || '!' WHERE id <= 50"}}
IMPOSSIBLE = {"name": "impossible", "query": "SELECT count(*) FROM users", "expect": {"type": "number", "equals": 7}}


def digest(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows("select id, name from users order by id")


def test_applied_it_succeeds_and_kubectl_shows_it(shop: Shop) -> None:
    shop.create_target("staging")
    shop.apply(shop.migration("m1", ADD))
    shop.kubectl("wait", "--for=condition=Ready", f"dbm/{shop.name}-m1", "--timeout=60s")
    assert "nick" in shop.columns("users")
    status = shop.read("m1")["status"]
    assert (status["state"], status["progress"]) == ("Succeeded", "1/1 100%")
    assert status["backup"]["proven"] is True
    eventually(lambda: "finalizers" not in shop.read("m1")["metadata"], what="the finalizer's end")
    table = shop.kubectl("get", "dbmigrations", f"{shop.name}-m1", "-o", "wide")
    assert "Succeeded" in table
    assert "1/1 100%" in table
    described = shop.kubectl("describe", "dbm", f"{shop.name}-m1")
    for reason in ("BackingUp", "Migrating", "Verifying", "Succeeded"):
        assert f"Normal  {reason}" in described
    eventually(
        lambda: '"schemaVersion": "1"' in shop.kubectl("get", "mt", shop.name, "-o", "json"),
        what="the target's schema version",
    )


def test_a_failing_check_rolls_it_back_and_the_rows_are_as_before(shop: Shop) -> None:
    before = digest(shop)
    shop.apply(shop.migration("m1", ADD, BUMP, checks=[IMPOSSIBLE]))
    status = shop.wait("m1", "RolledBack")
    assert digest(shop) == before
    assert "nick" not in shop.columns("users")
    assert condition(status, "RolledBack")["reason"] == "Identical"
    assert condition(status, "Stalled")["status"] == "True"
    assert condition(status, "Ready")["status"] == "False"
    assert "impossible" in condition(status, "Verified")["message"]


def test_what_cannot_run_is_refused_with_the_reason_and_nothing_is_touched(shop: Shop) -> None:
    step = {"name": "add", "addColumn": {"table": "user", "column": "nick", "type": "text"}}
    shop.apply(shop.migration("m1", step))
    status = shop.wait("m1", "Refused")
    assert "user" in status["message"]
    assert "users" in status["message"]  # the near name
    assert condition(status, "Stalled")["reason"] == "Refused"
    assert shop.rows("select to_regnamespace('backstitch')") == [(None,)]


def test_a_retry_after_a_failure_runs_it_again_once(shop: Shop) -> None:
    shop.apply(shop.migration("m1", BUMP, checks=[{**IMPOSSIBLE, "query": "SELECT count(*) FROM orders"}]))
    shop.wait("m1", "RolledBack")
    shop.rows("delete from orders where id > 7 returning 1")
    shop.annotate("m1", "retry", "now")
    status = shop.wait("m1", "Succeeded")
    assert status["attempt"] == 2
    assert shop.rows("select count(*) from users where name like '%!'") == [(50,)]


def test_a_finished_object_deleted_and_created_again_changes_nothing(shop: Shop) -> None:
    shop.apply(shop.migration("m1", BUMP))
    shop.wait("m1", "Succeeded")
    after = digest(shop)
    for _ in range(2):
        shop.delete("m1")
        assert digest(shop) == after
        shop.apply(shop.migration("m1", BUMP))
        status = shop.wait("m1", "Succeeded")
        assert status["attempt"] == 1
        assert digest(shop) == after


def test_the_same_name_with_other_content_is_refused(shop: Shop) -> None:
    shop.apply(shop.migration("m1", BUMP))
    shop.wait("m1", "Succeeded")
    shop.delete("m1")
    after = digest(shop)
    shop.apply(shop.migration("m1", ADD))
    status = shop.wait("m1", "Refused")
    assert status["reason"] == "ContentChanged"
    assert digest(shop) == after
    assert "nick" not in shop.columns("users")


def test_a_started_spec_cannot_be_changed(shop: Shop) -> None:
    shop.apply(shop.migration("m1", ADD))
    shop.wait("m1", "Succeeded")
    with pytest.raises(ServerError, match="its spec is frozen"):
        shop.apply(shop.migration("m1", BUMP))


def test_two_versions_run_in_order_although_they_come_at_once(shop: Shop) -> None:
    first = {"name": "first", "sql": {"up": "CREATE TABLE log (version int); INSERT INTO log VALUES (1)"}}
    second = {
        "name": "second",
        "sql": {"up": "INSERT INTO log VALUES (2)", "down": "DELETE FROM log WHERE version = 2"},
    }
    shop.apply(shop.migration("m1", first, version="9"), shop.migration("m2", second, version="10"))
    shop.wait("m2", "Succeeded")
    assert shop.rows("select version from log") == [(1,), (2,)]


def test_a_dependency_is_waited_for_by_name(shop: Shop) -> None:
    shop.apply(shop.migration("m2", BUMP, version="2", dependsOn=[{"name": f"{shop.name}-m1"}]))
    status = shop.wait("m2", "Waiting")
    assert f"{shop.name}-m1" in status["message"]
    assert condition(status, "Reconciling")["status"] == "True"
    shop.apply(shop.migration("m1", ADD, version="1"))
    shop.wait("m2", "Succeeded")
    assert shop.read("m1")["status"]["state"] == "Succeeded"


def test_two_objects_with_one_version_and_the_later_is_refused(shop: Shop) -> None:
    shop.apply(shop.migration("m1", ADD))
    shop.wait("m1", "Succeeded")
    shop.apply(shop.migration("m2", BUMP))
    status = shop.wait("m2", "Refused")
    assert status["reason"] == "VersionTaken"
    assert f"{shop.name}-m1" in status["message"]


def test_a_missing_target_is_waited_for(shop: Shop) -> None:
    shop.kubectl("delete", "mt", shop.name)
    shop.apply(shop.migration("m1", ADD))
    status = shop.wait_for("m1", "{.status.reason}", "TargetMissing")
    assert status["state"] == "Waiting"
    shop.create_target()
    shop.wait("m1", "Succeeded")


def test_a_missing_secret_is_waited_for(shop: Shop) -> None:
    shop.kubectl("delete", "secret", shop.secret)
    shop.apply(shop.migration("m1", ADD))
    status = shop.wait_for("m1", "{.status.reason}", "SecretMissing")
    assert shop.secret in status["message"]
    shop.create_secret()
    shop.wait("m1", "Succeeded")


def test_a_wrong_password_is_said_and_mended_by_the_secret_alone(shop: Shop) -> None:
    right = shop.database.url
    password = right.partition("://")[2].partition("@")[0].partition(":")[2]
    shop.create_secret(right.replace(password, "not-the-pass-word"))
    shop.apply(shop.migration("m1", ADD))
    status = shop.wait_for("m1", "{.status.reason}", "WrongPassword")
    assert condition(status, "Ready")["status"] == "False"
    assert "not-the-pass-word" not in json.dumps(shop.read("m1"))
    shop.create_secret()
    shop.wait("m1", "Succeeded")


def test_what_only_a_person_can_mend_is_stalled_until_the_target_changes(shop: Shop) -> None:
    shop.create_target("staging", backup={"url": "s3://No_Such_Bucket_Name/x"})
    shop.apply(shop.migration("m1", ADD))
    status = shop.wait_for("m1", "{.status.reason}", "StorageInvalid")
    assert condition(status, "Stalled")["status"] == "True"
    assert condition(status, "Reconciling") == {}
    assert "No_Such_Bucket_Name" in status["message"]
    shop.create_target("staging")
    shop.wait("m1", "Succeeded")


def test_sql_from_a_config_map_that_comes_later(shop: Shop) -> None:
    source = {"configMap": f"{shop.name}-sql", "key": "up.sql"}
    shop.apply(shop.migration("m1", {"name": "run", "sql": {"upFrom": source}}))
    status = shop.wait_for("m1", "{.status.reason}", "ConfigMapMissing")
    assert f"{shop.name}-sql" in status["message"]
    assert "up.sql" in status["message"]
    shop.kubectl("create", "configmap", f"{shop.name}-sql", f"--from-literal=up.sql={BUMP['sql']['up']}")
    shop.wait("m1", "Succeeded")
    assert shop.rows("select count(*) from users where name like '%!'") == [(50,)]


def test_a_rollback_within_the_revert_window_by_annotation(shop: Shop) -> None:
    before = digest(shop)
    shop.apply(shop.migration("m1", BUMP))
    shop.wait("m1", "Succeeded")
    shop.annotate("m1", "rollback", "please")
    status = shop.wait("m1", "RolledBack")
    assert digest(shop) == before
    assert condition(status, "RolledBack")["status"] == "True"
    assert "rollback:please" in status["handledRequests"]
