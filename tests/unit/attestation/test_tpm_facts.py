"""What a believed TPM check-in proves, and what it leaves open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policyengine.attestation.documents import verdict_document
from policyengine.model.endorsements import ReferenceComponent, ReferenceValues, Release
from policyengine.model.schema import CORE_SCHEMA
from policyengine.simulation import tpm, tpm_log
from tests.unit.attestation.tpm_device import (
    AK,
    BOOT,
    EK,
    NOW,
    VALUES,
    anchors,
    appraised,
    ek_certificate,
    facts,
    parts,
)


def booted(*records: tpm_log.Record, **changed: object) -> dict[str, dict[str, object]]:
    values = {"sha256": tpm_log.pcrs(records)}
    return facts(parts(**({"values": values, "eventlog": tpm_log.eventlog(records)} | changed)))


def test_pcrs_are_facts_by_bank_and_index() -> None:
    expected = {f"sha256:{pcr}": value.hex() for pcr, value in VALUES["sha256"].items()}
    assert facts(parts())["pcrs"] == expected


def test_only_the_quoted_pcrs_are_facts() -> None:
    """A policy that needs another PCR must see it as missing, not as zero."""
    found = facts(parts(values={"sha256": {7: VALUES["sha256"][7]}}))
    assert list(found["pcrs"]) == ["sha256:7"]


def test_secure_boot_is_a_fact_of_the_replayed_log() -> None:
    found = facts(parts())
    assert found["boot"] == {"secure": True, "mode": "production", "debug": "disabled", "reset_count": 7}


def test_secure_boot_off_is_a_fact_too() -> None:
    assert booted(*tpm_log.boot(secure=False))["boot"] == {
        "secure": False,
        "mode": "unknown",
        "debug": "disabled",
        "reset_count": 7,
    }


def test_the_firmware_debugger_is_a_fact() -> None:
    """PFP section 3.3.4.8: it is measured before it may be used."""
    boot = booted(*tpm_log.boot(debug=True))["boot"]
    assert (boot["mode"], boot["debug"]) == ("debug", "enabled")


def test_without_a_log_nothing_is_known_of_the_boot() -> None:
    assert facts(parts(eventlog=None))["boot"] == {"reset_count": 7}


def test_without_pcr_7_nothing_is_known_of_secure_boot() -> None:
    values = {"sha256": {pcr: value for pcr, value in VALUES["sha256"].items() if pcr != 7}}
    assert facts(parts(values=values))["boot"] == {"reset_count": 7}


def test_a_variable_measured_after_the_separator_says_nothing() -> None:
    """What was started can extend PCR 7 with a good value, but only after firmware ended its part."""
    off = tuple(record for record in tpm_log.boot(secure=False) if b"S\x00e\x00c" not in record.data)
    late = tpm_log.Record(pcr=7, type=tpm_log.EFI_VARIABLE_DRIVER_CONFIG, data=tpm_log.variable("SecureBoot", b"\x01"))
    assert "secure" not in booted(*off, late)["boot"]


RELABELLED = 0x800000E0  # EV_EFI_VARIABLE_AUTHORITY: firmware in the field hashes other bytes than its data here


def relabelled(record: tpm_log.Record) -> tpm_log.Record:
    """Return `record` as a log can show it without changing any PCR: another type, other data, the same digest."""
    return replace(record, type=RELABELLED, data=b"nothing", measured=record.data)


def forged(
    records: tuple[tpm_log.Record, ...], *extended: tpm_log.Record, pcr: int = 7
) -> dict[str, dict[str, object]]:
    """Return the facts of a log whose true records of `pcr` are relabelled, and whose system `extended` it since."""
    hidden = [relabelled(record) if record.pcr == pcr else record for record in records]
    return booted(*hidden, *extended, tpm_log.Record(pcr=pcr, type=tpm_log.SEPARATOR, data=bytes(4)))


def test_a_separator_under_another_type_still_ends_what_firmware_measured() -> None:
    """No PCR covers a record's type, so what a running system extends cannot pass for firmware by relabelling."""
    late = tpm_log.Record(pcr=7, type=tpm_log.EFI_VARIABLE_DRIVER_CONFIG, data=tpm_log.variable("SecureBoot", b"\x01"))
    assert forged(tpm_log.boot(secure=False), late)["boot"]["secure"] is False


def test_a_debugger_hidden_under_another_type_is_a_fact() -> None:
    assert forged(tpm_log.boot(debug=True))["boot"]["debug"] == "enabled"


def test_an_error_hidden_under_another_type_leaves_the_boot_unknown() -> None:
    failed = tuple(
        replace(record, data=b"\x01\x00\x00\x00") if record.type == tpm_log.SEPARATOR else record for record in BOOT
    )
    assert forged(failed)["boot"] == {"reset_count": 7}


def test_a_version_measured_after_the_separator_of_pcr_0_is_no_component() -> None:
    data = "9.9.9".encode("utf-16-le") + b"\x00\x00"
    late = tpm_log.Record(pcr=0, type=tpm_log.S_CRTM_VERSION, data=data)
    assert "software" not in forged(BOOT, late, pcr=0)


