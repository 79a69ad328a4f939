# SPDX-License-Identifier: Apache-2.0
"""Which Kubernetes events do people see in `kubectl describe`? One per transition, with a limit per object.

Posted in the background: an event may be lost, a migration must not wait for one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from dataclasses import dataclass

from backstitch.adapters.kube import KINDS, Cluster, Key
from backstitch.adapters.kube_api import ApiError, Body
from backstitch.core.ports import Clock
from backstitch.model.names import API_VERSION, FIELD_MANAGER
from backstitch.model.states import State

logger = logging.getLogger(__name__)

_BURST, _REFILL_S = 25, 30.0  # as client-go's spam filter allows, with a quicker refill
_QUEUE = 1000
_MESSAGE_LIMIT = 1000  # the API server refuses more than 1024 bytes in some versions

NORMAL, WARNING = "Normal", "Warning"
TYPES = {
    State.REFUSED: WARNING,
    State.ROLLING_BACK: WARNING,
    State.ROLLED_BACK: WARNING,
    State.STOPPED: WARNING,
    State.NEEDS_HELP: WARNING,
}
"""The type of the event that tells of a state; Normal where it is not listed. Its reason is the state's own name."""

SPEC_INVALID = "SpecInvalid"


@dataclass
class _Bucket:
    """What one object may still post."""

    left: float
    at: float


class EventPoster:
    """Posts events about our objects. Start it with `start`, end it with `stop`."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._queue: asyncio.Queue[Body] = asyncio.Queue(_QUEUE)
        self._buckets: dict[str, _Bucket] = {}
        self._last: dict[str, tuple[str, str]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._send(), name="events")

    async def stop(self, within_s: float = 2.0) -> None:
        """Send what is queued, for a short time, and end."""
        if self._task is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._queue.join()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def post(self, plural: str, key: Key, uid: str, reason: str, message: str, *, type_: str = NORMAL) -> None:
        """Queue an event; dropped when the same one was posted last, or the object has posted too many."""
        if self._last.get(uid) == (reason, message) or not self._may_post(uid):
            return
        self._last[uid] = (reason, message)
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(self._event(plural, key, uid, reason, message, type_))

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone or at rest."""
        self._buckets.pop(uid, None)
        self._last.pop(uid, None)

    def _may_post(self, uid: str) -> bool:
        now = self._clock.monotonic()
        bucket = self._buckets.setdefault(uid, _Bucket(_BURST, now))
        bucket.left = min(_BURST, bucket.left + (now - bucket.at) / _REFILL_S)
        bucket.at = now
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    def _event(self, plural: str, key: Key, uid: str, reason: str, message: str, type_: str) -> Body:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": key.namespace, "name": f"{key.name}.{secrets.token_hex(8)}"},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KINDS[plural],
                "namespace": key.namespace,
                "name": key.name,
                "uid": uid,
            },
            "type": type_,
            "reason": reason,
            "message": message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": f"{API_VERSION.partition('/')[0]}/operator",
            "reportingInstance": socket.gethostname(),
        }

    async def _send(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await self._cluster.post_event(event)
            except ApiError as error:
                logger.debug("event lost", extra={"reason": event["reason"], "error": error.message})
            finally:
                self._queue.task_done()
