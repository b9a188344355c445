"""Backup, restore and copy of real databases on both engines, by the functions behind `policyengine db`."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from policyengine.adapters.backup import (
    BackupError,
    DamagedBackupError,
    Manifest,
    read_backup,
    restore_backup,
    write_backup,
)
from policyengine.adapters.examination import examine_checkpoint, examine_database, reading
from policyengine.adapters.sql.copying import copy_database
from policyengine.adapters.sql.snapshot import Contents, WholeTableError, snapshot, tables_in_order
from policyengine.services.errors import ConflictError, UnavailableError
from tests.support import postgres
from tests.support.site import LOG_KEY, Site, next_nonce, open_site, ready_site

NOW = datetime(2026, 11, 27, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A database with a history, whose server still has it open, and its key files."""

    site: Site
    address: str
    keys: Path


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))]
)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("kept")
    address = f"sqlite:///{folder / 'policyengine.db'}"
    if request.param == "postgresql":
        address = postgres.new_database(request.getfixturevalue("postgres_server"))
    keys = folder / "keys"
    (keys / "ca").mkdir(parents=True)
    files = {"passphrase": "secret", "nonce.json": "{}", "log.vkey": f"{LOG_KEY.verifier}\n", "ca/root.key": "sealed"}
    for name, content in files.items():
        (keys / name).write_text(content)
    site = ready_site(address)
    for device in site.of("healthy")[:4]:
        asyncio.run(site.check_in(device, next_nonce(asyncio.run(site.enrol(device)))))
    yield Kept(site=site, address=address, keys=keys)
    site.store.close()


def quiet(_contents: Contents) -> None:
    """Hear of progress and say nothing."""


def backed_up(kept: Kept, out: Path) -> Manifest:
    return write_backup(kept.address, kept.keys, out, now=NOW, progress=quiet)


def all_contents(address: str) -> list[Contents]:
    with snapshot(address) as read:
        return [read.contents(table) for table in tables_in_order()]


def test_restored_database_holds_every_row_of_the_one_that_was_backed_up(kept: Kept, tmp_path: Path) -> None:
    backed_up(kept, tmp_path / "backup")
    restore_backup(
        tmp_path / "backup", read_backup(tmp_path / "backup"), tmp_path / "data", address=None, progress=quiet
    )
    assert all_contents(f"sqlite:///{tmp_path / 'data' / 'policyengine.db'}") == all_contents(kept.address)


def test_restored_database_is_found_whole(kept: Kept, tmp_path: Path) -> None:
    backed_up(kept, tmp_path / "backup")
    restore_backup(
        tmp_path / "backup", read_backup(tmp_path / "backup"), tmp_path / "data", address=None, progress=quiet
    )
    with reading(f"sqlite:///{tmp_path / 'data' / 'policyengine.db'}") as store:
        assert list(examine_database(store, decisions=10)) == []


def test_backup_leaves_out_the_passphrase_and_what_must_be_drawn_anew(kept: Kept, tmp_path: Path) -> None:
    manifest = backed_up(kept, tmp_path / "backup")
    assert set(manifest.files) == {"policyengine.db", "keys/log.vkey", "keys/ca/root.key"}


def test_backup_says_where_the_log_stood(kept: Kept, tmp_path: Path) -> None:
    manifest = backed_up(kept, tmp_path / "backup")
    head = kept.site.store.log_head()
    assert (manifest.log_size, manifest.log_root) == (head.size, f"sha256:{head.root.hex()}")


def test_backup_is_of_one_moment_while_the_server_writes_on(kept: Kept, tmp_path: Path) -> None:
    device = kept.site.of("healthy")[5]

    def while_it_reads(contents: Contents) -> None:
        if contents.table == "device":
            asyncio.run(kept.site.enrol(device))

    before = kept.site.store.log_head().size
    manifest = write_backup(kept.address, kept.keys, tmp_path / "backup", now=NOW, progress=while_it_reads)
    with reading(f"sqlite:///{tmp_path / 'backup' / 'policyengine.db'}") as store:
        assert (manifest.log_size, list(examine_database(store, decisions=10))) == (before, [])


def test_restore_into_the_other_engine_keeps_every_row(kept: Kept, tmp_path: Path, postgres_server: str) -> None:
    backed_up(kept, tmp_path / "backup")
    address = postgres.new_database(postgres_server)
    restore_backup(
        tmp_path / "backup", read_backup(tmp_path / "backup"), tmp_path / "data", address=address, progress=quiet
    )
    assert all_contents(address) == all_contents(kept.address)


