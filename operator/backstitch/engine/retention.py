# SPDX-License-Identifier: Apache-2.0
"""Which old backups may go? By count and age, per database; never the newest proven one, never a protected one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from backstitch.core.errors import StorageError
from backstitch.core.ports import ObjectStore
from backstitch.engine.streams import read_object
from backstitch.model.backup import MANIFEST, PROOF, SCHEDULED, Manifest


@dataclass(frozen=True)
class KeptBackup:
    """A complete backup of the store."""

    folder: str  # with a slash at its end
    manifest: Manifest
    proven: bool
    keys: tuple[str, ...]


async def list_backups(store: ObjectStore, namespace: str) -> list[KeptBackup]:
    """Give the complete backups of a namespace, newest first. Unreadable manifests are left out, and left alone."""
    folders: dict[str, set[str]] = defaultdict(set)
    for key in await store.list(f"{namespace}/"):
        folders[key[: key.rindex("/") + 1]].add(key)
    found = []
    for folder, keys in folders.items():
        if folder + MANIFEST not in keys:
            continue
        try:
            manifest = Manifest.model_validate_json(await read_object(store, folder + MANIFEST))
        except (ValidationError, StorageError):
            continue
        if {manifest.full.key, manifest.schema_only.key} <= keys:
            found.append(KeptBackup(folder, manifest, folder + PROOF in keys, tuple(sorted(keys))))
    return sorted(found, key=lambda backup: (backup.manifest.taken_at, backup.folder), reverse=True)


def superfluous(
    backups: list[KeptBackup], *, keep: int, older_than: datetime | None, protect: Collection[str]
) -> list[KeptBackup]:
    """Decide which of these (newest first) may go: beyond `keep` of a database, or taken before `older_than`."""
    groups: dict[tuple[str, str], list[KeptBackup]] = defaultdict(list)
    for backup in backups:
        groups[backup.manifest.system_identifier, backup.manifest.database].append(backup)
    gone = []
    for group in groups.values():
        newest_proven = next((backup for backup in group if backup.proven), None)
        for number, backup in enumerate(group):
            too_old = older_than is not None and backup.manifest.taken_at < older_than
            if (number >= keep or too_old) and backup is not newest_proven and backup.folder not in protect:
                gone.append(backup)
    return gone


async def sweep_backups(
    store: ObjectStore,
    namespace: str,
    *,
    keep: int,
    older_than: datetime | None = None,
    protect: Collection[str] = (),
    scheduled: bool = False,
) -> list[str]:
    """Delete superfluous backups and give their folders. `protect`: folders that a revert window still needs.

    Those by the clock (`scheduled`) and those before migrations are counted apart: neither pushes the other out.

    The manifest goes last: killed half way, the rest is found and deleted by the next sweep. Raises StorageError.
    """
    swept = []
    backups = [b for b in await list_backups(store, namespace) if (b.manifest.request.name == SCHEDULED) is scheduled]
    for backup in superfluous(backups, keep=max(keep, 1), older_than=older_than, protect=protect):
        for key in sorted(backup.keys, key=lambda key: key.endswith(MANIFEST)):
            await store.delete(key)
        swept.append(backup.folder)
    swept += await _finish_deleted(store, namespace, protect)
    return swept


async def _finish_deleted(store: ObjectStore, namespace: str, protect: Collection[str]) -> list[str]:
    """A manifest without all its objects is the rest of a sweep that was killed."""
    keys = set(await store.list(f"{namespace}/"))
    finished = []
    for key in sorted(keys):
        folder = key[: key.rindex("/") + 1]
        if not key.endswith("/" + MANIFEST) or folder in protect:
            continue
        try:
            manifest = Manifest.model_validate_json(await read_object(store, key))
        except (ValidationError, StorageError):
            continue
        if not {manifest.full.key, manifest.schema_only.key} <= keys:
            for rest in sorted(k for k in keys if k.startswith(folder)):
                await store.delete(rest)
            finished.append(folder)
    return finished
