"""What holds for everything a TPM signs, a quote or a certification: origin, freshness, algorithms, key, signature.

The key is found among those the caller trusts and nowhere else. Where the evidence shows the key's public area, that
must be the very key; where it does not (keys that were endorsed elsewhere), every trusted key of the type is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pki.errors import KeyRefusedError
from pki.keys import require_sound_rsa
from policyengine.attestation.anchors import TrustedKey
from policyengine.attestation.checks import Check, Requirement, described
from policyengine.attestation.signatures import ecdsa_der
from policyengine.attestation.tpm import algorithms
from policyengine.attestation.tpm.evidence import Statement
from policyengine.attestation.tpm.keys import thumbprint_of
from policyengine.attestation.tpm.structures import GENERATED, PublicArea, Signature

Signers = Mapping[str, tuple[TrustedKey, ...]]

_CURVE_KINDS = frozenset(curve.kind for curve in algorithms.CURVES.values())
_RSA_SCHEMES: Mapping[int, str] = {algorithms.RSASSA: "RS", algorithms.RSAPSS: "PS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The requirements on one kind of statement, under its own check ids, and the type it must be of."""

    type_value: int
    magic: Requirement
    type: Requirement
    nonce: Requirement
    scheme: Requirement
    hash: Requirement
    signature: Requirement


def rules(prefix: str, type_value: int, type_name: str) -> Rules:
    """Return the requirements whose check ids begin with `prefix`."""
    return Rules(
        type_value=type_value,
        magic=Requirement(
            id=f"{prefix}magic", clause="TPM 2.0 Part 2 section 6.2", expected="TPM_GENERATED_VALUE ff544347"
        ),
        type=Requirement(id=f"{prefix}type", clause="TPM 2.0 Part 2 section 6.9", expected=type_name),
        nonce=Requirement(
            id=f"{prefix}nonce", clause="TPM 2.0 Part 2 section 10.12.12", expected="extraData equal to the challenge"
        ),
        scheme=Requirement(
            id=f"{prefix}scheme",
            clause="TPM 2.0 Part 2 section 11.3.4",
            expected="RSASSA, RSAPSS or ECDSA, with the hash that the AK is bound to",
        ),
        hash=Requirement(
            id=f"{prefix}hash", clause="TCG Algorithm Registry section 4", expected="signed with SHA-256, 384 or 512"
        ),
        signature=Requirement(
            id=f"{prefix}signature", clause="TPM 2.0 Part 2 section 11.3", expected="a signature by the trusted AK"
        ),
    )


TRUSTED = Requirement(
    id="tpm.ak-trusted",
    clause="RFC 9334 section 7.4",
    expected="an AK that was endorsed to us, RSA or on P-256, P-384 or P-521 as the signature needs",
)
STRENGTH = Requirement(
    id="tpm.ak-key",
    clause="BSI TR-02102-1 section 2.3",
    expected="an RSA key of 2048 to 8192 bits with an exponent of 65537 or more; curves by tpm.ak-trusted",
)


def trusted(statement: Statement, ak: PublicArea | None, signers: Signers) -> tuple[tuple[TrustedKey, ...], Check]:
    """Return the trusted keys that may have signed `statement`, with check `tpm.ak-trusted`."""
    name = None if ak is None else thumbprint_of(ak)
    found: list[TrustedKey] = []
    for kind, known in signers.items():
        if _fits(statement.signature.scheme, kind):
            found += known if ak is None else [signer for signer in known if signer.thumbprint == name]
    if found:
        return tuple(found), TRUSTED.passed
    if ak is None:
        return (), TRUSTED.failed("no trusted key of this type")
    return (), TRUSTED.failed(f"an AK on curve {ak.size:#06x}" if name is None else f"an AK with thumbprint {name}")


def _fits(scheme: int, kind: str) -> bool:
    return kind.startswith("RSA") if scheme in _RSA_SCHEMES else scheme == algorithms.ECDSA and kind in _CURVE_KINDS


def strength(candidates: tuple[TrustedKey, ...]) -> Check:
    """Return check `tpm.ak-key` of the keys that may have signed."""
    for candidate in candidates:
        weakness = _weakness(candidate)
        if weakness:
            return STRENGTH.failed(weakness)
    return STRENGTH.passed if candidates else STRENGTH.unreached


