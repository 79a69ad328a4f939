# SPDX-License-Identifier: Apache-2.0
"""What may a spec say about the time before and after a migration?

A database that is taken in, a migration that takes another back, phases that wait for the end of the revert window,
steps that have no way back. The same rules for pydantic and, as CEL, for the API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from backstitch.model.base import Frozen

if TYPE_CHECKING:
    from backstitch.model.spec import MigrationSpec

CONTRACT_SUFFIX = ".contract"
"""Follows a migration's name in the ledger: its contract phases, run as an attempt of their own. No object has it."""

_CONTRACT = "has(p.contract) && p.contract"

SPEC_RULES: dict[str, Any] = {
    "x-kubernetes-validations": [
        {
            "rule": "has(self.phases) != has(self.rollbackOf)",
            "message": "phases is required, but with rollbackOf it is left out",
        },
        {
            "rule": "!has(self.rollbackOf) || self.type == 'rollback'",
            "message": "rollbackOf is for type rollback",
        },
        {
            "rule": "!has(self.rollbackOf) || "
            "!(has(self.checks) || has(self.assume) || has(self.rollback) || has(self.reset))",
            "message": "rollbackOf takes another migration back as its ledger knows it; leave out phases, checks, "
            "assume, rollback and reset",
        },
        {
            "rule": f"!has(self.phases) || self.phases.map(p, {_CONTRACT}).lastIndexOf(false) == "
            f"self.phases.filter(p, !({_CONTRACT})).size() - 1 && !self.phases.all(p, {_CONTRACT})",
            "message": "phases with contract: true come last, after at least one phase without it",
        },
    ]
}


STEP_RULES: dict[str, Any] = {
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.irreversible) || has(self.sql)",
            "message": "irreversible is for sql; every other operation has a way back",
        }
    ]
}


class Irreversible(Frozen):
    """A person's yes to a step that cannot be taken back by statements and row images."""

    accept: Literal["restoreBackup", "none"] = Field(
        description="Which lower rung stands in when the migration must go back after this step. restoreBackup: the "
        "proven backup takes the place of the database. none: it stops for a person."
    )
    reason: str = Field(description="Why that is acceptable, for who reads it later.", min_length=1, max_length=500)


class AdoptSpec(Frozen):
    """How an existing database is taken in."""

    from_: str | None = Field(
        default=None,
        alias="from",
        description="Whose history says the version, where there are more: flyway, golang-migrate, prisma, alembic, "
        "sqitch, liquibase, dbmate, goose, rails, ecto, a table as schema.name, or none.",
        min_length=1,
        max_length=127,
    )
    version: str | None = Field(
        default=None,
        description="The version that the schema has, whatever a history says.",
        min_length=1,
        max_length=63,
    )


def why_unclear(spec: MigrationSpec) -> str | None:
    """Give what is wrong with how a spec says what to run and when, or None."""
    if spec.rollback_of is None:
        if not spec.phases:
            return "phases is required (but for type rollback with rollbackOf)"
    elif spec.type != "rollback":
        return f"rollbackOf is for type rollback, and this one is of type {spec.type}"
    elif spec.phases or spec.checks or spec.reset is not None or spec.assume or spec.rollback:
        return (
            "rollbackOf takes another migration back as its ledger knows it; leave out phases, checks, assume, "
            "rollback and reset"
        )
    waits = [bool(p.contract) for p in spec.phases]
    if any(waits) and (waits[0] or waits != sorted(waits)):
        return "phases with contract: true come last, after at least one phase without it"
    return None


def before_contract(spec: MigrationSpec) -> MigrationSpec:
    """Give the migration without the phases that wait for the end of the revert window."""
    if not any(p.contract for p in spec.phases):
        return spec
    return spec.model_copy(update={"phases": [p for p in spec.phases if not p.contract]})


def contract_of(spec: MigrationSpec) -> MigrationSpec | None:
    """Give the phases that wait for the end of the revert window as a migration of their own, or None.

    It assumes nothing and depends on nothing: what it stands on is the migration itself.
    """
    phases = [p.model_copy(update={"contract": None}) for p in spec.phases if p.contract]
    if not phases:
        return None
    unset = dict.fromkeys(("checks", "assume", "depends_on", "risks", "follow_ups", "reset"))
    return spec.model_copy(update={"phases": phases, **unset})
