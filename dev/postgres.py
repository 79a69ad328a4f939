# SPDX-License-Identifier: Apache-2.0
"""How is a throw-away PostgreSQL server of one major started, crashed, restarted and removed?

Used by the tests (tests/plugins/pg.py) and by the demo. TCP on 127.0.0.1 only, scram passwords, everything in one
temporary folder that `stop` removes.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from dev.pgbinaries import can_enter, find_bin_dir, server_user, version_of
from dev.processes import Process, ServerError, free_port, run_as, tail

_START_LIMIT_S = 60
_PORT_TRIES = 3
_RESTART_TRIES = 20
_MEMORY = Path("/dev/shm")
_ROOMY_BYTES = 4 << 30


class PostgresServer:
    """A running server; made and started by `PostgresServer(major)`.

    Args:
        major: 15 or 18, or any major that `find_bin_dir` can find.
        durable: fsync, on a disk, as in production, so that a crash proves something; without it everything is in
            memory where there is room, and ten times faster.
        settings: lines of postgresql.conf over the defaults, for example {"log_statement": "all"}.

    Raises:
        ServerError: no programs of this major, or the server did not start (its log is in the message).
    """

    superuser = "postgres"

    def __init__(self, major: int, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        self.major = major
        self.bin_dir = find_bin_dir(major)
        self.version = version_of(self.bin_dir)
        self.superuser_password = secrets.token_hex(16)
        self._user = server_user()
        self._folder = _temporary_folder(self._user, in_memory=not durable and _memory_is_roomy())
        self.data_dir = self._folder / "data"
        self.log = self._folder / "postgres.log"
        self.host = "127.0.0.1"
        self.port = free_port()
        try:
            self._run_initdb()
            self._write_settings(durable, settings or {})
            self._start_on_a_free_port()
        except BaseException:
            self.stop()
            raise

    def url(self, database: str = "postgres", *, user: str | None = None, password: str | None = None) -> str:
        """The connection URL of a database; as the superuser unless a user is given."""
        if user is None:
            user, password = self.superuser, self.superuser_password
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{database}"

    def start(self) -> None:
        """Start the stopped or killed server on the data and the port it had; returns when it takes connections."""
        for tries_left in range(_RESTART_TRIES, -1, -1):
            self._process.start()
            try:
                self._process.wait_until(self._accepts_connections, within_s=_START_LIMIT_S)
            except ServerError:
                # After a kill the last backends take a moment to let go of the shared memory.
                if not tries_left or "pre-existing shared memory block" not in tail(self.log):
                    raise
                time.sleep(0.5)
            else:
                return

    def halt(self) -> None:
        """Stop the server in order (fast shutdown: sessions are cut), keep its data."""
        self._process.stop()

    def restart(self) -> None:
        """`halt` and `start`: the same data and port, every session cut."""
        self.halt()
        self.start()

    def kill(self) -> None:
        """End all its processes as a power cut would; `start` then runs crash recovery."""
        self._process.kill()

    def stop(self) -> None:
        """Stop the server and remove its folder. May be called twice, and after a start that failed."""
        if hasattr(self, "_process"):
            self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether the postmaster is alive."""
        return self._process.is_running

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._process.pid

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run_initdb(self) -> None:
        password_file = self._folder / "password"
        password_file.touch(0o600)
        password_file.write_text(self.superuser_password)
        if self._user is not None:
            shutil.chown(password_file, self._user.pw_uid)
        options = ["-A", "scram-sha-256", "-U", self.superuser, f"--pwfile={password_file}", "--no-sync"]
        made = subprocess.run(
            [str(self.bin_dir / "initdb"), "-D", str(self.data_dir), *options, "--encoding=UTF8", "--locale=C.UTF-8"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **run_as(self._user),
        )
        password_file.unlink()
        if made.returncode:
            raise ServerError(f"initdb of PostgreSQL {self.major} failed:\n{made.stdout}{made.stderr}")

    def _write_settings(self, durable: bool, settings: dict[str, str]) -> None:
        on = "on" if durable else "off"
        values = {
            "listen_addresses": self.host,
            "unix_socket_directories": "",
            "fsync": on,
            "full_page_writes": on,
            "max_connections": "200",
            "wal_level": "logical",
            "max_prepared_transactions": "10",
            "shared_buffers": "64MB",
            "max_wal_size": "256MB",
            "jit": "off",
            "lc_messages": "C",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%a %u@%d ",
            **settings,
        }
        with (self.data_dir / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in values.items())

    def _start_on_a_free_port(self) -> None:
        for attempt in range(1, _PORT_TRIES + 1):
            self._process = Process(
                f"PostgreSQL {self.version}",
                [str(self.bin_dir / "postgres"), "-D", str(self.data_dir), "-p", str(self.port)],
                self.log,
                user=self._user,
                stop_signal=signal.SIGINT,  # fast shutdown
                remove_if_orphaned=self._folder,
            )
            try:
                self.start()
            except ServerError:
                if attempt == _PORT_TRIES or "Address already in use" not in tail(self.log):
                    raise
                self.port = free_port()  # somebody took it between our look and the server's bind
            else:
                return

    def _accepts_connections(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _temporary_folder(user: pwd.struct_passwd | None, *, in_memory: bool) -> Path:
    """A new private folder that the server's user owns and can enter."""
    for parent in ([str(_MEMORY)] if in_memory else []) + [tempfile.gettempdir(), "/tmp", "/var/tmp"]:
        folder = Path(tempfile.mkdtemp(prefix="backstitch-pg-", dir=parent))
        if user is None:
            return folder
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        if can_enter(folder, user):
            return folder
        folder.rmdir()
    raise ServerError("no temporary folder that the PostgreSQL user can enter; set TMPDIR to one")


def _memory_is_roomy() -> bool:
    """Whether data may live in memory: a new database takes 18 ms there, up to 450 ms on a disk that others use too."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOMY_BYTES:
        return False
    available = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return available is not None and int(available[1]) * 1024 > 2 * _ROOMY_BYTES
