"""`policyengine doctor` on a real installation, healthy and then with one thing wrong at a time."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from policyengine.adapters.doctor_files import examine_certificates
from policyengine.adapters.sql.examining import examine_engine
from policyengine.adapters.sql.migration import upgrade
from policyengine.cli.main import app
from policyengine.settings import Settings
from policyengine.wiring import KeysMissingError, build
from tests.support import postgres
from tests.support.site import ready_site

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with keys and a database with one decision in it; tests take a copy before they damage it."""
    data = tmp_path_factory.mktemp("sound") / "data"
    site = ready_site(f"sqlite:///{data.parent / 'store.db'}")
    asyncio.run(site.enrol(site.of("healthy")[0]))
    site.store.close()
    build(Settings(data=data)).close()
    for path in (*data.glob("policyengine.db*"), *data.glob("keys/ca/[!t]*.key")):  # opening a key takes its time
        path.unlink()
    shutil.copy(data.parent / "store.db", data / "policyengine.db")
    return data


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "data")


def examined(data: Path) -> tuple[int, list[str]]:
    """Return the exit code and the codes of the errors that are told."""
    done = CliRunner().invoke(app, ["doctor", "--data", str(data), "--output", "json"])
    findings = json.loads(done.stdout)["findings"]
    return done.exit_code, [each["code"] for each in findings if each["severity"] == "error"]


def change(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(data / "policyengine.db")) as connection:
        connection.execute(statement)
        connection.commit()


def test_sound_installation_has_no_errors(data: Path) -> None:
    assert examined(data) == (0, [])


def test_sound_installation_is_not_changed_by_looking(data: Path) -> None:
    before = (data / "policyengine.db").read_bytes()
    examined(data)
    assert (data / "policyengine.db").read_bytes() == before


