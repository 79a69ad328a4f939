# SPDX-License-Identifier: Apache-2.0
"""How does a second PostgreSQL server run on a restored data folder: recover to its point, be read, and be gone?

It listens on loopback only, archives nothing, takes part in no replication and starts nobody's background jobs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from backstitch.adapters.child import identity
from backstitch.adapters.conninfo import ConnectionSettings
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.core.errors import BackupFailed, TargetError
from backstitch.core.ports import Clock

MARKER = ".backstitch-side"
_RECOVERY_LIMIT_S = 6 * 3600.0
_POLL_S = 0.2
_STOP_LIMIT_S = 60.0

# Recovery refuses to go on where one of these is lower than it was on the first server.
FLOORS = (
    "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
    "max_locks_per_transaction",
)  # fmt: skip
_QUIET = {
    "archive_mode": "off",
    "autovacuum": "off",
    "external_pid_file": "",
    "fsync": "off",  # nobody relies on it: what is taken from it is compared
    "hot_standby": "off",
    "listen_addresses": "127.0.0.1",
    "log_destination": "stderr",
    "logging_collector": "off",
    "max_logical_replication_workers": "0",  # its subscriptions would take the first server's changes
    "primary_conninfo": "",
    "shared_buffers": "128MB",
    "shared_preload_libraries": "",  # such as pg_cron, which would run the jobs
    "ssl": "off",
    "unix_socket_directories": "",
}


def claim_folder(folder: Path, owner: tuple[int, int] | None) -> Path:
    """Make the folder ours and empty, and give the path for the data in it.

    Raises BackupFailed (`SideFolderInUse`) when it holds what is not ours: nothing of it is touched then.
    """
    try:
        if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
            raise BackupFailed(
                f"{folder} is not empty and was not made by us, so no second server is restored into it. Empty it, or "
                "name another folder in backup.pgBackRest.sideFolder.",
                reason="SideFolderInUse",
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / MARKER).touch()
        for entry in folder.iterdir():
            if entry.name != MARKER:
                shutil.rmtree(entry)
        (folder / "data").mkdir(mode=0o700)
        (folder / "tablespaces").mkdir(mode=0o700)
        if owner is not None:
            for path in (folder, folder / "data", folder / "tablespaces"):
                shutil.chown(path, *owner)
    except OSError as error:
        raise BackupFailed(f"{folder}: {error.strerror}.", reason="SideFolderInUse") from None
    return folder / "data"


def release_folder(folder: Path) -> None:
    """Remove what we made, if it is ours."""
    if (folder / MARKER).exists():
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def recovered_server(
    data: Path,
    bin_folder: Path,
    floors: Mapping[str, str],
    settings: ConnectionSettings,
    clock: Clock,
    *,
    role: str | None,
    owner: tuple[int, int] | None,
) -> AsyncIterator[PostgresDatabase]:
    """Start the server, wait for the end of its recovery, and give the target's database on it.

    Raises BackupFailed: programs missing, recovery ended before the point (`PointNotReached`), no login.
    """
    if not (bin_folder / "postgres").exists():
        raise BackupFailed(
            f"There is no postgres in {bin_folder}: a second server needs the server's programs of this major where "
            "the operator runs (package postgresql-<major>).",
            reason="ServerProgramsMissing",
        )
    port = _free_port()
    log = data.parent / "server.log"
    _write_config(data.parent, data, owner)
    wanted = {
        **_QUIET, **floors, "port": str(port), "config_file": str(data.parent / "side.conf"),
        "hba_file": str(data.parent / "side_hba.conf"), "ident_file": str(data.parent / "side_ident.conf"),
    }  # fmt: skip
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(bin_folder / "postgres"), "-D", str(data), *[f"--{name}={value}" for name, value in wanted.items()],
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}, **(identity(owner) if owner else {}),
        )  # fmt: skip
    try:
        params = {**settings.params, "host": "127.0.0.1", "port": str(port), "sslmode": "disable"}
        params.pop("hostaddr", None)
        database = PostgresDatabase.of(replace(settings, params=params, ca_pem=None), role=role)
        await _wait(database, process, log, clock)
        yield database
    finally:
        await _stop(process)


async def _wait(database: PostgresDatabase, process: asyncio.subprocess.Process, log: Path, clock: Clock) -> None:
    until = clock.monotonic() + _RECOVERY_LIMIT_S
    while True:
        if process.returncode is not None:
            words = _fatal(log)
            short = "before configured recovery target was reached" in words
            raise BackupFailed(
                f"The second server did not get to the point: {words}"
                + (" The archive does not hold the WAL of that point." if short else ""),
                reason="PointNotReached" if short else "RecoveryFailed",
            )
        try:
            await (await database.connect(purpose="side", read_only=True)).close()
        except TargetError as error:
            if not error.retry or clock.monotonic() > until:
                raise BackupFailed(
                    f"The second server was restored, but cannot be used: {error.message} Our role must be able to "
                    "log in there with its password.",
                    reason="SideServerUnusable",
                ) from error
            await clock.sleep(_POLL_S)
        else:
            return


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(2)  # fast shutdown
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _write_config(folder: Path, data: Path, owner: tuple[int, int] | None) -> None:
    # of its own: on Debian the first server's files are in /etc, elsewhere they say who may come from where.
    # md5 takes both kinds of stored passwords
    texts = {
        "side.conf": f"data_directory = '{data}'\n",
        "side_hba.conf": "host all all 127.0.0.1/32 md5\n",
        "side_ident.conf": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        if owner is not None:
            shutil.chown(folder / name, *owner)


def _fatal(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    told = [line.partition("FATAL:  ")[2] for line in lines if "FATAL:  " in line]
    return " ".join(told[-2:] or lines[-2:])[:600] + "."


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
