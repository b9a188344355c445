"""`evidence inspect` says what a file is, shows it, and never trusts or fails on it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.inspection import Inspection, seen_in
from policyengine.attestation.verifier import READABLE
from policyengine.cli.main import app
from policyengine.model.base64url import base64url
from policyengine.simulation import tpm
from tests.fuzz.edits import mutated
from tests.unit.attestation import psa_device, test_pop, tpm_device

QUOTE, SIGNATURE = tpm.quote(tpm_device.AK, nonce=tpm_device.NONCE, values=tpm_device.VALUES)
VECTORS = Path(__file__).parents[2] / "vectors"
FILES = {
    "TPMS_ATTEST": QUOTE,
    "TPMT_SIGNATURE": SIGNATURE,
    "TPMT_PUBLIC": tpm_device.AK.public,
    "TPM2B_PUBLIC": tpm.sized(tpm_device.EK.public),
    "TCG event log": tpm_device.LOG,
    "X.509 certificate": tpm_device.CHAIN[0],
    "signed CoRIM": (VECTORS / "corim/corim/good/corim.cbor").read_bytes(),
    psa_device.PSA: psa_device.token(),
    "application/eat+cwt": (VECTORS / "formats/eat/good-full/token.cwt").read_bytes(),
    "application/eat+jwt": (VECTORS / "formats/eat/jwt-good-full/token.jwt").read_bytes(),
    "application/eat-collection": (VECTORS / "formats/cca/good/token.cbor").read_bytes(),
    "application/vnd.policyengine.dice+cose": (VECTORS / "dice/dice/good-tcg/evidence.cbor").read_bytes(),
    "application/vnd.policyengine.pop+cose": test_pop.make_pop(test_pop.DEVICE, test_pop.CHAIN, test_pop.CHALLENGE),
    "application/vnd.policyengine.tpm+cbor": tpm.make_tpm_evidence(tpm_device.parts()),
}


def inspected(content: bytes) -> Inspection:
    return seen_in(content, registry=READABLE, now=datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised_and_every_part_has_a_clause(name: str) -> None:
    found = inspected(FILES[name])
    assert found.read_as == name
    assert found.rows
    assert all(clause for _, clause, _ in found.rows)


@pytest.mark.parametrize("name", ["\\ud800", "\\u001b[31m"])
def test_what_a_device_calls_a_claim_is_shown_as_harmlessly_as_its_value(name: str) -> None:
    """A half character would end the command with a fault, an escape sequence would repaint the reader's terminal."""
    token = ".".join(base64url(part.encode()) for part in ('{"alg":"ES256"}', f'{{"{name}":1,"eat_nonce":"AA"}}', "x"))
    assert all(row[0].isprintable() for row in inspected(token.encode()).rows)


@settings(max_examples=150)
@given(st.data())
def test_no_file_makes_it_fail(data: st.DataObject) -> None:
    seeds = tuple(FILES.values())
    content = mutated(data.draw(st.sampled_from(seeds)), seeds, data.draw)
    try:
        rows = inspected(content).rows
    except MalformedEvidenceError:
        return
    assert all(value.isprintable() for _, _, value in rows)


def test_a_file_that_is_nothing_known_is_said_to_be_so() -> None:
    with pytest.raises(MalformedEvidenceError, match="--media-type"):
        inspected(b"hello")


def test_what_was_guessed_is_told(tmp_path: Path) -> None:
    (tmp_path / "attest.bin").write_bytes(QUOTE)
    done = CliRunner().invoke(app, ["evidence", "inspect", str(tmp_path / "attest.bin"), "--output", "json"])
    document = json.loads(done.stdout)
    assert (document["read_as"], document["known_by"]) == ("TPMS_ATTEST", "its structure")
    values = {part["part"]: part["value"] for part in document["parts"]}
    assert values["extra"] == f"hex:{tpm_device.NONCE.hex()}"


def test_points_in_binary_evidence_make_no_jwt_of_it() -> None:
    assert inspected(psa_device.token(boot_seed=b"..\x00\x00\x00\x00\x00\x00")).read_as == psa_device.PSA
