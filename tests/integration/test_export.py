"""Evidence exports on real databases: what is in them, that two verifiers believe them, and what neither believes."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from policyengine.adapters.evidence_archive import OpenedArchive
from policyengine.adapters.parcel_processes import ParcelProcesses
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ForbiddenError, InvalidRequestError
from policyengine.services.exports.errors import ExportError
from policyengine.services.exports.period import ExportRequest, Scope
from policyengine.services.exports.verifying import verify
from tests.support.exports import Edit, content, exported, remade, second_opinion, verified
from tests.support.site import LOG_KEY, START, Site, next_nonce, put_in_force, ready_site

# One worker runs them all: to make the site and its export takes longer than most of what is asked of them.
pytestmark = pytest.mark.xdist_group("export")


def lived(site: Site, count: int = 6) -> list[str]:
    """Let healthy devices enrol, come back, and get certificates; return their ids."""

    async def live() -> list[str]:
        ids = []
        for device in site.of("healthy")[:count]:
            reply = await site.enrol(device)
            site.clock.forward(timedelta(minutes=5))
            await site.check_in(device, next_nonce(reply))
            ids.append(device.planned.device_id)
        return ids

    return asyncio.run(live())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose devices have lived under two bundles, one of which got another key and one another tier."""
    site = ready_site(f"sqlite:///{tmp_path_factory.mktemp('export') / 'store.db'}")
    ids = lived(site)
    site.clock.forward(timedelta(hours=1))
    site.services.succession.rekey(SYSTEM, ids[0], serial=None, reason="board replaced")
    site.clock.forward(timedelta(hours=1))
    put_in_force(site, engineering__boot_integrity=(b"severity: critical", b"severity: high"))
    for device in ids[1:3]:
        site.services.devices.quarantine(SYSTEM, device, reason="an incident")
    site.services.sweep.run()
    asyncio.run(site.enrol(site.of("healthy")[7]))  # so that one has a result
    return site


@pytest.fixture(scope="module")
def export(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(site, tmp_path_factory.mktemp("export") / "all.zip")


def rows(path: Path, table: str) -> list[dict[str, str]]:
    text = content(path, f"csv/{table}.csv").decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def records(path: Path, folder: str) -> list[dict[str, object]]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith(f"{folder}/") and name.endswith(".jsonl")]
        return [json.loads(line) for name in names for line in archive.read(name).splitlines()]


def test_an_export_verifies_offline_and_every_decision_is_made_again(export: Path) -> None:
    found = verified(export)
    assert found.faults == []
    assert found.manifest is not None
    assert found.replayed == found.manifest.decisions > 10


def test_the_second_verifier_believes_it_too(export: Path) -> None:
    assert second_opinion(export) is None


