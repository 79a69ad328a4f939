# SPDX-License-Identifier: Apache-2.0
"""Which programs do the cluster tests need, and how are they all built ahead of time? `python -m dev.binaries`.

The API server first, because more tests need it, then Helm. With BACKSTITCH_KUBECONFIG only Helm.
"""

from __future__ import annotations

import os
import sys

from dev.helm import find_helm
from dev.kubebinaries import find_kube_binaries, stop_with_its_children
from dev.processes import ServerError

if __name__ == "__main__":
    stop_with_its_children()
    try:
        if not os.environ.get("BACKSTITCH_KUBECONFIG"):
            print(find_kube_binaries())
        print(find_helm())
    except ServerError as error:
        sys.exit(str(error))