def _weakness(candidate: TrustedKey) -> str | None:
    if candidate.kind in _CURVE_KINDS or not isinstance(candidate.key, rsa.RSAPublicKey):
        return None
    try:
        require_sound_rsa(candidate.key)
    except KeyRefusedError as refused:
        return refused.message
    return None


def check_statement(
    statement: Statement, rules: Rules, *, nonce: bytes, ak: PublicArea | None, candidates: tuple[TrustedKey, ...]
) -> tuple[tuple[Check, ...], TrustedKey | None]:
    """Return the checks of `rules`, in order, and the key that signed; None unless its signature verified."""
    attest, signature = statement.attest, statement.signature
    signer = _signer(statement, candidates)
    generated = attest.magic == GENERATED
    # The comparison is over bytes as issued: no other encoding of the challenge is ever tried.
    fresh = bool(nonce) and attest.extra == nonce
    believed = signature.hash in algorithms.BELIEVED
    checks = (
        rules.magic.passed if generated else rules.magic.failed(f"{attest.magic:08x}"),
        rules.type.passed if attest.type == rules.type_value else rules.type.failed(f"type {attest.type:#06x}"),
        rules.nonce.passed if fresh else rules.nonce.failed(described(attest.extra)),
        _scheme(signature, ak, rules.scheme),
        rules.hash.passed if believed else rules.hash.failed(f"hash {signature.hash:#06x}"),
        _signature(signer, rules.signature, is_reached=bool(candidates) and believed),
    )
    return checks, signer


def _scheme(signature: Signature, ak: PublicArea | None, requirement: Requirement) -> Check:
    seen = (signature.scheme, signature.hash)
    known = signature.scheme in _RSA_SCHEMES or signature.scheme == algorithms.ECDSA
    bound = ak is None or seen == (ak.scheme, ak.scheme_hash)
    return requirement.passed if known and bound else requirement.failed(f"{seen[0]:#06x} with hash {seen[1]:#06x}")


def _signature(signer: TrustedKey | None, requirement: Requirement, *, is_reached: bool) -> Check:
    if signer is not None:
        return requirement.passed
    return requirement.failed("no signature by a trusted AK") if is_reached else requirement.unreached


def _signer(statement: Statement, candidates: tuple[TrustedKey, ...]) -> TrustedKey | None:
    for candidate in candidates:
        try:
            _verify(candidate, statement.signature, statement.signed)
        except InvalidSignature:
            continue
        return candidate
    return None


def _verify(signer: TrustedKey, signature: Signature, signed: bytes) -> None:
    """Return if `signer` made `signature`; raises InvalidSignature, also for what cannot be one."""
    believed = algorithms.BELIEVED.get(signature.hash)
    if believed is None:
        raise InvalidSignature
    key, hash_ = signer.key, believed.signing
    if signer.kind in _CURVE_KINDS and len(signature.parts) == 2:
        # The kind is the key's type, and asking an abstract class for it takes longer than all else here.
        key.verify(ecdsa_der(*signature.parts), signed, believed.ecdsa)  # type: ignore[call-arg, arg-type]
    elif isinstance(key, rsa.RSAPublicKey) and signature.scheme == algorithms.RSASSA:
        key.verify(signature.parts[0], signed, padding.PKCS1v15(), hash_)
    elif isinstance(key, rsa.RSAPublicKey) and signature.scheme == algorithms.RSAPSS:
        # TPMs before revision 1.38 salt with all the room there is, later ones with a digest's length.
        salted = padding.PSS(mgf=padding.MGF1(hash_), salt_length=padding.PSS.AUTO)
        key.verify(signature.parts[0], signed, salted, hash_)
    else:
        raise InvalidSignature


def algorithm_name(signature: Signature) -> str:
    """Return the name of a believed algorithm as RFC 7518 section 3.1 writes it: `ES256`, `RS256`, `PS384`."""
    return _RSA_SCHEMES.get(signature.scheme, "ES") + algorithms.BELIEVED[signature.hash].suffix
