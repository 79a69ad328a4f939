# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.faults.crashing_operator`: the operator, killed before or after its n-th call of the Kubernetes API.

CRASH_AT is n (0: never), CRASH_MOMENT `before` or `after`; the calls are appended to the file CRASH_CALLS. kopf's own
watching is not counted: it only wakes the operator, which reads everything anew.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from backstitch.adapters import kube
from backstitch.adapters.kube_api import KubeApi
from backstitch.app import operator as operator_app
from backstitch.app.settings import read_settings
from tests.plugins.crash import Counter

COUNTER = Counter(at=int(os.environ["CRASH_AT"]), moment="after" if os.environ["CRASH_MOMENT"] == "after" else "before")


class CountedApi(KubeApi):
    """The real connection; each request that is sent is a crash point."""

    async def _try(self, method: str, path: str, *arguments: Any) -> Any:
        _note(f"{method} {path}")
        return await COUNTER.around(f"{method} {path}", super()._try(method, path, *arguments))


def _note(call: str) -> None:
    with Path(os.environ["CRASH_CALLS"]).open("a") as calls:
        calls.write(call + "\n")


def main() -> None:
    """Run the operator with counted calls."""
    vars(kube)["KubeApi"] = CountedApi  # what Cluster.connect() looks up
    asyncio.run(operator_app.serve(read_settings(os.environ)))


if __name__ == "__main__":
    main()
