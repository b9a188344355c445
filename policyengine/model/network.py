"""IP addresses and address blocks as values: strict text in, canonical text out (RFC 4291, RFC 4632, RFC 5952)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from policyengine.errors import PolicyEngineError

CACHED_TEXTS = 4096  # addresses repeat across a fleet, and constants are few
MAX_TEXT = 64  # the longest address has 39 characters, and a prefix four more

_PREFIX = re.compile(r"0|[1-9]\d{0,2}", re.ASCII)


class InvalidAddressError(PolicyEngineError):
    """A text that is no IP address or no address block."""

    code = "network.invalid"


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address; an IPv4 address mapped into IPv6 is the IPv4 address."""

    value: IPv4Address | IPv6Address

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Block:
    """A CIDR block: an address, which need not be the first one, and the number of bits that count."""

    address: Address
    bits: int

    def __str__(self) -> str:
        return f"{self.address}/{self.bits}"

    def first(self) -> Address:
        """Return the first address."""
        host = self.address.value.max_prefixlen - self.bits
        return Address(type(self.address.value)(int(self.address.value) >> host << host))

    def holds(self, address: Address) -> bool:
        """Return whether `address` is in the block; one of the other family is not."""
        return type(address.value) is type(self.address.value) and Block(address, self.bits).first() == self.first()


@lru_cache(maxsize=CACHED_TEXTS)
def read_address(text: str) -> Address:
    """Return the address `text`; raises InvalidAddressError.

    A zone means nothing on another machine, and `::ffff:192.0.2.1` is for some an IPv4 and for others an IPv6 address:
    both are refused.
    """
    if len(text) > MAX_TEXT or "%" in text:
        raise InvalidAddressError("not an IP address such as `192.0.2.1`")
    try:
        found = ip_address(text)
    except ValueError as cause:
        raise InvalidAddressError("not an IP address such as `192.0.2.1`") from cause
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    if mapped is not None and "." in text:
        raise InvalidAddressError("an IPv4 address written as an IPv6 address; write the IPv4 address alone")
    return Address(mapped or found)


@lru_cache(maxsize=CACHED_TEXTS)
def read_block(text: str) -> Block:
    """Return the address block `text`, such as `192.0.2.0/24`; raises InvalidAddressError."""
    start, _, bits = text.partition("/")
    address = read_address(start)
    is_mapped = ":" in start and isinstance(address.value, IPv4Address)  # its bits would count in the other family
    if not _PREFIX.fullmatch(bits) or is_mapped or int(bits) > address.value.max_prefixlen:
        raise InvalidAddressError("not an address block such as `192.0.2.0/24`")
    return Block(address, int(bits))
