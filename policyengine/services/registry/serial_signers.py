"""Who signed a vendor's list of serial numbers: the vendor's key in parties.yaml, or a key that its CA certified.

1. Without `x5c` in the header, the vendor's Ed25519 keys in `parties.yaml` are the only candidates.
2. With `x5c` (RFC 7515 section 4.1.6), the key of its first certificate is the only one. That certificate is of a CA
   that TrustAnchors name for the vendor with `use: [serials]`, and every device of the list is one that this CA may
   speak for.

INVARIANT: no key of a device signs lists. So a CA that certifies devices counts for none, and no CA between: below a
root, a vendor's CA for devices stands beside its CA for lists.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime

import re2
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pki.certificates import load_certificate
from pki.chain import validate_path
from pki.errors import PathError
from policyengine.attestation.anchors import EvidenceKey, signers_of
from policyengine.attestation.checks import Outcome
from policyengine.attestation.jose import Jws, check_jws
from policyengine.attestation.signatures import ED25519, EDDSA, ES256, ES384, ES512, Algorithm
from policyengine.errors import quoted
from policyengine.model.policy import DEVICE_USES, LIST_USE, Anchor, Bundle, Party, Role
from policyengine.services.errors import InvalidRequestError, RefusedError

TYPE = "policyengine-serials+jws"
MAX_CHAIN = 8  # certificates in a header; vendors have two or three CAs, and only the first is looked at

_OWN = {each.name: each for each in (EDDSA, ED25519)}
_CERTIFIED = {each.name: each for each in (ES256, ES384, ES512, EDDSA, ED25519)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """The vendor that a list is believed of; `anchors` are the entries of the CA behind its key, None: its own key."""

    party: Party
    anchors: tuple[Anchor, ...] | None

    def answers_for(self, *, model: str, serial: str) -> bool:
        """Tell whether the CA may speak for a device, where there is one."""
        return self.anchors is None or any(
            model in each.models and (each.serial is None or re2.fullmatch(each.serial, serial) is not None)
            for each in self.anchors
        )


def signatory(message: Jws, bundle: Bundle, vendor: object, *, now: datetime) -> Signatory:
    """Return who signed `message` in the name of `vendor`.

    Raises RefusedError (`serials.vendor`, `serials.signature`, `serials.chain`), InvalidRequestError for an `x5c` that
    is none.
    """
    party = next((each for each in bundle.parties.values() if each.name == vendor), None)
    if party is None or party.role is not Role.VENDOR:
        raise RefusedError("the list is of no vendor in parties.yaml", code="serials.vendor", check="serials.vendor")
    if "x5c" in message.header:
        key, anchors = _certified(message.header["x5c"], bundle, party, now)
        _demand_signature(message, party, (key,), _CERTIFIED)
        return Signatory(party=party, anchors=anchors)
    if party.threshold > 1:  # a compact JWS has one signature
        needs = f"{quoted(party.name)} signs with {party.threshold} keys, a list has one signature"
        raise RefusedError(needs, code="serials.signature", check="serials.threshold")
    keys = tuple(Ed25519PublicKey.from_public_bytes(key.ed25519) for key in party.keys)
    _demand_signature(message, party, keys, _OWN)
    return Signatory(party=party, anchors=None)


def _demand_signature(
    message: Jws, party: Party, keys: tuple[EvidenceKey, ...], algorithms: dict[str, Algorithm]
) -> None:
    signed = check_jws(message, signers=signers_of(keys), algorithms=algorithms, types=frozenset({TYPE}))
    failed = [check.id for check in signed.checks if check.result is Outcome.FAIL]
    if "typ" not in message.header:  # or another document that the vendor signed could be played as a list
        failed = ["jose.typ", *failed]
    if failed or signed.signer is None:
        check = failed[0] if failed else "jose.signature"
        raise RefusedError(f"{quoted(party.name)} did not sign this list", code="serials.signature", check=check)


def _certified(x5c: object, bundle: Bundle, party: Party, now: datetime) -> tuple[EvidenceKey, tuple[Anchor, ...]]:
    """Return the key of the first certificate, and the entries of the CA that it is of."""
    leaf = _first(x5c)
    of_devices = {each.certificate for each in bundle.anchors if each.use & DEVICE_USES}
    entries = [
        (each, x509.load_pem_x509_certificate(each.certificate.encode()))
        for each in bundle.anchors
        if each.vendor == party.name and LIST_USE in each.use and each.certificate not in of_devices
    ]
    try:
        path = validate_path(leaf, intermediates=(), anchors=[found for _, found in entries], at=now)
        key = leaf.public_key()
    except PathError as cause:
        said = f"the certificate behind the list is of no CA of {quoted(party.name)} for lists: {cause.message}"
        raise RefusedError(said, code="serials.chain", check=cause.code) from cause
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise _no_chain("a key that can be read in its first certificate") from cause
    if not isinstance(key, ec.EllipticCurvePublicKey | Ed25519PublicKey):
        raise _no_chain("an ECDSA or Ed25519 key in its first certificate")
    return key, tuple(each for each, found in entries if found == path.chain[-1])


def _first(x5c: object) -> x509.Certificate:
    if not isinstance(x5c, list) or not 1 <= len(x5c) <= MAX_CHAIN or not isinstance(x5c[0], str):
        raise _no_chain(f"1 to {MAX_CHAIN} certificates")
    try:
        return load_certificate(b64decode(x5c[0], validate=True))
    except (binascii.Error, ValueError, PathError) as cause:
        raise _no_chain("certificates as base64, not base64url, of DER") from cause


def _no_chain(wanted: str) -> InvalidRequestError:
    said = f"the header's x5c does not hold {wanted} (RFC 7515 section 4.1.6)"
    return InvalidRequestError(said, code="request.serials", field="x5c")
