"""TPM quotes, EK certificates and event logs of third parties and of a software TPM, to their verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.vectors import tpm as tpm_vectors
from policyengine.attestation.vectors.index import CaseResult, run

NO_ANCHORS = TrustAnchors()  # these cases bring their keys among their files
Cases = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def cases(vectors: Path) -> Cases:
    index: list[dict[str, Any]] = json.loads((vectors / "attestation" / "index.json").read_text())
    return {case["id"]: case for case in index if case["format"] in tpm_vectors.FORMATS}


def result(folder: Path, case: dict[str, Any]) -> CaseResult:
    files = {name: (folder / "attestation" / case["id"] / name).read_bytes() for name in case["files"]}
    return run(case, files, NO_ANCHORS)


def test_every_case_has_its_verdict_and_claims(vectors: Path, cases: Cases) -> None:
    problems = {name: found.problem for name, case in cases.items() if (found := result(vectors, case)).problem}
    assert (len(cases), problems) == (82, {})


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"sha256": []}', b'{"sha256": {"x": ""}}', b'{"sha256": {"0": 1}}'])
def test_pcr_values_that_are_no_map_refuse_their_own_case(vectors: Path, cases: Cases, content: bytes) -> None:
    case = cases["tpm/swtpm-A-ecc"]
    files = {name: (vectors / "attestation" / case["id"] / name).read_bytes() for name in case["files"]}
    assert run(case, files | {"pcrs.json": content}, NO_ANCHORS).failed == ("tpm.container",)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("tpm/soft-A-magic", "tpm.magic"),
        ("tpm/soft-A-type-time", "tpm.type"),
        ("tpm/swtpm-A-certify-as-quote", "tpm.type"),
        ("tpm/soft-A-empty-selection", "tpm.pcr-selection"),
        ("tpm/soft-A-huge-count", "tpm.count"),
        ("tpm/soft-A-signer-other", "tpm.qualified-signer"),
        ("tpm/soft-A-trailing", "tpm.trailing"),
        ("tpm/swtpm-A-ecc--ak-trailing", "tpm.trailing"),
        ("tpm/swtpm-A-ecc--sig-trailing", "tpm.trailing"),
        ("tpm/swtpm-A-ecc--truncated", "tpm.truncated"),
        ("tpm/swtpm-A-ecc--ak-swapped", "tpm.ak-trusted"),
        ("tpm/swtpm-A-ecc--bad-signature", "tpm.signature"),
        ("tpm/swtpm-A-ecc--extra-pcr", "tpm.pcr-values"),
        ("tpm/swtpm-A-ecc--pcr-missing", "tpm.pcr-values"),
        ("tpm/swtpm-A-ecc--pcr-forged", "tpm.pcr-digest"),
        ("tpm/swtpm-A-ecc--sig-hash-sha1", "tpm.hash"),
        ("tpm/swtpm-A-ecc--wrong-nonce", "tpm.nonce"),
        ("tpm/keylime-util--nonce-base64-confusion", "tpm.nonce"),
        ("tpm/enacttrust-basic", "tpm.nonce"),
        ("tpm/swtpm-A-owner", "tpm.qualified-signer"),
        ("tpm/swtpm-A-unrestricted", "tpm.ak-attributes"),
        ("tpm/swtpm-A-notfixed", "tpm.ak-attributes"),
        ("tpm/gce-nonce9009-sha1", "tpm.pcr-bank"),
        ("tpm/gce-nonce9009-sha256--eventlog-digest-tampered", "tpm.eventlog-replay"),
        ("tpm/gce-nonce9009-sha256--pcr-claim-forged", "tpm.pcr-digest"),
        ("tpm/swtpm-A-certify--csr-key-swap", "tpm.certify-name"),
        ("tpm/parsec-certify--other-key", "tpm.certify-name"),
        ("ekcert/swtpm-A--foreign-root", "tpm.ek-chain"),
        ("eventlog/arch-linux-workstation--truncated", "eventlog.truncated"),
    ],
)
def test_a_case_is_refused_for_its_reason(vectors: Path, cases: Cases, name: str, check: str) -> None:
    assert check in result(vectors, cases[name]).failed


def test_a_cloud_machine_booted_securely(vectors: Path, cases: Cases) -> None:
    """A real quote with its log: secure boot is known from the variable that PCR 7 was extended with."""
    boot = result(vectors, cases["tpm/gce-nonce9009-sha256"]).facts["boot"]
    assert boot == {"secure": True, "mode": "production", "debug": "disabled", "reset_count": 10}


def test_changed_data_of_a_real_log_is_refused_although_it_replays(vectors: Path, cases: Cases) -> None:
    case = cases["tpm/gce-nonce9009-sha256"]
    folder = vectors / "attestation" / case["id"]
    files = {name: (folder / name).read_bytes() for name in case["files"]}
    value = files["eventlog.bin"].index("SecureBoot".encode("utf-16-le")) + 20
    files["eventlog.bin"] = files["eventlog.bin"][:value] + b"\x00" + files["eventlog.bin"][value + 1 :]
    found = run(case, files, NO_ANCHORS)
    assert (found.accepted, found.failed) == (False, ("tpm.eventlog-data",))
