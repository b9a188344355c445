"""The mistakes that verifiers shipped, each as evidence that must be refused here, by name and number.

Each test is red on a build without the check it names: `is_believed` is that build.
"""

from __future__ import annotations

import pytest

from policyengine.attestation import cbor
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cbor_scan import MAX_BYTES
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.simulation import tpm
from tests.mutants.cases import CASES, NegativeCase, Verdict, of
from tests.mutants.table import is_believed
from tests.unit.attestation import psa_device, test_tpm_checks, tpm_device

MISTAKES = {
    "CVE-2021-3406: an attestation key is taken from a field that nobody verified": "tpm.ak-trusted",
    "CVE-2022-1053: one real TPM vouches for the attestation key of another": "tpm.ak-trusted",
    "CVE-2022-0317: a quote of no PCR agrees with every event log": "tpm.pcr-selection",
    "CVE-2024-29038: a forged statement without TPM_GENERATED_VALUE": "tpm.magic",
    "CVE-2024-29039: the PCRs reported are not those selected": "tpm.pcr-values",
    "CVE-2024-29040: a statement of another type taken for a quote": "tpm.type",
    "CVE-2023-38201: an activated key of another endorsement key": "tpm.qualified-signer",
    "veraison tpm-enacttrust, parsec: the nonce is not compared": "tpm.nonce",
    "veraison riot: certificates without possession of the key": "pop.signature",
    "kairos 4828: no nonce at all": "pop.nonce",
    "safeboot 36: an attestation key that signs anything": "tpm.ak-attributes",
    "cwt: the algorithm of the key wins over the header": "cose.key-type",
    "cwt, pycose: unknown critical headers are ignored": "cose.crit",
    "COSE WG sign1-pass-01: the algorithm is not protected": "cose.alg",
    "tpm2_eventlog: data that its digest does not cover becomes a fact": "tpm.eventlog-data",
    "occlum 1119: the nonce of another session": "psa.nonce",
    "PSA profile 1 claims under profile 2": "psa.profile",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_others_is_refused_here_by_its_check(mistake: str) -> None:
    check = MISTAKES[mistake]
    verdicts = [case.judge() for case in CASES if case.check == check]
    assert verdicts
    assert {(found.accepted, check in found.failed) for found in verdicts} == {(False, True)}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_build_with_the_mistake_would_be_found(mistake: str) -> None:
    assert any(is_believed(case) for case in CASES if case.check == MISTAKES[mistake])


def _quote_of_nothing() -> Verdict:
    found, trust = test_tpm_checks.quote(body=tpm.quote_body({}))
    del found["eventlog"]
    return of(tpm_device.appraised(found | {"pcrs": {}}, trust=trust))


def _soft_tpm_with_another_certificate() -> Verdict:
    """The chain is of a real TPM, the attestation key is made in software and nobody activated it."""
    soft = tpm.TpmKey(private=tpm_device.OTHER, template=tpm.AK, parent=tpm_device.EK.qualified_name)
    trust = TrustAnchors(keys=tpm_device.ANCHORS.keys, certificates=tpm_device.ANCHORS.certificates)
    return of(tpm_device.appraised(tpm_device.parts(soft, certified=None), trust=trust))


EXACT = (
    NegativeCase(name="CVE-2022-0317 exactly", check="tpm.pcr-selection", judge=_quote_of_nothing),
    NegativeCase(name="CVE-2022-1053 exactly", check="tpm.ak-trusted", judge=_soft_tpm_with_another_certificate),
)


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_the_very_attack_is_refused_and_a_build_without_the_check_believes_it(case: NegativeCase) -> None:
    assert (case.judge(), is_believed(case)) == (Verdict(accepted=False, failed=(case.check,)), True)


@pytest.mark.parametrize("encode", [bytes.hex, lambda nonce: __import__("base64").b64encode(nonce).decode()])
def test_a_nonce_in_another_encoding_is_another_nonce(encode: object) -> None:
    """Keylime's checkquote takes it raw or base64."""
    spelled = encode(tpm_device.NONCE).encode()  # type: ignore[operator]
    assert tpm_device.appraised(tpm_device.parts(nonce=spelled)).failed[0] == "tpm.nonce"


def test_evidence_that_inflates_is_refused_by_its_size() -> None:
    """GHSA-6xx7-m45w-76m2, a zip bomb: nothing here is compressed, nothing above a limit is read."""
    with pytest.raises(MalformedEvidenceError) as caught:
        cbor.reader()(bytes(MAX_BYTES + 1))
    assert caught.value.code == "cbor.size"


@pytest.mark.parametrize("cut", range(40))
def test_a_cut_token_is_malformed_and_nothing_else(cut: int) -> None:
    """CVE-2022-3500 and EnactTrust's Decode: an exception must not leave a device attested, nor a short token panic."""
    evidence = tpm.make_tpm_evidence(tpm_device.parts())
    with pytest.raises(MalformedEvidenceError):
        tpm_device.verify(
            evidence[: len(evidence) * cut // 40],
            media_type=tpm_device.MEDIA_TYPE,
            nonce=tpm_device.NONCE,
            anchors=tpm_device.ANCHORS,
            endorsements=None,
            now=tpm_device.NOW,
        )


def test_disbelieved_evidence_states_no_fact() -> None:
    """CVE-2022-3500: what failed half way must leave nothing behind."""
    assert {case.judge().accepted for case in CASES} == {False}
    assert psa_device.verified(psa_device.token(nonce=bytes(32))).facts == {}
