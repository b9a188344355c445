"""Backups: a folder that holds the database, the key files that open with the passphrase, and what is in it.

manifest.json     when it was made, the schema, the log's size and root, rows of each table, SHA-256 of each file
policyengine.db   the database as of one moment, SQLite whatever the server runs on
keys/...          key files, encrypted as they are, and certificates

Left out on purpose: the passphrase, which opens everything else; `nonce.json`, which a restored server must draw anew,
so that no nonce of before works again; `log.checkpoint`, which must not be put back together with the log it guards.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from policyengine.adapters.keyfile import sync_directory
from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import frontier_from
from policyengine.adapters.sql.copying import Progress, copy_database
from policyengine.adapters.sql.migration import status, upgrade
from policyengine.adapters.sql.snapshot import Snapshot, snapshot, sqlite_file, tables_in_order
from policyengine.errors import PolicyEngineError
from policyengine.model.times import format_timestamp
from policyengine.services.errors import UnavailableError

FORMAT = "policyengine-backup/1"
DATABASE = "policyengine.db"
MANIFEST = "manifest.json"
MAX_MANIFEST = 1024 * 1024  # bytes; ours have some thousands
LEFT_OUT = frozenset({"passphrase", "nonce.json"})


class BackupError(PolicyEngineError):
    """A backup that cannot be made where it was asked for, or is not whole."""

    code = "backup.refused"


class DamagedBackupError(BackupError):
    """A backup of which a file is missing, changed, or not its own."""

    code = "backup.damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself."""

    format: str
    made_at: str
    schema: str
    log_size: int
    log_root: str
    tables: Mapping[str, int]
    files: Mapping[str, str]


def write_backup(address: str, keys: Path, out: Path, *, now: datetime, progress: Progress) -> Manifest:
    """Return the manifest of a backup at `out`, complete and durable; the server may run meanwhile.

    Raises BackupError when `out` is there already, UnavailableError, OSError; nothing is then called `out`.
    """
    if out.exists():
        raise BackupError(f"`{out}` exists and is not overwritten")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a backup that was interrupted
    partial.mkdir(mode=0o700, parents=True)
    try:
        manifest = _filled(partial, address, keys, now=now, progress=progress)
        _sync(partial)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_directory(out.parent)
    return manifest


def _filled(partial: Path, address: str, keys: Path, *, now: datetime, progress: Progress) -> Manifest:
    shutil.copytree(keys, partial / "keys", ignore=lambda _folder, names: LEFT_OUT & set(names))
    database = partial / DATABASE
    source = sqlite_file(address)
    if source is None:
        copy_database(address, f"sqlite:///{database}", progress=progress)
        _in_one_file(database)
    else:
        _copy_sqlite(source, database)
    database.chmod(0o600)
    manifest = _described(partial, now)
    (partial / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return manifest


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database that may be in use, as of one moment, into one file without a journal beside it."""
    if not source.is_file():
        raise UnavailableError(f"`{source}` is not there", code="store.unavailable")
    try:
        with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
            read.backup(written)  # all pages in one step: one read transaction, which holds up no writer
    except sqlite3.Error as cause:
        raise UnavailableError(f"the database cannot be read: {cause}", code="store.unavailable") from cause
    _in_one_file(target)


def _in_one_file(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _described(folder: Path, now: datetime) -> Manifest:
    address = f"sqlite:///{folder / DATABASE}"
    with snapshot(address) as read:
        head = _log_head(read)
        rows = {table.name: read.contents(table).rows for table in tables_in_order()}
    return Manifest(
        format=FORMAT,
        made_at=format_timestamp(now),
        schema=status(address).needed,
        log_size=head[0],
        log_root=head[1],
        tables=rows,
        files={str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()},
    )


def _log_head(read: Snapshot) -> tuple[int, str]:
    for part in read.rows(tables.log_head):
        for _, size, roots in part:
            frontier = frontier_from(int(str(size)), bytes(roots))  # type: ignore[call-overload]  # BLOB: bytes
            return frontier.size, f"sha256:{frontier.root.hex()}"
    raise UnavailableError("the log has lost its head", code="log.head-missing")


def read_backup(folder: Path) -> Manifest:
    """Return the manifest of the backup in `folder`, once every file is there and as it was when it was made.

    Raises BackupError when it is none, DamagedBackupError for the first file that is not as its digest says.
    """
    try:
        with (folder / MANIFEST).open("rb") as file:
            manifest = Manifest(**json.loads(file.read(MAX_MANIFEST)))
    except FileNotFoundError as cause:
        raise BackupError(f"`{folder}` is no backup: it has no {MANIFEST}") from cause
    except (ValueError, TypeError) as cause:
        raise DamagedBackupError(f"`{folder / MANIFEST}` is no manifest of a backup") from cause
    if manifest.format != FORMAT:
        raise BackupError(f"`{folder}` is a backup of another format: `{manifest.format}`")
    if DATABASE not in manifest.files:
        raise DamagedBackupError(f"`{folder / MANIFEST}` names no database")
    for name, digest in manifest.files.items():
        _demand_file(folder, name, digest)
    return manifest


def _demand_file(folder: Path, name: str, digest: str) -> None:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts:
        raise DamagedBackupError(f"the manifest names `{name}`, which is outside the backup")
    path = folder / place
    if path.is_symlink() or not path.is_file():
        raise DamagedBackupError(f"`{path}` is missing from the backup")
    if _digest(path) != digest:
        raise DamagedBackupError(f"`{path}` is not as it was when the backup was made")


def restore_backup(folder: Path, manifest: Manifest, data: Path, *, address: str | None, progress: Progress) -> None:
    """Put the backup in `folder` into the data directory `data`, and into the database at `address` where one is named.

    Only what `read_backup` has found whole is put anywhere. Raises BackupError when keys or a database stand in `data`,
    ConflictError when the database at `address` is not empty, UnavailableError, OSError.
    """
    _demand_free(data)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = data / ".restore.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    try:
        for name in manifest.files:
            (partial / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy2(folder / name, partial / name)
        _sync(partial)
        _put(partial, data, address, progress)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_directory(data)


def _put(partial: Path, data: Path, address: str | None, progress: Progress) -> None:
    """Put the database first: a data directory with keys counts as one that a server can start on."""
    upgrade(f"sqlite:///{partial / DATABASE}")
    _in_one_file(partial / DATABASE)
    if address is None:
        (partial / DATABASE).rename(data / DATABASE)
    else:
        copy_database(f"sqlite:///{partial / DATABASE}", address, progress=progress)
    (partial / "keys").rename(data / "keys")


def _demand_free(data: Path) -> None:
    for name in (DATABASE, "keys"):
        if (data / name).exists():
            raise BackupError(f"`{data / name}` exists and is not overwritten; name a new data directory")


def _sync(folder: Path) -> None:
    """Make everything below `folder` durable."""
    for path in folder.rglob("*"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_directory(folder)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
