"""Where an authority publishes what it says of its certificates, and how its lists are divided.

A list is divided by the first bits of the serial number after its constant leading octet, which are random, so that all
shards grow alike. A certificate names the address of its shard; the shard repeats it in a critical extension, so that
one shard can never be served in the place of another (RFC 5280 section 5.2.5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pki import der
from pki.errors import ProfileError

SHARD_BITS = 6  # 64 shards: 0.8 MB each when a million certificates are revoked
SHARDS = 1 << SHARD_BITS
SERIAL_BITS = 128  # of entropy, below the leading octet 0x01
MAX_URL = 200
_URL = re.compile(r"https?://[A-Za-z0-9.-]{1,120}(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True, slots=True)
class Publication:
    """The address below which `/crl/...` and `/ocsp` of one issuer are served; `issuer` is its key identifier, hex."""

    base: str
    issuer: str

    def __post_init__(self) -> None:
        """Raise ProfileError `profile.publication` for an address that is none; plain HTTP is usual (RFC 5280 8)."""
        if len(self.base) > MAX_URL or not _URL.fullmatch(self.base) or self.base.endswith("/"):
            raise ProfileError(f"`{self.base[:MAX_URL]}` is no address to publish at", code="profile.publication")

    def shard_url(self, shard: int) -> str:
        """Return the address of one shard's complete list."""
        return f"{self.base}/crl/{self.issuer}/{shard:02x}.crl"

    def delta_url(self, shard: int) -> str:
        """Return the address of one shard's delta list."""
        return f"{self.base}/crl/{self.issuer}/{shard:02x}.delta.crl"

    @property
    def ocsp_url(self) -> str:
        """The address of the responder."""
        return f"{self.base}/ocsp"


def shard_of(serial: int) -> int:
    """Return the shard of a serial number of ours (pki.tbs.serial_number)."""
    return serial >> (SERIAL_BITS - SHARD_BITS) & (SHARDS - 1)


def serials_of(shard: int) -> tuple[str, str]:
    """Return the first and the last serial number of a shard, as hex of one length: they order like numbers."""
    step = 1 << (SERIAL_BITS - SHARD_BITS)
    first = (1 << SERIAL_BITS) + shard * step
    return f"{first:x}", f"{first + step - 1:x}"


@lru_cache(maxsize=4 * SHARDS)
def point_name(url: str) -> bytes:
    """Return the `distributionPoint [0]` of CRLDistributionPoints and IssuingDistributionPoint alike."""
    return der.context(0, der.context(0, der.context_primitive(6, url.encode("ascii"))))


@lru_cache(maxsize=4 * SHARDS)
def distribution_points(url: str) -> bytes:
    """Return the value of cRLDistributionPoints with this one address (RFC 5280 section 4.2.1.13)."""
    return der.sequence(der.sequence(point_name(url)))
