# SPDX-License-Identifier: Apache-2.0
"""Does bad input ever get another answer than an error of ours, or none in time? A few inputs of each area, fixed."""

from __future__ import annotations

import pytest

from backstitch.model.approval import MigrationApproval
from backstitch.model.backup import Manifest, Proof
from backstitch.model.backup_spec import BackupSchedule
from backstitch.model.spec import DatabaseMigration, MigrationTarget
from tests.fuzz import good
from tests.fuzz.areas import AREAS
from tests.fuzz.run import fuzz


def test_what_is_changed_is_good_before() -> None:
    assert DatabaseMigration.model_validate(good.MIGRATION)
    assert MigrationTarget.model_validate(good.TARGET)
    assert MigrationApproval.model_validate(good.APPROVAL)
    assert BackupSchedule.model_validate(good.SCHEDULE)
    assert Manifest.model_validate_json(good.MANIFEST_TEXT)
    assert Proof.model_validate_json(good.PROOF_TEXT)


@pytest.mark.parametrize("area", AREAS)
def test_bad_input_is_refused_and_nothing_else_happens(area: str) -> None:
    told = fuzz(area, 100, seed=1)
    assert told.failures == []
