# SPDX-License-Identifier: Apache-2.0
"""How does the operator start, stay and stop? `serve(settings)` is `python -m backstitch operator`.

Order: logs, health server, the Lease (until then: standby), a full list of what is there, then the watch. SIGTERM: no
new pass; running ones have half the grace time to come to a place where nothing is half done, then their statement is
cancelled; the ledger says where the next one goes on, and the Lease is given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from backstitch.adapters.clock import SystemClock
from backstitch.adapters.kube import APPROVALS, MIGRATIONS, TARGETS, Cluster, Key
from backstitch.adapters.kube_api import ApiError, Gone
from backstitch.app.events import EventPoster
from backstitch.app.handlers import make_registry, run_kopf
from backstitch.app.health import HealthServer
from backstitch.app.lease import Lease, LeaseLost, LeaseTimes
from backstitch.app.logs import set_up_logs
from backstitch.app.metrics import Metrics
from backstitch.app.migration_pass import MigrationPasses, Parts, RunEngine
from backstitch.app.registry import Registry, seen_of
from backstitch.app.settings import OperatorSettings
from backstitch.app.supervisor import Supervisor
from backstitch.app.target_pass import Purge, TargetPasses
from backstitch.app.targets import Targets
from backstitch.app.turns import Turns
from backstitch.engine import run as engine

logger = logging.getLogger(__name__)

_HEARTBEAT_S = 10.0
_SILENT_S = 45.0  # that long without an answer of the API server: not ready
_PASSES_BESIDE = 16  # passes that only read and wait, beside those that run a migration
_LOOKS_AT_ONCE = 4
_NAMESPACE_OF_THE_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


async def serve(settings: OperatorSettings, *, run: RunEngine = engine.run, purge: Purge = engine.purge) -> None:
    """Run the operator until it is told to stop. Raises OSError (the port is taken), ApiError (no cluster is named)."""
    set_up_logs(settings.log_level)
    await Operator(settings, await Cluster.connect(), run=run, purge=purge).serve()


class Operator:
    """All parts of one operator process."""

    def __init__(self, settings: OperatorSettings, cluster: Cluster, *, run: RunEngine, purge: Purge) -> None:
        self._settings = settings
        self._cluster = cluster
        self._clock = SystemClock()
        self._metrics = Metrics()
        self._registry = Registry()
        self._metrics.watch_states(self._registry.states)
        self._events = EventPoster(cluster, self._clock)
        self.health = HealthServer(self._metrics, self.why_not_ready, self.is_standby)
        self._watching = asyncio.Event()
        self._listed = False
        self._heard_at = float("-inf")
        self.stop = asyncio.Event()
        self._lease = _lease_of(settings, cluster, self._clock)
        self._lost: LeaseLost | None = None
        parts = Parts(
            cluster=cluster,
            registry=self._registry,
            targets=Targets(cluster, self._clock, self._mark),
            turns=Turns(settings.max_running, self._wake_migration),
            events=self._events,
            metrics=self._metrics,
            clock=self._clock,
            run=run,
            wake=self._wake_migration,
            wake_target=self._wake_target,
            term=lambda: self._lease.term if self._lease else None,
            stopping=self.stop.is_set,
            relook_s=settings.probe_s,
            look_again_s=settings.look_again_s,
        )
        self._migrations = Supervisor(
            MigrationPasses(parts),
            at_once=settings.max_running + _PASSES_BESIDE,
            on_error=self._metrics.error,
        )
        self._targets = Supervisor(
            TargetPasses(parts, purge, settings.probe_s), at_once=_LOOKS_AT_ONCE, on_error=self._metrics.error
        )

    async def serve(self) -> None:
        """Run until told to stop. Raises LeaseLost."""
        for number in (signal.SIGTERM, signal.SIGINT):  # until kopf sets its own, which come to the same
            asyncio.get_running_loop().add_signal_handler(number, self.stop.set)
        await self.health.start(self._settings.http_host, self._settings.http_port)
        logger.info("started", extra={"http_port": self.health.port, "namespaces": self._settings.namespaces or "all"})
        background = [asyncio.create_task(self._heartbeat(), name="heartbeat")]
        self._events.start()
        try:
            if self._lease is not None:
                if not await self._lease.acquire(self.stop):
                    return
                background.append(asyncio.create_task(self._keep(self._lease), name="lease"))
            self._metrics.leading.set(1)
            await self._list_patiently()
            if self.stop.is_set():
                return
            background.append(asyncio.create_task(self._resync(), name="resync"))
            await run_kopf(
                make_registry(self.on_event, self._settle), self._settings, ready=self._watching, stop=self.stop
            )
        finally:
            await self._settle()
            for task in background:  # only now: the Lease is renewed as long as anything runs
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            self._metrics.leading.set(0)
            await self._events.stop()
            if self._lease is not None:
                await self._lease.release()
            await self.health.stop()
            await self._cluster.close()
            logger.info("stopped")
        if self._lost is not None:
            raise self._lost

    async def _keep(self, lease: Lease) -> None:
        self._cluster.may_write = lambda: lease.is_fresh
        try:
            await lease.keep(asyncio.Event())  # also while we stop: it is given back last
        except LeaseLost as error:
            logger.error("lost the Lease", extra={"reason": error.reason, "detail": error.message})
            self._lost = error
            self.stop.set()

    def _mark(self) -> str:
        return self._lease.term.mark if self._lease and self._lease.term else ""

    def _wake_migration(self, key: Key) -> None:
        self._migrations.wake(key)

    def _wake_target(self, key: Key) -> None:
        self._targets.wake(key)

    def is_standby(self) -> bool:
        """Tell whether another operator leads, or we do not know it yet."""
        return self._lease is not None and self._lease.term is None

    def why_not_ready(self) -> str | None:
        """Give why objects are not looked after yet, or None."""
        if self._clock.monotonic() - self._heard_at > _SILENT_S:
            return "the API server does not answer"
        if self.is_standby():
            return None  # a standby is as ready as it can be: a rollout goes on, a drain may take the other pod
        if not self._listed:
            return "objects are not listed yet; are the CRDs installed?"
        if not self._watching.is_set():
            return "objects are not watched yet"
        return None

    def on_event(self, plural: str, body: dict[str, Any], gone: bool) -> None:
        """Take what the watch says: wake who has news."""
        self._heard_at = self._clock.monotonic()
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        if plural == TARGETS:
            if not gone and self._is_target_news(body):
                self._targets.wake(key)
                self._wake_users(key)
            return
        if plural == APPROVALS:  # given or taken back
            self._migrations.wake(Key(key.namespace, body["spec"]["migrationRef"]["name"]))
            return
        if gone:
            if self._registry.forget(key, body["metadata"]["uid"]) is not None:
                self._events.forget(body["metadata"]["uid"])
                self._wake_users(Key(key.namespace, (body.get("spec") or {}).get("targetRef", {}).get("name", "")))
            return
        seen, before = seen_of(body), self._registry.get(key)
        if before is not None and before.uid == seen.uid and before.asked != seen.asked:
            asked = {"tokens": seen.asked.tokens(), "deleted": seen.asked.deleted}
            logger.info("asked", extra={"namespace": key.namespace, "object": key.name, **asked})
        if self._registry.see(seen):
            self._migrations.wake(key)

    def _is_target_news(self, body: dict[str, Any]) -> bool:
        status = body.get("status") or {}
        return bool(status.get("observedGeneration", -1) != body["metadata"]["generation"])

    def _wake_users(self, target: Key) -> None:
        for seen in self._registry.of_target(target.namespace, target.name):
            if not seen.is_settled:
                self._migrations.wake(seen.key)

    async def _list_patiently(self) -> None:
        """List everything once, however long the API server or the CRDs take to come."""
        pause = 1.0
        while not self._listed:
            try:
                await self._list_all()
            except Gone:
                logger.warning("the CRDs are not installed; apply crds/ and it goes on")
            except ApiError as error:
                logger.warning("cannot list objects", extra={"reason": error.reason, "detail": error.message})
            else:
                self._listed = True
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.stop.wait()
                return
            pause = min(pause * 1.5, 10.0)

    async def _list_all(self) -> None:
        """Compare all there is with what is known. Also finds what a watch has missed. Raises ApiError."""
        there: set[Key] = set()
        news: list[Key] = []
        async for body in self._all(MIGRATIONS):
            seen = seen_of(body)
            there.add(seen.key)
            if self._registry.see(seen):
                news.append(seen.key)
        for seen in self._registry:
            if seen.key not in there:
                self._registry.forget(seen.key, seen.uid)
        for key in news:  # only now: order among siblings needs all of them
            self._migrations.wake(key)
        async for body in self._all(TARGETS):
            self._targets.wake(Key(body["metadata"]["namespace"], body["metadata"]["name"]))

    async def _all(self, plural: str) -> AsyncIterator[dict[str, Any]]:
        for namespace in self._settings.namespaces or (None,):
            async for body in self._cluster.list_objects(plural, namespace):
                yield body

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_s)
            try:
                await self._list_all()
            except ApiError as error:
                logger.warning("cannot list objects", extra={"reason": error.reason, "detail": error.message})

    async def _heartbeat(self) -> None:
        was_up = True
        while True:
            is_up = await self._cluster.is_up()
            if is_up:
                self._heard_at = self._clock.monotonic()
            if is_up and not was_up:  # what failed meanwhile need not wait for its backoff
                for seen in self._registry:
                    if not seen.is_finished:
                        self._migrations.wake(seen.key)
            was_up = is_up
            await asyncio.sleep(_HEARTBEAT_S if is_up else 1.0)

    async def _settle(self) -> None:
        """Stop both supervisors; safe to call twice."""
        self.stop.set()  # kopf has a task that waits for it, and would wait 5 s for that task
        grace_s = self._settings.grace_s
        patience_s = 0 if self._lost else grace_s / 2
        await asyncio.gather(
            self._migrations.stop(grace_s * 0.3, patience_s=patience_s),
            self._targets.stop(grace_s * 0.3, patience_s=patience_s),
        )


def _lease_of(settings: OperatorSettings, cluster: Cluster, clock: SystemClock) -> Lease | None:
    """Give our part in the Lease of the settings' namespace or of the pod's own; None: there is none, we are alone."""
    namespace = settings.lease_namespace
    if not namespace and _NAMESPACE_OF_THE_POD.exists():
        namespace = _NAMESPACE_OF_THE_POD.read_text().strip()
    if not namespace:
        return None
    identity = f"{platform.node()}_{os.getpid()}_{secrets.token_hex(4)}"
    times = LeaseTimes(settings.lease_duration_s, settings.lease_retry_s)
    return Lease(cluster.leases, clock, namespace, settings.lease_name, identity, times)