def test_every_finding_says_what_to_do(data: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--data", str(data), "--output", "json"])
    assert all(each["advice"] for each in json.loads(done.stdout)["findings"])


def test_ids_that_differ_in_case_only_are_told(data: Path) -> None:
    """Migration 0016 left the younger of them without the name."""
    change(data, "UPDATE device SET folded = NULL WHERE id = (SELECT max(id) FROM device)")
    done = CliRunner().invoke(app, ["doctor", "--data", str(data), "--output", "json"])
    assert "device.exists" in [each["code"] for each in json.loads(done.stdout)["findings"]]


def let_others_read(data: Path) -> None:
    (data / "keys" / "log.key").chmod(0o644)


def lose_passphrase(data: Path) -> None:
    (data / "keys" / "passphrase").unlink()


def mistake_passphrase(data: Path) -> None:
    (data / "keys" / "passphrase").write_text("not the one they were made with\n")


def lose_authority(data: Path) -> None:
    shutil.rmtree(data / "keys" / "ca")


def lose_log_key(data: Path) -> None:
    (data / "keys" / "log.key").unlink()


def empty_nonce_file(data: Path) -> None:
    (data / "keys" / "nonce.json").write_text("{}")


def let_others_write(data: Path) -> None:
    data.chmod(0o777)


def change_shared_facts(data: Path) -> None:
    change(data, "UPDATE document SET body = (SELECT body FROM document WHERE kind = 'bundle') WHERE kind = 'facts'")


def truncate_decision(data: Path) -> None:
    change(data, "UPDATE decision SET document = substr(document, 5)")


def store_half_a_bundle(data: Path) -> None:
    change(data, "UPDATE document SET body = substr(body, 1, 1000) WHERE kind = 'bundle'")


def lose_bundle(data: Path) -> None:
    change(data, "DELETE FROM document WHERE kind = 'bundle'")


def change_log_record(data: Path) -> None:
    change(data, "UPDATE log_leaf SET record = X'7b7d' WHERE log_index = 1")


def cut_log(data: Path) -> None:
    change(data, "DELETE FROM log_leaf WHERE log_index = 2")


def lose_head(data: Path) -> None:
    change(data, "DELETE FROM log_head")


def put_text_where_bytes_belong(data: Path) -> None:
    change(data, "UPDATE device_state SET outcome = 'good'")


def change_verdict_of_decision(data: Path) -> None:
    change(data, "UPDATE device_state SET outcome = zeroblob(32)")


def forget_migration(data: Path) -> None:
    change(data, "UPDATE alembic_version SET version_num = '0001'")


def lose_database(data: Path) -> None:
    (data / "policyengine.db").unlink()


def break_pages(data: Path) -> None:
    content = bytearray((data / "policyengine.db").read_bytes())
    content[20 * 4096 : 40 * 4096] = b"\xa5" * (20 * 4096)
    (data / "policyengine.db").write_bytes(content)


def record_tomorrow(data: Path) -> None:
    change(
        data,
        "INSERT INTO log_leaf SELECT log_index + 1, at + 86400000000 * 3650, kind, leaf_hash, salt, record "
        "FROM log_leaf ORDER BY log_index DESC LIMIT 1",
    )


FAULTS: list[tuple[Callable[[Path], None], str]] = [
    (let_others_read, "keyfile.permissions"),
    (lose_passphrase, "keyfile.unreadable"),
    (mistake_passphrase, "keyfile.passphrase"),
    (lose_authority, "keys.missing"),
    (lose_log_key, "keyfile.unreadable"),
    (empty_nonce_file, "keyfile.damaged"),
    (let_others_write, "data.permissions"),
    (change_shared_facts, "document.damaged"),
    (truncate_decision, "document.damaged"),
    (store_half_a_bundle, "policy.unreadable"),
    (lose_bundle, "policy.unreadable"),
    (change_log_record, "store.damaged"),
    (cut_log, "store.damaged"),
    (lose_head, "store.damaged"),
    (put_text_where_bytes_belong, "store.damaged"),
    (change_verdict_of_decision, "store.damaged"),
    (forget_migration, "store.schema"),
    (lose_database, "store.unavailable"),
    (break_pages, "store.damaged"),
    (record_tomorrow, "clock.behind"),
]


@pytest.mark.parametrize(("fault", "code"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_fault_is_found_and_named(data: Path, fault: Callable[[Path], None], code: str) -> None:
    """Service ceilings section 8: each fault that storage, disk or a hand can make."""
    fault(data)
    exit_code, codes = examined(data)
    assert (exit_code, code in codes) == (1, True), codes


def test_a_wrong_passphrase_is_told_once_and_not_as_damaged_key_files(data: Path) -> None:
    mistake_passphrase(data)
    done = CliRunner().invoke(app, ["doctor", "--data", str(data), "--output", "json"])
    (found,) = [each for each in json.loads(done.stdout)["findings"] if each["severity"] == "error"]
    assert (found["code"], "passphrase" in found["advice"]) == ("keyfile.passphrase", True)


@pytest.mark.parametrize("lost", ["keys", "keys/ca"])
def test_no_new_keys_are_made_for_a_database_with_a_history(data: Path, lost: str) -> None:
    """A fleet trusts the keys that are gone: others would certify it anew, and sign another log over the same rows."""
    shutil.rmtree(data / lost)
    with pytest.raises(KeysMissingError):
        build(Settings(data=data))
    assert not (data / "keys" / "ca").exists()


def test_a_database_whose_keys_are_gone_is_not_taken_for_no_installation(data: Path) -> None:
    """Its advice would be to start a server there."""
    shutil.rmtree(data / "keys")
    done = CliRunner().invoke(app, ["doctor", "--data", str(data)])
    assert isinstance(done.exception, KeysMissingError)


def test_a_database_that_holds_nothing_yet_gets_its_keys_at_the_first_start(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'policyengine.db'}")
    build(Settings(data=tmp_path)).close()
    assert (tmp_path / "keys" / "ca").is_dir()


def test_missing_database_is_not_made_by_looking(data: Path) -> None:
    lose_database(data)
    examined(data)
    assert not (data / "policyengine.db").exists()


def test_certificate_that_ends_soon_is_a_warning(sound: Path) -> None:
    late = NOW + timedelta(days=29)
    found = list(examine_certificates(sound / "keys" / "ca", now=late))
    assert [(each.code, "tls.pem" in each.message) for each in found] == [("certificate.ending", True)]


def test_certificate_that_is_over_is_an_error(sound: Path) -> None:
    found = list(examine_certificates(sound / "keys" / "ca", now=NOW + timedelta(days=40)))
    assert [each.code for each in found] == ["certificate.expired"]


def test_certificate_of_the_future_says_set_the_clock(sound: Path) -> None:
    found = list(examine_certificates(sound / "keys" / "ca", now=NOW - timedelta(days=30)))
    assert {(each.code, each.advice) for each in found} == {("certificate.future", "set the clock")}


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("TRUSTED_PROXIES", "0.0.0.0/0", "settings.proxies"),
        ("RATE_PER_SECOND", "0", "settings.rate"),
    ],
)
def test_unsafe_setting_is_told(
    data: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: str
) -> None:
    monkeypatch.setenv(f"POLICYENGINE_{variable}", value)
    done = CliRunner().invoke(app, ["doctor", "--data", str(data)])
    assert f"[{code}]" in done.stdout


def test_no_installation_is_said_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path)])
    assert "no data directory of a server" in str(done.exception)


@pytest.fixture
def careless(postgres_server: str) -> Iterator[str]:
    """A database of which PostgreSQL answers commits before they are durable."""
    address = postgres.new_database(postgres_server)
    upgrade(address)
    engine = create_engine(address)
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = off'))
    engine.dispose()
    yield address


def test_postgresql_that_may_lose_commits_is_an_error(careless: str) -> None:
    found = list(examine_engine(careless))
    assert [(each.code, "synchronous_commit" in each.message) for each in found] == [("store.not-durable", True)]
