# SPDX-License-Identifier: Apache-2.0
"""Where is the file that libpq wants for CA certificates that we have as text?"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path


def ca_file(pem: str) -> Path:
    """Give a file with these certificates, in a private folder of this process that goes with it."""
    data = pem.encode()
    path = _folder() / f"{hashlib.sha256(data).hexdigest()[:32]}.pem"
    if not path.exists():
        path.write_bytes(data)
    return path


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="backstitch-ca-"))  # mode 0700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
