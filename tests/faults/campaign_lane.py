# SPDX-License-Identifier: Apache-2.0
"""One database after another, one migration after another, each played to its end and judged. Two lanes run at once."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg

from dev.processes import ServerError
from tests.faults import campaign_oracle as oracle
from tests.faults.campaign_application import Application
from tests.faults.campaign_cases import ACCOUNTS, Case
from tests.faults.campaign_stage import NAMESPACE, Stage
from tests.plugins.operator import API_VERSION
from tests.plugins.pg import TestDatabase

ROUND = 12  # migrations on one database
LIMIT_S = 300.0
TIDY_S = 30.0
REST = {"Succeeded", "RolledBack", "Stopped", "NeedsHelp", "Refused"}
T = TypeVar("T")


@dataclass
class Result:
    """What a campaign found; both lanes count into it."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)  # (wish, end)
    reasons: Counter[str] = field(default_factory=Counter)  # of ends that were not wished for
    families: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # statements of the application, by SQLSTATE
    deviations: list[str] = field(default_factory=list)
    rows: int = 0
    writes: int = 0
    reads: int = 0
    unknown: int = 0
    helped: int = 0
    longest_s: float = 0.0
    quiet_s: float = 0.0
    write_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


def patiently(act: Callable[[], T], within_s: float = 90.0) -> T:
    """Do it, again while the server or the API server is away."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return act()
        except (psycopg.OperationalError, psycopg.errors.ObjectInUse, ServerError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Lane:
    """Plays its cases in order."""

    def __init__(self, stage: Stage, result: Result, name: str, seed: int) -> None:
        self._stage, self._result, self._name, self._seed = stage, result, name, seed
        self._until = float("inf")

    def play(self, cases: list[Case], until: float) -> None:
        """Play all, a new database for every few of them; begin none when the monotonic clock is past `until`."""
        self._until = until
        for first in range(0, len(cases), ROUND):
            if time.monotonic() > until:
                return
            try:
                self._round(first // ROUND, cases[first : first + ROUND])
            except Exception as error:  # reported as what it is: the campaign has not shown what it should
                self._deviate(f"{self._name}: round {first // ROUND} broke off: {error!r}")

    def _deviate(self, what: str) -> None:
        with self._result.lock:
            self._result.deviations.append(what)
        print(f"DEVIATION {what}", flush=True)

    def _round(self, number: int, cases: list[Case]) -> None:
        target = f"{self._name}-{number}"
        with self._stage.calm:
            made = [patiently(lambda n=n: self._create(f"{target}_{n}".replace("-", "_"))) for n in ("app", "twin")]  # type: ignore[misc]
        database, twin = made
        self._set_up(target, database)
        application = Application(database.url, self._seed * 1000 + number)
        application.start()
        try:
            for case in cases:
                if time.monotonic() > self._until:
                    return
                self._case(case, target, database, twin, application)
        finally:
            application.stop()
            self._count(application)
            self._stage.kubectl("delete", "dbm", "-l", f"target={target}", "--wait=false", "--ignore-not-found")
            self._stage.kubectl("delete", "mt,secret", "-l", f"target={target}", "--ignore-not-found")
            with self._stage.calm:
                for each in made:
                    patiently(lambda e=each: self._stage.cluster.drop(e))  # type: ignore[misc]

    def _create(self, name: str) -> TestDatabase:
        made = self._stage.cluster.create(f"{name}_{secrets.token_hex(3)}")
        made.psql(ACCOUNTS)
        return made

    def _set_up(self, target: str, database: TestDatabase) -> None:
        s3 = self._stage.s3

        def secret(name: str, **data: str) -> dict[str, Any]:
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
            return {"apiVersion": "v1", "kind": "Secret", "metadata": self._named(name, target), "data": encoded}

        spec = {
            "environment": "development",
            "policy": {"backup": "full"},
            "secretRef": {"name": f"{target}-db", "sslMode": "prefer"},
            "backup": {
                "url": f"s3://{self._stage.bucket}/{target}", "endpoint": s3.endpoint, "region": s3.region,
                "secretName": f"{target}-s3", "keep": 3,
            },
        }  # fmt: skip
        self._stage.apply(
            secret(f"{target}-db", uri=self._stage.network.url(database.url)),
            secret(f"{target}-s3", accessKeyId=s3.access_key, secretAccessKey=s3.secret_key),
            {
                "apiVersion": API_VERSION,
                "kind": "MigrationTarget",
                "metadata": self._named(target, target),
                "spec": spec,
            },
        )

    def _named(self, name: str, target: str) -> dict[str, Any]:
        return {"name": name, "namespace": NAMESPACE, "labels": {"target": target}}

    def _count(self, application: Application) -> None:
        with self._result.lock:
            tally, result = application.tally, self._result
            result.writes += tally.writes
            result.reads += tally.reads
            result.unknown += tally.unknown
            result.refused += tally.refused
            result.write_s = max(result.write_s, tally.longest_s)
            result.deviations += [f"{self._name}: {each}" for each in tally.deviations]

    def _case(self, case: Case, target: str, database: TestDatabase, twin: TestDatabase, app: Application) -> None:
        with self._stage.calm:
            for each in (database, twin):
                patiently(lambda e=each: e.psql(case.start))  # type: ignore[misc]
        spec = {"targetRef": {"name": target}, "version": f"{case.number:06d}", "type": "schema", **case.spec}
        began = time.monotonic()
        self._stage.apply(
            {"apiVersion": API_VERSION, "kind": "DatabaseMigration", "metadata": self._named(case.name, target),
             "spec": spec}
        )  # fmt: skip
        token: str | None = None
        if case.wish in ("cancel", "rollback"):
            self._watch(case, database, lambda found: found["state"] == "Migrating" or found["state"] in REST)
            token = self._ask(case, case.wish)
        attempt = self._rest(case, database, None)
        if case.wish == "rollback after success" and attempt["state"] == "Succeeded":
            attempt = self._rest(case, database, self._ask(case, "rollback"))
        for _ in range(4):
            if attempt["state"] != "NeedsHelp":
                break
            with self._result.lock:
                self._result.helped += 1
                self._result.reasons[f"NeedsHelp {attempt['reason']}: {attempt['message'][:110]}"] += 1
            attempt = self._rest(case, database, self._ask(case, "rollback"))
        took = time.monotonic() - began
        wrong = self._judge(case, attempt, database, twin, app)
        if case.wish in ("check fails", "step fails", "rollback after success") and attempt["state"] == "Succeeded":
            wrong.append(f"it succeeded, though its wish was: {case.wish}")
        for what in wrong:
            self._deviate(f"{target} {case.name} {case.families} ({case.wish}, {attempt['state']}): {what}")
        with self._result.lock:
            result = self._result
            result.ends[case.wish, attempt["state"]] += 1
            result.families.update(case.families)
            result.longest_s = max(result.longest_s, took)
            if attempt["state"] not in ("Succeeded", "RolledBack") or (
                case.wish == "succeed" and attempt["state"] != "Succeeded"
            ):
                result.reasons[f"{attempt['state']} {attempt['reason']}: {attempt['message'][:110]}"] += 1
        print(f"{time.strftime('%H:%M:%S')} {target} {case.name} {case.wish}: {attempt['state']} after {took:.0f} s, "
              f"token {token or '-'}", flush=True)  # fmt: skip

    def _ask(self, case: Case, what: str) -> str:
        token = secrets.token_hex(3)
        self._stage.kubectl("annotate", "--overwrite", f"dbm/{case.name}", f"backstitch.dev/{what}={token}")
        return token

    def _look(self, case: Case, database: TestDatabase) -> dict[str, Any]:
        """Give the latest attempt, or what the object says where the ledger knows of none."""
        attempts = oracle.ledger_of(database.url, case.name)
        if attempts:
            return attempts[-1]
        status = self._status(case)
        nothing = {"started_at": None, "handled": status.get("handledRequests", []), "done": 0, "rows": 0, "attempt": 0}
        said = {
            "state": status.get("state", "Pending"),
            "reason": status.get("reason"),
            "message": status.get("message"),
        }
        return nothing | said

    def _status(self, case: Case) -> dict[str, Any]:
        read = json.loads(self._stage.kubectl("get", "dbm", case.name, "-o", "json"))
        status: dict[str, Any] = read.get("status", {})
        if "finalizers" in read["metadata"]:
            status["held"] = True
        return status

    def _watch(self, case: Case, database: TestDatabase, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + LIMIT_S
        last, since, found = None, time.monotonic(), {"state": "unknown", "reason": "", "message": ""}
        while time.monotonic() < deadline:
            try:
                found = self._look(case, database)
            except (psycopg.Error, ServerError):
                time.sleep(0.3)
                continue
            signature = [found[key] for key in ("state", "reason", "done", "rows", "attempt")]
            if signature != last:
                last, since = signature, time.monotonic()
            with self._result.lock:
                self._result.quiet_s = max(self._result.quiet_s, time.monotonic() - since)
            if until(found):
                return found
            time.sleep(0.15)
        raise TimeoutError(
            f"{case.name} ({case.wish}) is stuck in {found['state']}: {found['reason']} {found['message']}"
        )

    def _rest(self, case: Case, database: TestDatabase, token: str | None) -> dict[str, Any]:
        """Wait until it rests and, where something was asked, that was heard."""

        def rests(found: dict[str, Any]) -> bool:
            heard = token is None or any(each.endswith(f":{token}") for each in found["handled"])
            return found["state"] in REST and heard

        return self._watch(case, database, rests)

    def _judge(
        self, case: Case, attempt: dict[str, Any], database: TestDatabase, twin: TestDatabase, app: Application
    ) -> list[str]:
        wrong: list[str] = []
        tidy = self._settled(lambda: self._object_is_wrong(case, database))
        if tidy:
            wrong += [f"after {TIDY_S:.0f} s: {each}" for each in tidy]
        if attempt["state"] == "NeedsHelp":
            wrong.append(f"needs help after all: {attempt['reason']} {attempt['message']}")
        wrong += oracle.backup_came_first(attempt)
        with self._stage.calm:
            if attempt["state"] == "Succeeded":
                patiently(lambda: twin.psql(case.goal))
            model = app.pause()
            try:
                wrong += patiently(lambda: oracle.against_model(database.url, model))
                found, counted = patiently(lambda: oracle.content(database.url))
                wanted, _ = patiently(lambda: oracle.content(twin.url))
                if found != wanted:
                    wrong.append(f"schema or rows are not as they must be: {oracle.difference(found, wanted)}")
                wrong += [f"left behind: {w}" for w in self._settled(lambda: oracle.left_behind(database.url))]
            finally:
                app.resume()
        with self._result.lock:
            self._result.rows += counted + len(model)
        return wrong

    def _object_is_wrong(self, case: Case, database: TestDatabase) -> list[str]:
        attempts = oracle.ledger_of(database.url, case.name)
        status = self._status(case)
        wrong = oracle.against_object(status, attempts[-1]) if attempts else []
        return [*wrong, "our finalizer is on a resting object"] if status.get("held") else wrong

    def _settled(self, look: Callable[[], list[str]]) -> list[str]:
        """Look until nothing is wrong, for a while: the operator writes and tidies up after the last commit."""
        deadline = time.monotonic() + TIDY_S
        while (found := patiently(look)) and time.monotonic() < deadline:
            time.sleep(0.3)
        return found
