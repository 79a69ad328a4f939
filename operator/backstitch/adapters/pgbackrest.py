# SPDX-License-Identifier: Apache-2.0
"""How is pgBackRest asked for backups and for a second server? core.point_in_time.PhysicalBackups on its program.

It reads its own configuration file, where the repository's keys are; none is in argv. As root it runs as the owner of
that file, which is how Debian's package means it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backstitch.adapters.child import running
from backstitch.adapters.dump import PgArchiver
from backstitch.adapters.postgres import PostgresDatabase
from backstitch.adapters.side_server import FLOORS, claim_folder, recovered_server, release_folder
from backstitch.adapters.tools import find_tools
from backstitch.core.errors import BackupFailed
from backstitch.core.point_in_time import SideServer
from backstitch.core.ports import Clock
from backstitch.model.backup_spec import PgBackRest
from backstitch.model.point_in_time import PhysicalBackup, PhysicalKind, RestorePoint

DEFAULT_CONFIG = "/etc/pgbackrest.conf"
MARK = "backstitch"  # name of the annotation
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "PGPASSFILE", "SSL_CERT_FILE")
_TYPES: dict[PhysicalKind, str] = {"full": "full", "incremental": "incr"}
_BUSY_LIMIT_S, _BUSY_PAUSE_S = 1800.0, 5.0


@dataclass(frozen=True)
class _Called:
    """One way to call the program."""

    config: str
    owner: tuple[int, int] | None


class PgBackRestBackups:
    """The stanza of one server. `config`: text of pgbackrest.conf from a Secret; without it the named file is read."""

    def __init__(
        self,
        spec: PgBackRest,
        database: PostgresDatabase,
        clock: Clock,
        *,
        config: str | None = None,
        role: str | None = None,
    ) -> None:
        self._spec = spec
        self._database = database
        self._clock = clock
        self._config = config
        self._role = role

    @property
    def method(self) -> str:
        """Give the method's name."""
        return "pgBackRest"

    @property
    def place(self) -> str:
        """Give the stanza, for people."""
        return f"pgBackRest stanza {self._spec.stanza}"

    @property
    def may_restore(self) -> bool:
        """Tell whether a folder for a second server is named."""
        return self._spec.side_folder is not None

    async def back_up(self, kind: PhysicalKind, mark: str) -> PhysicalBackup:
        """Take a backup, or give the one that has this mark; waits while another one runs. Raises BackupFailed."""
        until = self._clock.monotonic() + _BUSY_LIMIT_S
        while (found := next((b for b in await self._backups() if b.mark == mark), None)) is None:
            try:
                await self._run("backup", f"--type={_TYPES[kind]}", "--start-fast", f"--annotation={MARK}={mark}")
            except BackupFailed as error:
                if "[050]" not in error.message or self._clock.monotonic() > until:  # its lock is held
                    raise
                await self._clock.sleep(_BUSY_PAUSE_S)
        if found.damaged:
            raise BackupFailed(
                f"{self.place}: backup {found.label} has pages with wrong checksums, so the server's own data is "
                "damaged. Look at the server's log and disk before anything else.",
                reason="PagesDamaged",
            )
        return found

    async def newest(self) -> PhysicalBackup | None:
        """Give the newest complete backup. Raises BackupFailed."""
        return max(await self._backups(), key=lambda b: b.taken_at, default=None)

    async def archived_up_to(self, timeline: int) -> str:
        """Give the newest segment of a timeline in the repository."""
        found = [archive["max"] for stanza in await self._info() for archive in stanza.get("archive", [])]
        return max((name for name in found if name and int(name[:8], 16) == timeline), default="")

    @asynccontextmanager
    async def side_server(self, point: RestorePoint) -> AsyncIterator[SideServer]:
        """Restore to the point into the side folder, start it, give it; stopped and removed after the block."""
        if self._spec.side_folder is None:
            raise BackupFailed(
                "backup.pgBackRest.sideFolder is not set, so there is no place for a second server.",
                reason="NoSideFolder",
            )
        folder = Path(self._spec.side_folder)
        major, floors = await self._look()
        tools = await find_tools(major)
        settings = await self._database.settings()
        with self._call() as call:
            data = claim_folder(folder, call.owner)
            try:
                await self._in(call, "restore", *restore_options(point, data, folder / "tablespaces"))
                async with recovered_server(
                    data, tools.folder, floors, settings, self._clock, role=self._role, owner=call.owner
                ) as database:
                    yield SideServer(
                        database, PgArchiver(database, tools, role=self._role), f"a second server in {folder}"
                    )
            finally:
                release_folder(folder)

    def by_hand(self, point: RestorePoint) -> tuple[str, ...]:
        """Give the commands for the server's own machine."""
        stanza = self._spec.stanza
        return (
            "stop the application and PostgreSQL",
            f"pgbackrest --stanza={stanza} --delta restore --set={point.backup} --type=name --target={point.name} "
            f"--target-timeline={point.timeline} --target-action=promote",
            "start PostgreSQL and wait for the end of its recovery",
            f"pgbackrest --stanza={stanza} --type=full backup",
        )

    async def _look(self) -> tuple[int, dict[str, str]]:
        session = await self._database.connect(purpose="side-look", read_only=True)
        try:
            rows = await session.rows(
                "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY(%s)", [list(FLOORS)]
            )
            return session.server_version // 10000, {row["name"]: row["setting"] for row in rows}
        finally:
            await session.close()

    async def _backups(self) -> list[PhysicalBackup]:
        return [b for stanza in await self._info() for b in (read_backup(one) for one in stanza.get("backup", [])) if b]

    async def _info(self) -> list[dict[str, Any]]:
        text = await self._run("info", "--output=json")
        try:
            stanzas: list[dict[str, Any]] = json.loads(text)
        except ValueError:
            raise BackupFailed(f"{self.place}: `info` did not answer with JSON: {text[:200]!r}.") from None
        for stanza in stanzas:
            if stanza["status"]["code"] not in (0, 2):  # 2: no valid backups yet
                raise BackupFailed(
                    f"{self.place}: {stanza['status']['message']}. Run `pgbackrest --stanza={self._spec.stanza} "
                    "stanza-create` and `check` on the server.",
                    reason="RepositoryUnusable",
                )
        return stanzas

    async def _run(self, command: str, *options: str) -> str:
        with self._call() as call:
            return await self._in(call, command, *options)

    async def _in(self, call: _Called, command: str, *options: str) -> str:
        arguments = [
            "pgbackrest", f"--config={call.config}", f"--stanza={self._spec.stanza}", "--log-level-console=off",
            "--log-level-stderr=error", "--log-level-file=off", command, *options,
        ]  # fmt: skip
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"LC_ALL": "C"}
        async with running(
            f"pgbackrest {command}", arguments, environment, takes_input=False, owner=call.owner
        ) as child:
            output = b"".join([chunk async for chunk in child.output()])
            await child.finish()
        return output.decode(errors="replace")

    @contextmanager
    def _call(self) -> Iterator[_Called]:
        """The configuration is a file as long as something needs it: recovery calls the program again."""
        if self._config is None:
            path = self._spec.config_file or DEFAULT_CONFIG
            try:
                found = Path(path).stat()
            except OSError as error:
                raise BackupFailed(f"{path}: {error.strerror}.", reason="ConfigMissing") from None
            yield _Called(path, (found.st_uid, found.st_gid) if os.geteuid() == 0 and found.st_uid != 0 else None)
            return
        with tempfile.TemporaryDirectory(prefix="backstitch-pgbackrest-") as folder:  # made with mode 0700
            file = Path(folder) / "pgbackrest.conf"
            file.touch(0o600)
            file.write_text(self._config)
            yield _Called(str(file), None)


def restore_options(point: RestorePoint, data: Path, tablespaces: Path) -> list[str]:
    """Give the options with which a second folder is filled and recovers to the point."""
    return [
        "--reset-pg1-host",  # where the configuration names the first server's host: the second one is here
        f"--pg1-path={data}",
        f"--tablespace-map-all={tablespaces}",
        f"--set={point.backup}",
        "--type=name",
        f"--target={point.name}",
        f"--target-timeline={point.timeline}",
        "--target-action=promote",
        "--archive-mode=off",
    ]


def read_backup(entry: dict[str, Any]) -> PhysicalBackup | None:
    """Read one backup of `info --output=json`; None for one that is not complete."""
    if not entry.get("label") or not entry.get("timestamp", {}).get("stop"):
        return None
    return PhysicalBackup(
        label=entry["label"],
        kind="full" if entry["type"] == "full" else "incremental",
        taken_at=datetime.fromtimestamp(entry["timestamp"]["stop"], UTC),
        bytes=entry["info"]["repository"]["delta"],
        mark=(entry.get("annotation") or {}).get(MARK, ""),
        damaged=bool(entry.get("error")),
    )
