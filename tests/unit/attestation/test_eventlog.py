"""Firmware event logs: strict reading, and replay to the PCRs they lead to."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm import eventlog
from policyengine.attestation.tpm.algorithms import SHA256, SHA384
from policyengine.attestation.tpm.eventlog_replay import difference, false_data, replay
from policyengine.simulation import tpm_log
from policyengine.simulation.tpm_log import Record

BOOT = tpm_log.boot()
LOG = tpm_log.eventlog(BOOT, banks=("sha1", "sha256", "sha384"))
HEADER = len(tpm_log.eventlog((), banks=("sha1", "sha256", "sha384")))


def refusal(data: bytes) -> str:
    with pytest.raises(MalformedEvidenceError) as caught:
        eventlog.read_log(data)
    return caught.value.code


def header(algorithms: bytes, *, count: int, vendor: bytes = b"\x00") -> bytes:
    spec = b"Spec ID Event03\x00" + struct.pack("<IBBBBI", 0, 0, 2, 0, 2, count) + algorithms + vendor
    return tpm_log.old_record(tpm_log.NO_ACTION, bytes(20), spec)


SHA256_ONLY = struct.pack("<HH", 0x000B, 32)


@pytest.mark.parametrize("bank", [SHA256, SHA384], ids=["sha256", "sha384"])
def test_a_log_leads_to_the_pcrs_of_the_machine(bank: object) -> None:
    """Part 1 section 17: new = H(old || digest)."""
    assert replay(eventlog.read_log(LOG), bank) == tpm_log.pcrs(BOOT, bank=bank.bank)


@pytest.mark.parametrize("locality", [0, 3, 4])
def test_pcr_0_starts_from_the_startup_locality(locality: int) -> None:
    """PFP section 10.4.5.3: firmware under H-CRTM or another locality leaves its number in PCR 0."""
    log = eventlog.read_log(tpm_log.eventlog((tpm_log.startup_locality(locality), *BOOT)))
    assert replay(log, SHA256) == tpm_log.pcrs(BOOT, locality=locality)


@pytest.mark.parametrize(
    "records",
    [
        (tpm_log.startup_locality(1), *BOOT),
        (*BOOT, tpm_log.startup_locality(3)),
        (tpm_log.startup_locality(3), tpm_log.startup_locality(3), *BOOT),
        (replace(tpm_log.startup_locality(3), data=b"StartupLocality\x00"), *BOOT),
    ],
    ids=["unknown", "late", "twice", "empty"],
)
def test_a_startup_locality_that_cannot_be_is_refused(records: tuple[Record, ...]) -> None:
    assert refusal(tpm_log.eventlog(records)) == "eventlog.startup-locality"


def test_an_informative_record_extends_nothing() -> None:
    note = Record(pcr=4, type=tpm_log.NO_ACTION, data=b"SP800-155 Event\x00")
    log = eventlog.read_log(tpm_log.eventlog((note, *BOOT)))
    assert replay(log, SHA256) == tpm_log.pcrs(BOOT)


def test_an_informative_record_may_name_no_pcr() -> None:
    note = Record(pcr=0xFFFFFFFF, type=tpm_log.NO_ACTION, data=b"")
    assert len(eventlog.read_log(tpm_log.eventlog((note,))).events) == 2


def test_a_record_that_extends_no_pcr_is_refused() -> None:
    assert refusal(tpm_log.eventlog((Record(pcr=24, type=tpm_log.SEPARATOR, data=bytes(4)),))) == "eventlog.pcr"


def test_an_old_log_has_one_sha1_digest_a_record() -> None:
    log = eventlog.read_log(tpm_log.old_eventlog(BOOT))
    digest = hashlib.sha1(BOOT[0].data, usedforsecurity=False).digest()
    assert (log.banks, log.events[0].digests) == (("sha1",), {"sha1": digest})


def test_an_empty_log_is_refused() -> None:
    assert refusal(b"") == "eventlog.truncated"


@given(size=st.integers(0, len(LOG) - 1))
def test_a_log_cut_inside_a_record_is_refused(size: int) -> None:
    try:
        log = eventlog.read_log(LOG[:size])
    except MalformedEvidenceError as error:
        assert error.code == "eventlog.truncated"
    else:  # cut between records: what is left cannot lead to the same PCRs
        assert size >= HEADER
        assert len(log.events) < len(BOOT) + 1


@given(at=st.integers(0, len(LOG) - 1), new=st.binary(max_size=6), skipped=st.integers(0, 6))
def test_any_changed_log_is_malformed_or_leads_elsewhere_or_to_the_same(at: int, new: bytes, skipped: int) -> None:
    try:
        log = eventlog.read_log(LOG[:at] + new + LOG[at + skipped :])
    except MalformedEvidenceError as error:
        assert error.code.startswith("eventlog.")
    else:
        difference(log, SHA256, tpm_log.pcrs(BOOT))
        if "sha256" in log.banks:
            false_data(log, SHA256)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (header(b"", count=0), "eventlog.algorithms"),
        (header(SHA256_ONLY * 9, count=9), "eventlog.algorithms"),
        (header(SHA256_ONLY, count=2**32 - 1), "eventlog.algorithms"),
        (header(SHA256_ONLY * 2, count=2), "eventlog.algorithms"),
        (header(struct.pack("<HH", 0x000B, 20), count=1), "eventlog.algorithms"),
        (header(struct.pack("<HH", 0x7777, 20), count=1), "eventlog.algorithms"),
        (header(SHA256_ONLY, count=1, vendor=b"\x00\x00"), "eventlog.header"),
        (header(SHA256_ONLY, count=1, vendor=b"\x02\x00"), "eventlog.truncated"),
        (header(SHA256_ONLY, count=1) + struct.pack("<III", 0, 4, 2), "eventlog.digests"),
        (header(SHA256_ONLY, count=1) + struct.pack("<IIIH", 0, 4, 1, 0x000C) + bytes(48), "eventlog.digests"),
        (bytes(eventlog.MAX_LOG + 1), "eventlog.size"),
        (tpm_log.old_record(4, bytes(20), b"") * (eventlog.MAX_EVENTS + 1), "eventlog.count"),
        (tpm_log.old_record(4, bytes(20), b"")[:-4] + b"\xff\xff\xff\xff", "eventlog.truncated"),
    ],
    ids=[
        "no-algorithm",
        "nine-algorithms",
        "endless-algorithms",
        "algorithm-twice",
        "wrong-size",
        "unknown-algorithm",
        "trailing-header",
        "short-vendor-information",
        "more-digests",
        "other-digest",
        "too-large",
        "too-many-records",
        "endless-data",
    ],
)
def test_a_log_that_cannot_be_is_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


def test_a_record_with_one_algorithm_twice_is_refused() -> None:
    two = struct.pack("<HH", 0x000B, 32) + struct.pack("<HH", 0x000C, 48)
    digests = (struct.pack("<H", 0x000B) + bytes(32)) * 2
    record = struct.pack("<III", 0, 4, 2) + digests + struct.pack("<I", 0)
    assert refusal(header(two, count=2) + record) == "eventlog.digests"


def test_a_difference_names_the_pcr() -> None:
    quoted = tpm_log.pcrs(BOOT) | {4: bytes(32)}
    assert (difference(eventlog.read_log(LOG), SHA256, quoted) or "").startswith("PCR 4 of sha256")


@pytest.mark.parametrize("kind", [tpm_log.SEPARATOR, tpm_log.EFI_ACTION, 5, tpm_log.EFI_VARIABLE_DRIVER_CONFIG])
def test_data_that_must_be_what_was_measured_and_is_not_is_a_lie(kind: int) -> None:
    """PFP section 10.4.1: tampering with the data passes replay, for only digests are in PCRs."""
    log = eventlog.read_log(tpm_log.eventlog((Record(pcr=1, type=kind, data=b"said", measured=b"measured"),)))
    assert false_data(log, SHA256) is not None


def test_data_of_other_records_need_not_be_what_was_measured() -> None:
    application = Record(pcr=4, type=tpm_log.EFI_APPLICATION, data=b"device path", measured=b"image")
    assert false_data(eventlog.read_log(tpm_log.eventlog((application,))), SHA256) is None
