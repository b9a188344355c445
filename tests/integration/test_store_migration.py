"""The schema on a real database: the chain makes exactly the metadata, and a foreign schema is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from pki.revocation import Reason
from policyengine.adapters.sql.engine import open_engines
from policyengine.adapters.sql.migration import status, upgrade
from policyengine.adapters.sql.store import open_store
from policyengine.adapters.sql.tables import metadata
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import InvalidRequestError, UnavailableError
from tests.support.site import ready_site


def test_migrations_make_exactly_the_metadata(database: str) -> None:
    upgrade(database)
    engines = open_engines(database)
    with engines.read.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engines.dispose()
    assert differences == []


def test_upgrade_of_a_current_database_changes_nothing(database: str) -> None:
    first = upgrade(database)
    assert upgrade(database) == first
    assert status(database).is_current


def test_empty_database_is_not_opened(database: str) -> None:
    with pytest.raises(UnavailableError) as refused:
        open_store(database)
    assert refused.value.code == "store.schema"
    assert "no tables yet" in str(refused.value)


def test_a_database_that_cannot_be_made_says_what_the_database_itself_said(tmp_path: Path) -> None:
    """A full disk or a file that is none is told at night as what it is."""
    (tmp_path / "none.db").write_bytes(b"this is no database, but it is long enough to look like one" * 20)
    with pytest.raises(UnavailableError, match="cannot be brought up to date: file is not a database") as refused:
        upgrade(f"sqlite:///{tmp_path / 'none.db'}")
    assert refused.value.code == "store.migration"


def test_a_database_from_before_histories_gets_them_from_its_log_and_its_rows(tmp_path: Path) -> None:
    """Migration 0012: a certificate's past is whole, a device's is what its row names."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    site = ready_site(url)
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    view = site.store.view(device.planned.device_id)
    assert view is not None and view.certificate is not None
    services, name, serial = site.services, view.device.id, view.certificate.serial
    site.clock.forward(timedelta(hours=1))
    services.certificates.hold(SYSTEM, serial, reason="looked at")
    services.devices.quarantine(SYSTEM, name, reason="odd traffic")
    held = site.clock.now()
    services.certificates.revoke(SYSTEM, serial, reason=Reason.CESSATION_OF_OPERATION)
    services.devices.retire(SYSTEM, name, reason="sold")
    moments = (view.device.enrolled_at, held, site.clock.now())
    said = [site.store.certificate_at(serial, at) for at in moments if at is not None]
    site.store.close()
    _forget_histories(url)
    upgrade(url)
    store = open_store(url)
    devices = [store.device_at(name, at) for at in moments if at is not None]
    certificates = [store.certificate_at(serial, at) for at in moments if at is not None]
    store.close()
    seen = [(found[0].lifecycle.value, found[1].tier.name) for found in devices if found and found[1]]
    assert seen == [("operational", "FULL"), ("operational", "QUARANTINE"), ("retired", "QUARANTINE")]
    assert certificates == said


def test_of_ids_that_differ_in_case_the_oldest_gets_the_name_and_all_stay(database: str) -> None:
    """Migration 0016, on a database that an earlier version let have two of them."""
    site = ready_site(database)
    site.store.close()
    _downgrade(database, "0015")
    engines = open_engines(database)
    copied = "device_class, hw_version, site, zone, labels, criticality, lifecycle, updated_at, enrolled_at, gateways"
    with engines.write.begin() as connection:
        first = connection.execute(text("SELECT min(id) FROM device")).scalar_one()
        for at, name in enumerate((first.upper(), first.capitalize()), 1):
            row = {"name": name, "tag": bytes([at] * 16), "first": first, "at": at}
            columns = "SELECT :name, :tag, vendor, model, serial, created_at + :at, "
            into = f"INSERT INTO device (id, tag, vendor, model, serial, created_at, {copied}) "
            connection.execute(text(f"{into}{columns}{copied} FROM device WHERE id = :first"), row)
    engines.dispose()
    upgrade(database)
    engines = open_engines(database)
    with engines.read.connect() as connection:
        same = text("SELECT id, folded FROM device WHERE lower(id) = :name ORDER BY created_at")
        found = [tuple(row) for row in connection.execute(same, {"name": first.lower()})]
        others = connection.execute(text("SELECT count(*) FROM device WHERE folded IS NULL")).scalar_one()
    engines.dispose()
    assert found == [(first, first.lower()), (first.upper(), None), (first.capitalize(), None)]
    assert others == 2


def _forget_histories(url: str) -> None:
    """Bring the database back to before migration 0012, and with it what came later."""
    _downgrade(url, "0011")


def _downgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("policyengine.adapters.sql") / "migrations"))
    engines = open_engines(url)
    with engines.write.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engines.dispose()


def test_database_of_a_newer_version_is_not_opened(database: str) -> None:
    """Service ceilings section 8: an old worker refuses a newer schema it cannot serve."""
    upgrade(database)
    engines = open_engines(database)
    with engines.write.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engines.dispose()
    with pytest.raises(UnavailableError) as refused:
        open_store(database)
    assert refused.value.code == "store.schema"


def test_address_of_another_kind_of_database_is_refused() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        open_engines("mysql://somewhere/db")
    assert refused.value.code == "store.url"


def test_sqlite_commits_survive_a_power_cut(tmp_path: object) -> None:
    """DESIGN section 12: SQLite synchronous=FULL is the default; WAL lets readers go on."""
    engines = open_engines(f"sqlite:///{tmp_path}/store.db")
    with engines.write.connect() as connection:
        modes = [
            connection.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "foreign_keys")
        ]
    engines.dispose()
    assert modes == [2, "wal", 1]
