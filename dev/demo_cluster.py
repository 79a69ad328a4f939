# SPDX-License-Identifier: Apache-2.0
"""How do the three stories look in a cluster? `kubectl apply`, the operator as a process, and what kubectl shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev import demo_screen as screen
from dev.apiserver import ApiServer
from dev.demo_application import Application
from dev.demo_screen import Claims
from dev.demo_shop import Shop
from dev.demo_stories import ROOT, STORIES, Story
from dev.processes import Process, ServerError, free_port
from dev.s3 import S3Server

NAMESPACE = "backstitch-demo"
RESTING = ("Succeeded", "RolledBack", "Refused", "Stopped", "NeedsHelp")
_STORY_LIMIT_S = 150
_READY_LIMIT_S = 60


class Stage:
    """The namespace, the operator and the target in which the stories play."""

    def __init__(self, api: ApiServer, shop: Shop, s3: S3Server, folder: Path) -> None:
        self.api = api
        self._shop = shop
        self._s3 = s3
        self.log = folder / "operator.log"
        port = free_port()
        self.metrics = f"http://127.0.0.1:{port}/metrics"
        self._ready = f"http://127.0.0.1:{port}/readyz"
        self.operator = Process(
            "backstitch operator",
            [sys.executable, "-m", "backstitch", "operator"],
            self.log,
            env={
                "KUBECONFIG": str(api.kubeconfig),
                "PYTHONPATH": str(ROOT / "operator"),
                "BACKSTITCH_NAMESPACES": NAMESPACE,
                "BACKSTITCH_HTTP_HOST": "127.0.0.1",
                "BACKSTITCH_HTTP_PORT": str(port),
                "BACKSTITCH_PROBE_S": "5",
            },
        )

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace and give its output."""
        return self.api.run_kubectl("-n", NAMESPACE, *arguments, stdin=stdin)

    def show(self, *arguments: str) -> None:
        """Run kubectl in front of everybody."""
        screen.command(f"kubectl {' '.join(arguments)}")
        for line in self.kubectl(*arguments).splitlines():
            screen.output(line)

    def read(self, name: str) -> dict[str, Any]:
        """The status of a migration."""
        status: dict[str, Any] = json.loads(self.kubectl("get", "dbm", name, "-o", "json")).get("status", {})
        return status

    def set_up(self) -> None:
        """Install the CRDs, start the operator, and give it the shop's database."""
        screen.step("Installing the two CRDs: MigrationTarget (a database) and DatabaseMigration (a change of one)")
        screen.command("kubectl apply --server-side -f crds/")
        self.api.install_crds(ROOT / "crds")
        self.api.run_kubectl("create", "namespace", NAMESPACE)
        screen.step("Starting the operator, as a process on this machine (in a cluster it is a Deployment)")
        screen.command("backstitch operator")
        self.operator.start()
        self.operator.wait_until(lambda: _answers(self._ready), within_s=_READY_LIMIT_S)
        screen.step("Telling it about the shop: two Secrets (not shown) and a MigrationTarget")
        secrets = (
            ("shop-database", {"uri": self._shop.owner_url}),
            ("shop-backups", {"accessKeyId": self._s3.access_key, "secretAccessKey": self._s3.secret_key}),
        )
        for name, values in secrets:  # over stdin: arguments can be read by everybody on the machine
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
            self.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
        target = _TARGET.format(endpoint=self._s3.endpoint, bucket=self._s3.create_bucket("backups"))
        screen.command("kubectl apply -f target.yaml")
        screen.document(target)
        self.kubectl("apply", "-f", "-", stdin=target)
        self.kubectl("wait", "--for=condition=Ready", "migrationtarget/shop", "--timeout=60s")
        self.show("get", "migrationtargets")

    def take_down(self) -> None:
        """Stop the operator; from a cluster that stays, take away what was put there."""
        self.operator.stop()
        if self.api.is_external:
            self.kubectl("delete", "dbm", "--all", "--wait=false")
            for name in self.kubectl("get", "dbm", "-o", "name").split():  # no operator is left to take finalizers off
                self.kubectl("patch", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
            self.api.run_kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


_TARGET = """\
apiVersion: backstitch.dev/v1alpha1
kind: MigrationTarget
metadata:
  name: shop
spec:
  environment: production   # a proven backup before each change, no reset, SQL hazards refuse
  secretRef: {{name: shop-database, sslMode: prefer}}
  backup: {{url: "s3://{bucket}/shop", endpoint: "{endpoint}", secretName: shop-backups}}
"""


def tell_stories(stage: Stage, shop: Shop, claims: Claims) -> None:
    """Run the three stories through Kubernetes."""
    for number, story in enumerate(STORIES, start=1):
        _tell(number, story, stage, shop, claims)
    screen.title("What is there now")
    stage.show("get", "dbmigrations", "-o", "wide")
    stage.show("get", "migrationtargets")


def _tell(number: int, story: Story, stage: Stage, shop: Shop, claims: Claims) -> None:
    screen.title(f"Story {number} of {len(STORIES)}, which must end {story.ends}: {story.file}")
    screen.explain(story.said)
    screen.document(story.path.read_text())
    before = story.look(shop)
    with Application(shop) as application:
        screen.step("The application writes. Applying the migration, as Argo CD would:")
        screen.command(f"kubectl apply -f {story.file}")
        stage.kubectl("apply", "-f", str(story.path))
        state = _watch(stage, story.name)
    screen.step("What a person sees who asks:")
    _describe(stage, story.name)
    claims.claim(state == story.ends, f"it ended {state}", f"it is {state} instead of {story.ends}")
    _show_proof(stage.read(story.name), story)
    story.judge(shop, before, application, claims)


def _watch(stage: Stage, name: str) -> str:
    """Show `kubectl get -w` until the migration rests; gives the state it rests in, or the last one seen."""
    screen.command(f"kubectl get dbmigrations {name} --watch")
    state, shown = "", ""
    with _watched(stage, name) as lines:
        column = -1
        for line in lines:
            cells = re.split(r"\s{2,}", line.strip())
            if column < 0:
                column = cells.index("STATE")
                screen.output(line)
                continue
            told = " ".join(cells[:-1])  # without the age: a line that says nothing new is not shown
            if told != shown:
                screen.output(line)
            shown = told
            state = next((cell for cell in cells if cell in RESTING), state)
            if state in RESTING:
                return state
    return state or "without a state"


@contextmanager
def _watched(stage: Stage, name: str) -> Iterator[Iterator[str]]:
    argv = [str(stage.api.kubectl), "--kubeconfig", str(stage.api.kubeconfig), "-n", NAMESPACE]
    with subprocess.Popen(
        [*argv, "get", "dbmigrations", name, "--watch"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        limit = threading.Timer(_STORY_LIMIT_S, process.terminate)  # the loop over its lines then ends
        limit.start()
        assert process.stdout is not None
        try:
            yield iter(process.stdout)
        finally:
            limit.cancel()
            process.terminate()


def _describe(stage: Stage, name: str) -> None:
    """Show of `kubectl describe` what is news: not the spec, and of the status not every field."""
    screen.command(f"kubectl describe dbmigration {name}   # its status and events")
    text = stage.kubectl("describe", "dbmigration", name)
    for line in text[text.index("\nStatus:") + 1 :].splitlines():
        screen.output(line)


def _show_proof(status: dict[str, Any], story: Story) -> None:
    screen.explain(f"{story.name}: {status.get('message', '')}")


def _answers(url: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


__all__ = ["ServerError", "Stage", "tell_stories", "time"]
