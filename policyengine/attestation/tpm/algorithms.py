"""Algorithm identifiers of the TCG Algorithm Registry, as far as evidence uses them, and which of them are believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

RSA, SHA1, ECC, NULL = 0x0001, 0x0004, 0x0023, 0x0010
RSASSA, RSAES, RSAPSS, OAEP, ECDSA = 0x0014, 0x0015, 0x0016, 0x0017, 0x0018
ECDAA = 0x001A


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hash:
    """A hash algorithm: its registry id, its name as a PCR bank, its digest size in bytes.

    `suffix` is what it is called in the names of signature algorithms (RFC 7518 section 3.1).
    """

    id: int
    bank: str
    size: int
    suffix: str
    signing: hashes.HashAlgorithm
    new: Callable[[bytes], Any]
    ecdsa: ec.ECDSA = field(init=False, repr=False)  # made once: `cryptography` looks at it long

    def __post_init__(self) -> None:
        """Make what every verification needs."""
        object.__setattr__(self, "ecdsa", ec.ECDSA(self.signing))

    def digest(self, data: bytes) -> bytes:
        """Return the digest of `data`."""
        digest: bytes = self.new(data).digest()
        return digest


SHA256 = Hash(id=0x000B, bank="sha256", size=32, suffix="256", signing=hashes.SHA256(), new=hashlib.sha256)
SHA384 = Hash(id=0x000C, bank="sha384", size=48, suffix="384", signing=hashes.SHA384(), new=hashlib.sha384)
SHA512 = Hash(id=0x000D, bank="sha512", size=64, suffix="512", signing=hashes.SHA512(), new=hashlib.sha512)

# What evidence may use. SHA-1 has none of the strength that replaying a log or signing a quote needs.
BELIEVED: Mapping[int, Hash] = {each.id: each for each in (SHA256, SHA384, SHA512)}
BELIEVED_BANKS: Mapping[str, Hash] = {each.bank: each for each in BELIEVED.values()}
# Names and sizes of banks that may be seen in logs and quotes, believed or not.
BANKS: Mapping[int, tuple[str, int]] = {
    SHA1: ("sha1", 20),
    **{each.id: (each.bank, each.size) for each in BELIEVED.values()},
    0x0012: ("sm3_256", 32),
    0x0027: ("sha3_256", 32),
    0x0028: ("sha3_384", 48),
    0x0029: ("sha3_512", 64),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """An elliptic curve: its registry id, RFC 9053 name, coordinate size in bytes, and how its SPKI begins."""

    id: int
    kind: str
    size: int
    curve: ec.EllipticCurve
    spki_prefix: bytes


def _curve(identifier: int, kind: str, size: int, curve: ec.EllipticCurve, prefix: str) -> Curve:
    return Curve(id=identifier, kind=kind, size=size, curve=curve, spki_prefix=bytes.fromhex(prefix))


# RFC 5480 section 2: AlgorithmIdentifier {id-ecPublicKey, named curve}, then a BIT STRING with an uncompressed point.
CURVES: Mapping[int, Curve] = {
    each.id: each
    for each in (
        _curve(3, "P-256", 32, ec.SECP256R1(), "3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
        _curve(4, "P-384", 48, ec.SECP384R1(), "3076301006072a8648ce3d020106052b8104002203620004"),
        _curve(5, "P-521", 66, ec.SECP521R1(), "30819b301006072a8648ce3d020106052b810400230381860004"),
    )
}
