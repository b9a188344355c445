"""What is fuzzed: for each format good evidence to begin with, and the door that bytes come in by.

A new format adds one `Target` to `TARGETS`. Where a signature would stop most mutations at the door, a second target
signs the mutated claims, so that the code behind the signature meets them too.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cbor2

from policyengine.attestation import cbor, pop
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.cmw import wrapper as cmw
from policyengine.attestation.corim import appraisal as corim
from policyengine.attestation.corim.states import reference_states
from policyengine.attestation.dice.cdi import read_cdi_certificate
from policyengine.attestation.dice.certificate import read_certificate
from policyengine.attestation.eat.envelope import CWT, JWT
from policyengine.attestation.formats import Verified
from policyengine.attestation.tpm.eventlog import read_log
from policyengine.attestation.tpm.structures import read_attest, read_public, read_signature
from policyengine.attestation.vectors import index as vectors
from policyengine.attestation.vectors.case import Case, Judged
from policyengine.attestation.verifier import READABLE, verify
from policyengine.model.base64url import base64url
from policyengine.simulation import tpm
from policyengine.simulation.cose import cose_sign1
from policyengine.simulation.psa import instance_id_of, psa_claims
from tests.unit.attestation import psa_device, test_pop, tpm_device
from tests.vectors import cca_cases, ear_cases, eat_cases, format_case, make_corim, make_dice


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One door: `decode` takes bytes, `seeds` are good bytes for it. `decode` returns a verdict if it gives one.

    `resigned`: `decode` signs what it is given, so that a changed claim may be believed.
    """

    name: str
    seeds: tuple[bytes, ...]
    decode: Callable[[bytes], object]
    resigned: bool = False


def evidence(media_type: str, anchors: TrustAnchors, *, nonce: bytes = psa_device.NONCE) -> Callable[[bytes], Verified]:
    """Return the verifier for evidence of `media_type`."""
    return functools.partial(
        verify, media_type=media_type, nonce=nonce, anchors=anchors, endorsements=None, now=psa_device.NOW
    )


def _psa_claims() -> bytes:
    return cbor2.dumps(
        psa_claims(
            nonce=psa_device.NONCE,
            implementation_id=bytes(32),
            instance_id=instance_id_of(psa_device.KEY),
            lifecycle=0x3000,
            software=(psa_device.SPE, psa_device.NSPE),
            boot_seed=bytes(32),
            certification_reference="1234567890123-12345",
        )
    )


def _resigned_psa(claims: bytes) -> object:
    return evidence(psa_device.PSA, psa_device.ANCHORS)(cose_sign1(psa_device.KEY, claims))


def _resigned_quote(signed: bytes) -> object:
    parts = tpm_device.parts() | {"attest": signed, "signature": tpm.sign(tpm_device.AK.private, signed)}
    return evidence(tpm_device.MEDIA_TYPE, tpm_device.ANCHORS)(tpm.make_tpm_evidence(parts))


def _certificate(leaf: bytes) -> object:
    parts = tpm_device.parts(ek_chain=(leaf,))
    return evidence(tpm_device.MEDIA_TYPE, tpm_device.ANCHORS)(tpm.make_tpm_evidence(parts))


def _iak_certificate(leaf: bytes) -> object:
    anchors = TrustAnchors(certificates=tpm_device.ANCHORS.certificates)
    parts = tpm_device.parts(ak_chain=(leaf,))
    return evidence(tpm_device.MEDIA_TYPE, anchors)(tpm.make_tpm_evidence(parts))


VECTORS = Path(__file__).parents[1] / "vectors"
# Good evidence among our own vectors, by index and case: one or two of each form that a format has.
_GOOD = {
    "formats": (
        *("psa/first-good", "psa/mac0-good", "cca/good"),
        *(
            "eat/good-full",
            "eat/good-submodules",
            "eat/good-nested-jwt",
            "eat/jwt-good-full",
            "eat/jwt-good-nested-cwt",
            "eat/bundle-good",
            "eat/bundle-json-good",
        ),
    ),
    "dice": ("dice/good-tcg", "dice/good-open-dice-cbor", "dice/good-riot"),
    "corim": ("corim/good-all-triples", "corim/good-coswid"),
}


def _of_vectors(folder: Path, wanted: tuple[str, ...]) -> Iterator[Target]:
    cases = {case["id"]: case for case in json.loads((folder / "index.json").read_text())}
    for name in wanted:
        case = cases[name]
        files = {file: (folder / name / file).read_bytes() for file in case["files"]}
        key = case.get("key")
        anchors = vectors.anchors_of(key, (folder / key).read_bytes()) if key else TrustAnchors()
        judge = functools.partial(_vector, case, files, anchors)
        yield Target(name=name, seeds=(files[case["files"][0]],), decode=judge)


def _vector(case: Case, files: dict[str, bytes], anchors: TrustAnchors, evidence: bytes) -> Judged:
    return vectors.RUNNERS[case["format"]](case, files | {case["files"][0]: evidence}, anchors)


_POP_ANCHORS = TrustAnchors(certificates=(test_pop.ACME.root,))
_CHECK_IN = tpm_device.parts()
_QUOTE, _SIGNATURE = tpm.quote(tpm_device.AK, nonce=tpm_device.NONCE, values=tpm_device.VALUES)

