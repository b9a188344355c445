"""Signature algorithms: the few we sign with, the few we believe, and nothing with SHA-1 or MD5."""

from __future__ import annotations

from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pki import der
from pki.errors import KeyRefusedError, PkiError
from pki.keys import require_sound_rsa

_Signed = x509.Certificate | x509.CertificateSigningRequest | x509.CertificateRevocationList
BELIEVED_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_MlDsaKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
_ML_DSA: dict[str, type[_MlDsaKey]] = {  # RFC 9881
    "2.16.840.1.101.3.4.3.17": mldsa.MLDSA44PublicKey,
    "2.16.840.1.101.3.4.3.18": mldsa.MLDSA65PublicKey,
    "2.16.840.1.101.3.4.3.19": mldsa.MLDSA87PublicKey,
}
_ECDSA: dict[str, ec.ECDSA] = {  # RFC 5758 section 3.2
    "1.2.840.10045.4.3.2": ec.ECDSA(hashes.SHA256()),
    "1.2.840.10045.4.3.3": ec.ECDSA(hashes.SHA384()),
    "1.2.840.10045.4.3.4": ec.ECDSA(hashes.SHA512()),
}
_RSA_PKCS1: dict[str, hashes.HashAlgorithm] = {  # RFC 8017 appendix A.2.4
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_RSA_PSS = "1.2.840.113549.1.1.10"
_ED25519 = "1.3.101.112"
BELIEVED_ALGORITHMS = frozenset({*_ML_DSA, *_ECDSA, *_RSA_PKCS1, _RSA_PSS, _ED25519})


class SignatureAlgorithm(Enum):
    """An algorithm that our authorities sign with; the value is its name in facts and explanations."""

    ECDSA_P256 = "ecdsa-with-SHA256"
    ECDSA_P384 = "ecdsa-with-SHA384"
    ED25519 = "ed25519"
    RSA_SHA256 = "sha256WithRSAEncryption"

    @property
    def oid(self) -> str:
        """The algorithm's dotted OID."""
        return _OIDS[self]

    @property
    def identifier(self) -> bytes:
        """The AlgorithmIdentifier: no parameters (RFC 5758 section 3.2, RFC 8410 section 3); NULL for RSA (4055)."""
        return _IDENTIFIERS[self]


_OIDS = {
    SignatureAlgorithm.ECDSA_P256: "1.2.840.10045.4.3.2",
    SignatureAlgorithm.ECDSA_P384: "1.2.840.10045.4.3.3",
    SignatureAlgorithm.ED25519: _ED25519,
    SignatureAlgorithm.RSA_SHA256: "1.2.840.113549.1.1.11",
}
_PARAMETERS = {SignatureAlgorithm.RSA_SHA256: der.tlv(der.NULL, b"")}
_IDENTIFIERS = {
    algorithm: der.sequence(der.oid(dotted), _PARAMETERS.get(algorithm, b"")) for algorithm, dotted in _OIDS.items()
}


class SignatureRefusedError(PkiError):
    """A signature that does not verify, or one made in a way that is not believed."""

    code = "signature.invalid"


def algorithm_for(key: object) -> SignatureAlgorithm:
    """Return the one algorithm an authority with this key signs with; raises KeyRefusedError `key.*`."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return SignatureAlgorithm.ED25519
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return SignatureAlgorithm.ECDSA_P256
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp384r1":
        return SignatureAlgorithm.ECDSA_P384
    if isinstance(key, rsa.RSAPublicKey):
        require_sound_rsa(key)
        return SignatureAlgorithm.RSA_SHA256
    raise KeyRefusedError("an authority signs with P-256, P-384, Ed25519 or RSA", code="key.type")


def algorithm_name(signed: _Signed) -> str:
    """Return the signature algorithm's usual name, or its dotted OID."""
    oid = signed.signature_algorithm_oid
    known = oid._name
    return oid.dotted_string if known == "Unknown OID" else known


def verify_certificate(certificate: x509.Certificate, key: object) -> None:
    """Return if `key` signed `certificate`; raises SignatureRefusedError (`signature.*`)."""
    _verify(certificate, certificate.tbs_certificate_bytes, key)


def verify_request(request: x509.CertificateSigningRequest, key: object) -> None:
    """Return if `key` signed `request` (RFC 2986 section 4.2); raises SignatureRefusedError."""
    _verify(request, request.tbs_certrequest_bytes, key)


def verify_crl(crl: x509.CertificateRevocationList, key: object) -> None:
    """Return if `key` signed `crl`; raises SignatureRefusedError."""
    _verify(crl, crl.tbs_certlist_bytes, key)


def _verify(signed: _Signed, data: bytes, key: object) -> None:
    oid = signed.signature_algorithm_oid.dotted_string
    _demand_whole_octets(signed)
    try:
        check_signature(key, oid=oid, signature=signed.signature, data=data, pss=_pss(signed, oid))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as cause:
        raise SignatureRefusedError("signature does not verify") from cause


def _demand_whole_octets(signed: _Signed) -> None:
    """Raise unless the signature is whole octets: else one signed object would have several encodings."""
    signature = der.children(der.whole(signed.public_bytes(Encoding.DER), der.SEQUENCE).content)[2]
    if signature.content[:1] != b"\x00":
        raise SignatureRefusedError("signature is not of whole octets")


def check_signature(
    key: object, *, oid: str, signature: bytes, data: bytes, pss: tuple[padding.PSS, hashes.HashAlgorithm] | None = None
) -> None:
    """Return if the signature verifies under the algorithm `oid` and that algorithm fits `key`.

    Raises InvalidSignature, or SignatureRefusedError with code `signature.algorithm` or `signature.key`.
    """
    if oid in _ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in BELIEVED_CURVES:
            raise SignatureRefusedError(f"curve `{key.curve.name}` is not believed", code="signature.key")
        key.verify(signature, data, _ECDSA[oid])
    elif oid == _ED25519 and isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    elif isinstance(key, rsa.RSAPublicKey) and (oid in _RSA_PKCS1 or pss):
        _verify_rsa(key, oid, signature, data, pss)
    elif oid in _ML_DSA and isinstance(key, _ML_DSA[oid]):
        key.verify(signature, data)
    else:
        raise SignatureRefusedError(
            f"signature algorithm `{oid}` is not believed for this key", code="signature.algorithm"
        )


def _verify_rsa(
    key: rsa.RSAPublicKey,
    oid: str,
    signature: bytes,
    data: bytes,
    pss: tuple[padding.PSS, hashes.HashAlgorithm] | None,
) -> None:
    try:
        require_sound_rsa(key)
    except KeyRefusedError as cause:
        raise SignatureRefusedError(cause.message, code="signature.key") from cause
    if pss:
        key.verify(signature, data, *pss)
    else:
        key.verify(signature, data, padding.PKCS1v15(), _RSA_PKCS1[oid])


def _pss(signed: _Signed, oid: str) -> tuple[padding.PSS, hashes.HashAlgorithm] | None:
    if oid != _RSA_PSS:
        return None
    scheme, digest = signed.signature_algorithm_parameters, signed.signature_hash_algorithm
    if not isinstance(scheme, padding.PSS) or not isinstance(digest, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        raise SignatureRefusedError("RSASSA-PSS parameters are not believed", code="signature.algorithm")
    return scheme, digest
