# SPDX-License-Identifier: Apache-2.0
"""How is a program built from a Go module that go.sum pins, so that a build that is cut off leaves nothing?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dev.processes import ServerError

_BUILD_LIMIT_S = 3600


def user_cache() -> Path:
    """Where built programs are kept, over every clone of the project."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "backstitch"


def pinned_version(source: Path, module: str) -> str:
    """The version, without its "v", that a folder's go.mod pins for a module.

    Raises:
        ServerError: go.mod does not require that module.
    """
    pinned = re.search(rf"{re.escape(module)} v(\S+)", (source / "go.mod").read_text())
    if pinned is None:
        raise ServerError(f"{source / 'go.mod'} requires no {module}: restore it from git")
    return pinned[1]


def find_go(otherwise: str) -> str:
    """The path of the Go compiler. Raises ServerError with the text `otherwise` when there is none."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        raise ServerError(otherwise)
    return go


def build_program(go: str, source: Path, package: str, into: Path, ldflags: str, notice: str) -> None:
    """Build one program to the path `into`, saying `notice` first and the time afterwards.

    Raises:
        ServerError: the build failed; the end of its output is in the message.
    """
    print(notice, file=sys.stderr, flush=True)
    begun = time.monotonic()
    unfinished = into.with_name(f"{into.name}.building-{os.getpid()}")
    try:
        built = subprocess.run(
            [go, "build", "-trimpath", "-buildvcs=false", f"-ldflags={ldflags}", "-o", unfinished, package],
            cwd=source,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_LIMIT_S,
        )
        if built.returncode:
            raise ServerError(f"building {into.name} failed:\n{built.stderr[-3000:]}")
        unfinished.rename(into)
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"Built {into.name} in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
