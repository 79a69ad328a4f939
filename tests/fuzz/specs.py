# SPDX-License-Identifier: Apache-2.0
"""Do the API server and the models judge the same? Changed specs of all three kinds, given to both as dry runs.

`python -m tests.fuzz.specs N=100000 SEED=7` with PYTHONPATH=operator:. What the schema can say must be judged the same
by both. Rules of ours that CEL cannot say may be the models' alone: such a spec is taken by the server and refused by
the operator. The server must not be stricter than the models, but for `SERVER_ONLY`, and never answer with a 5xx.
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from backstitch.model.approval import MigrationApproval
from backstitch.model.spec import DatabaseMigration, MigrationTarget
from dev.apiserver import ApiServer
from tests.cluster.test_crd_mutations import SPEC
from tests.fuzz import mutate
from tests.fuzz.good import APPROVAL, TARGET

Judge = Callable[[str, dict[str, Any]], tuple[int, str]]

KINDS: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "DatabaseMigration": (DatabaseMigration, SPEC),
    "MigrationTarget": (MigrationTarget, TARGET["spec"]),
    "MigrationApproval": (MigrationApproval, APPROVAL["spec"]),
}
SERVER_ONLY = "staging and production need spec.backup"  # the engine says the same when it plans
SERVER_MISSES = ("datetime_type",)  # it takes a list for a string with format date-time; the operator refuses it
BEYOND = "must be of type int64"  # a model's number has no end
CRDS = Path(__file__).parents[2] / "crds"


@contextmanager
def asking(api_server: ApiServer) -> Iterator[Judge]:
    """Give the server's answer to a dry run, through `kubectl proxy`: 3 ms each instead of 100 ms for a kubectl."""
    argv = [str(api_server.kubectl), "--kubeconfig", str(api_server.kubeconfig), "proxy", "--port=0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        connection = http.client.HTTPConnection(proxy.stdout.readline().rpartition(" ")[2].strip(), timeout=60)

        def ask(kind: str, document: dict[str, Any]) -> tuple[int, str]:
            path = f"/apis/backstitch.dev/v1alpha1/namespaces/default/{kind.lower()}s?dryRun=All&fieldValidation=Strict"
            connection.request("POST", path, json.dumps(document).encode(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
            return answer.status, "" if answer.status < 300 else json.loads(body)["message"]

        try:
            yield ask
        finally:
            connection.close()
            proxy.terminate()


def a_document(kind: str, spec: Any) -> dict[str, Any]:
    """Give a whole object."""
    return {"apiVersion": "backstitch.dev/v1alpha1", "kind": kind, "metadata": {"name": "m"}, "spec": spec}


def models_say(model: type[BaseModel], document: dict[str, Any]) -> tuple[bool, str]:
    """Whether the models take it, and if not, whether by what the schema says or by a rule of ours.

    Strict, as the API server is: else pydantic reads "5" as 5 and 1 as true. Numbers that are kept exactly (Decimal)
    and times cannot be read strictly from JSON; they are judged by the second reading.
    """
    text = json.dumps(document)
    found: list[str] = []
    for strict in (True, False):
        try:
            model.model_validate_json(text, strict=strict)
        except ValidationError as error:
            types = [e["type"] for e in error.errors() if e["type"] != "is_instance_of"]
            found += ["value_error" if each in SERVER_MISSES else each for each in types]
    return not found, "rule" if set(found) == {"value_error"} else "schema"


def without_nulls(value: Any) -> Any:
    """Give what the server looks at: it drops fields that are null, also those of a map."""
    if isinstance(value, dict):
        return {key: without_nulls(below) for key, below in value.items() if below is not None}
    return [without_nulls(below) for below in value] if isinstance(value, list) else value


def disagreement(ask: Judge, kind: str, spec: Any) -> str:
    """Say on what the two differ over a spec, "" where they agree."""
    document = a_document(kind, spec)
    code, said = ask(kind, document)
    good, why = models_say(KINDS[kind][0], without_nulls(document))
    if "strict decoding error: unknown field" in said and not models_say(KINDS[kind][0], document)[0]:
        return ""  # a field that nobody knows, and null
    if code not in (201, 400, 422):
        return f"the server answers {code}: {said}"
    if good and code != 201 and SERVER_ONLY not in said and BEYOND not in said:
        return f"the models take it, the server says: {said}"
    if not good and why == "schema" and code == 201:
        return "the server takes what is not in the models' schema"
    return ""


def changed(rng: random.Random, kind: str) -> Any:
    """Give a changed spec that can be written as JSON and read by both."""
    while True:
        spec = mutate.plain(rng, KINDS[kind][1])
        try:
            text = json.dumps(spec, allow_nan=False, ensure_ascii=False)
            text.encode()
        except (ValueError, UnicodeEncodeError):
            continue
        return spec


def main(arguments: list[str]) -> int:
    """Run and print totals; 1 where the two disagree."""
    given = dict(each.split("=", 1) for each in arguments)
    count, seed = int(given.get("N", "1000")), given.get("SEED", "1")
    totals: Counter[tuple[str, bool]] = Counter()
    bad = 0
    with ApiServer() as server:
        server.install_crds(CRDS)
        with asking(server) as ask:
            for number in range(count):
                kind = list(KINDS)[number % len(KINDS)]
                spec = changed(random.Random(f"{seed}/{kind}/{number}"), kind)
                found = disagreement(ask, kind, spec)
                good, _ = models_say(KINDS[kind][0], without_nulls(a_document(kind, spec)))
                totals[kind, good] += 1
                if found:
                    bad += 1
                    if bad <= 20:
                        print(f"{seed}/{kind}/{number}: {found[:600]}\n  {json.dumps(spec)[:3000]}", flush=True)
    for kind in KINDS:
        print(f"{kind}: {totals[kind, True] + totals[kind, False]} specs, {totals[kind, True]} taken by the models")
    print(f"{bad} disagreements")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
