# SPDX-License-Identifier: Apache-2.0
"""How do limits of a MigrationTarget reach a backfill that is running already? Read anew, at most every ten seconds."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from backstitch.adapters.kube import Key
from backstitch.adapters.kube_api import ApiError
from backstitch.app.targets import Targets
from backstitch.core.errors import TargetError
from backstitch.core.ports import Clock
from backstitch.model.lock_policy import Throttle
from backstitch.model.spec import TargetPolicy

EVERY_S = 10.0
logger = logging.getLogger(__name__)


def limits_of(
    targets: Targets, key: Key, policy: TargetPolicy | None, clock: Clock
) -> Callable[[], Awaitable[Throttle | None]]:
    """Give what tells the throttle of a target now; while it cannot be read, what it was."""
    known, read_at = policy.throttle if policy else None, clock.monotonic()

    async def now() -> Throttle | None:
        nonlocal known, read_at
        if clock.monotonic() - read_at >= EVERY_S:
            read_at = clock.monotonic()
            try:
                found = (await targets.open(key)).spec.policy
                known = found.throttle if found else None
            except (ApiError, TargetError) as error:
                logger.warning("the limits of a target are not read", extra={"target": key.name, "error": str(error)})
        return known

    return now
