"""A build of ours with one check taken out: what would have failed it passes, and nothing else changes.

There is no switch in the product. A check fails in one way only, by `Requirement.failed`; that is replaced here for one
check id. Where a check also decides with what the rest goes on (a key, an algorithm, a path), passing alone would leave
nothing to go on with, so `_INSTEAD` has what such a build would take: what the evidence brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import cbor2

from pki.chain import ValidatedPath
from policyengine.attestation import cose, cose_mac0, jose, pop
from policyengine.attestation.anchors import TrustedKey
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.corim import appraisal as corim
from policyengine.attestation.psa import appraisal as psa
from policyengine.attestation.psa import profiles as psa_profiles
from policyengine.attestation.tpm import algorithms as tpm_algorithms
from policyengine.attestation.tpm import ek as tpm_ek
from policyengine.attestation.tpm import facts as tpm_facts
from policyengine.attestation.tpm import quote as tpm_quote
from policyengine.attestation.tpm import statement as tpm_statement
from policyengine.attestation.tpm.keys import key_of
from policyengine.attestation.vectors.tpm import SHA1_BANK

_failed = Requirement.failed
Replacement = tuple[object, str, object]


@contextmanager
def removed(*check_ids: str) -> Iterator[None]:
    """Run the body on a build without the checks `check_ids`."""

    def failed(requirement: Requirement, seen: str) -> Check:
        return requirement.passed if requirement.id in check_ids else _failed(requirement, seen)

    with ExitStack() as stack:
        _forget()
        stack.callback(_forget)
        stack.enter_context(patch.object(Requirement, "failed", failed))
        for check in check_ids:
            for target, name, value in _INSTEAD.get(check, ()):
                stack.enter_context(patch.object(target, name, value))
        yield


# What the product judges once for evidence that says the same again: another build must judge it anew.
_REMEMBERED = (
    *(tpm_quote._steady, tpm_quote.selected_pcrs, tpm_ek._attributes, tpm_ek._without_chain),
    tpm_facts._digests,
)


def _forget() -> None:
    for remembered in _REMEMBERED:
        remembered.cache_clear()


def _algorithm_of_the_key(_message: object, algorithms: Mapping[Any, cose.Algorithm]) -> cose.Algorithm:
    return next(iter(algorithms.values()))


def _first_candidate(*arguments: Any) -> TrustedKey | None:
    candidates = arguments[-1]
    return candidates[0] if candidates else None


def _key_from_the_message(_statement: object, ak: Any, _signers: object) -> tuple[tuple[TrustedKey, ...], Check]:
    return (TrustedKey(key=key_of(ak)),), tpm_statement.TRUSTED.passed


def _path_as_sent(certificates: tuple[Any, ...], _anchors: object, _now: object) -> tuple[Any, Check]:
    return ValidatedPath(leaf=certificates[0], chain=certificates, checks=()), pop.CHAIN.passed


def _newest_profile(_claims: object, _media_type: object) -> psa_profiles.Profile:
    return psa_profiles.TFM


def _tokens_among_others(evidence: bytes) -> tuple[Any, Any]:
    found = cbor2.loads(evidence).value
    return cca._token(found[cca.PLATFORM]), cca._token(found[cca.REALM])


_WITH_SHA1 = {**tpm_algorithms.BELIEVED, SHA1_BANK.id: SHA1_BANK}


def _preimage_as_given(message: Any, preimage: bytes | None) -> tuple[bool, bytes | None, Check]:
    return True, message.payload if preimage is None else preimage, corim.HASH_ENVELOPE.passed


_INSTEAD: Mapping[str, tuple[Replacement, ...]] = {
    "cca.collection": ((cca, "_tokens", _tokens_among_others),),
    "corim.hash-envelope": ((corim, "_payload", _preimage_as_given),),
    "cose.alg": ((cose, "_algorithm", _algorithm_of_the_key),),
    "cose.key-type": ((cose, "_algorithm", _algorithm_of_the_key),),
    "cose.signature": ((cose, "_signer", _first_candidate),),
    "cose.mac": ((cose_mac0, "_authenticator", _first_candidate),),
    "jose.alg": ((jose, "_algorithm", _algorithm_of_the_key),),
    "jose.key-type": ((jose, "_algorithm", _algorithm_of_the_key),),
    "jose.signature": ((jose, "signer_of", _first_candidate),),
    "psa.profile": ((psa, "_profile", _newest_profile),),
    "pop.chain": ((pop, "_path", _path_as_sent),),
    "dice.possession": ((cose, "_signer", _first_candidate),),
    "pop.signature": ((cose, "_signer", _first_candidate),),
    "renewal.signature": ((cose, "_signer", _first_candidate),),
    "tpm.ak-trusted": ((tpm_statement, "trusted", _key_from_the_message),),
    "tpm.signature": ((tpm_statement, "_signer", _first_candidate),),
    "tpm.hash": ((tpm_algorithms, "BELIEVED", _WITH_SHA1),),
    "tpm.certify-hash": ((tpm_algorithms, "BELIEVED", _WITH_SHA1),),
    "tpm.certify-signature": ((tpm_statement, "_signer", _first_candidate),),
}
