# SPDX-License-Identifier: Apache-2.0
"""Do the health checks and buttons for Argo CD say what they should, within the limits of its Lua sandbox?

Argo CD runs Lua 5.1 with the base, table and package libraries and an `os` cut to time and date (its util/lua); the
test files have the form of its own resource_customizations/.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from backstitch.core.view_conditions import conditions_of
from backstitch.model import names
from backstitch.model.approval import MigrationApproval
from backstitch.model.record import Record
from backstitch.model.states import TRANSITIONS, Event, State
from dev.chart import ARGOCD

HERE = ARGOCD / "resource_customizations" / "backstitch.dev"
KINDS = sorted(each.name for each in HERE.iterdir())
ACTIONS = HERE / "DatabaseMigration" / "actions"
REQUESTS = {"retry": Event.RETRY_REQUESTED, "rollback": Event.ROLLBACK_REQUESTED, "cancel": Event.STOP_REQUESTED}
BUTTONS = {*REQUESTS, "approve", "pause", "resume"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\d{14}")
MAX_STEPS = 1_000_000  # instructions; Argo CD stops a script after a second


def run_lua(script: str, obj: dict[str, Any]) -> Any:
    lua = lua51.LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    lua.execute(
        """
        local time, date, sethook = os.time, os.date, debug.sethook
        for _, name in ipairs({"string", "math", "io", "debug", "coroutine", "python"}) do
          _G[name] = nil
          package.loaded[name] = nil
        end
        os = {time = time, date = date}
        package.loaded.os = os
        """
        + f'sethook(function() error("the script runs for too long") end, "", {MAX_STEPS})'
    )
    lua.globals().obj = lua.table_from(obj, recursive=True)
    return to_python(lua.execute(script))


def to_python(value: Any) -> Any:
    if lua51.lua_type(value) != "table":
        return value
    keys = list(value)
    if keys and keys == list(range(1, len(keys) + 1)):
        return [to_python(value[key]) for key in keys]
    return {key: to_python(value[key]) for key in keys}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("library", ["string", "math", "io", "debug"])
def test_the_sandbox_lacks_what_argo_cd_takes_away(library: str) -> None:
    with pytest.raises(lua51.LuaError, match=f"global '{library}'"):
        run_lua(f"return {library}.anything", {})


def test_the_sandbox_stops_a_script_that_does_not_end() -> None:
    with pytest.raises(lua51.LuaError, match="too long"):
        run_lua("while true do end", {})


@pytest.mark.parametrize("kind", KINDS)
def test_health_is_as_the_test_file_says(kind: str) -> None:
    script = (HERE / kind / "health.lua").read_text()
    cases = load(HERE / kind / "health_test.yaml")["tests"]
    for case in cases:
        assert run_lua(script, load(HERE / kind / case["inputPath"])) == case["healthStatus"], case["inputPath"]
    assert {case["inputPath"] for case in cases} == {f"testdata/{p.name}" for p in (HERE / kind / "testdata").iterdir()}


@pytest.mark.parametrize("state", list(State))
def test_health_follows_what_the_operator_writes(state: State) -> None:
    record = Record(namespace="shop", name="add-points", version="42", state=state)
    conditions = [
        each.model_dump(mode="json", by_alias=True)
        for each in conditions_of(record, 1, now=datetime(2026, 1, 1, tzinfo=UTC))
    ]
    status = {"observedGeneration": 1, "state": str(state), "conditions": conditions}
    health = run_lua(
        (HERE / "DatabaseMigration" / "health.lua").read_text(), {"metadata": {"generation": 1}, "status": status}
    )
    expected = {State.SUCCEEDED: "Healthy", State.AWAITING_APPROVAL: "Suspended"} | dict.fromkeys(
        (State.REFUSED, State.ROLLED_BACK, State.STOPPED, State.NEEDS_HELP), "Degraded"
    )
    assert health["status"] == expected.get(state, "Progressing")


def test_discovery_is_as_the_test_file_says() -> None:
    script = (ACTIONS / "discovery.lua").read_text()
    for case in load(ACTIONS / "action_test.yaml")["discoveryTests"]:
        found = run_lua(script, load(ACTIONS / case["inputPath"]))
        assert found == {each.pop("name"): each for each in case["result"]}, case["inputPath"]


@pytest.mark.parametrize("state", list(State))
def test_a_button_is_enabled_exactly_where_the_life_cycle_heeds_it(state: State) -> None:
    status = {"state": str(state), "planDigest": "ab" * 32}
    found = run_lua((ACTIONS / "discovery.lua").read_text(), {"metadata": {}, "status": status})
    enabled = {name for name, action in found.items() if not action["disabled"]}
    expected = {name for name, event in REQUESTS.items() if (state, event) in TRANSITIONS}
    if "cancel" in expected:
        expected |= {"pause"}
    if state is State.AWAITING_APPROVAL:
        expected |= {"approve"}
    assert enabled == expected


def test_actions_do_as_the_test_file_says_and_change_nothing_else() -> None:
    cases = load(ACTIONS / "action_test.yaml")["actionTests"]
    assert {case["action"] for case in cases} == BUTTONS == {p.parent.name for p in ACTIONS.glob("*/action.lua")}
    for case in cases:
        changed = run_lua((ACTIONS / case["action"] / "action.lua").read_text(), load(ACTIONS / case["inputPath"]))
        assert without_times(changed) == without_times(load(ACTIONS / case["expectedOutputPath"])), case["action"]


def without_times(value: Any) -> Any:
    """The same with each time replaced: a button's press is told from the next one by it."""
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_times(each) for each in value]
    return TIME.sub("<time>", value) if isinstance(value, str) else value


def test_the_requests_are_the_annotations_the_operator_reads() -> None:
    for name in REQUESTS:
        assert f"{names.GROUP}/{name}" in {names.RETRY, names.ROLLBACK, names.CANCEL}
    assert f"{names.GROUP}/pause" == names.PAUSE


def test_the_approval_is_one_that_the_models_take() -> None:
    (created,) = load(ACTIONS / "testdata" / "awaiting_approval_approve.yaml")
    assert created["operation"] == "create"
    approval = MigrationApproval.model_validate(created["resource"])
    assert approval.spec.approver == "system:serviceaccount:argocd:argocd-server"


def test_the_settings_hold_every_script() -> None:
    data = load(ARGOCD / "argocd-cm.yaml")["data"]
    for kind in KINDS:
        obj = load(HERE / kind / "testdata" / "new.yaml")
        assert run_lua(data[f"resource.customizations.health.backstitch.dev_{kind}"], obj)["status"] == "Progressing"
    actions = yaml.safe_load(data["resource.customizations.actions.backstitch.dev_DatabaseMigration"])
    assert set(run_lua(actions["discovery.lua"], {"metadata": {}})) == set(BUTTONS)
    assert {each["name"] for each in actions["definitions"]} == set(BUTTONS)
