# SPDX-License-Identifier: Apache-2.0
"""A short campaign with a fixed seed, as a test: migrations under faults, nothing deviates. The long one is a tool."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.faults.campaign import cases_of, run_campaign
from tests.faults.campaign_application import Application
from tests.faults.campaign_cases import ACCOUNTS, FAMILIES, WISHES, start_of
from tests.faults.campaign_faults import KINDS, faults
from tests.faults.campaign_oracle import against_model, content, left_behind
from tests.plugins.operator import eventually
from tests.plugins.pg import TestDatabase

NUMBER, SEED, GAP_S = 8, 7, 2.0
LIMIT_S = 70.0  # a busy machine plays fewer


@pytest.mark.timeout(600)
def test_a_short_campaign_deviates_nowhere() -> None:
    result, text = run_campaign(NUMBER, SEED, gap_s=GAP_S, limit_s=LIMIT_S)
    print(text)
    assert result.deviations == []
    assert 2 <= result.ends.total() <= NUMBER
    assert result.writes > 100
    assert result.reads > 50


def test_a_seed_gives_the_same_cases_and_faults_again() -> None:
    assert cases_of(40, SEED) == cases_of(40, SEED)
    assert cases_of(60, SEED)[:40] == cases_of(40, SEED)
    assert cases_of(40, SEED + 1) != cases_of(40, SEED)
    assert list(islice(faults(SEED, 3), 50)) == list(islice(faults(SEED, 3), 50))
    assert list(islice(faults(SEED + 1, 3), 50)) != list(islice(faults(SEED, 3), 50))


def test_a_campaign_has_everything_in_it() -> None:
    cases = cases_of(300, SEED)
    assert {family for case in cases for family in case.families} == set(FAMILIES)
    assert {case.wish for case in cases} == set(WISHES)
    assert {fault.kind for fault in islice(faults(SEED, 3), 500)} == set(KINDS)


TAMPERED = {
    "update accounts set n = n - 1 where id = 5": "acknowledged was",
    "delete from accounts where id = 7": "lost account 7",
    "insert into accounts (id, city) values (99999, 'x')": "from nowhere",
    "update accounts set balance = balance + 1 where id = 9": "acknowledged was",
}


@pytest.mark.parametrize("tamper", TAMPERED)
def test_a_lost_write_is_seen(database: TestDatabase, tamper: str) -> None:
    database.psql(ACCOUNTS)
    application = Application(database.url, SEED)
    application.start()
    try:
        eventually(lambda: application.tally.writes > 40, what="some writes")
        model = application.pause()
        assert against_model(database.url, model) == []
        database.psql(tamper)
        (wrong,) = against_model(database.url, model)
        assert TAMPERED[tamper] in wrong
    finally:
        application.stop()


def test_what_differs_from_the_twin_and_what_is_left_behind_is_seen(database: TestDatabase) -> None:
    database.psql(ACCOUNTS + start_of(1))
    before, counted = content(database.url)
    assert counted == 370
    assert left_behind(database.url) == []
    for change in (
        "update t1 set total = total + 1 where id = 3",
        "alter table t1 alter total set default 7",
        "drop index t1_city",
        "alter table accounts add more int",
        "create view more as select 1 as one",
    ):
        database.psql(change)
        after, _ = content(database.url)
        assert after != before, change
        before = after
    database.psql(
        "create trigger backstitch_x before update on w1 for each row "
        "execute function suppress_redundant_updates_trigger()"
    )
    assert left_behind(database.url) == ["a trigger"]
