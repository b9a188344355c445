"""A real TPM 2.0 stack, in software, from its EK certificate to a believed check-in.

What signs here is swtpm, and what our credential must fit is its TPM2_ActivateCredential: no code of ours is on the
device's side. tpm2_checkquote is never asked, for it accepts what no TPM signed (CVE-2024-29038).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

import pytest

from pki.certificates import load_certificate, split_certificates
from policyengine.attestation.anchors import TrustAnchors, thumbprint
from policyengine.attestation.formats import Verified
from policyengine.attestation.tpm.appraisal import MEDIA_TYPE
from policyengine.attestation.tpm.certify import judge_certification
from policyengine.attestation.tpm.credential import ENTROPY_BYTES, make_credential
from policyengine.attestation.tpm.ek import judge_endorsement
from policyengine.attestation.tpm.evidence import Certification, statement
from policyengine.attestation.tpm.keys import key_of, name_of
from policyengine.attestation.tpm.statement import trusted
from policyengine.attestation.tpm.structures import read_public
from policyengine.attestation.verifier import verify
from policyengine.simulation import tpm_log
from policyengine.simulation.tpm import make_tpm_evidence
from tests.integration import swtpm

NONCE = bytes(range(32))
BOOT = tpm_log.boot(version="1.2.3")
PCRS = range(8)


@pytest.fixture(scope="module")
def device() -> Iterator[tuple[swtpm.SoftwareTpm, bytes, bytes]]:
    """A running TPM whose firmware measured BOOT, with the issuing CA and the root of its EK, in DER."""
    absent = swtpm.missing()
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed; see tests/system-packages.txt")
    with tempfile.TemporaryDirectory(prefix="tpm") as name:  # a socket's path must be short
        folder = Path(name)
        issuing, root = (split_certificates(path.read_bytes())[0] for path in swtpm.manufacture(folder))
        process = swtpm.power_on(folder)
        try:
            wait_for(folder / "socket")
            tpm = swtpm.SoftwareTpm(folder=folder)
            for record in BOOT:
                tpm.extend(record.pcr, record.digest("sha256"))
            yield tpm, issuing, root
        finally:
            process.terminate()
            process.wait(timeout=10)


def wait_for(socket: Path) -> None:
    for _ in range(200):
        if socket.exists():
            return
        sleep(0.05)
    raise AssertionError("swtpm opens no socket")


def admitted(
    device: tuple[swtpm.SoftwareTpm, bytes, bytes], kind: str, scheme: str
) -> tuple[swtpm.AttestationKey, TrustAnchors]:
    """Return an attestation key that was admitted as a service would: EK chain, then credential activation."""
    tpm, issuing, root = device
    ak = tpm.create_ak(kind, scheme)
    ek = read_public(tpm.ek_public())
    anchors = (load_certificate(root),)
    now = datetime.now(UTC)
    endorsement = judge_endorsement(ek, (tpm.ek_certificate(), issuing), anchors=anchors, now=now)
    assert [(check.id, check.seen) for check in endorsement.checks if check.result.value != "pass"] == []
    public = read_public(ak.public)
    assert name_of(public) == ak.name
    secret = bytes(reversed(range(32)))
    credential = make_credential(ek, name=ak.name, secret=secret, entropy=bytes(range(ENTROPY_BYTES)))
    answer = tpm.activate(ak, id_object=credential.id_object, encrypted_secret=credential.encrypted_secret)
    assert answer == secret
    return ak, TrustAnchors(keys=(key_of(public),), certificates=anchors)


def checked_in(
    device: tuple[swtpm.SoftwareTpm, bytes, bytes], ak: swtpm.AttestationKey, anchors: TrustAnchors, **changed: object
) -> Verified:
    tpm, issuing, _ = device
    signed, signature, values = tpm.quote(ak, nonce=NONCE, pcrs=PCRS)
    parts: dict[str, object] = {
        "attest": signed,
        "signature": signature,
        "ak": ak.public,
        "pcrs": {"sha256": values},
        "ek": tpm.ek_public(),
        "ek_chain": [tpm.ek_certificate(), issuing],
        "eventlog": tpm_log.eventlog(BOOT),
    }
    evidence = make_tpm_evidence(parts | changed)
    now = datetime.now(UTC)
    return verify(evidence, media_type=MEDIA_TYPE, nonce=NONCE, anchors=anchors, endorsements=None, now=now)


@pytest.mark.parametrize(("kind", "scheme"), [("ecc", "ecdsa"), ("rsa", "rsassa"), ("rsa", "rsapss")])
def test_a_tpm_is_admitted_by_activation_and_its_check_in_is_believed(
    device: tuple[swtpm.SoftwareTpm, bytes, bytes], kind: str, scheme: str
) -> None:
    """EK certificate, attestation key, activation, quote over our nonce, event log."""
    ak, anchors = admitted(device, kind, scheme)
    found = checked_in(device, ak, anchors)
    assert found.failed == ()
    assert found.facts["boot"]["secure"] is True
    assert found.facts["tpm"]["manufacturer"] == "id:00001014"
    assert found.facts["software"][0]["version"] == "1.2.3"
    assert found.key_binding is not None


def test_a_check_in_of_a_real_tpm_is_refused_over_another_nonce_or_with_another_log(
    device: tuple[swtpm.SoftwareTpm, bytes, bytes],
) -> None:
    ak, anchors = admitted(device, "ecc", "ecdsa")
    other_log = checked_in(device, ak, anchors, eventlog=tpm_log.eventlog(tpm_log.boot(version="9.9.9")))
    signed, signature, _ = device[0].quote(ak, nonce=bytes(32), pcrs=PCRS)
    replayed = checked_in(device, ak, anchors, attest=signed, signature=signature)
    assert (other_log.failed, replayed.failed) == (("tpm.eventlog-replay",), ("tpm.nonce",))


def test_a_key_that_a_real_tpm_certifies_is_bound_to_it(device: tuple[swtpm.SoftwareTpm, bytes, bytes]) -> None:
    """TPM2_Certify; the qualifying data is what tpm2-tools sends."""
    ak, anchors = admitted(device, "ecc", "ecdsa")
    tpm = device[0]
    context, public = tpm.create_device_key()
    made = Certification(statement=statement(*tpm.certify(context, ak)), public=read_public(public))
    area = read_public(ak.public)
    candidates, _ = trusted(made.statement, area, anchors.signers)
    checks, certified = judge_certification(
        made, nonce=bytes.fromhex("00ff55aa"), ak=area, ek=read_public(tpm.ek_public()), candidates=candidates
    )
    assert [check.id for check in checks if check.result.value == "fail"] == []
    assert certified == thumbprint(key_of(made.public))
