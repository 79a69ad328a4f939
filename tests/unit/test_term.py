# SPDX-License-Identifier: Apache-2.0
"""Does a mark tell which leader came first, of one Lease only?"""

from __future__ import annotations

import pytest

from backstitch.adapters.postgres import application_name
from backstitch.core.term import Term

FIRST, SECOND, OTHER = Term("1a2b3c4d", 1), Term("1a2b3c4d", 2), Term("ffffffff", 1)


def test_a_mark_is_read_back_from_a_sessions_name() -> None:
    for purpose in ("shop/full-name", "ä" * 80, "x" * 200):
        name = application_name(purpose, SECOND.mark)
        assert len(name.encode()) <= 63
        assert name.startswith("backstitch/")
        assert Term.read(name) == SECOND


@pytest.mark.parametrize(
    "text", ["", "backstitch/shop/x", "#1a2b3c4d.", "#1a2b3c4d.2 more", "#1A2B3C4D.2", "# 1a2b3c4d.2"]
)
def test_what_is_no_mark_is_none(text: str) -> None:
    assert Term.read(text) is None


def test_only_an_earlier_term_of_the_same_lease_comes_before() -> None:
    assert SECOND.is_after(FIRST)
    assert not FIRST.is_after(SECOND)
    assert not SECOND.is_after(SECOND)
    assert not SECOND.is_after(OTHER)
    assert not SECOND.is_after(None)