def test_the_second_verifier_says_how_far_it_is_beside_what_it_finds(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert second_opinion(export) is None
    told, decisions = capsys.readouterr(), verified(export).replayed
    assert (told.out, told.err.splitlines()[-1]) == ("", f"{decisions} of {decisions} decisions checked")


def test_the_second_verifier_is_short_and_needs_only_cryptography() -> None:
    """Issue 6: at most 300 lines, so that who trusts nobody can read it."""
    source = (Path(__file__).resolve().parents[2] / "tools" / "verify_export.py").read_text()
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert len(source.splitlines()) <= 300
    assert imported - {
        *("base64", "csv", "hashlib", "io", "json", "struct", "sys", "zipfile", "zlib", "datetime", "itertools")
    } == {"cryptography"}


def test_the_same_records_and_log_give_the_same_bytes(site: Site, export: Path, tmp_path: Path) -> None:
    end = verified(export).manifest.request.end  # type: ignore[union-attr]
    assert exported(site, tmp_path / "again.zip", end=end).read_bytes() == export.read_bytes()


def test_both_databases_export_what_verifies(database: str, tmp_path: Path) -> None:
    site = ready_site(database)
    lived(site, 2)
    path = exported(site, tmp_path / "export.zip", start=START + timedelta(minutes=1))
    assert (verified(path).faults, second_opinion(path)) == ([], None)
    site.store.close()


def test_a_later_period_starts_with_the_decisions_then_in_force(site: Site, tmp_path: Path) -> None:
    """What was decided before and never changed since is still what was true in the period."""
    path = exported(site, tmp_path / "later.zip", start=START + timedelta(hours=2))
    assert {row["device"] for row in rows(path, "decisions")} >= {row["device"] for row in rows(path, "findings")}
    assert verified(path).faults == []


def test_a_scope_narrows_devices_and_leaves(site: Site, export: Path, tmp_path: Path) -> None:
    ids = sorted({str(record["device"]) for record in records(export, "decisions")})[:2]
    path = exported(site, tmp_path / "scoped.zip", scope=[f"device:{each}" for each in ids])
    assert {str(record["device"]) for record in records(path, "decisions")} == set(ids)
    assert len(records(path, "leaves")) < len(records(export, "leaves"))
    assert (verified(path).faults, second_opinion(path)) == ([], None)


def test_a_framework_narrows_the_controls_and_not_the_decisions(site: Site, export: Path, tmp_path: Path) -> None:
    path = exported(site, tmp_path / "etsi.zip", framework="etsi")
    assert {row["control"].partition(":")[0] for row in rows(path, "controls")} == {"etsi"}
    assert len(rows(path, "decisions")) == len(rows(export, "decisions"))
    assert (verified(path).faults, second_opinion(path)) == ([], None)


def test_counts_of_a_control_add_up_to_its_devices(export: Path) -> None:
    for row in rows(export, "controls"):
        assert sum(int(row[name]) for name in ("pass", "fail", "unknown", "waived")) == int(row["devices"])


def test_what_a_person_did_is_in_the_table_of_acts(export: Path) -> None:
    assert {"device.quarantine", "device.rekey", "bundle.activate"} <= {row["action"] for row in rows(export, "acts")}


def test_a_verdict_ended_by_a_new_key_is_explained_by_the_act(export: Path) -> None:
    ended = {row["device"] for row in rows(export, "findings") if row["valid_to"]}
    rekeyed = {row["subject"] for row in rows(export, "acts") if row["action"] == "device.rekey"}
    assert rekeyed <= ended


def test_several_processes_find_what_one_finds(export: Path) -> None:
    archive = OpenedArchive(export)
    found = verify(archive, LOG_KEY.verifier, ParcelProcesses(export))
    archive.close()
    assert (found.faults, found.replayed) == ([], verified(export).replayed)


def test_another_log_does_not_vouch_for_it(export: Path) -> None:
    from tests.support.site import log_key

    archive = OpenedArchive(export)
    found = verify(archive, log_key(b"x" * 32, "log.example/kestrel").verifier)
    archive.close()
    assert [(fault.code, fault.member) for fault in found.faults] == [("log.unsigned", "manifest.sig")]


def test_a_period_that_is_not_over_is_refused(site: Site) -> None:
    late = ExportRequest(framework=None, start=START, end=site.clock.now() + timedelta(hours=1), scope=Scope())
    with pytest.raises(InvalidRequestError, match="in the future"):
        site.services.exports.accepted(SYSTEM, late)


def test_a_framework_that_nobody_has_heard_of_is_refused(site: Site, tmp_path: Path) -> None:
    """A misspelt name would otherwise give an export in which nothing failed."""
    with pytest.raises(InvalidRequestError, match=r"there are .*etsi"):
        exported(site, tmp_path / "none.zip", framework="esti")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "viewer",
    [
        Principal(name="v", role=PersonRole.VENDOR, models=frozenset({"gw-200"})),
        Principal(name="a", role=PersonRole.AUDITOR, models=frozenset({"gw-200"})),
    ],
    ids=["a vendor", "an auditor of some models"],
)
def test_who_sees_some_models_only_gets_no_export(site: Site, viewer: Principal) -> None:
    """It holds all parties' policies."""
    request = ExportRequest(framework=None, start=START, end=site.clock.now(), scope=Scope())
    with pytest.raises(ForbiddenError):
        site.services.exports.accepted(viewer, request)


# Flipped bytes.


