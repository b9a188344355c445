"""The challenge that binds a certificate request to evidence: what a device attests over when it sends a CSR."""

from __future__ import annotations

import hashlib

_CONTEXT = b"policyengine csr v1"


def bound_nonce(nonce: bytes, spki_der: bytes) -> bytes:
    """Return SHA-256(context || nonce || SHA-256(SubjectPublicKeyInfo)): 32 bytes, a nonce for exactly one key.

    A device that sends a CSR attests over this instead of the bare nonce; who verifies with it learns that the signer
    of the evidence knew the key in the CSR (check id `binding.csr-key`).
    """
    return hashlib.sha256(_CONTEXT + nonce + hashlib.sha256(spki_der).digest()).digest()
