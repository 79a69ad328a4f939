# SPDX-License-Identifier: Apache-2.0
"""Where are CloudNativePG's CRDs (Apache-2.0)? In its Go module, fetched into Go's own cache; none of it is kept here.

The module is pinned by version and by the checksum that Go's checksum database has for it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from dev.gobuild import find_go
from dev.processes import ServerError

MODULE, VERSION = "github.com/cloudnative-pg/cloudnative-pg", "v1.30.0"
SUM = "h1:fnhVq44xXx97MNiuvJsPrX1vSjYbgdyBK5MSGfdHdp0="
_NAMES = ("backups", "clusters", "scheduledbackups")


def find_crds() -> list[Path]:
    """The files of the CRDs we write objects of. Raises ServerError: no Go, not to be had, or another content."""
    go = find_go("CloudNativePG's CRDs come through Go's module cache, and there is no Go here: install it")
    with tempfile.TemporaryDirectory() as folder:  # outside of any module
        done = subprocess.run(
            [go, "mod", "download", "-json", f"{MODULE}@{VERSION}"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
    if done.returncode:
        raise ServerError(f"{MODULE} {VERSION} could not be fetched: {done.stdout[-500:]}{done.stderr[-500:]}")
    answer = json.loads(done.stdout)
    if answer["Sum"] != SUM:
        raise ServerError(f"{MODULE} {VERSION} has sum {answer['Sum']}, but {SUM} is expected")
    return [Path(answer["Dir"]) / f"config/crd/bases/postgresql.cnpg.io_{name}.yaml" for name in _NAMES]
