# SPDX-License-Identifier: Apache-2.0
"""Does the operator know who is finished, who comes first, and which event is news?"""

from __future__ import annotations

from typing import Any

import pytest

from backstitch.adapters.kube import Key
from backstitch.app.registry import Registry, seen_of
from backstitch.model.names import FINALIZER, RETRY
from backstitch.model.states import RESTING, State


def an_object(
    name: str = "m1", *, state: State | None = State.SUCCEEDED, version: str = "1", **changes: Any
) -> dict[str, Any]:
    """A DatabaseMigration as the API server gives it; `changes` go into metadata, `status` over the status."""
    status = {"observedGeneration": 1, "state": state.value} if state else {"observedGeneration": -1}
    status |= changes.pop("status", {})
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "generation": 1,
        "creationTimestamp": "2026-11-24T10:00:00Z",
    }
    return {
        "metadata": metadata | changes,
        "spec": {"targetRef": {"name": "main"}, "version": version},
        "status": status,
    }


@pytest.mark.parametrize("state", list(State))
def test_an_object_is_finished_only_in_a_resting_state(state: State) -> None:
    assert seen_of(an_object(state=state)).is_finished is (state in RESTING)


@pytest.mark.parametrize(
    "status",
    [
        {"state": "WaitingForWhatLaterVersionsKnow"},
        {"revertUntil": "2026-13-45", "state": "Pending"},
        {"handledRequests": 7, "state": "Pending"},
    ],
)
def test_a_status_of_another_version_is_looked_at_again(status: dict[str, Any]) -> None:
    seen = seen_of(an_object(status=status))
    assert (seen.state, seen.revert_until, seen.handled) == (State.PENDING, None, ())
    assert not seen.is_finished


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": 2},
        {"annotations": {RETRY: "now"}},
        {"annotations": {RETRY: "two"}, "status": {"handledRequests": ["retry:one"]}},
        {"finalizers": [FINALIZER]},
        {"status": {"observedGeneration": -1}},
    ],
)
def test_work_is_left_when_something_is_new_or_held(changes: dict[str, Any]) -> None:
    assert not seen_of(an_object(**changes)).is_finished


def test_an_old_request_leaves_no_work() -> None:
    body = an_object(annotations={RETRY: "one"}, status={"handledRequests": ["retry:one"]})
    assert seen_of(body).is_finished


def test_a_new_object_has_no_status_yet_and_is_pending() -> None:
    seen = seen_of(an_object(state=None))
    assert seen.state is State.PENDING
    assert not seen.is_finished


def test_our_own_status_writes_are_no_news_but_what_people_say_is() -> None:
    registry = Registry()
    assert registry.see(seen_of(an_object(state=None)))
    assert not registry.see(seen_of(an_object(state=State.MIGRATING, resourceVersion="2")))
    assert not registry.see(seen_of(an_object(state=State.MIGRATING, finalizers=[FINALIZER])))
    assert registry.see(seen_of(an_object(state=State.MIGRATING, annotations={RETRY: "x"})))
    assert registry.see(seen_of(an_object(state=State.MIGRATING, deletionTimestamp="2026-11-24T10:01:00Z")))


def test_a_finished_object_seen_at_start_is_no_news() -> None:
    assert not Registry().see(seen_of(an_object()))


def test_an_object_that_is_gone_counts_as_deleted_and_a_newer_one_of_its_name_is_another() -> None:
    registry = Registry()
    registry.see(seen_of(an_object()))
    assert registry.asked(Key("shop", "m1"), "uid-m1").deleted is False
    assert registry.forget(Key("shop", "m1"), "another") is None
    registry.see(seen_of(an_object(uid="newer")))
    assert registry.asked(Key("shop", "m1"), "uid-m1").deleted is True
    assert registry.asked(Key("shop", "m1"), "newer").deleted is False


def test_siblings_are_of_the_same_target_and_changed_specs_count_as_pending() -> None:
    registry = Registry()
    mine = seen_of(an_object("m2", version="2", state=None))
    registry.see(mine)
    registry.see(seen_of(an_object("m1", state=State.ROLLED_BACK, generation=2)))
    registry.see(seen_of(an_object("m0", state=State.ROLLED_BACK)))
    elsewhere = an_object("x1")
    elsewhere["spec"]["targetRef"]["name"] = "other"
    registry.see(seen_of(elsewhere))
    assert {(s.name, s.state) for s in registry.siblings(mine)} == {
        ("m1", State.PENDING),
        ("m0", State.ROLLED_BACK),
    }


@pytest.mark.parametrize(
    "mine, other, taken",
    [
        ({"creationTimestamp": "2026-11-24T10:00:01Z"}, {}, True),
        ({}, {"creationTimestamp": "2026-11-24T10:00:01Z"}, False),
        ({}, {}, True),  # the name decides: "a" before "b"
        ({}, {"creationTimestamp": "2026-11-24T11:00:00Z", "state": State.SUCCEEDED}, True),
        ({}, {"deletionTimestamp": "2026-11-24T11:00:00Z"}, False),
    ],
)
def test_who_was_first_keeps_a_version(mine: dict[str, Any], other: dict[str, Any], taken: bool) -> None:
    registry = Registry()
    me = seen_of(an_object("b", **{"state": State.PENDING} | mine))
    registry.see(me)
    registry.see(seen_of(an_object("a", **{"state": State.PENDING} | other)))
    rival = registry.version_taken_by(me)
    assert (rival.key.name if rival else None) == ("a" if taken else None)