_EAT_ANCHORS = TrustAnchors(keys=(format_case.P256.public_key(),))


_EAT_NOW = datetime.fromtimestamp(eat_cases.NOW, UTC)


def _eat(media_type: str) -> Callable[[bytes], Verified]:
    return functools.partial(evidence(media_type, _EAT_ANCHORS, nonce=format_case.NONCE), now=_EAT_NOW)


def _resigned_eat(claims: bytes) -> object:
    return _eat(CWT)(format_case.cwt(claims))


def _resigned_jwt(claims: bytes) -> object:
    return _eat(JWT)(format_case.jwt(claims))


def _resigned_cca(realm: bytes) -> object:
    return _eat(cca.ANY_PROFILE)(cca_cases.token(realm=realm))


def _resigned_corim(content: bytes) -> object:
    found = corim.judge_signed(
        make_corim.corim.signed(make_corim.KEY, content),
        signers=TrustAnchors(keys=(make_corim.KEY.public_key(),)),
        now=make_corim.NOW,
    )
    return None if found.corim is None else tuple(reference_states(found.corim))


def _result(content: bytes) -> object:
    return verify(
        content,
        media_type=f'{JWT}; eat_profile="{ear_cases.CURRENT}"',
        nonce=format_case.NONCE,
        anchors=_EAT_ANCHORS,
        endorsements=None,
        now=_EAT_NOW,
        registry=READABLE,
    )


_NESTED = format_case.cwt({10: format_case.NONCE, 266: {"se": format_case.cwt(eat_cases.CLAIMS), "os": {270: "os"}}})
_WRAPPED = cbor2.dumps({1: [264, format_case.jwt(eat_cases.JSON), 4], "ear": ["application/eat+jwt", b"", 8]})

TARGETS: tuple[Target, ...] = (
    Target(name="eat cwt", seeds=(format_case.cwt(eat_cases.CLAIMS), _NESTED), decode=_eat(CWT)),
    Target(name="eat cwt claims, signed", seeds=(cbor2.dumps(eat_cases.CLAIMS),), decode=_resigned_eat, resigned=True),
    Target(name="eat jwt", seeds=(format_case.jwt(eat_cases.JSON),), decode=_eat(JWT)),
    Target(
        name="eat jwt claims, signed",
        seeds=(json.dumps(eat_cases.JSON).encode(),),
        decode=_resigned_jwt,
        resigned=True,
    ),
    Target(name="cca", seeds=(cca_cases.token(),), decode=_eat(cca.ANY_PROFILE)),
    Target(name="cca realm, signed", seeds=(cbor2.dumps(cca_cases.REALM),), decode=_resigned_cca, resigned=True),
    Target(name="cmw cbor", seeds=(_WRAPPED,), decode=_eat(cmw.CBOR)),
    Target(
        name="cmw json",
        seeds=(json.dumps([CWT, base64url(format_case.cwt(eat_cases.CLAIMS)), 4]).encode(),),
        decode=_eat(cmw.JSON),
    ),
    Target(name="ear", seeds=(format_case.jwt(ear_cases.RESULT),), decode=_result),
    Target(name="cbor", seeds=(psa_device.token(), _psa_claims()), decode=cbor.reader(18)),
    Target(
        name="psa",
        seeds=(psa_device.token(), psa_device.token(boot_seed=bytes(8))),
        decode=evidence(psa_device.PSA, psa_device.ANCHORS),
    ),
    Target(name="psa claims, signed", seeds=(_psa_claims(),), decode=_resigned_psa, resigned=True),
    Target(
        name="pop",
        seeds=(test_pop.make_pop(test_pop.DEVICE, test_pop.CHAIN, test_pop.CHALLENGE),),
        decode=evidence(pop.MEDIA_TYPE, _POP_ANCHORS),
    ),
    Target(
        name="tpm",
        seeds=(
            tpm.make_tpm_evidence(_CHECK_IN),
            tpm.make_tpm_evidence(tpm_device.parts(eventlog=None, certified=None)),
        ),
        decode=evidence(tpm_device.MEDIA_TYPE, tpm_device.ANCHORS),
    ),
    Target(name="tpm quote, signed", seeds=(_QUOTE,), decode=_resigned_quote, resigned=True),
    Target(name="tpm ek certificate", seeds=tpm_device.CHAIN, decode=_certificate),
    Target(name="tpm iak certificate", seeds=(tpm_device.iak_certificate(),), decode=_iak_certificate),
    Target(name="TPMS_ATTEST", seeds=(_QUOTE,), decode=read_attest),
    Target(name="TPMT_PUBLIC", seeds=(tpm_device.AK.public, tpm_device.EK.public), decode=read_public),
    Target(name="TPMT_SIGNATURE", seeds=(_SIGNATURE,), decode=read_signature),
    Target(name="event log", seeds=(tpm_device.LOG,), decode=read_log),
    Target(name="corim, signed", seeds=(make_corim.GOOD, make_corim.with_coswid("acme.app")), decode=_resigned_corim),
    Target(name="dice certificate", seeds=make_dice.DEVICE.chain(), decode=read_certificate),
    Target(name="cdi certificate", seeds=tuple(make_dice.chain_of(make_dice.cdi())), decode=read_cdi_certificate),
    *(target for name, wanted in _GOOD.items() for target in _of_vectors(VECTORS / name, wanted)),
)