@pytest.fixture(scope="module")
def small(site: Site, export: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An export of two devices, as bytes."""
    ids = sorted({str(record["device"]) for record in records(export, "decisions")})[:2]
    path = exported(site, tmp_path_factory.mktemp("small") / "small.zip", scope=[f"device:{each}" for each in ids])
    return path.read_bytes()


def member_at(whole: bytes, offset: int) -> str | None:
    """Return the member whose header or content has the byte; None: the directory."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        starts = [(info.header_offset, info.filename) for info in archive.infolist()]
        return None if offset >= archive.start_dir else max(start for start in starts if start[0] <= offset)[1]


def opened_and_verified(path: Path) -> list[tuple[str, int | None]]:
    try:
        return [(fault.member, fault.record) for fault in verified(path).faults]
    except ExportError as cause:
        return [(str(cause.fields["member"]), None)]


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_flipped_bit_anywhere_is_found_and_located(small: bytes, tmp_path: Path, place: float, bit: int) -> None:
    """DESIGN section 12: one flipped byte is found and located offline."""
    offset = int(place * len(small))
    changed = bytearray(small)
    changed[offset] ^= 1 << bit
    path = tmp_path / "flipped.zip"
    path.write_bytes(changed)
    faults = opened_and_verified(path)
    assert faults
    assert second_opinion(path) is not None
    wanted = member_at(small, offset)
    if wanted is not None:
        assert wanted in {member for member, _ in faults}


@pytest.mark.parametrize("name", ["manifest.sig", "manifest.json", "log/checkpoint", "log/vkey", "report.html"])
def test_bytes_of_what_vouches_for_the_rest_count(small: bytes, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(small)) as archive:
        info = archive.getinfo(name)
    path = tmp_path / "flipped.zip"
    step = 7 if info.file_size < 1000 else 211  # bytes; every one would take minutes
    for offset in range(info.header_offset, info.header_offset + 30 + len(name) + info.compress_size, step):
        path.write_bytes(small[:offset] + bytes([small[offset] ^ 1]) + small[offset + 1 :])
        assert name in {member for member, _ in opened_and_verified(path)}, offset


def test_an_altered_record_is_named_by_its_number(small: bytes, tmp_path: Path) -> None:
    """Where the compressed bytes can still be read; a flip that breaks them is located by the member alone."""
    name = "documents/000001.jsonl"
    with zipfile.ZipFile(io.BytesIO(small)) as archive:
        info = archive.getinfo(name)
    start, path = info.header_offset + 30 + len(name), tmp_path / "flipped.zip"
    named = []
    for place in range(info.compress_size // 2, info.compress_size, info.compress_size // 40):
        offset = start + place
        path.write_bytes(small[:offset] + bytes([small[offset] ^ 16]) + small[offset + 1 :])
        ((member, record),) = opened_and_verified(path)
        assert member == name
        named.append(record)
    assert any(record is not None and record > 1 for record in named)


def test_an_export_that_was_cut_short_is_found(small: bytes, tmp_path: Path) -> None:
    path = tmp_path / "short.zip"
    path.write_bytes(small[: len(small) // 2])
    assert opened_and_verified(path)
    assert second_opinion(path) is not None


# A server that lies, and signs.


def put(old: bytes, new: bytes) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        changed = [line.replace(old, new, 1) for line in lines]
        assert changed != lines, f"nothing has {old!r}"
        return changed

    return edit


def without_last(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


LIES = {
    "a decision's tier": {"decisions/000001.jsonl": put(b'"tier":"full"', b'"tier":"deny"')},
    "a decision's document": {"documents/000001.jsonl": put(b'"result":"pass"', b'"result":"fail"')},
    "a decision's facts": {"decisions/000001.jsonl": put(b'observed_at', b'observed_At')},
    "a decision left out": {
        "decisions/000001.jsonl": without_last,
        "documents/000001.jsonl": without_last,
        "csv/decisions.csv": without_last,
    },
    "the record of a leaf": {"leaves/000001.jsonl": put(b'quarantine', b'quarantinE')},
    "a leaf left out": {"leaves/000001.jsonl": without_last},
    "a verdict": {"verdicts/000001.jsonl": put(b'"result":"pass"', b'"result":"fail"')},
    "a row of decisions": {"csv/decisions.csv": put(b",full,", b",deny,")},
    "a row of findings": {"csv/findings.csv": put(b",pass,", b",fail,")},
    "a certificate": {"certificates/000001.jsonl": put(b'"lineage":1', b'"lineage":9')},
    "an attestation result": {"attestation-results/000002.jsonl": put(b'result":"e', b'result":"f')},
    "a document of facts left out": {"facts/000001.jsonl": without_last},
    "a prior left out": {"priors/000001.jsonl": without_last},
    "the checkpoint": {"log/checkpoint": put(b"log.example", b"log.exampla")},
    "the proof": {"log/proof": lambda parts: [b"\0" * 32, *parts]},
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_both_verifiers_find_a_lie_that_is_signed(export: Path, tmp_path: Path, lie: str) -> None:
    path = remade(export, tmp_path / "lie.zip", LIES[lie])
    assert verified(path).faults
    assert second_opinion(path) is not None


def test_what_is_made_again_unedited_is_the_same_export(export: Path, tmp_path: Path) -> None:
    """Or the tests above could find what the making again broke."""
    path = remade(export, tmp_path / "same.zip", {})
    assert (verified(path).faults, second_opinion(path)) == ([], None)


ONLY_MADE_AGAIN = {
    "the page": {"report.html": put(b"Evidence of device security", b"Evidence of great security")},
    "the OSCAL document": {"assessment-results.json": put(b"satisfied", b"satisfieD")},
    "a row of controls": {"csv/controls.csv": put(b",0,", b",1,")},
    "a row of acts": {"csv/acts.csv": put(b"system", b"nobody")},
    "when a verdict ended": {"verdicts/000002.jsonl": put(b'"valid_to":null', b'"valid_to":"2026-11-23T13:00:00Z"')},
}


@pytest.mark.parametrize("lie", ONLY_MADE_AGAIN)
def test_what_follows_from_the_records_must_say_what_they_say(export: Path, tmp_path: Path, lie: str) -> None:
    """The second verifier says plainly that it does not compute these."""
    assert verified(remade(export, tmp_path / "lie.zip", ONLY_MADE_AGAIN[lie])).faults


def test_a_row_changed_in_the_database_is_found_and_named(tmp_path: Path) -> None:
    """Issue 6: a corrupted row is found by `audit verify`."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    site = ready_site(url)
    lived(site, 3)
    from policyengine.adapters.sql.engine import open_engines

    engines = open_engines(url)
    with engines.write.begin() as connection:
        connection.execute(
            text("UPDATE log_leaf SET record = CAST(replace(record, 'full', 'deny') AS BLOB) WHERE log_index = 12")
        )
    engines.dispose()
    path = exported(site, tmp_path / "export.zip")
    found = verified(path).faults
    assert {fault.member for fault in found} >= {"leaves/000001.jsonl"}
    assert second_opinion(path) is not None
    site.store.close()
