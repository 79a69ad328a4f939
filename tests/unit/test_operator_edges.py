# SPDX-License-Identifier: Apache-2.0
"""Settings from the environment, log lines without secrets, and the status while the operator cannot work."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backstitch.app.logs import about, redact, set_up_logs
from backstitch.app.metrics import Metrics
from backstitch.app.settings import OperatorSettings, read_settings
from backstitch.app.targets import explain_invalid
from backstitch.app.trouble import NO_SPEC, plain_record, status_in_trouble
from backstitch.core.errors import UsageError
from backstitch.core.view import status_of
from backstitch.model.record import BackupRecord, Record, StepRecord
from backstitch.model.spec import MigrationSpec
from backstitch.model.states import State
from backstitch.model.status import MigrationStatus

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 13, tzinfo=UTC)


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_settings_have_defaults_and_read_lists() -> None:
    assert read_settings({}).max_running == 8
    settings = read_settings({"BACKSTITCH_NAMESPACES": " shop, crm ,", "BACKSTITCH_LOG_LEVEL": "DEBUG", "HOME": "/x"})
    assert settings.namespaces == ("shop", "crm")
    assert settings.log_level == "debug"


def test_every_setting_is_in_the_manual() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "running-the-operator.md").read_text()
    table = [line for line in manual.splitlines() if line.startswith("| `BACKSTITCH_")]
    named = {name for line in table for name in re.findall(r"`BACKSTITCH_(\w+)`", line)}
    assert {name.upper() for name in OperatorSettings.model_fields} <= named


def test_a_lease_that_cannot_be_renewed_in_time_is_refused() -> None:
    with pytest.raises(UsageError, match="BACKSTITCH_LEASE_RETRY_S must be a third of"):
        read_settings({"BACKSTITCH_LEASE_RETRY_S": "4", "BACKSTITCH_LEASE_DURATION_S": "10"})


def test_wrong_settings_are_all_named_with_their_variable() -> None:
    with pytest.raises(UsageError) as caught:
        read_settings({"BACKSTITCH_HTTP_PORT": "eighty", "BACKSTITCH_MAX_RUNNING": "0"})
    assert "BACKSTITCH_HTTP_PORT='eighty'" in caught.value.message
    assert "BACKSTITCH_MAX_RUNNING='0'" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://app:{secret}@db:5432/shop",
        "cannot reach postgresql+x://:{secret}@db/shop?sslmode=require",
        "host=db password={secret} dbname=shop",
        "host=db password='{secret} and more' dbname=shop",
        "{{'password': '{secret}', 'user': 'app'}}",
        '{{"secretAccessKey": "{secret}"}}',
        "Authorization: Bearer {secret}",
    ],
)
def test_what_looks_like_a_password_is_struck_out(text: str) -> None:
    line = redact(text.format(secret="hunter2hunter2"))
    assert "hunter2" not in line
    assert "***" in line


def test_plain_text_stays_as_it_is() -> None:
    text = "password authentication failed for user app at db:5432; see https://example.org/docs@v1"
    assert redact(text) == text


def test_a_log_line_is_json_with_the_migration_and_without_the_password(root_logger: None) -> None:
    stream = io.StringIO()
    set_up_logs("info", stream)
    with about(namespace="shop", object="m1"), about(attempt=2):
        try:
            raise ValueError("postgresql://app:hunter2@db/shop")
        except ValueError:
            logging.getLogger("backstitch.test").exception("pass failed", extra={"reason": "Bug"})
    line = json.loads(stream.getvalue())
    assert (line["message"], line["level"], line["reason"]) == ("pass failed", "ERROR", "Bug")
    assert (line["namespace"], line["object"], line["attempt"]) == ("shop", "m1", 2)
    assert "ValueError" in line["exc_info"]
    assert "hunter2" not in stream.getvalue()


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def a_wait(reason: str, message: str) -> Record:
    return plain_record("shop", "m1", "1", State.WAITING, reason, message)


@pytest.mark.parametrize("comes_back, trouble", [(True, "Reconciling"), (False, "Stalled")])
def test_trouble_before_the_start_is_waiting_and_says_whether_it_comes_back(comes_back: bool, trouble: str) -> None:
    record = a_wait("WrongPassword", "Check user and password.")
    status = status_in_trouble({"observedGeneration": -1}, record, NO_SPEC, 1, NOW, comes_back=comes_back)
    MigrationStatus.model_validate(status)
    assert (status["state"], status["reason"], status["observedGeneration"]) == ("Waiting", "WrongPassword", 1)
    assert conditions(status)["Ready"][0] == "False"
    assert {"Reconciling", "Stalled"} & set(conditions(status)) == {trouble}
    assert "Check user" in status["message"]


def test_trouble_on_the_way_keeps_what_was_known() -> None:
    running = Record(
        namespace="shop",
        name="m1",
        version="1",
        state=State.MIGRATING,
        phase="expand",
        steps=(StepRecord(name="s1", phase="expand", operation="sql", state="done"),),
        backup=BackupRecord(place="file:///b", proven=True),
    )
    before = status_of(running, NO_SPEC, 1, None, NOW)
    status = status_in_trouble(before, a_wait("Unreachable", "db is down."), NO_SPEC, 1, LATER, comes_back=True)
    MigrationStatus.model_validate(status)
    assert (status["state"], status["phase"], status["message"]) == ("Migrating", "expand", "db is down.")
    assert status["steps"] == before["steps"]
    assert status["backup"] == before["backup"]
    old = {c["type"]: c["lastTransitionTime"] for c in before["conditions"]}
    new = {c["type"]: c["lastTransitionTime"] for c in status["conditions"]}
    assert {t: new[t] for t in old} == old
    assert status_in_trouble(status, a_wait("Unreachable", "db is down."), NO_SPEC, 1, LATER, comes_back=True) == status


def test_an_invalid_spec_is_explained_by_place_and_without_values() -> None:
    with pytest.raises(ValidationError) as caught:
        MigrationSpec.model_validate({"targetRef": {"name": "x"}, "version": "1", "type": "nonsense", "phases": []})
    explained = explain_invalid(caught.value)
    assert "spec.type" in explained
    assert "spec.phases" in explained
    assert "nonsense" not in explained


def test_metrics_count_states_by_target_only() -> None:
    metrics = Metrics()
    metrics.watch_states(lambda: [("shop", "main", State.SUCCEEDED)] * 3 + [("shop", "main", State.MIGRATING)])
    metrics.error("Unreachable")
    record = Record(
        namespace="shop",
        name="very-special-name",
        version="1",
        state=State.SUCCEEDED,
        steps=(StepRecord(name="s", phase="p", operation="sql", lock_waited_ms=1500),),
        backup=BackupRecord(place="file:///b", proven=True, bytes=4096, duration_ms=700),
    )
    metrics.came_to_rest("shop", "main", record, 123.0)
    page = metrics.page().decode()
    assert 'backstitch_migrations{namespace="shop",state="Succeeded",target="main"} 3.0' in page
    assert 'backstitch_unfinished{namespace="shop",target="main"} 1.0' in page
    assert 'backstitch_lock_wait_seconds_total{namespace="shop",target="main"} 1.5' in page
    assert 'backstitch_backup_bytes_total{namespace="shop",target="main"} 4096.0' in page
    assert 'backstitch_last_success_timestamp_seconds{namespace="shop",target="main"} 123.0' in page
    assert 'backstitch_reconcile_errors_total{reason="Unreachable"} 1.0' in page
    assert "very-special-name" not in page
