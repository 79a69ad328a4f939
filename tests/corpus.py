# SPDX-License-Identifier: Apache-2.0
"""Which migrations does our own corpus hold, and what is expected of each? Read from tests/data/corpus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from backstitch.app.cli_roundtrip import read_files
from backstitch.core.migration_dirs import MigrationDirectory, read_migrations
from backstitch.engine.roundtrip_result import Judgement

FOLDER = Path(__file__).parent / "data" / "corpus"


@dataclass(frozen=True)
class Expected:
    """The verdict on one migration, words that its reason must hold, and the verdict on its author's way back."""

    computed: str
    reason: str = ""
    down: str | None = None

    def speaks_against(self, computed: Judgement, down: Judgement | None) -> list[str]:
        """Give what came out otherwise."""
        found = []
        if word(computed) != self.computed:
            found.append(f"{word(computed)} instead of {self.computed}: {computed.reason} {computed.differences}")
        if self.reason not in computed.reason:
            found.append(f"the reason does not say {self.reason!r}: {computed.reason}")
        if (word(down) if down else None) != self.down:
            found.append(f"down: {word(down) if down else None} instead of {self.down}: {down}")
        return found


@dataclass(frozen=True)
class History:
    """One history of migrations that begins with an empty database."""

    name: str

    @cached_property
    def _data(self) -> dict[str, Any]:
        data: dict[str, Any] = yaml.safe_load((FOLDER / self.name / "expected.yaml").read_text())
        return data

    @property
    def superuser(self) -> bool:
        """Whether it needs a superuser, or runs as the owner of the database."""
        return str(self._data["role"]) == "superuser"

    @property
    def majors(self) -> list[int]:
        """The major versions of PostgreSQL whose SQL it is."""
        return list(self._data["majors"])

    @cached_property
    def expected(self) -> dict[str, Expected]:
        """What must come out, by migration."""
        return {str(name): Expected(**given) for name, given in self._data["migrations"].items()}

    @cached_property
    def directory(self) -> MigrationDirectory:
        """Its migrations in order."""
        return read_migrations(read_files(FOLDER / self.name))


def histories() -> list[History]:
    """Every history of the corpus."""
    return [History(path.parent.name) for path in sorted(FOLDER.glob("*/expected.yaml"))]


def coverage() -> dict[int, dict[str, Any]]:
    """Each operation of the table of DDL, and which files do it."""
    found: dict[int, dict[str, Any]] = yaml.safe_load((FOLDER / "coverage.yaml").read_text())
    return found


def word(judgement: Judgement) -> str:
    """Give a verdict as the data files write it."""
    return judgement.verdict + (f"[{', '.join(judgement.exceptions)}]" if judgement.exceptions else "")
