"""Signatures inside an export: certificates by the CAs in it, attestation results by the key of results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from pki.certificates import is_signed_by
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.jose import json_object, read_jws
from policyengine.model.base64url import from_base64url
from policyengine.services.exports.errors import ExportError
from policyengine.services.exports.layout import CAS, RESULT_KEYS
from policyengine.services.exports.ports import ArchiveReader
from policyengine.services.exports.reading import whole

_HALF = 32  # bytes of r and of s in an ES256 signature (RFC 7518 section 3.4)


class Vouchers:
    """The public keys an export brings along; its manifest is what vouches for them."""

    def __init__(self, archive: ArchiveReader) -> None:
        """Read them; raises ExportError for what are none."""
        try:
            self._cas = x509.load_pem_x509_certificates(whole(archive, CAS))
            keys = json.loads(whole(archive, RESULT_KEYS))["keys"]
            self._keys = {str(key["kid"]): _public(key) for key in keys}
        except (ValueError, KeyError, TypeError) as cause:
            raise ExportError("the keys are no CA certificates and no JWK Set", member=CAS) from cause

    def demand_issued(self, certificate: x509.Certificate) -> None:
        """Raise ExportError unless one of the CAs signed `certificate`."""
        if not any(is_signed_by(certificate, authority) for authority in self._cas):
            raise ExportError("no CA of the export signed the certificate", code="export.certificate")

    def result(self, jws: str) -> Mapping[str, Any]:
        """Return the claims of an attestation result (ES256) once its signature has verified; raises ExportError."""
        try:
            message = read_jws(jws.encode())
            claims = json_object(message.payload, "the payload")
        except MalformedEvidenceError as cause:
            raise _unsigned() from cause
        key = self._keys.get(str(message.header.get("kid")))
        if key is None or message.header.get("alg") != "ES256" or len(message.signature) != 2 * _HALF:
            raise _unsigned()
        r, s = message.signature[:_HALF], message.signature[_HALF:]
        der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        try:
            key.verify(der, message.signed, ec.ECDSA(SHA256()))
        except InvalidSignature as cause:
            raise _unsigned() from cause
        return claims


def _public(key: Mapping[str, str]) -> ec.EllipticCurvePublicKey:
    x, y = from_base64url(key["x"]), from_base64url(key["y"])
    if key["kty"] != "EC" or key["crv"] != "P-256" or x is None or y is None:
        raise ValueError("no P-256 key")
    return ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    ).public_key()


def _unsigned() -> ExportError:
    return ExportError("the attestation result is not signed by the key of results", code="export.result")
