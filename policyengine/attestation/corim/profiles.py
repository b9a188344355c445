"""CoRIM profiles that this verifier understands, and what each demands beyond draft-ietf-rats-corim.

A profile that is not here is a reason to refuse: nobody could say what its extensions mean. A CoRIM without a profile
may have no extensions at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cbor2 import CBORTag
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from policyengine.attestation.corim import comid
from policyengine.attestation.corim.document import Corim

Environment = Mapping[Any, Any]
_REFERENCE, _ENDORSED, _IDENTITY, _ATTEST_KEY = 0, 1, 2, 3
_PSA_SIZES = frozenset({32, 48, 64})


@dataclass(frozen=True, slots=True, kw_only=True)
class Triple:
    """An environment and what is said of it: measurements (kinds 0 and 1) or keys (kinds 2 and 3)."""

    kind: int
    environment: Environment
    said: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile: whether it defines extension keys, and a function that says what of a triple breaks its rules."""

    id: str
    extends: bool
    refusal: Callable[[Triple], str | None]

    def broken(self, corim: Corim) -> str | None:
        """Return the first rule that `corim` breaks, None if it keeps all."""
        found = (self.refusal(triple) for triple in triples(corim))
        return next((each for each in found if each is not None), None)


def triples(corim: Corim) -> Iterator[Triple]:
    """Yield the triples of all CoMIDs that state measurements or keys of one environment."""
    for tag in corim.of_kind(comid.COMID_TAG):
        of_tag = tag.content[4]
        for kind in (_REFERENCE, _ENDORSED, _IDENTITY, _ATTEST_KEY):
            for record in of_tag.get(kind, ()):
                yield Triple(kind=kind, environment=record[0], said=tuple(record[1]))


def _is_tag(value: Any, *numbers: int) -> bool:
    return type(value) is CBORTag and value.tag in numbers


def _class_id(environment: Environment) -> Any:
    found: Any = environment.get(0, {}).get(0)
    return found


def _psa(triple: Triple) -> str | None:
    """draft-fdb-rats-psa-endorsements: Implementation ID, software components, attestation verification keys."""
    implementation = _class_id(triple.environment)
    if not _is_tag(implementation, comid.BYTES_TAG) or len(implementation.value) != 32:
        return "the class id is not an Implementation ID of 32 bytes"
    if triple.kind in {_IDENTITY, _ATTEST_KEY}:
        instance: Any = triple.environment.get(1)
        if not _is_tag(instance, comid.UEID_TAG) or len(instance.value) != 33 or instance.value[0] != 1:
            return "the instance is not an Instance ID of 33 bytes"
        return _one_key(triple.said)
    if triple.kind == _ENDORSED:
        return None
    return next((reason for each in triple.said if (reason := _psa_component(each))), None)


def _psa_component(measurement: Mapping[Any, Any]) -> str | None:
    values = measurement[1]
    if measurement.get(0) != "psa.software-component":
        return "a measurement is not of `psa.software-component`"
    if 2 not in values:
        return "a software component has no digest"
    if any(len(digest) not in _PSA_SIZES for _, digest in values[2]):
        return "a digest is not of 32, 48 or 64 bytes"
    signers = values.get(13, ())
    if len(signers) > 1 or any(not _is_tag(each, comid.BYTES_TAG) for each in signers):
        return "a software component has another signer than one id in bytes"
    return None


def _enacttrust(triple: Triple) -> str | None:
    environment = triple.environment
    if not _is_tag(environment.get(1), comid.UUID_TAG) or 0 in environment or 2 in environment:
        return "an environment is not an instance by UUID alone"
    if triple.kind == _REFERENCE and (len(triple.said) != 1 or len(triple.said[0][1].get(2, ())) != 1):
        return "a node has another number of measurements or digests than one"
    return _one_ec_key(triple.said) if triple.kind in {_IDENTITY, _ATTEST_KEY} else None


def _parsec_tpm(triple: Triple) -> str | None:
    environment = triple.environment
    if not _is_tag(_class_id(environment), comid.UUID_TAG) or 2 in environment:
        return "the class id is not a UUID, or there is a group"
    if triple.kind in {_IDENTITY, _ATTEST_KEY}:
        instance = environment.get(1)
        return _one_key(triple.said) if _is_tag(instance, comid.BYTES_TAG) else "the instance is not bytes"
    if 1 in environment:
        return "reference values are for one instance"
    if any(type(each.get(0)) is not int or 2 not in each[1] for each in triple.said):
        return "a measurement is not a PCR by number with digests"
    return None


def _riot(triple: Triple) -> str | None:
    named = triple.environment.get(0, {})
    if named.get(1) != "Veraison Project" or named.get(2) != "RIOT":
        return "vendor and model are not those of the profile"
    if triple.kind == _REFERENCE:
        return "the profile has no reference values"
    if any(not _is_tag(each, comid.PKIX_CERTIFICATE_TAG, comid.PKIX_PATH_TAG) for each in triple.said):
        return "a key is not a certificate or a path"
    return None


def _one_key(keys: tuple[Any, ...]) -> str | None:
    alone = len(keys) == 1 and _is_tag(keys[0], comid.PKIX_KEY_TAG)
    return None if alone else "there is not exactly one key, in PEM"


def _one_ec_key(keys: tuple[Any, ...]) -> str | None:
    wrong = _one_key(keys)
    if wrong is not None:
        return wrong
    try:
        key = load_pem_public_key(keys[0].value.encode())
    except (ValueError, UnsupportedAlgorithm):
        return "the key cannot be read"
    return None if isinstance(key, ec.EllipticCurvePublicKey) else "the key is not of an elliptic curve"


PROFILES: Mapping[str, Profile] = {
    each.id: each
    for each in (
        Profile(id="tag:arm.com,2025:psa#1.0.0", extends=True, refusal=_psa),
        Profile(id="https://enacttrust.com/veraison/1.0.0", extends=False, refusal=_enacttrust),
        Profile(id="tag:github.com/parallaxsecond,2023-03-03:tpm", extends=False, refusal=_parsec_tpm),
        Profile(id="tag:veraison-project.com,2026:riot", extends=False, refusal=_riot),
    )
}
