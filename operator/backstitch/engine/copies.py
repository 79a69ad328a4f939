# SPDX-License-Identifier: Apache-2.0
"""Is the backup in a second place too, and which place can be relied on now? Copied, read back, chosen when needed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from backstitch.core.errors import BackupFailed, StorageError
from backstitch.core.ports import Clock, ObjectStore
from backstitch.engine.prove import check_object
from backstitch.engine.streams import close_stream, once, read_object
from backstitch.model.backup import MANIFEST, BackupRequest, CopyRecord, Manifest


@dataclass(frozen=True)
class StoreCopy:
    """A second place."""

    store: ObjectStore
    required: bool = False


async def copy_everywhere(
    manifest: Manifest, store: ObjectStore, copies: Sequence[StoreCopy], clock: Clock
) -> tuple[CopyRecord, ...]:
    """Copy a backup to every second place that does not hold it soundly; read each back.

    Raises BackupFailed (`CopyMissing`) when a required one cannot be had; others are only told.
    """
    records = []
    for copy in copies:
        try:
            if not await _is_sound(manifest, copy.store):
                await _copy(manifest, store, copy.store)
        except (StorageError, BackupFailed) as error:
            if copy.required:
                raise BackupFailed(
                    f"The copy at {copy.store.url} is required and could not be made: {error.message} Nothing was "
                    "touched.",
                    reason="CopyMissing",
                ) from error
            records.append(CopyRecord(url=copy.store.url, message=error.message[:500]))
        else:
            records.append(CopyRecord(url=copy.store.url, verified_at=clock.now(), required=copy.required))
    return tuple(records)


async def sound_place(
    request: BackupRequest, places: Sequence[ObjectStore], *, manifest_sha256: str
) -> tuple[Manifest, ObjectStore, tuple[str, ...]]:
    """Give the first place whose backup of this attempt is whole, and what is wrong with those before it.

    Everything is read and hashed, because a restore would notice only when it has read the last byte. The hash of the
    manifest is the ledger's ("" where an older version wrote none). Raises BackupFailed with every place's trouble.
    """
    wrong: list[str] = []
    reason = "BackupMissing"
    for store in places:
        try:
            manifest = await read_manifest(request, store, manifest_sha256=manifest_sha256)
            await check_object(manifest.full, store)
            await check_object(manifest.schema_only, store)
        except (StorageError, BackupFailed) as error:
            wrong.append(error.message)
            reason = error.reason
        else:
            return manifest, store, tuple(wrong)
    raise BackupFailed(
        f"No place holds a whole backup of this migration: {' '.join(wrong) or 'none is configured.'}",
        reason="BackupMissing" if reason == "ObjectMissing" else reason,
    )


async def read_manifest(request: BackupRequest, store: ObjectStore, *, manifest_sha256: str = "") -> Manifest:
    """Give the manifest of this attempt as it is stored.

    Raises BackupFailed: `ManifestUnreadable`, `BackupOfAnother`, `BackupReplaced`; StorageError (`ObjectMissing`).
    """
    key = request.folder + MANIFEST
    where = f"{store.url}/{key}"
    data = await read_object(store, key)
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        raise BackupFailed(
            f"{where} cannot be read ({len(data)} bytes), so what lies beside it is no backup.",
            reason="ManifestUnreadable",
        ) from None
    if manifest.request.folder != request.folder:
        raise BackupFailed(
            f"{where} is the manifest of {manifest.request.folder}, not of {request.folder}: somebody moved it here.",
            reason="BackupOfAnother",
        )
    if manifest_sha256 and hashlib.sha256(data).hexdigest() != manifest_sha256:
        raise BackupFailed(
            f"{where} is not the manifest that was proven before the first change (its digest is in the ledger): it "
            "was replaced since.",
            reason="BackupReplaced",
        )
    return manifest


async def _is_sound(manifest: Manifest, store: ObjectStore) -> bool:
    try:
        if await read_manifest(manifest.request, store) != manifest:
            return False
        await check_object(manifest.full, store)
        await check_object(manifest.schema_only, store)
    except BackupFailed:
        return False
    except StorageError as error:
        if error.reason != "ObjectMissing":
            raise
        return False
    return True


async def _copy(manifest: Manifest, source: ObjectStore, target: ObjectStore) -> None:
    """The manifest goes first away and comes last back: without it the rest is no backup."""
    folder = manifest.request.folder
    await target.delete(folder + MANIFEST)
    for expected in (manifest.full, manifest.schema_only):
        chunks = source.get(expected.key)
        try:
            await target.put(expected.key, chunks)
        finally:
            await close_stream(chunks)
        await check_object(expected, target)
    data = await read_object(source, folder + MANIFEST)
    await target.put(folder + MANIFEST, once(data))
    if await read_object(target, folder + MANIFEST) != data:
        raise BackupFailed(f"{target.url}/{folder}{MANIFEST} reads back differently.", reason="BackupDamaged")
