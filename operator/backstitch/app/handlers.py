# SPDX-License-Identifier: Apache-2.0
"""Where does kopf come in? It watches, and an event wakes a supervisor. It stores nothing on our objects.

No daemons and no change handlers: kopf takes its finalizer off an object that was deleted while the operator was down,
and never starts a daemon again that has returned. So waking, holding and resuming are ours (supervisor, finalizer).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import kopf

from backstitch.adapters.kube import APPROVALS, MIGRATIONS, TARGETS
from backstitch.app.settings import OperatorSettings
from backstitch.model.names import GROUP, VERSION

OnEvent = Callable[[str, dict[str, Any], bool], None]
"""Takes the plural, the object, and whether it is gone. Must not wait."""


class _Endless:
    """Pauses between tries that never end: kopf begins anew with each request."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0, 2.0)
        while True:
            yield 5.0


def make_registry(on_event: OnEvent, on_cleanup: Callable[[], Awaitable[None]]) -> kopf.OperatorRegistry:
    """Give kopf's registry with our few handlers in it."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        # kopf's own small readers: its piggybacking would import the whole synchronous client
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    for plural in (MIGRATIONS, TARGETS, APPROVALS):

        @kopf.on.event(GROUP, VERSION, plural, registry=registry, id=f"wake-{plural}", param=plural)
        async def wake(*, event: Any, body: kopf.Body, param: Any = plural, **_: Any) -> None:
            on_event(param, dict(body), event.get("type") == "DELETED")

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await on_cleanup()

    return registry


def make_settings(settings: OperatorSettings) -> kopf.OperatorSettings:
    """Give kopf's settings: no peering, no scanning (needs no rights on CRDs and namespaces), nothing persisted."""
    ours = kopf.OperatorSettings()
    ours.peering.standalone = True
    ours.scanning.disabled = True
    ours.posting.enabled = False
    # never set, as no handler of ours needs one: our own finalizer must not be touched by kopf
    ours.persistence.finalizer = f"{GROUP}/kopf"
    ours.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{GROUP}")
    ours.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=f"kopf.{GROUP}")
    # by default kopf gives up after 54 s, and with it the whole process would end
    ours.networking.error_backoffs = _Endless()
    ours.networking.connect_timeout = 10
    ours.process.ultimate_exiting_timeout = settings.grace_s + 10
    return ours


async def run_kopf(
    registry: kopf.OperatorRegistry, settings: OperatorSettings, *, ready: asyncio.Event, stop: asyncio.Event
) -> None:
    """Watch until SIGTERM, SIGINT or `stop`."""
    await kopf.operator(
        registry=registry,
        settings=make_settings(settings),
        namespaces=list(settings.namespaces),
        clusterwide=not settings.namespaces,
        ready_flag=ready,
        stop_flag=stop,
    )
