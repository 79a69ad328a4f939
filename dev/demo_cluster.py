# SPDX-License-Identifier: Apache-2.0
"""How do the three stories look in a cluster? `kubectl apply`, the operator as a process, and what kubectl shows."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backstitch.model.states import RESTING, State
from dev import demo_screen as screen
from dev.apiserver import ApiServer
from dev.demo_application import Application
from dev.demo_describe import shorten
from dev.demo_screen import Claims
from dev.demo_shop import Shop
from dev.demo_stories import ROOT, STORIES, Story
from dev.processes import Process, ServerError, free_port

NAMESPACE = "backstitch-demo"
_STORY_LIMIT_S = 150
_READY_LIMIT_S = 60


class Stage:
    """The namespace, the operator and the target in which the stories play."""

    def __init__(self, api: ApiServer, shop: Shop, folder: Path) -> None:
        self.api = api
        self._found_crds = True
        self._shop = shop
        self.backups = folder / "backups"
        self.log = folder / "operator.log"
        port = free_port()
        self.metrics = f"http://127.0.0.1:{port}/metrics"
        self._ready = f"http://127.0.0.1:{port}/readyz"
        self.operator = Process(
            "backstitch operator",
            [sys.executable, "-m", "backstitch", "operator"],
            self.log,
            env={
                "KUBECONFIG": str(api.kubeconfig if api.is_external else api.kubeconfig_for("operator")),
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
        screen.table(self.kubectl(*arguments))

    def set_up(self) -> None:
        """Install the CRDs, start the operator, and give it the shop's database."""
        screen.step(
            "Installing the CRDs: MigrationTarget (a database), DatabaseMigration (a change), MigrationApproval (a yes)"
        )
        screen.command("kubectl apply --server-side -f crds/")
        self._found_crds = _CRD in self.api.run_kubectl("get", "crd", "-o", "name")
        self.api.install_crds(ROOT / "crds")
        self.api.run_kubectl("create", "namespace", NAMESPACE)
        if not self.api.is_external:
            screen.step("Giving the operator the rights of manifests/rbac.yaml and no others")
            for file in ("namespace.yaml", "rbac.yaml"):
                self.api.run_kubectl("apply", "-f", str(ROOT / "manifests" / file))
            bind = ["create", "clusterrolebinding", "demo", "--clusterrole=backstitch-operator", "--user=operator"]
            self.api.run_kubectl(*bind)
        screen.step("Starting the operator, as a process on this machine (in a cluster it is a Deployment)")
        screen.command("backstitch operator")
        self.operator.start()
        self.operator.wait_until(lambda: _answers(self._ready), within_s=_READY_LIMIT_S)
        screen.step("Telling it about the shop: a Secret with the connection (not shown) and a MigrationTarget")
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-database"}}
        uri = {"stringData": {"uri": self._shop.owner_url}}
        # over stdin: arguments can be read by everybody on the machine
        self.kubectl("apply", "-f", "-", stdin=json.dumps({**secret, **uri}))
        target = _TARGET.format(folder=self.backups)
        screen.command("kubectl apply -f target.yaml")
        screen.document(target)
        self.kubectl("apply", "-f", "-", stdin=target)
        self.kubectl("wait", "--for=condition=Ready", "migrationtarget/shop", "--timeout=60s")
        self.show("get", "migrationtargets")

    def approve(self, name: str) -> None:
        """Read the plan and say yes to it, as the person whom this cluster's admin stands for."""
        screen.step("Production asks for a person's yes. Somebody reads the plan and gives it:")
        digest = self.kubectl("get", "dbm", name, "-o", "jsonpath={.status.planDigest}")
        for arguments in (["plan", name], ["approve", name, "--digest", digest, "--comment", "read it, looks right"]):
            screen.command(f"kubectl dbmigrations {shlex.join(arguments)}")
            path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            done = subprocess.run(
                [str(self.api.kubectl), "dbmigrations", "-n", NAMESPACE, *arguments],
                env={**os.environ, "PATH": path, "KUBECONFIG": str(self.api.kubeconfig)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            for line in (done.stdout + done.stderr).splitlines()[:_PLAN_LINES]:
                screen.output(line)

    def take_down(self) -> None:
        """Stop the operator; from a cluster that stays, take away what was put there."""
        self.operator.stop()
        if not self.api.is_external:
            return
        with contextlib.suppress(ServerError):  # whatever was not made yet need not go
            for name in self.kubectl("get", "dbm", "-o", "name").split():  # no operator is left to take finalizers off
                self.kubectl("patch", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        with contextlib.suppress(ServerError):
            self.kubectl("delete", "dbm,migrationtargets,secrets", "--all", "--timeout=60s")
        with contextlib.suppress(ServerError):
            self.api.run_kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
        with contextlib.suppress(ServerError):
            others = self.api.run_kubectl("get", "dbm,migrationtargets", "-A", "-o", "name").split()
            if not self._found_crds and not others:
                self.api.run_kubectl("delete", "-f", str(ROOT / "crds"), "--timeout=60s")


_PLAN_LINES = 24
_CRD = "databasemigrations.backstitch.dev"
_TARGET = """\
apiVersion: backstitch.dev/v1alpha1
kind: MigrationTarget
metadata:
  name: shop
spec:
  environment: production   # a person's yes, a proven backup before each change, no reset, SQL hazards refuse
  secretRef: {{name: shop-database, sslMode: prefer}}
  backup: {{url: "file://{folder}"}}   # s3://bucket/prefix in real life
  # A rehearsal on a copy would stop the second story before it touched anything; the demo shows what happens without.
  rehearsal: {{noRoom: "this demo shows what happens when a mistake gets as far as production"}}
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
    claims.claim(state == story.ends, f"it ended {state}", f"it is {state} instead of {story.ends}")
    screen.step("What somebody sees who asks for more (shortened here):")
    screen.command(f"kubectl describe dbmigration {story.name}")
    for line in shorten(stage.kubectl("describe", "dbmigration", story.name)):
        screen.output(line)
    if story.note:
        screen.explain(story.note)
    screen.step("The demo looks for itself:")
    story.judge(shop, before, application, claims)


def _watch(stage: Stage, name: str) -> str:
    """Show `kubectl get -w` until the migration rests; gives the state it rests in, or the last one seen."""
    screen.command(f"kubectl get dbmigrations {name} --watch")
    state = ""
    approved = False
    shown: tuple[str, ...] = ()
    screen.table(_ROW.format(*_HEADS))
    with _watched(stage, name) as lines:
        for line in lines:
            row = cells(line)
            if row is None:
                continue
            state, news = row[1], (*row[:3], _coarse(row[3]), row[4])
            if news != shown:
                screen.table(_ROW.format(*row))
            shown = news
            if state == State.AWAITING_APPROVAL and not approved:
                approved = True
                stage.approve(name)
            if state in RESTING:
                return state
    return state or "without a state"


def _coarse(progress: str) -> str:
    """Give `2/4 57%` without its last digit: a line for each percent is too much to read."""
    return progress[:-2] if progress.endswith("%") else progress


_HEADS = ("NAME", "STATE", "PHASE", "PROGRESS", "READY", "AGE")
_ROW = "{:<20}  {:<16}  {:<8}  {:<9}  {:<6}  {}"


def cells(line: str) -> tuple[str, ...] | None:
    """Give the cells of a line of `kubectl get -w` that are news; None for its head.

    kubectl aligns each line for itself and leaves empty cells out of sight, so what a cell is must be told from what
    is in it.
    """
    found = re.split(r"\s{2,}", line.strip())
    if found[0] == "NAME":
        return None
    name, _target, _version, *rest, age = found
    state = next((cell for cell in rest if cell in set(State)), "")
    progress = next((cell for cell in rest if re.fullmatch(r"\d+/\d+ \d+%", cell)), "")
    ready = next((cell for cell in rest if cell in ("True", "False", "Unknown")), "")
    phase = next((cell for cell in rest if cell not in (state, progress, ready)), "")
    return (name, state, phase, progress, ready, age)


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


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