def test_backup_is_never_written_over_another(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with pytest.raises(BackupError, match="exists and is not overwritten"):
        backed_up(kept, tmp_path / "backup")


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a SQLite database with a short history; tests take a copy before they damage it."""
    folder = tmp_path_factory.mktemp("backup")
    site = ready_site(f"sqlite:///{folder / 'store.db'}")
    asyncio.run(site.enrol(site.of("healthy")[0]))
    (folder / "keys").mkdir()
    (folder / "keys" / "log.vkey").write_text(f"{LOG_KEY.verifier}\n")
    write_backup(f"sqlite:///{folder / 'store.db'}", folder / "keys", folder / "made", now=NOW, progress=quiet)
    site.store.close()
    return folder / "made"


@pytest.fixture
def own(backup: Path, tmp_path: Path) -> Path:
    import shutil

    return shutil.copytree(backup, tmp_path / "own")


def test_one_flipped_byte_of_a_backup_is_found_before_anything_is_restored(own: Path) -> None:
    content = bytearray((own / "policyengine.db").read_bytes())
    content[len(content) // 2] ^= 1
    (own / "policyengine.db").write_bytes(content)
    with pytest.raises(DamagedBackupError, match="not as it was when the backup was made"):
        read_backup(own)


def test_file_missing_from_a_backup_is_named(own: Path) -> None:
    (own / "keys" / "log.vkey").unlink()
    with pytest.raises(DamagedBackupError, match=r"log\.vkey` is missing"):
        read_backup(own)


def test_backup_that_names_a_file_outside_is_refused(own: Path) -> None:
    manifest = json.loads((own / "manifest.json").read_text())
    manifest["files"]["../outside"] = "sha256:00"
    (own / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DamagedBackupError, match="outside the backup"):
        read_backup(own)


def test_folder_without_a_manifest_is_no_backup(tmp_path: Path) -> None:
    """A backup that was interrupted has another name, and no manifest."""
    with pytest.raises(BackupError, match="is no backup"):
        read_backup(tmp_path)


@pytest.mark.parametrize("standing", ["policyengine.db", "keys"])
def test_restore_overwrites_nothing(own: Path, tmp_path: Path, standing: str) -> None:
    (tmp_path / "data" / standing).mkdir(parents=True)
    with pytest.raises(BackupError, match="exists and is not overwritten"):
        restore_backup(own, read_backup(own), tmp_path / "data", address=None, progress=quiet)


def test_restore_leaves_the_backup_as_it_was(own: Path, tmp_path: Path) -> None:
    restore_backup(own, read_backup(own), tmp_path / "data", address=None, progress=quiet)
    assert read_backup(own).format == "policyengine-backup/1"


def test_restored_log_that_lacks_what_was_signed_is_told_at_once(tmp_path: Path) -> None:
    """Service ceilings section 8: a published checkpoint stays a prefix, else refuse to sign and alarm."""
    address = f"sqlite:///{tmp_path / 'store.db'}"
    site = ready_site(address)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "log.vkey").write_text(f"{LOG_KEY.verifier}\n")
    write_backup(address, tmp_path / "keys", tmp_path / "backup", now=NOW, progress=quiet)
    asyncio.run(site.enrol(site.of("healthy")[0]))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.checkpoint").write_bytes(site.services.log.sealed())
    site.store.close()
    restore_backup(
        tmp_path / "backup", read_backup(tmp_path / "backup"), tmp_path / "data", address=None, progress=quiet
    )
    with reading(f"sqlite:///{tmp_path / 'data' / 'policyengine.db'}") as store:
        said = list(examine_checkpoint(store, tmp_path / "data" / "log.checkpoint", tmp_path / "data/keys/log.vkey"))
    assert ["was a backup restored?" in damage.message for damage in said] == [True]


def test_server_goes_on_where_a_copy_was_made(own: Path, postgres_server: str) -> None:
    address = postgres.new_database(postgres_server)
    copy_database(f"sqlite:///{own / 'policyengine.db'}", address, progress=quiet)
    site = open_site(address)
    asyncio.run(site.enrol(site.of("healthy")[1]))
    with reading(address) as store:
        assert list(examine_database(store, decisions=1)) == []
    site.store.close()


def test_copy_from_postgresql_back_to_sqlite_is_the_same(own: Path, tmp_path: Path, postgres_server: str) -> None:
    address, back = postgres.new_database(postgres_server), f"sqlite:///{tmp_path / 'back.db'}"
    there = copy_database(f"sqlite:///{own / 'policyengine.db'}", address, progress=quiet)
    assert copy_database(address, back, progress=quiet) == there


def test_copy_into_a_database_that_is_in_use_is_refused(own: Path, database: str) -> None:
    copy_database(f"sqlite:///{own / 'policyengine.db'}", database, progress=quiet)
    with pytest.raises(ConflictError) as refused:
        copy_database(f"sqlite:///{own / 'policyengine.db'}", database, progress=quiet)
    assert refused.value.code == "copy.target"


def test_copy_that_comes_out_otherwise_is_not_kept(own: Path, postgres_server: str) -> None:
    """A trigger stands for whatever changes a row on its way: the rows are read back before the commit."""
    from policyengine.adapters.sql.migration import upgrade

    address = postgres.new_database(postgres_server)
    upgrade(address)
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE RULE lossy AS ON INSERT TO log_leaf WHERE new.log_index = 1 DO INSTEAD NOTHING")
        )
    with pytest.raises(WholeTableError, match="log_leaf"):
        copy_database(f"sqlite:///{own / 'policyengine.db'}", address, progress=quiet)
    with engine.connect() as connection:
        left = connection.execute(text("SELECT count(*) FROM device")).scalar_one()
    engine.dispose()
    assert left == 0


def test_database_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError), snapshot(f"sqlite:///{tmp_path / 'none.db'}"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_changed_log_record_is_found_and_located(own: Path) -> None:
    with closing(sqlite3.connect(own / "policyengine.db")) as connection:
        connection.execute("UPDATE log_leaf SET record = X'7b7d' WHERE log_index = 2")
        connection.commit()
    with reading(f"sqlite:///{own / 'policyengine.db'}") as store:
        assert [damage.place for damage in examine_database(store, decisions=1)] == ["leaf 2"]
