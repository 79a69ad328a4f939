# SPDX-License-Identifier: Apache-2.0
"""What is a MigrationApproval: one person's yes to one plan, and what a target's policy asks of such a yes.

A kind of its own, so that RBAC can give the right to create it to few; never edited, only created and deleted.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.duration import DURATION
from backstitch.model.spec import Metadata, NameRef

DIGEST = r"^[0-9a-f]{64}$"
DEFAULT_VALID_FOR = "24h"


class ApprovalSpec(Frozen):
    """spec of a MigrationApproval."""

    migration_ref: NameRef = Field(description="The DatabaseMigration, in the same namespace.")
    plan_digest: str = Field(
        description="The plan that was read: status.planDigest of the migration. Another plan needs another approval.",
        pattern=DIGEST,
        max_length=64,
    )
    approver: str = Field(
        description="Who says yes: the user name with which the API server knows the creator of this object.",
        min_length=1,
        max_length=253,
    )
    rehearsal_digest: str | None = Field(
        default=None,
        description="The rehearsal report that was read; with it the yes holds for that report only.",
        pattern=DIGEST,
        max_length=64,
    )
    valid_for: str | None = Field(
        default=None,
        description="How long the yes holds for a migration that has not begun, such as 24h. Default 24h.",
        pattern=DURATION,
        max_length=20,
    )
    comment: str | None = Field(default=None, description="What others should know.", max_length=1000)


class MigrationApproval(Frozen):
    """A whole MigrationApproval document."""

    api_version: Literal["backstitch.dev/v1alpha1"]
    kind: Literal["MigrationApproval"]
    metadata: Metadata
    spec: ApprovalSpec
    status: dict[str, Any] | None = None
