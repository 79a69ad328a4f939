# SPDX-License-Identifier: Apache-2.0
"""What does a target ask of approvals: how many, whose, and for how long?"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from backstitch.model.base import Frozen
from backstitch.model.duration import DURATION


class ApprovalPolicy(Frozen):
    """Who must say yes before a migration begins."""

    required: int | None = Field(
        default=None,
        description="How many people must approve the plan; default 1 in production, 0 elsewhere.",
        ge=0,
        le=10,
    )
    approvers: list[Annotated[str, Field(min_length=1, max_length=253)]] | None = Field(
        default=None,
        description="User names whose yes counts; default everybody whom RBAC lets create a MigrationApproval.",
        min_length=1,
        max_length=50,
    )
    not_author: bool | None = Field(
        default=None,
        description="The author of the migration (annotation backstitch.dev/author) may not approve it, and a "
        "migration without an author cannot be approved.",
    )
    valid_for: str | None = Field(
        default=None, description="The longest an approval holds, such as 8h.", pattern=DURATION, max_length=20
    )
