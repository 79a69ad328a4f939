# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a campaign, and when? A list from a seed: who is killed, cut or frozen, and for how long."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from tests.faults.campaign_stage import Stage
from tests.plugins.replicas import Replica

GRACE_S = 30


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: after `pause_s` of peace, for `lasts_s`, with `which` to choose among several."""

    kind: str
    pause_s: float
    lasts_s: float
    which: int


def faults(seed: int, gap_s: float) -> Iterator[Fault]:
    """Give faults without end; the same for the same seed."""
    rng = random.Random(f"faults {seed}")
    kinds, weights = tuple(KINDS), tuple(weight for _, weight in KINDS.values())
    while True:
        kind = rng.choices(kinds, weights)[0]
        yield Fault(kind, rng.expovariate(1 / gap_s), rng.uniform(0.3, 5.0), rng.randrange(1 << 16))


class Nemesis:
    """Carries the faults out, one after another, in a thread."""

    def __init__(self, stage: Stage, seed: int, gap_s: float) -> None:
        self._stage, self._faults = stage, faults(seed, gap_s)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, when the fault that runs is mended."""
        self._done.set()
        self._thread.join(120)

    def _run(self) -> None:
        for fault in self._faults:
            if self._done.wait(fault.pause_s):
                return
            with self._stage.calm:
                if self._done.is_set():
                    return
                self.counts[fault.kind] += 1
                try:
                    KINDS[fault.kind][0](self._stage, fault)
                except Exception as error:  # the campaign must not go on without its faults unnoticed
                    self._stage.deviations.append(f"fault {fault.kind} could not be done: {error!r}")


def _operator(stage: Stage, fault: Fault) -> Replica:
    # mostly the one that works
    return stage.operators[fault.which % 2] if fault.which % 3 == 0 else stage.leader()


def _kill(stage: Stage, fault: Fault) -> None:
    _operator(stage, fault).kill()


def _terminate(stage: Stage, fault: Fault) -> None:
    operator = _operator(stage, fault)
    with stage.down(operator):
        if not operator.leads:  # a process that is only starting has no handler for the signal yet
            return
        operator.signal(signal.SIGTERM)
        try:
            code = operator.end(GRACE_S)
        except subprocess.TimeoutExpired:
            stage.deviations.append(f"operator {operator.name} did not end within {GRACE_S} s of SIGTERM")
            operator.kill()
            return
        if code != 0:
            stage.deviations.append(f"operator {operator.name} ended with {code} after SIGTERM")


def _freeze(stage: Stage, fault: Fault) -> None:
    operator = _operator(stage, fault)
    with contextlib.suppress(ProcessLookupError):
        operator.signal(signal.SIGSTOP)
        time.sleep(fault.lasts_s * 2)
        operator.signal(signal.SIGCONT)


def _end_backend(stage: Stage, fault: Fault, what: str = "pg_terminate_backend", who: str = "backstitch/%") -> None:
    with psycopg.connect(stage.server.url(), autocommit=True) as admin:
        pids = admin.execute(
            "select pid from pg_stat_activity where application_name like %s order by pid", (who,)
        ).fetchall()
        if pids:
            admin.execute(f"select {what}(%s)", pids[fault.which % len(pids)])


def _cancel_backend(stage: Stage, fault: Fault) -> None:
    _end_backend(stage, fault, "pg_cancel_backend")


def _end_application(stage: Stage, fault: Fault) -> None:
    _end_backend(stage, fault, who="writer-%")


def _crash_backend(stage: Stage, fault: Fault) -> None:
    """Kill one backend as the kernel's out-of-memory killer does: the server ends all and recovers."""
    with psycopg.connect(stage.server.url(), autocommit=True) as admin:
        pids = admin.execute("select pid from pg_stat_activity where application_name like 'backstitch/%'").fetchall()
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[fault.which % len(pids)][0], signal.SIGKILL)
    _wait_for_server(stage)


