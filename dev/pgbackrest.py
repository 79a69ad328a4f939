# SPDX-License-Identifier: Apache-2.0
"""How does a throw-away server get a pgBackRest stanza, with its archive at work? For the tests.

The program comes from BACKSTITCH_PGBACKREST, PATH, or Debian's package (installed where we are root). Debian
bookworm's 2.45 knows PostgreSQL 9.0 to 15.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from dev.pgbinaries import install_debian_package, server_user
from dev.postgres import PostgresServer
from dev.processes import ServerError, run_as


def find_pgbackrest() -> Path:
    """The path of the program. Raises ServerError where there is none and none can be installed."""
    if named := os.environ.get("BACKSTITCH_PGBACKREST"):
        return Path(named)
    if found := shutil.which("pgbackrest"):
        return Path(found)
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install_debian_package("pgbackrest")
        return Path("/usr/bin/pgbackrest")
    raise ServerError("no pgbackrest found: install the package pgbackrest, or name one with BACKSTITCH_PGBACKREST")


class Stanza:
    """A repository in a temporary folder, for one server, which is restarted with archiving on.

    Attributes:
        name: of the stanza.
        config: path of pgbackrest.conf, owned by the server's user.
        folder: private, of the server's user; tests may restore below it.
        pgpass: what libpq takes for the local connection (set PGPASSFILE to it).
    """

    name = "shop"

    def __init__(self, server: PostgresServer) -> None:
        self.program = find_pgbackrest()
        self.server = server
        self._user = server_user()
        self.folder = Path(tempfile.mkdtemp(prefix="backstitch-pgbackrest-"))
        self.config = self.folder / "pgbackrest.conf"
        self.pgpass = self.folder / "pgpass"
        for name in ("repo", "sock"):
            (self.folder / name).mkdir(mode=0o700)
        self._write(
            self.config,
            f"[global]\nrepo1-path={self.folder}/repo\nrepo1-retention-full=2\nlock-path={self.folder}/lock\n"
            f"log-level-file=off\narchive-timeout=30\ncompress-level=1\n"
            f"[{self.name}]\npg1-path={server.data_dir}\npg1-port={server.port}\npg1-socket-path={self.folder}/sock\n"
            f"pg1-user={server.superuser}\n",
        )
        self._write(self.pgpass, f"*:*:*:{server.superuser}:{server.superuser_password}\n")
        if self._user is not None:
            for path in (self.folder, self.folder / "repo", self.folder / "sock"):
                shutil.chown(path, self._user.pw_uid, self._user.pw_gid)

    def start(self) -> Stanza:
        """Switch the archive on and make the stanza."""
        command = f"{self.program} --config={self.config} --stanza={self.name} archive-push %p"
        with psycopg.connect(self.server.url(), autocommit=True) as admin:
            for name, value in (
                ("archive_mode", "on"),
                ("archive_command", command),
                ("unix_socket_directories", f"{self.folder}/sock"),
            ):
                admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.server.restart()
        self.run("stanza-create")
        return self

    def run(self, *arguments: str) -> str:
        """Run pgbackrest as the server's user. Raises ServerError."""
        done = subprocess.run(
            [str(self.program), f"--config={self.config}", f"--stanza={self.name}", *arguments],
            env={"PATH": os.environ["PATH"], "PGPASSFILE": str(self.pgpass), "LC_ALL": "C"},
            cwd="/", capture_output=True, text=True, check=False, timeout=120, **run_as(self._user),
        )  # fmt: skip
        if done.returncode:
            raise ServerError(f"pgbackrest {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return str(done.stdout)

    def stop(self) -> None:
        """Remove the repository."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, path: Path, text: str) -> None:
        path.touch(0o600)
        path.write_text(text)
        if self._user is not None:
            shutil.chown(path, self._user.pw_uid, self._user.pw_gid)
