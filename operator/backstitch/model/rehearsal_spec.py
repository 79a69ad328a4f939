# SPDX-License-Identifier: Apache-2.0
"""How is a migration of this target rehearsed before it may touch the database: where, within which limits?"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from backstitch.model.base import Frozen

Place = Literal["sameServer", "otherServer", "sample"]

DURATION = r"^([0-9]+(ms|s|m|h|d))+$"
SIZE = r"^[0-9]+(Ki|Mi|Gi|Ti)?$"


class ServerRef(Frozen):
    """A Secret of the same namespace with the settings of another server."""

    name: str = Field(
        description="Name of the Secret; its database is connected to only to make the copy beside it.",
        min_length=1,
        max_length=253,
    )
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        default=None, description="TLS: default require."
    )


class SampleSpec(Frozen):
    """Rehearse on some rows of each table where the whole database is too large."""

    max_rows_per_table: int | None = Field(
        default=None, description="Rows of each table in the copy; default 10000.", ge=1, le=10_000_000
    )
    max_size: str | None = Field(
        default=None,
        description="Up to this size of the database, such as 20Gi, the copy is whole. Default 10Gi.",
        pattern=SIZE,
        max_length=20,
    )


_OTHER: JsonValue = {
    "rule": "(has(self.place) && self.place == 'otherServer') == has(self.secretRef)",
    "message": "place otherServer and secretRef belong together",
}


class RehearsalSpec(Frozen):
    """Before the first change the whole migration and its rollback run on a copy made from the fresh backup."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": [_OTHER]})

    required: bool | None = Field(
        default=None,
        description="Rehearse every migration. Production always does, unless noRoom says why not; elsewhere the "
        "default is true where this section is given.",
    )
    no_room: str | None = Field(
        default=None,
        description="Why this target has no rehearsal. A person's word, shown in every status.",
        min_length=1,
        max_length=500,
    )
    place: Place | None = Field(
        default=None,
        description="sameServer (default): a scratch database beside the target. otherServer: on the server of "
        "secretRef. sample: beside the target, with some rows where the whole is too large.",
    )
    secret_ref: ServerRef | None = Field(
        default=None, description="The other server, of the same major version; its role may create databases."
    )
    sample: SampleSpec | None = Field(default=None, description="Limits of a sampled copy.")
    lock_budget: str | None = Field(
        default=None,
        description="The longest time that a statement of the application may be blocked; default 2s.",
        pattern=DURATION,
        max_length=20,
    )
    duration_budget: str | None = Field(
        default=None,
        description="The longest time that the migration may take; default: its deadline.",
        pattern=DURATION,
        max_length=20,
    )
    disk_free: str | None = Field(
        default=None,
        description="Room on the server's disk for rewritten tables, new indexes and WAL, such as 50Gi. Without it "
        "the need is measured and nothing is refused for it.",
        pattern=SIZE,
        max_length=20,
    )
    accept_unproven: bool | None = Field(
        default=None,
        description="A person's yes to statements that locked more than the plan said.",
    )

    @model_validator(mode="after")
    def _server_is_named(self) -> RehearsalSpec:
        if (self.place == "otherServer") != (self.secret_ref is not None):
            raise ValueError("place otherServer and secretRef belong together")
        return self
