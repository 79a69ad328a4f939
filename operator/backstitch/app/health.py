# SPDX-License-Identifier: Apache-2.0
"""Who answers /healthz, /readyz and /metrics? A small server that is up before anything else is."""

from __future__ import annotations

import json
from collections.abc import Callable

from aiohttp import web

from backstitch.app.metrics import Metrics


class HealthServer:
    """The HTTP side of the operator.

    /healthz says that the event loop turns; /readyz that objects are watched and the API server answered lately;
    a standby is ready when the API server answers.
    """

    def __init__(
        self, metrics: Metrics, why_not_ready: Callable[[], str | None], is_standby: Callable[[], bool]
    ) -> None:
        self._metrics = metrics
        self._is_standby = is_standby
        self._why_not_ready = why_not_ready
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; `port` 0 takes a free one, which `self.port` then names. Raises OSError when it is taken."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics_page),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host or None, port, shutdown_timeout=1)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening; safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        reason = self._why_not_ready()
        body: dict[str, object] = {"ready": reason is None} | ({"reason": reason} if reason else {})
        if self._is_standby():
            body["standby"] = True
        return web.Response(
            text=json.dumps(body), status=200 if reason is None else 503, content_type="application/json"
        )

    async def _metrics_page(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.page(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )
