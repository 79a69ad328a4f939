# SPDX-License-Identifier: Apache-2.0
"""What is in the files named on the command line: the migration, its target, and the ConfigMaps with their texts?

core/read_document.py reads each file; here its documents are put together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from backstitch.core.errors import UsageError
from backstitch.core.orchestration import to_migration
from backstitch.core.read_document import ConfigMap, read_document
from backstitch.model.orchestration import Orchestration
from backstitch.model.spec import DatabaseMigration, Environment, MigrationTarget


@dataclass
class Documents:
    """What was found, in the order of the files."""

    migrations: list[DatabaseMigration] = field(default_factory=list)
    targets: list[MigrationTarget] = field(default_factory=list)
    config_maps: list[ConfigMap] = field(default_factory=list)
    environments: dict[str, Environment] = field(default_factory=dict)  # by migration, where its document says it

    def sources(self) -> dict[str, str]:
        """Give the texts as the engine wants them: "configmap/key" -> text."""
        return {f"{c.metadata.name}/{key}": text for c in self.config_maps for key, text in c.data.items()}

    def target_of(self, migration: DatabaseMigration) -> MigrationTarget | None:
        """Give the target the migration names, if it is in the files too."""
        return next((t for t in self.targets if t.metadata.name == migration.spec.target_ref.name), None)

    def only_migration(self, where: str) -> DatabaseMigration:
        """Give the one migration there is. Raises UsageError when there is none or more than one."""
        if len(self.migrations) == 1:
            return self.migrations[0]
        found = ", ".join(m.metadata.name for m in self.migrations) or "none"
        raise UsageError(f"{where} must hold exactly one DatabaseMigration; found {found}.")


def read_files(paths: Iterable[Path]) -> Documents:
    """Read files. Raises UsageError, which names the file and the place in it."""
    documents = Documents()
    for path in paths:
        for document in read_document(read_text(path), str(path)):
            match document:
                case DatabaseMigration():
                    documents.migrations.append(document)
                case MigrationTarget():
                    documents.targets.append(document)
                case ConfigMap():
                    documents.config_maps.append(document)
                case Orchestration():
                    migration, environment = to_migration(document)
                    documents.migrations.append(migration)
                    documents.environments[migration.metadata.name] = environment
    return documents


def read_text(path: Path) -> str:
    """Give a file's text; `-` is standard input. Raises UsageError."""
    try:
        return Path("/dev/stdin" if str(path) == "-" else path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start}).") from None
