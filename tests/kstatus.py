# SPDX-License-Identifier: Apache-2.0
"""What would Helm's and Flux's `--wait` make of an object? kstatus' rules for custom resources, in its order.

Source: sigs.k8s.io/cli-utils, pkg/kstatus/status: `Compute`, `checkGeneration`, `checkGenericProperties`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["Terminating", "InProgress", "Failed", "Current"]


def kstatus(resource: Mapping[str, Any]) -> Verdict:
    """Give kstatus' verdict on a custom resource."""
    metadata, status = resource["metadata"], resource.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata["generation"]:
        return "InProgress"
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    if conditions.get("Ready", "True") != "True":
        return "InProgress"
    return "Current"
