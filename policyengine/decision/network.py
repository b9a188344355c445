"""IP addresses and address blocks in conditions: `ip()`, `cidr()` and their methods, named as in Kubernetes CEL."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from policyengine.decision.errors import CelError, no_overload
from policyengine.model.network import Address, Block, InvalidAddressError, read_address, read_block


def _text(function: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise no_overload(function, value)


def _of(function: str, value: object) -> Address:
    if isinstance(value, Address):
        return value
    raise no_overload(function, value)


def _block_of(function: str, value: object) -> Block:
    if isinstance(value, Block):
        return value
    raise no_overload(function, value)


def address(value: object) -> Address:
    """Return `ip(text)`, or `block.ip()`; raises CelError `cel.conversion` for a text that is no address."""
    if isinstance(value, Block):
        return value.address
    try:
        return read_address(_text("ip", value))
    except InvalidAddressError as cause:
        raise CelError("cel.conversion", cause.message) from cause


def block(value: object) -> Block:
    """Return `cidr(text)`; raises CelError `cel.conversion` for a text that is no address block."""
    try:
        return read_block(_text("cidr", value))
    except InvalidAddressError as cause:
        raise CelError("cel.conversion", cause.message) from cause


def is_address(value: object) -> bool:
    """Return `isIP(text)`."""
    try:
        read_address(_text("isIP", value))
    except InvalidAddressError:
        return False
    return True


def is_block(value: object) -> bool:
    """Return `isCIDR(text)`."""
    try:
        read_block(_text("isCIDR", value))
    except InvalidAddressError:
        return False
    return True


def is_canonical(value: object) -> bool:
    """Return `ip.isCanonical(text)`: whether the text is written as in RFC 5952; raises CelError for no address."""
    return str(address(_text("ip.isCanonical", value))) == value


def family(value: object) -> int:
    """Return `ip.family()`: 4 or 6."""
    return _of("family", value).value.version


def _test(name: str, holds: Callable[[IPv4Address | IPv6Address], bool]) -> Callable[[object], bool]:
    """Return the method `name` of addresses, which `holds` answers."""
    return lambda value: holds(_of(name, value).value)


_LOCAL_MULTICAST = (Block(Address(IPv4Address("224.0.0.0")), 24), Block(Address(IPv6Address("ff02::")), 16))
_BROADCAST = IPv4Address("255.255.255.255")

is_unspecified = _test("isUnspecified", lambda found: found.is_unspecified)
is_loopback = _test("isLoopback", lambda found: found.is_loopback)
is_link_local_unicast = _test("isLinkLocalUnicast", lambda found: found.is_link_local)
is_link_local_multicast = _test(
    "isLinkLocalMulticast", lambda found: any(local.holds(Address(found)) for local in _LOCAL_MULTICAST)
)
is_global_unicast = _test(
    "isGlobalUnicast",
    lambda found: (
        not (
            found.is_unspecified
            or found.is_loopback
            or found.is_multicast
            or found.is_link_local
            or found == _BROADCAST
        )
    ),
)


def contains_address(value: object, wanted: object) -> bool:
    """Return `block.containsIP(address)` of an address or its text."""
    return _block_of("containsIP", value).holds(
        address(wanted) if isinstance(wanted, str) else _of("containsIP", wanted)
    )


def contains_block(value: object, wanted: object) -> bool:
    """Return `block.containsCIDR(other)` of a block or its text."""
    outer = _block_of("containsCIDR", value)
    inner = block(wanted) if isinstance(wanted, str) else _block_of("containsCIDR", wanted)
    return outer.bits <= inner.bits and outer.holds(inner.address)


def masked(value: object) -> Block:
    """Return `block.masked()`: the block by its first address."""
    found = _block_of("masked", value)
    return Block(found.first(), found.bits)


def is_mask(value: object) -> bool:
    """Return `block.isMask()`: whether the block is written by its first address."""
    found = _block_of("isMask", value)
    return found.first() == found.address


def prefix_length(value: object) -> int:
    """Return `block.prefixLength()`."""
    return _block_of("prefixLength", value).bits
