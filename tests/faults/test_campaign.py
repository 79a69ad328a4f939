# SPDX-License-Identifier: Apache-2.0
"""A short campaign with a fixed seed, as a test: migrations under faults, nothing deviates. The long one is a tool."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.faults.campaign import cases_of, run_campaign
from tests.faults.campaign_cases import FAMILIES, WISHES
from tests.faults.campaign_faults import KINDS, faults

NUMBER, SEED, GAP_S = 8, 7, 2.0


@pytest.mark.timeout(600)
def test_a_short_campaign_deviates_nowhere() -> None:
    result, text = run_campaign(NUMBER, SEED, gap_s=GAP_S)
    print(text)
    assert result.deviations == []
    assert sum(result.ends.values()) == NUMBER
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
