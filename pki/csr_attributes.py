"""What a request should be made of, told to clients in advance: CsrAttrs of EST (RFC 7030 section 4.5.2, RFC 9908)."""

from __future__ import annotations

from pki import der
from pki.csr_evidence import ATTESTATION
from pki.keys import MIN_RSA_BITS, KeyType
from pki.profile import Terms
from pki.tbs import EXTENDED_KEY_USAGE

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"  # RFC 2985 section 5.4.2
_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_RSA = "1.2.840.113549.1.1.1"


def csr_attributes(terms: Terms) -> bytes:
    """Return the DER of CsrAttrs: the keys to choose from and their signatures, the key purposes, and evidence.

    Names are not asked for: the certificate gets those of the profile, whatever a request says. Evidence is taken from
    whoever can give it (csr_evidence.py); whether it is needed, the policies say.
    """
    keys = b"".join(_KEYS[kind] for kind in sorted(terms.keys, key=lambda kind: kind.value))
    return der.sequence(keys, _purposes(terms), der.oid(ATTESTATION))


def _attribute(kind: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.set_of(*values))


def _purposes(terms: Terms) -> bytes:
    usage = der.sequence(*(der.oid(use.oid) for use in terms.uses))
    extension = der.sequence(der.oid(EXTENDED_KEY_USAGE), der.octet_string(usage))
    return _attribute(EXTENSION_REQUEST, der.sequence(extension)) if terms.uses else b""


_KEYS = {
    KeyType.P256: _attribute(_EC_PUBLIC_KEY, der.oid("1.2.840.10045.3.1.7")) + der.oid("1.2.840.10045.4.3.2"),
    KeyType.P384: _attribute(_EC_PUBLIC_KEY, der.oid("1.3.132.0.34")) + der.oid("1.2.840.10045.4.3.3"),
    KeyType.ED25519: der.oid("1.3.101.112"),
    KeyType.RSA: _attribute(_RSA, der.integer(MIN_RSA_BITS)) + der.oid("1.2.840.113549.1.1.11"),
}
