# SPDX-License-Identifier: Apache-2.0
"""When is a status written? At once when the state changes, at most every second otherwise, the newest always wins.

A status is a view of the ledger: while the API server is away a migration goes on, and the newest status follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

from backstitch.adapters.kube import MIGRATIONS, Cluster, Key
from backstitch.adapters.kube_api import ApiError, Stale
from backstitch.model.record import Record

logger = logging.getLogger(__name__)

Status = dict[str, Any]
Render = Callable[[Record, Status], Status]
"""Gives the status of a record, from it and from the status that was written last (for transition times)."""

_SECOND = 1.0
_PATIENCE_S = 3.0
_LONGEST_PAUSE_S = 10.0


class StatusWriter:
    """Writes the status of one object while the block lasts, in the background: `observe` never waits."""

    def __init__(
        self,
        cluster: Cluster,
        key: Key,
        uid: str,
        previous: Status,
        render: Render,
        *,
        version: str | None = None,
        every_s: float = _SECOND,
    ) -> None:
        self._cluster = cluster
        self._key = key
        self._uid = uid
        self._render = render
        self._version = version  # the resourceVersion we know: what was written since is not overwritten unseen
        self._every_s = every_s
        self._news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._newest: Record | None = None
        self._is_gone = False
        self.written = previous

    @property
    def newest(self) -> Record | None:
        """Give the record that was observed last."""
        return self._newest

    @property
    def is_gone(self) -> bool:
        """Tell whether a write has found that the object is not there any more."""
        return self._is_gone

    async def __aenter__(self) -> StatusWriter:
        self._task = asyncio.create_task(self._keep_writing(), name=f"status {self._key}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def observe(self, record: Record) -> None:
        """Take note of the newest record; it will be written soon."""
        before, self._newest = self._newest, record
        self._news.set()
        if before is None or _salient(before) != _salient(record):
            self._urgent.set()

    async def write(self, status: Status, *, patience_s: float) -> bool:
        """Write this status now; False when the object is gone. Raises ApiError when the API server stays away."""
        if self._is_gone:
            return False
        if status == self.written:
            return True
        try:
            version = await self._apply(status, patience_s)
        except Stale:
            # Somebody else wrote: a person an annotation, as a rule. Look, and try once more, if we still lead.
            body = await self._cluster.read(MIGRATIONS, self._key)
            self._version = body["metadata"]["resourceVersion"] if body else None
            version = await self._apply(status, patience_s) if body and body["metadata"]["uid"] == self._uid else None
        if version is not None:
            self.written, self._version = status, version
        self._is_gone = version is None
        return not self._is_gone

    async def _apply(self, status: Status, patience_s: float) -> str | None:
        return await self._cluster.apply_status(
            MIGRATIONS, self._key, self._uid, status, patience_s=patience_s, seen=self._version
        )

    async def write_record(self, record: Record, *, patience_s: float) -> bool:
        """Write the status of this record now, see `write`."""
        self._newest = record
        return await self.write(self._render(record, self.written), patience_s=patience_s)

    async def _keep_writing(self) -> None:
        pause = self._every_s
        while not self._is_gone:
            await self._news.wait()
            self._news.clear()
            self._urgent.clear()
            record = self._newest
            assert record is not None
            try:
                await self.write(self._render(record, self.written), patience_s=_PATIENCE_S)
                pause = self._every_s
            except ApiError as error:
                logger.warning(
                    "status not written, the migration goes on", extra={"reason": error.reason, "error": error.message}
                )
                self._news.set()
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                await asyncio.sleep(pause)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):  # not wait_for: before Python 3.12 it may swallow a cancellation
                    await self._urgent.wait()


def _salient(record: Record) -> tuple[object, ...]:
    """What people wait to see: written at once when it changes."""
    return record.state, record.reason, record.phase, record.attempt
