"""TPM credential activation (TPM 2.0 Part 1 section 24): a challenge that only the TPM with this EK and AK answers.

1. The nonce is ours and lives.
2. The EK's certificate is for this EK and ends at a trust anchor for such; EK and AK may do what they must, no more.
3. The credential holds a secret made from the nonce and both names; nothing is stored.

The check-in that follows brings the secret back beside a quote by that AK. It is good for that nonce only, and the
nonce is good for one check-in: so the secret is single-use without a table.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from policyengine.attestation.checks import Check, Outcome
from policyengine.attestation.tpm.credential import ENTROPY_BYTES, make_credential
from policyengine.attestation.tpm.ek import CHAIN, KEY, judge_endorsement
from policyengine.attestation.tpm.keys import name_of
from policyengine.attestation.tpm.quote import NAME_HASH, judge_ak
from policyengine.attestation.tpm.structures import PublicArea, read_public
from policyengine.services.errors import RefusedError
from policyengine.services.nonces import NonceKey, demand_live, open_nonce
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy

SECRET_SIZE = 32  # a TPM2B_DIGEST of SHA-256, the most that every EK can wrap

_CONTEXT = b"policyengine tpm activation v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRequest:
    """A nonce of ours, the public areas (TPMT_PUBLIC) of EK and AK, and the EK's certificates in DER, leaf first."""

    nonce: bytes
    ek: bytes
    ak: bytes
    ek_chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedSecret:
    """What goes into TPM2_ActivateCredential, and until when its secret can be brought back."""

    id_object: bytes
    encrypted_secret: bytes
    expires_at: datetime


class Activations:
    """Issues credentials; needs no storage, so a stranger can fill none."""

    def __init__(self, clock: Clock, entropy: Entropy, key: NonceKey, shelf: PolicyShelf) -> None:
        self._clock = clock
        self._entropy = entropy
        self._key = key
        self._shelf = shelf

    def activate(self, request: ActivationRequest) -> WrappedSecret:
        """Return a credential for the TPM in `request`; whether anybody announced it is not told here.

        Raises InvalidRequestError and RefusedError of the nonce, MalformedEvidenceError for what is no TPM structure
        or certificate, RefusedError (`fields["check"]`: `tpm.ek-chain`, `tpm.ek-key`, `tpm.ak-attributes`...).
        """
        nonce, now = open_nonce(request.nonce, key=self._key), self._clock.now()
        demand_live(nonce, now=now)
        ek, ak = read_public(request.ek), read_public(request.ak)
        anchors = self._shelf.active().policies.ek_anchors
        endorsement = judge_endorsement(ek, request.ek_chain, anchors=anchors, now=now)
        _demand((*endorsement.checks, *judge_ak(ak)))
        if endorsement.path is None:
            raise _refusal(CHAIN.failed("no EK certificate"))
        credential = make_credential(
            ek,
            name=_name(ak),
            secret=activation_secret(self._key, nonce.raw, ek=ek, ak=ak),
            entropy=self._entropy.draw(ENTROPY_BYTES),
        )
        return WrappedSecret(
            id_object=credential.id_object,
            encrypted_secret=credential.encrypted_secret,
            expires_at=nonce.expires_at,
        )


def activation_secret(key: NonceKey, nonce: bytes, *, ek: PublicArea, ak: PublicArea) -> bytes:
    """Return the SECRET_SIZE bytes that prove `ak` to be in the TPM with `ek`, for one nonce; raises RefusedError."""
    epoch = key.epoch.to_bytes(2, "big")
    parts = (_CONTEXT, epoch, nonce, _name(ek), _name(ak))
    return hmac.digest(key.secret, b"".join([len(part).to_bytes(2, "big") + part for part in parts]), "sha256")


def _name(public: PublicArea) -> bytes:
    name = name_of(public)
    if name is None:
        raise _refusal(NAME_HASH.failed(f"hash {public.name_hash:#06x}"))
    return name


def _demand(checks: tuple[Check, ...]) -> None:
    for check in checks:
        if check.result is Outcome.FAIL or (check.id == KEY.id and check.result is not Outcome.PASS):
            raise _refusal(check)


def _refusal(check: Check) -> RefusedError:
    return RefusedError(
        f"the TPM is not believed: expected {check.expected}, seen {check.seen}",
        code="evidence.refused",
        check=check.id,
    )
