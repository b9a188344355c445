"""The trust bundle: every CA that relying parties are to believe, signed, with a version that only rises.

A compact JWS (RFC 7515) by the key of attestation results, whose certificates stand in `x5c`: who knows any root of the
overlap can check it offline. Its type keeps it apart from the results that the same key signs.

    {"iss", "version", "not_before", "state", "certificates": [base64 DER]}

What is checked, in order: type and algorithm; the path of the signer's certificate to an anchor; that it is one of a
result signer, which no device's is (theirs always name an extended key usage); signature; version.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from pki.certificates import is_ca, load_certificate
from pki.chain import validate_path
from pki.errors import PathError
from pki.reading import extension
from pki.reservation import pem_of
from policyengine.adapters.authority import StoredAuthority, certificate_in, tls_issuer
from policyengine.adapters.jws import ResultKey
from policyengine.adapters.rollover import issuers_ever
from policyengine.errors import CodedError, PolicyEngineError
from policyengine.model.base64url import from_base64url
from policyengine.model.strict_json import read_json
from policyengine.model.times import format_timestamp, parse_timestamp

TYPE = "policyengine-trust-bundle+jws"
_ALGORITHM = "ES256"
MAX_BYTES = 256 * 1024  # two generations are 10 kB
MAX_CHAIN = 4  # signer, issuing CA, and room for a company's own


class TrustBundleError(CodedError):
    """The trust bundle is not to be believed; `code` says why."""

    code = "trust.malformed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """A believed bundle: `certificates` are CAs, issuing CAs and roots alike."""

    version: int
    not_before: datetime
    state: str
    certificates: tuple[x509.Certificate, ...]

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """Those that certify themselves: trust anchors."""
        return tuple(each for each in self.certificates if each.subject == each.issuer)

    @property
    def pem(self) -> str:
        """All of them, as files of trusted CAs have them."""
        return "".join(pem_of(_der(each)) for each in self.certificates)


def make_trust_bundle(stored: StoredAuthority, key: ResultKey, *, issuer: str) -> bytes:
    """Return the signed bundle of an authority as it stands."""
    since = stored.rollover.since or stored.issuing.not_valid_before_utc
    claims: Mapping[str, object] = {
        "iss": issuer,
        "version": stored.rollover.version,
        "not_before": format_timestamp(since),
        "state": stored.rollover.state.value,
        "certificates": [_text(each) for each in stored.trust],
    }
    above = certificate_in(tls_issuer(stored.rollover, stored.directory))
    signer = stored.results_certificate.issuer
    if signer != above.subject:  # not certified again since the switch: by the CA before, which may be retired by now
        above = next(each for each in issuers_ever(stored.directory) if each.subject == signer)
    header = {"alg": _ALGORITHM, "typ": TYPE, "x5c": [_text(stored.results_certificate), _text(above)]}
    return key.sign_with(header, claims).encode()


def read_trust_bundle(token: bytes, *, anchors: Sequence[x509.Certificate], at: datetime, seen: int = 0) -> TrustBundle:
    """Return what `token` says, if a signer below one of `anchors` says it and it is no older than version `seen`.

    Raises TrustBundleError `trust.malformed`, `trust.signer`, `trust.signature`, `trust.older`, `trust.early`.
    """
    if len(token) > MAX_BYTES:
        raise TrustBundleError(f"the trust bundle is larger than {MAX_BYTES} bytes")
    try:
        header, payload, signature = map(_part, token.strip().split(b"."))
        fields = _object(header)
        chain = [base64.b64decode(text, validate=True) for text in fields["x5c"]]
    except (PolicyEngineError, ValueError, KeyError, TypeError) as cause:
        raise TrustBundleError("the trust bundle is no JWS with a chain of certificates") from cause
    if fields.keys() != {"alg", "typ", "x5c"} or (fields["alg"], fields["typ"]) != (_ALGORITHM, TYPE):
        raise TrustBundleError("the JWS is no trust bundle")
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise TrustBundleError(f"the trust bundle's signer has {len(chain)} certificates")
    key = ECKey.import_key(_signer(chain, anchors, at))
    if not JWSRegistry.algorithms[_ALGORITHM].verify(token.strip().rpartition(b".")[0], signature, key):
        raise TrustBundleError("the signature does not hold", code="trust.signature")
    bundle = _bundle(payload)
    if bundle.version < seen:
        raise TrustBundleError(f"version {bundle.version} is older than {seen}, which was seen", code="trust.older")
    if bundle.not_before > at:
        raise TrustBundleError("the trust bundle does not hold yet", code="trust.early")
    return bundle


def _signer(chain: Sequence[bytes], anchors: Sequence[x509.Certificate], at: datetime) -> ec.EllipticCurvePublicKey:
    try:
        leaf = validate_path(chain[0], intermediates=chain[1:], anchors=anchors, at=at).leaf
    except PathError as cause:
        raise TrustBundleError(f"nobody vouches for the signer: {cause.message}", code="trust.signer") from cause
    key = leaf.public_key()
    if (
        is_ca(leaf)
        or extension(leaf.extensions, x509.ExtendedKeyUsage)
        or not isinstance(key, ec.EllipticCurvePublicKey)
    ):
        raise TrustBundleError("the signer's certificate is not for results and trust", code="trust.signer")
    return key


def _bundle(payload: bytes) -> TrustBundle:
    try:
        document = _object(payload)
        return TrustBundle(
            version=int(document["version"]),
            not_before=parse_timestamp(document["not_before"]),
            state=str(document["state"]),
            certificates=tuple(
                load_certificate(base64.b64decode(text, validate=True)) for text in document["certificates"]
            ),
        )
    except (PolicyEngineError, PathError, ValueError, KeyError, TypeError) as cause:
        raise TrustBundleError("the trust bundle does not say which CAs to believe") from cause


def _part(text: bytes) -> bytes:
    found = from_base64url(text.decode("ascii"))
    if found is None:
        raise ValueError("a part is not base64url")
    return found


def _object(payload: bytes) -> Mapping[str, Any]:
    found = read_json(payload)
    if not isinstance(found, dict):
        raise TypeError("the payload is no JSON object")
    return found


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _text(certificate: x509.Certificate) -> str:
    return base64.b64encode(_der(certificate)).decode()
