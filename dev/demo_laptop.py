# SPDX-License-Identifier: Apache-2.0
"""How do the three stories look without a cluster? Through `backstitch run`, on the embedded PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dev import demo_screen as screen
from dev.demo_application import Application
from dev.demo_screen import Claims
from dev.demo_shop import Shop
from dev.demo_stories import ROOT, STORIES, Story

WITHOUT_REHEARSAL = "this demo shows what happens when a mistake gets as far as production"


def tell_stories(shop: Shop, backups: Path, claims: Claims) -> None:
    """Run the three stories through the command line."""
    screen.title("On a laptop or in a pipeline: the same engine, without Kubernetes")
    for number, story in enumerate(STORIES, start=1):
        _tell(number, story, shop, backups, claims)


def _tell(number: int, story: Story, shop: Shop, backups: Path, claims: Claims) -> None:
    screen.step(f"Story {number}, which must end {story.ends}: {story.file}")
    screen.explain(story.said)
    if number == 1:
        screen.explain("The connection URL, with its password, is in the environment variable BACKSTITCH_DATABASE.")
    before = story.look(shop)
    arguments = ["run", story.file, "--environment", "production", "--backup-to", f"file://{backups}"]
    arguments += ["--without-rehearsal", WITHOUT_REHEARSAL]
    screen.command(f"backstitch {' '.join(arguments)}")
    with Application(shop) as application:
        code = _run(arguments, shop)
    claims.claim(
        code == story.exit_code,
        f"exit code {code}: {story.ends}",
        f"exit code {code} instead of {story.exit_code} ({story.ends})",
    )
    story.judge(shop, before, application, claims)


def _run(arguments: list[str], shop: Shop) -> int:
    environment = {**os.environ, "BACKSTITCH_DATABASE": shop.owner_url, "PYTHONPATH": str(ROOT / "operator")}
    with subprocess.Popen(
        [sys.executable, "-m", "backstitch", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the demo alone, which ends it below
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                screen.output(line)
        except BaseException:
            process.terminate()
            raise
    return process.returncode
