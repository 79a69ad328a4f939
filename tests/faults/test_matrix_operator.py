# SPDX-License-Identifier: Apache-2.0
"""Faults of docs/fault-matrix.md around the objects: taken away, made anew, rotated, in the middle of a run."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

from tests.e2e.test_operator_trouble import BUMPED, STEPS, held, in_the_middle
from tests.plugins.operator import Shop, eventually

TERMINATE = (
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'backstitch/%' and "
    "datname = current_database()"
)


def state_of(shop: Shop) -> str:
    return str(shop.rows("select state from backstitch.migrations")[0][0])


def test_removed_by_force_and_made_anew_in_the_middle_it_goes_on(own_shop: Shop) -> None:
    own_shop.operator.start()
    with held(own_shop):
        own_shop.apply(own_shop.migration("m1", *STEPS))
        in_the_middle(own_shop)
        own_shop.operator.kill()
        own_shop.delete("m1", wait=False)
        own_shop.kubectl("patch", "dbm", "shop-m1", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert own_shop.read("m1") == {}
        own_shop.apply(own_shop.migration("m1", *STEPS))
        own_shop.operator.start()
        in_the_middle(own_shop)
    own_shop.wait("m1", "Succeeded")
    assert own_shop.rows(BUMPED) == [(50,)]
    assert own_shop.rows("select count(*) from backstitch.migrations") == [(1,)]


def test_a_namespace_that_goes_away_leaves_no_half_done_database(own_shop: Shop) -> None:
    own_shop.operator.start()
    with held(own_shop):
        own_shop.apply(own_shop.migration("m1", *STEPS))
        in_the_middle(own_shop)
        own_shop.kubectl("delete", "namespace", own_shop.namespace, "--wait=false")
        # what the namespace controller does then, in no order that anybody may rely on: the Secret first
        own_shop.kubectl("delete", "secrets,mt", "--all", "--wait=false")
        own_shop.delete("m1", wait=False)
    eventually(lambda: own_shop.read("m1") == {}, 60, "the object's end")
    assert state_of(own_shop) == "RolledBack"
    assert own_shop.rows(BUMPED) == [(0,)]


def test_a_password_that_is_changed_in_the_middle_is_read_anew(own_shop: Shop) -> None:
    role, old, new = f"login_{secrets.token_hex(4)}", secrets.token_hex(8), secrets.token_hex(8)
    database = own_shop.database
    database.psql(f"create role {role} login createdb password '{old}' in role app_owner", superuser=True)
    try:
        scheme, rest = database.url.split("://")
        url = f"{scheme}://{role}:PASSWORD@{rest.partition('@')[2]}"
        own_shop.create_secret(url.replace("PASSWORD", old))
        own_shop.create_target("staging", ownerRole="app_owner")
        own_shop.operator.start()
        with held(own_shop):
            own_shop.apply(own_shop.migration("m1", *STEPS))
            in_the_middle(own_shop)
            database.psql(f"alter role {role} password '{new}'", superuser=True)
            database.psql(TERMINATE, superuser=True)  # the old password is of no use any more
            own_shop.create_secret(url.replace("PASSWORD", new))
            in_the_middle(own_shop)
        own_shop.wait("m1", "Succeeded")
        assert own_shop.rows(BUMPED) == [(50,)]
        assert old not in own_shop.operator.log.read_text()
    finally:
        own_shop.operator.stop()
        database.psql(f"reassign owned by {role} to app_owner; drop owned by {role}", superuser=True)
        database.psql(f"drop role {role}", superuser=True)


def test_an_annotation_in_the_middle_does_not_stop_the_status(own_shop: Shop) -> None:
    own_shop.operator.start()
    with held(own_shop):
        own_shop.apply(own_shop.migration("m1", *STEPS))
        in_the_middle(own_shop)
        for n in range(5):  # each changes the resourceVersion that the operator knows
            own_shop.kubectl("annotate", "--overwrite", "dbm/shop-m1", f"example.com/n={n}")
    status: dict[str, Any] = own_shop.wait("m1", "Succeeded")
    assert status["steps"][2]["state"] == "done"


def test_wrong_keys_of_the_store_stop_it_before_the_first_change(own_shop: Shop, bucket: str, s3_server: Any) -> None:
    keys = {"accessKeyId": s3_server.access_key, "secretAccessKey": "x" * 40}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in keys.items()}
    own_shop.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3"}, "data": data})
    place = {"url": f"s3://{bucket}/x", "endpoint": s3_server.endpoint, "region": "us-east-1", "secretName": "s3"}
    own_shop.create_target("staging", backup=place)
    own_shop.operator.start()
    own_shop.apply(own_shop.migration("m1", *STEPS))
    status = own_shop.wait("m1", "Stopped")
    assert "x" * 40 not in json.dumps(status)
    assert own_shop.rows(BUMPED) == [(0,)]
