"""What devices sign beside evidence: the challenge bound to a certificate request, and the statement of a renewal."""

from __future__ import annotations

import hashlib

_CONTEXT = b"policyengine csr v1"
_RENEWAL = b"policyengine renewal v1"


def bound_nonce(nonce: bytes, spki_der: bytes) -> bytes:
    """Return SHA-256(context || nonce || SHA-256(SubjectPublicKeyInfo)): 32 bytes, a nonce for exactly one key.

    A device that sends a CSR attests over this instead of the bare nonce; who verifies with it learns that the signer
    of the evidence knew the key in the CSR (check id `binding.csr-key`).
    """
    return hashlib.sha256(_CONTEXT + nonce + hashlib.sha256(spki_der).digest()).digest()


def renewal_statement(nonce: bytes, certificate: bytes, csr: bytes) -> bytes:
    """Return context || nonce || SHA-256(certificate) || SHA-256(CSR), both DER: what the old key signs to renew.

    The context keeps it from being mistaken for anything else that the key signs.
    """
    return _RENEWAL + nonce + hashlib.sha256(certificate).digest() + hashlib.sha256(csr).digest()