def _server_killed(stage: Stage, fault: Fault) -> None:
    stage.server.kill()
    time.sleep(fault.lasts_s / 2)
    stage.server.start()


def _server_immediate(stage: Stage, fault: Fault) -> None:
    os.kill(stage.server.pid, signal.SIGQUIT)
    while stage.server.is_running:
        time.sleep(0.05)
    time.sleep(fault.lasts_s / 2)
    stage.server.start()


def _server_restarted(stage: Stage, fault: Fault) -> None:
    stage.server.halt()
    time.sleep(fault.lasts_s / 2)
    stage.server.start()


def _wait_for_server(stage: Stage) -> None:
    for _ in range(200):
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(stage.server.url(), connect_timeout=2).close()
            return
        time.sleep(0.1)


def _api_away(stage: Stage, fault: Fault) -> None:
    stage.api_door.shut()
    time.sleep(fault.lasts_s * 2)
    stage.api_door.open()


def _api_killed(stage: Stage, _: Fault) -> None:
    process = stage.api._processes[-1]
    process.kill()
    process.start()
    for _attempt in range(300):
        with contextlib.suppress(Exception):
            stage.api.run_kubectl("get", "--raw", "/readyz")
            return
        time.sleep(0.2)


def _storage_away(stage: Stage, fault: Fault) -> None:
    stage.s3.halt()
    time.sleep(fault.lasts_s)
    stage.s3.resume()


def _network_cut(stage: Stage, _: Fault) -> None:
    stage.network.call(stage.network.proxy.cut_all)


def _network_silent(stage: Stage, fault: Fault) -> None:
    stage.network.call(stage.network.proxy.black_hole)
    time.sleep(fault.lasts_s)
    stage.network.do(stage.network.proxy.open())


def _network_refuses(stage: Stage, fault: Fault) -> None:
    stage.network.do(stage.network.proxy.refuse())
    stage.network.call(stage.network.proxy.cut_all)
    time.sleep(fault.lasts_s)
    stage.network.do(stage.network.proxy.open())


def _network_slow(stage: Stage, fault: Fault) -> None:
    stage.network.call(stage.network.proxy.delay, 0.03)
    time.sleep(fault.lasts_s)
    stage.network.do(stage.network.proxy.open())


def _commit_cut(stage: Stage, fault: Fault) -> None:
    """Cut at the COMMIT that comes next (or one after it), carried out or not, without an answer."""
    left = 1 + fault.which % 5  # of COMMITs, from any session

    def is_it(sql: str) -> bool:
        nonlocal left
        left -= sql.strip().upper() == "COMMIT"
        return left == 0

    proxy = stage.network.proxy
    stage.network.call(lambda: proxy.cut_when(is_it, fate="done" if fault.which % 2 else "lost"))
    time.sleep(fault.lasts_s)
    stage.network.do(proxy.open())


KINDS: dict[str, tuple[Callable[[Stage, Fault], None], int]] = {
    "operator killed": (_kill, 14),
    "operator terminated": (_terminate, 7),
    "operator frozen": (_freeze, 7),
    "backend ended": (_end_backend, 12),
    "statement cancelled": (_cancel_backend, 3),
    "application's backend ended": (_end_application, 3),
    "backend crashed": (_crash_backend, 3),
    "server killed": (_server_killed, 4),
    "server stopped at once": (_server_immediate, 3),
    "server restarted": (_server_restarted, 4),
    "API server away": (_api_away, 6),
    "API server killed": (_api_killed, 2),
    "storage away": (_storage_away, 5),
    "network cut": (_network_cut, 8),
    "network silent": (_network_silent, 5),
    "network refuses": (_network_refuses, 4),
    "network slow": (_network_slow, 3),
    "cut at COMMIT": (_commit_cut, 10),
}
"""Each kind of fault, and how often it comes among a hundred or so."""
