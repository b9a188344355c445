"""A Signer over a private key in this process: what an encrypted key file becomes once it is unlocked."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pki.errors import KeyRefusedError
from pki.keys import PublicKey
from pki.signatures import SignatureAlgorithm, algorithm_for

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class SoftwareSigner:
    """Signs with P-256, P-384 or Ed25519; the key cannot be read back from it."""

    __slots__ = ("_key", "_public", "algorithm")

    def __init__(self, key: PrivateKey) -> None:
        """Raise KeyRefusedError `key.type` for any other kind of key."""
        self._public = key.public_key()
        self.algorithm: SignatureAlgorithm = algorithm_for(self._public)
        self._key = key

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data` as X.509 carries it."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        return self._key.sign(data, _ECDSA[self.algorithm])

    def __repr__(self) -> str:
        """Name the algorithm; never anything of the key."""
        return f"SoftwareSigner({self.algorithm.value})"


_ECDSA = {
    SignatureAlgorithm.ECDSA_P256: ec.ECDSA(hashes.SHA256()),
    SignatureAlgorithm.ECDSA_P384: ec.ECDSA(hashes.SHA384()),
}


def private_key(candidate: object) -> PrivateKey:
    """Return `candidate` if an authority or device of ours may hold it; raises KeyRefusedError `key.type`."""
    if not isinstance(candidate, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise KeyRefusedError("private key is not on P-256, P-384 or Ed25519", code="key.type")
    algorithm_for(candidate.public_key())
    return candidate
