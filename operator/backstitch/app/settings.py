# SPDX-License-Identifier: Apache-2.0
"""What does the environment say about how the operator runs? Read once, at the start.

docs/running-the-operator.md lists the names; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from backstitch.core.errors import UsageError
from backstitch.model.base import Frozen

PREFIX = "BACKSTITCH_"


class OperatorSettings(Frozen):
    """How the operator runs. Each field is the environment variable BACKSTITCH_ + its name in capitals."""

    namespaces: tuple[str, ...] = Field(default=(), description="Namespaces with commas between; empty: all.")
    http_port: int = Field(default=8080, description="Port of /healthz, /readyz and /metrics; 0: any.", ge=0, le=65535)
    http_host: str = Field(default="", description="Address of that port; empty: all addresses.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Lowest level logged.")
    max_running: int = Field(default=8, description="How many migrations run at once.", ge=1, le=500)
    resync_s: float = Field(default=600, description="Seconds between full lists, beside the watch.", ge=10)
    probe_s: float = Field(default=60, description="Seconds between two looks at one target.", ge=1)
    look_again_s: float = Field(default=15, description="Seconds until a missing Secret is looked for again.", ge=1)
    grace_s: float = Field(default=20, description="Seconds to stop in; below the pod's grace period.", ge=1, le=600)
    lease_name: str = Field(default="backstitch", description="Name of the Lease that one of several operators holds.")
    lease_namespace: str = Field(
        default="", description="Its namespace; empty: the pod's own, and outside of a pod there is no Lease."
    )
    lease_duration_s: float = Field(
        default=15, description="Seconds without a renewal until another operator takes the Lease.", ge=3, le=600
    )
    lease_retry_s: float = Field(default=2, description="Seconds between two renewals, or looks of a standby.", ge=0.5)

    @model_validator(mode="after")
    def _renews_in_time(self) -> OperatorSettings:
        if self.lease_retry_s * 3 > self.lease_duration_s:
            raise ValueError("BACKSTITCH_LEASE_RETRY_S must be a third of BACKSTITCH_LEASE_DURATION_S or less")
        return self


def read_settings(environment: Mapping[str, str]) -> OperatorSettings:
    """Read the settings. Raises UsageError, which names every variable that is wrong and what it may be."""
    values: dict[str, object] = {}
    for field in OperatorSettings.model_fields:
        text = environment.get(PREFIX + field.upper(), "").strip()
        if text:
            values[field] = _names(text) if field == "namespaces" else text.lower() if field == "log_level" else text
    try:
        return OperatorSettings.model_validate(values)
    except ValidationError as error:
        wrong = [
            f"{PREFIX}{_field_of(detail['loc'][0])}={detail['input']!r}: {detail['msg']}"
            if detail["loc"]
            else detail["msg"].removeprefix("Value error, ")
            for detail in error.errors()
        ]
        raise UsageError("The environment is wrong. " + "; ".join(wrong) + ".") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _field_of(location: int | str) -> str:
    by_alias = {str(field.alias): name for name, field in OperatorSettings.model_fields.items()}
    return by_alias.get(str(location), str(location)).upper()
