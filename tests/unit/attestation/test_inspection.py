"""`evidence inspect` says what a file is, shows it, and never trusts or fails on it."""

from __future__ import annotations

import json
import re
import struct
from datetime import UTC, datetime
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.formats import Format
from policyengine.attestation.inspection.evidence import Inspection, seen_in, told
from policyengine.attestation.media_type import MediaType
from policyengine.attestation.verifier import READABLE, verify
from policyengine.cli.main import app
from policyengine.model.base64url import base64url
from policyengine.simulation import tpm
from tests.fuzz.edits import mutated
from tests.unit.attestation import psa_device, test_pop, tpm_device

NOW = datetime(2026, 11, 23, tzinfo=UTC)
QUOTE, SIGNATURE = tpm.quote(tpm_device.AK, nonce=tpm_device.NONCE, values=tpm_device.VALUES)
VECTORS = Path(__file__).parents[2] / "vectors"
COMID = {1: {0: "tag"}, 4: {0: [[{0: {1: "acme"}}, [{1: {2: [[1, bytes(32)]]}}]]]}}
FILES = {
    "TPMS_ATTEST": QUOTE,
    "TPMT_SIGNATURE": SIGNATURE,
    "TPMT_PUBLIC": tpm_device.AK.public,
    "TPM2B_PUBLIC": tpm.sized(tpm_device.EK.public),
    "TCG event log": tpm_device.LOG,
    "X.509 certificate": tpm_device.CHAIN[0],
    "tag of a CoRIM": cbor2.dumps(COMID),
    "CMW": b'{"first":["application/vnd.a","AA"],"second":["application/vnd.b","AA"]}',
    "signed CoRIM": (VECTORS / "corim/corim/good/corim.cbor").read_bytes(),
    psa_device.PSA: psa_device.token(),
    "application/eat+cwt": (VECTORS / "formats/eat/good-full/token.cwt").read_bytes(),
    "application/eat+jwt": (VECTORS / "formats/eat/jwt-good-full/token.jwt").read_bytes(),
    "application/eat-bun+cbor": (VECTORS / "formats/eat/bundle-good/bundle.cbor").read_bytes(),
    "application/eat-bun+json": (VECTORS / "formats/eat/bundle-json-good/bundle.json").read_bytes(),
    "application/eat-collection": (VECTORS / "formats/cca/good/token.cbor").read_bytes(),
    "application/vnd.policyengine.dice+cose": (VECTORS / "dice/dice/good-tcg/evidence.cbor").read_bytes(),
    "application/vnd.policyengine.pop+cose": test_pop.make_pop(test_pop.DEVICE, test_pop.CHAIN, test_pop.CHALLENGE),
    "application/vnd.policyengine.tpm+cbor": tpm.make_tpm_evidence(tpm_device.parts()),
}


def inspected(content: bytes) -> Inspection:
    return seen_in(content, registry=READABLE, now=NOW)


def parts(content: bytes) -> dict[str, tuple[str, str]]:
    return {part: (clause, value) for part, clause, value in inspected(content).rows}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised_and_every_part_has_a_clause_with_its_number(name: str) -> None:
    found = inspected(FILES[name])
    assert found.read_as == name
    assert found.rows
    assert all(re.search(r"section \d", clause) for _, clause, _ in found.rows)


@pytest.mark.parametrize(
    ("name", "part", "clause"),
    [
        ("application/eat+cwt", "eat_nonce", "RFC 9711 section 4.1"),
        ("application/eat+cwt", "ueid", "RFC 9711 section 4.2.1"),
        ("application/eat+jwt", "protected alg", "RFC 7515 section 4.1"),
        ("application/eat-collection", "platform.software[0].measurement", "draft-ffm-rats-cca-token-03 section 4.6.1"),
        ("application/eat-bun+cbor", "protected alg", "RFC 9052 section 3.1"),
        ("application/eat-bun+cbor", "detached.kept.swname", "RFC 9711 section 4.2.6"),
        ("application/eat-bun+json", "detached.kept.oemboot", "RFC 9711 section 4.2.8"),
        ("application/eat-collection", "realm.challenge", "draft-ffm-rats-cca-token-03 section 4.8.1"),
        ("application/vnd.policyengine.tpm+cbor", "certified.magic", "TPM 2.0 Part 2 section 6.2"),
        ("TPMS_ATTEST", "digest", "TPM 2.0 Part 2 section 10.12.4"),
        ("X.509 certificate", "issuer", "RFC 5280 section 4.1.2.4"),
        ("signed CoRIM", "corim.id", "draft-ietf-rats-corim section 4.1.1"),
        ("signed CoRIM", "signed.meta.signer.signer-name", "draft-ietf-rats-corim section 4.2.3"),
        (
            "tag of a CoRIM",
            "comid.triples.reference-triples[0][0].class.vendor",
            "draft-ietf-rats-corim section 5.1.4.2",
        ),
        (
            "tag of a CoRIM",
            "comid.triples.reference-triples[0][1][0].mval.digests[0]",
            "draft-ietf-rats-corim section 7.7",
        ),
    ],
)
def test_a_part_has_its_own_name_and_clause(name: str, part: str, clause: str) -> None:
    assert parts(FILES[name])[part][0] == clause


def test_the_evidence_in_a_wrapper_is_shown_with_the_clauses_of_its_own_format() -> None:
    token = base64url(psa_device.token())
    found = parts(json.dumps([psa_device.PSA, token]).encode())
    assert (found["wrapper.type"][0], found["nonce"][0]) == ("RFC 9999 section 3.1", "RFC 9783 section 4.1.1")


def test_a_collection_that_nobody_appraises_still_shows_what_it_holds() -> None:
    assert parts(FILES["CMW"])["wrapper.second.type"][1] == "application/vnd.b"


def test_a_log_of_the_old_form_is_known_though_it_has_no_header() -> None:
    record = struct.pack("<II20sI", 0, 8, b"\x01" * 20, 2) + b"v1"
    assert parts(record)["event[0].digests.sha1"][1] == f"hex:{'01' * 20}"


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


def test_evidence_of_another_packages_format_is_shown_though_it_lists_no_checks() -> None:
    judged = verify(
        psa_device.token(),
        media_type=psa_device.PSA,
        nonce=b"",
        anchors=TrustAnchors(),
        endorsements=None,
        now=NOW,
        registry=READABLE,
    )
    seen = judged._replace(media_type="application/vnd.acme", decoded={"a": 1}, naming=dict, checks=())
    acme = Format(
        name="acme", media_types=(MediaType(essence="application/vnd.acme"),), appraise=lambda _evidence, **_told: seen
    )
    found = told(b"?", "application/vnd.acme", registry=READABLE.extended([acme]), now=NOW)
    assert found.rows == (("a", "RFC 9334 section 8", "1"),)