def test_a_variable_of_another_vendor_says_nothing() -> None:
    mine = tpm_log.variable("SecureBoot", b"\x01", vendor=bytes(16))
    records = tuple(replace(record, data=mine) if b"S\x00e\x00c" in record.data else record for record in BOOT)
    assert "secure" not in booted(*records)["boot"]


@pytest.mark.parametrize("value", [b"", b"\x02", b"\x01\x01"])
def test_any_value_but_1_is_not_secure(value: bytes) -> None:
    records = tuple(
        replace(record, data=tpm_log.variable("SecureBoot", value)) if b"S\x00e\x00c" in record.data else record
        for record in BOOT
    )
    assert booted(*records)["boot"]["secure"] is False


def test_two_states_of_secure_boot_are_not_secure() -> None:
    off = tpm_log.Record(pcr=7, type=tpm_log.EFI_VARIABLE_DRIVER_CONFIG, data=tpm_log.variable("SecureBoot", b"\x00"))
    assert booted(BOOT[0], off, *BOOT[1:])["boot"]["secure"] is False


def test_firmware_that_ended_with_an_error_says_nothing() -> None:
    records = tuple(
        replace(record, data=b"\x01\x00\x00\x00") if record.type == tpm_log.SEPARATOR else record for record in BOOT
    )
    assert booted(*records)["boot"] == {"reset_count": 7}


def test_the_version_of_the_firmware_is_a_component() -> None:
    (row,) = facts(parts())["software"]
    assert (row["name"], row["version"], row["match"]) == ("s-crtm", "4.2.1", "none")


def test_a_version_that_was_not_measured_is_no_component() -> None:
    records = tuple(
        replace(record, measured=b"other") if record.type == tpm_log.S_CRTM_VERSION else record for record in BOOT
    )
    assert "software" not in booted(*records)


def endorsed(**values: str) -> ReferenceValues:
    components = tuple(ReferenceComponent(name=name, sha256=value) for name, value in values.items())
    return ReferenceValues(models=("gw-200",), releases=(Release(version="4.2.1", svn=8, components=components),))


def pcr(number: int) -> str:
    return VALUES["sha256"][number].hex()


def test_pcrs_that_reference_values_name_are_components_of_the_release() -> None:
    found = facts(parts(), endorsements=endorsed(**{"sha256:0": pcr(0), "sha256:7": pcr(7)}))
    rows = {row["name"]: row["match"] for row in found["software"]}
    assert (rows, found["boot"]["svn"]) == ({"sha256:0": "endorsed", "sha256:7": "endorsed", "s-crtm": "none"}, 8)


def test_a_pcr_that_differs_from_the_release_is_unknown_and_gives_no_svn() -> None:
    found = facts(parts(), endorsements=endorsed(**{"sha256:0": pcr(0), "sha256:7": "00" * 32}))
    rows = {row["name"]: row["match"] for row in found["software"]}
    assert (rows["sha256:7"], "svn" in found["boot"]) == ("unknown", False)


def test_a_pcr_that_was_not_quoted_gives_no_svn() -> None:
    """Leaving out the PCR that would differ must not make the rest a release."""
    values = {"sha256": {number: value for number, value in VALUES["sha256"].items() if number != 4}}
    references = endorsed(**{"sha256:0": pcr(0), "sha256:4": "00" * 32})
    assert "svn" not in facts(parts(values=values), endorsements=references)["boot"]


def test_the_vendor_of_the_tpm_is_a_fact_of_a_chain_that_the_signer_is_below() -> None:
    assert facts(parts())["tpm"] == {"manufacturer": "id:49465800", "model": "SLB9670", "fw_version": "7.0.0.0"}


def test_the_chain_of_another_ek_gives_no_facts_of_the_tpm() -> None:
    """A primary key of the endorsement hierarchy names no EK, so anybody's chain could be shown beside it."""
    primary = replace(AK, parent=tpm.ENDORSEMENT)
    found = facts(parts(primary), trust=anchors(primary))
    assert (found["tpm"], "anchor" in found["identity"]) == ({"fw_version": "7.0.0.0"}, False)


def test_counters_of_a_signer_elsewhere_are_no_facts() -> None:
    """Part 2 section 10.12.12: outside the endorsement hierarchy the TPM obfuscates them."""
    owner = replace(AK, parent=tpm.OWNER)
    found = facts(parts(owner, ek=None, ek_chain=()), trust=anchors(owner))
    assert ("tpm" in found, "reset_count" in found["boot"]) == (False, False)


def test_the_identity_is_the_attestation_key_under_the_vendors_anchor() -> None:
    identity = facts(parts())["identity"]
    assert (identity["kind"], identity["anchor"]) == ("ak", "CN=TPM Vendor EK CA")


def test_every_fact_is_in_the_schema() -> None:
    found = facts(parts(), endorsements=endorsed(**{"sha256:0": pcr(0)}))
    for group, fields in found.items():
        rows = fields if isinstance(fields, list) else [fields]
        for path in {(group, name) for row in rows for name in row}:
            CORE_SCHEMA.field(path)


def test_a_verdict_can_be_printed_with_what_the_evidence_says() -> None:
    document = verdict_document(appraised(parts(ek=EK, ek_chain=(ek_certificate(),))))
    assert (document["accepted"], document["claims"]["extra"][:4], NOW.year) == (True, "hex:", 2026)
