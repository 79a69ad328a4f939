# SPDX-License-Identifier: Apache-2.0
"""Does the life cycle's table keep its promises, whatever the order of events?"""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstitch.model.states import RESTING, TOUCHED, TRANSITIONS, Event, State, next_state, why_ignored
from backstitch.model.states_diagram import diagram

PEOPLE = {Event.RETRY_REQUESTED, Event.ROLLBACK_REQUESTED, Event.SPEC_CHANGED}
LEFT_ALONE = [(state, event) for state, event in product(State, Event) if (state, event) not in TRANSITIONS]


def into(state: State) -> set[tuple[State, Event]]:
    return {pair for pair, after in TRANSITIONS.items() if after is state and pair[0] is not state}


def reachable(start: State, *, without: frozenset[Event] = frozenset()) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        here = todo.pop()
        for (state, event), after in TRANSITIONS.items():
            if state is here and event not in without and after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def test_migrating_is_entered_only_from_a_proof() -> None:
    """From a proven backup, a proven rehearsal, or checks of the phase before that hold."""
    assert into(State.MIGRATING) == {
        (State.BACKING_UP, Event.BACKUP_PROVEN),
        (State.REHEARSING, Event.REHEARSAL_PROVEN),
        (State.VERIFYING, Event.PHASE_VERIFIED),
    }


def test_succeeded_is_entered_only_from_checks_that_hold() -> None:
    assert into(State.SUCCEEDED) == {(State.VERIFYING, Event.ALL_VERIFIED)}


def test_rolled_back_is_entered_only_from_a_proof() -> None:
    assert into(State.ROLLED_BACK) == {(State.ROLLING_BACK, Event.ROLLBACK_PROVEN)}


@pytest.mark.parametrize("state", sorted(TOUCHED))
def test_a_touched_database_ends_in_one_of_three(state: State) -> None:
    """Until a person asks for something new."""
    ends = reachable(state, without=frozenset(PEOPLE)) & RESTING
    assert ends <= {State.SUCCEEDED, State.ROLLED_BACK, State.NEEDS_HELP}
    assert ends


@pytest.mark.parametrize("state", State)
def test_a_resting_state_is_reachable_from_everywhere(state: State) -> None:
    assert reachable(state) & RESTING


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached_from_the_start(state: State) -> None:
    assert state in reachable(State.PENDING)


@pytest.mark.parametrize("state", sorted(RESTING))
def test_a_resting_state_is_left_only_at_a_persons_wish(state: State) -> None:
    assert {event for (before, event) in TRANSITIONS if before is state} <= PEOPLE


@pytest.mark.parametrize("state", [State.STOPPED, State.REFUSED])
def test_what_says_nothing_was_touched_is_not_entered_from_a_touched_state(state: State) -> None:
    assert {before for before, _ in into(state)} & (TOUCHED | {State.NEEDS_HELP}) == set()


@pytest.mark.parametrize(("state", "event"), LEFT_ALONE, ids=lambda v: v.name.lower())
def test_a_pair_that_is_not_listed_changes_nothing_for_a_stated_reason(state: State, event: Event) -> None:
    assert next_state(state, event) is state
    assert (why_ignored(state, event) or "").endswith((".", ";"))


@pytest.mark.parametrize(("state", "event"), TRANSITIONS, ids=lambda v: v.name.lower())
def test_a_listed_pair_has_no_reason_to_be_ignored(state: State, event: Event) -> None:
    assert why_ignored(state, event) is None


@given(st.lists(st.sampled_from(Event), max_size=60))
def test_no_order_of_events_breaks_a_promise(events: list[Event]) -> None:
    state, touched, last_proof = State.PENDING, False, None
    for event in events:
        before, state = state, next_state(state, event)
        if state is State.PENDING:
            touched, last_proof = False, None  # a new attempt
        if state in TOUCHED and before not in TOUCHED and not touched:
            assert last_proof is not None or event in (Event.BACKUP_PROVEN, Event.REHEARSAL_PROVEN)
        touched = touched or state in TOUCHED
        if event in (Event.BACKUP_PROVEN, Event.BACKUP_PROVEN_REHEARSAL_ASKED) and before is State.BACKING_UP:
            last_proof = event
        if state in RESTING and touched:
            assert state in (State.SUCCEEDED, State.ROLLED_BACK, State.NEEDS_HELP)
        if state is State.SUCCEEDED and before is not state:
            assert (before, event) == (State.VERIFYING, Event.ALL_VERIFIED)


def test_the_diagram_has_every_state_and_every_transition() -> None:
    text = diagram()
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "stateDiagram-v2"
    assert f"[*] --> {State.PENDING}" in lines
    for (before, event), after in TRANSITIONS.items():
        assert any(line.startswith(f"{before} --> {after}: ") and event.value in line for line in lines)
    for state in RESTING:
        assert f"{state} --> [*]" in lines
