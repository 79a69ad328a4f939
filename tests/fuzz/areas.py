# SPDX-License-Identifier: Apache-2.0
"""Where does text from outside come in, what is good input there, and which errors may it answer bad input with?

Each area takes a random source and feeds one bad input to the code that reads it in production.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from backstitch.adapters.conninfo import parse_secret, parse_url
from backstitch.adapters.store_url import parse_store_url
from backstitch.app.registry import seen_of
from backstitch.core.approvals import count_approvals
from backstitch.core.errors import TargetError, UsageError
from backstitch.core.lint import lint_text
from backstitch.core.migration_dirs import read_migrations
from backstitch.core.permission import approvals_from
from backstitch.core.psql_text import as_sql
from backstitch.core.read_document import read_document
from backstitch.core.schedule import due_backup, next_backup
from backstitch.core.windows import why_shut
from backstitch.engine.backup import find_backup
from backstitch.engine.retention import list_backups
from backstitch.model.approval import MigrationApproval
from backstitch.model.backup import BackupRequest
from backstitch.model.backup_spec import BackupSchedule
from backstitch.model.script import ScriptError, split
from backstitch.model.spec import DatabaseMigration, MigrationTarget, TargetPolicy
from backstitch.model.sql import parse_name, quote_ident, quote_literal
from tests.fakes import MemoryStore
from tests.fuzz import mutate
from tests.fuzz.good import (
    APPROVAL,
    MANIFEST_TEXT,
    MIGRATION,
    NOW,
    POLICY,
    PROOF_TEXT,
    SCHEDULE,
    SECRETS,
    STATUS,
    TARGET,
    URLS,
)

DATA = Path(__file__).parents[1] / "data"
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"

Feed = Callable[[random.Random], None]


@cache
def sql_texts() -> list[str]:
    """Give SQL of every kind that the tests have."""
    return [p.read_text() for p in sorted(DATA.rglob("*.sql")) if p.stat().st_size < 4000]


@cache
def documents() -> list[str]:
    """Give YAML of every kind that we read."""
    texts = [p.read_text() for p in [*sorted(SAMPLES.glob("*.yaml")), *sorted((DATA / "orchestration").glob("*.yaml"))]]
    return [*texts, *(yaml.safe_dump(each) for each in (MIGRATION, TARGET, APPROVAL))]


@cache
def directories() -> list[dict[str, str]]:
    """Give the files of migration directories, of each tool one."""
    found = []
    for folder in sorted((DATA / "roundtrip").iterdir()):
        files = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
        found.append({path: files[path] for path in sorted(files)[:8]})
    return found


def document(rng: random.Random) -> None:
    """YAML of a file."""
    with suppress(UsageError):
        read_document(mutate.text(rng, documents()))


def models(rng: random.Random) -> None:
    """Objects as the API server, or another version of our CRDs, gives them."""
    model, good = rng.choice([(DatabaseMigration, MIGRATION), (MigrationTarget, TARGET), (MigrationApproval, APPROVAL)])
    with suppress(ValidationError):
        model.model_validate(mutate.plain(rng, good))


def sql(rng: random.Random) -> None:
    """SQL of a step."""
    text = mutate.text(rng, sql_texts())
    try:
        statements = split(text)
    except ScriptError:
        return
    assert statements
    for one in statements:
        assert one.text in text
        assert one.line >= one.first_line >= 1
        assert one.excerpt


def lint(rng: random.Random) -> None:
    """Files that are linted: never an error, whatever is in them."""
    if rng.random() < 0.5:
        lint_text(mutate.text(rng, sql_texts()), "a.sql")
    else:
        lint_text(mutate.text(rng, documents()), "a.yaml")


def directory(rng: random.Random) -> None:
    """A directory of some migration tool: other names, other texts, markers in the wrong place."""
    files = dict(rng.choice(directories()))
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(files))
        text = files.pop(path)
        if rng.random() < 0.5:
            path = mutate.text(rng, [path]).replace("\0", "") or "x"
        files[path] = mutate.text(rng, [text]) if text and rng.random() < 0.7 else text
    try:
        found = read_migrations(files, rng.choice([None, "name", "number"]))
    except UsageError:
        return
    for each in found.migrations:
        as_sql(each.up)
        as_sql(each.down or "")


def backups(rng: random.Random) -> None:
    """What lies in the store in the place of a backup: it is one, or it is none; never an error."""
    request = BackupRequest(namespace="shop", name="m", attempt="1-1-abc")
    store = MemoryStore()
    store.objects = {request.folder + name: b"x" for name in ("full.pgc", "schema.pgc")}
    changed = []
    for good in (MANIFEST_TEXT, PROOF_TEXT):
        as_text = mutate.text(rng, [good])
        as_data = json.dumps(mutate.plain(rng, json.loads(good)))
        changed.append(rng.choice([good, as_text, as_data]).encode(errors="surrogatepass"))
    store.objects[request.folder + "manifest.json"] = changed[0]
    store.objects[request.folder + "proof.json"] = changed[1]
    asyncio.run(_look(request, store))


async def _look(request: BackupRequest, store: MemoryStore) -> None:
    await find_backup(request, store)
    await list_backups(store, request.namespace)


def connections(rng: random.Random) -> None:
    """Secrets and URLs; no message holds the password."""
    try:
        if rng.random() < 0.3:
            parse_url(mutate.text(rng, URLS))
            return
        data: dict[str, Any] = mutate.plain(rng, rng.choice(SECRETS))
        given = {str(k): v if isinstance(v, bytes) else str(v) for k, v in data.items()}
        found = parse_secret(
            {k: v.encode(errors="surrogatepass") if isinstance(v, str) and rng.random() < 0.5 else v
             for k, v in given.items()},
            port=rng.choice([None, 5432]),
        )  # fmt: skip
        said = repr(found)
    except (TargetError, UsageError) as error:
        said = error.message
    assert "s3cret" not in said


def stores(rng: random.Random) -> None:
    """URLs of backup stores, with keys from a Secret."""
    keys = mutate.plain(rng, {"accessKeyId": "a", "secretAccessKey": "s3cret"})
    try:
        parse_store_url(
            mutate.text(rng, ["file:///var/backups", "s3://bucket/prefix/deep", "s3://b"]),
            endpoint=rng.choice([None, mutate.text(rng, ["http://127.0.0.1:9000", "https://s3.example.com"])]),
            keys={str(k): v if isinstance(v, str | bytes) else str(v) for k, v in keys.items()},
        )
        said = ""
    except UsageError as error:
        said = error.message
    assert "s3cret" not in said


def times(rng: random.Random) -> None:
    """Windows, freezes and schedules, at odd moments."""
    now = NOW + timedelta(seconds=rng.randrange(-(10**9), 10**9))
    if rng.random() < 0.5:
        cron = _cron(rng)
        zone = rng.choice([None, "Europe/Berlin", "Pacific/Apia", "Africa/Monrovia"])
        windows = [{"cron": cron, "duration": rng.choice(["1m", "4h", "7d"]), "timeZone": zone}]
        given: Any = {**POLICY, "windows": windows}
        schedule: Any = {"full": cron, "timeZone": zone}
    else:
        given, schedule = mutate.plain(rng, POLICY), mutate.plain(rng, SCHEDULE)
    try:
        policy = TargetPolicy.model_validate(given)
        shut = why_shut(policy.windows or (), policy.freezes or (), now)
        assert shut is None or shut.until is None or shut.until > now
    except ValidationError:
        pass
    try:
        found = BackupSchedule.model_validate(schedule)
    except ValidationError:
        return
    due_backup(found, {}, now)
    next_backup(found, now)


def _cron(rng: random.Random) -> str:
    def part(low: int, high: int) -> str:
        one = str(rng.randint(low, high))
        return rng.choice(["*", one, f"{one}/{rng.randint(1, 9)}", f"{low}-{one}", f"{one},{high}", "L", f"{one}#5"])

    return " ".join(part(*bounds) for bounds in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7)))


def approvals(rng: random.Random) -> None:
    """Approvals that the API server has let through (the model says the same), and how they are counted."""
    bodies = []
    for _ in range(rng.randint(1, 4)):
        body = mutate.plain(rng, APPROVAL, times=1)
        try:
            MigrationApproval.model_validate(body)
        except ValidationError:
            continue
        meta = {**body["metadata"], "creationTimestamp": "2026-01-01T00:00:00Z"}
        bodies.append({**body, "metadata": meta})
    given = mutate.plain(rng, {"required": 2, "approvers": ["ana", "bo"], "notAuthor": True, "validFor": "8h"})
    try:
        policy = TargetPolicy.model_validate({"approval": given}).approval
    except ValidationError:
        policy = None
    found = count_approvals(approvals_from(bodies), policy, 1, plan_digest="a" * 64, author="ana", now=NOW)
    assert found.message("a" * 64, "m")


def objects(rng: random.Random) -> None:
    """Objects whose status another version of us has written, or somebody by hand."""
    body = {
        "metadata": {"namespace": "shop", "name": "m", "uid": "u", "annotations": {"backstitch.dev/retry": "1"}},
        "spec": MIGRATION["spec"],
        "status": mutate.plain(rng, STATUS),
    }
    if not isinstance(body["status"], dict):
        return
    assert seen_of(body).key.name == "m"


def names(rng: random.Random) -> None:
    """Names and values on their way into SQL."""
    text = mutate.text(rng, ["users", "shop.users", '"odd.schema"."odd ""table"', "Ünïcode", "a" * 63])
    try:
        again = parse_name(parse_name(text).sql)
        assert again == parse_name(text)
    except ValueError:
        pass
    try:
        assert quote_ident(text)[1:-1].replace('""', "").count('"') == 0
        assert quote_literal(text)[1:-1].replace("''", "").count("'") == 0
    except ValueError:
        pass


AREAS: dict[str, Feed] = {
    "documents": document,
    "models": models,
    "sql": sql,
    "lint": lint,
    "directories": directory,
    "backups": backups,
    "connections": connections,
    "stores": stores,
    "times": times,
    "approvals": approvals,
    "objects": objects,
    "names": names,
}
