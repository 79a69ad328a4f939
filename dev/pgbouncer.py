# SPDX-License-Identifier: Apache-2.0
"""How is a real PgBouncer in transaction mode put in front of a test's database? To see that it is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from dev.pgbinaries import server_user
from dev.processes import Process, ServerError, free_port


def find_pgbouncer() -> str:
    """Give the program, installed by apt-get where we are root and it is missing. Raises ServerError."""
    found = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found:
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ServerError("pgbouncer is not installed; install it (Debian: apt-get install pgbouncer)")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    # policy-rc.d keeps Debian from starting a pooler of its own; ours is started below
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=True, stdout=subprocess.DEVNULL)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "pgbouncer"]
    subprocess.run(install, env={**quiet, "RUNLEVEL": "1"}, check=True, stdout=subprocess.DEVNULL)
    return find_pgbouncer()


class PgBouncer:
    """A pooler in transaction mode before one database; made and started at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        user = server_user()
        self._folder = Path(tempfile.mkdtemp(prefix="backstitch-pooler-", dir="/tmp"))
        self.port = free_port()
        self.url = url.replace(f":{parts.port}/", f":{self.port}/")
        users = self._folder / "users.txt"
        users.write_text(f'"{parts.username}" "{parts.password}"\n')
        settings = self._folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={parts.hostname} port={parts.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n"
            "pool_mode = transaction\nignore_startup_parameters = extra_float_digits,options,search_path\n"
        )
        for path in (self._folder, users, settings):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if user is not None:
                shutil.chown(path, user.pw_uid, user.pw_gid)
        self._process = Process(
            "PgBouncer",
            [find_pgbouncer(), str(settings)],
            self._folder.parent / f"{self._folder.name}.log",
            user=user,
            remove_if_orphaned=self._folder,
        )
        try:
            self._process.start()
            self._process.wait_until(self._answers, within_s=20)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder.parent / f"{self._folder.name}.log").unlink(missing_ok=True)
