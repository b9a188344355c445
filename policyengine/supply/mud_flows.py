"""What the access lists of a MUD file allow, as connections by who opens them (RFC 8520 sections 4 and 8, RFC 8519).

A list is a filter of packets; a policy asks who may call whom, and at which ports. What cannot be said so exactly is
left out, and then the connections are not whole: no rule passes on more than is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_network
from typing import Any

from policyengine.model.schema import MAX_FLOWS
from policyengine.supply.reading import Members

MAX_LISTS = 64
MAX_ENTRIES = 512  # of one list
MAX_PORT = 65535

_READ = Members("mud")
_PREFIX = "ietf-access-control-list:"
_LISTS = f"{_PREFIX}acls"
_TYPES = {"ipv4-acl-type": "ipv4", "ipv6-acl-type": "ipv6"}  # what MUD takes of RFC 8519
_NUMBERS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}  # IANA protocol numbers
_TRANSPORTS = {"tcp": ("tcp",), "udp": ("udp",), "icmp": ("icmp", "icmpv6")}
_ACTIONS = frozenset({"accept", "drop", "reject"})
_CLASSES = "ietf-mud:mud"
_STARTED_BY = "ietf-mud:direction-initiated"
_EMPTY = ("same-manufacturer", "local-networks", "my-controller")  # RFC 8520 section 4: leaves without a value
_VALUED = ("manufacturer", "model", "controller")


class Way(Enum):
    """Which way packets go; the value says it as RFC 8520 section 4 does."""

    FROM_DEVICE = "from-device"
    TO_DEVICE = "to-device"


_WAYS = tuple(each.value for each in Way)
_PEER = {Way.FROM_DEVICE: ("dst", "destination"), Way.TO_DEVICE: ("src", "source")}  # the end that is not the device


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Connections that are allowed: with whom, and to which ports of the end that is called."""

    peer_kind: str
    peer: str | None
    protocol: str
    ports: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """All that lists allow one way, and the entries (`list/entry`) that cannot be said."""

    found: tuple[Flow, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessList:
    """One list, by its place in the document; `layer` is the IP version that its entries match."""

    name: str
    layer: str
    given: Mapping[str, Any]
    path: str


def lists_of(document: Mapping[str, Any]) -> Mapping[str, AccessList]:
    """Return the access lists of a MUD file by name. Raises SupplyError (`mud.shape`, `mud.acl-type`...)."""
    path = f"$['{_LISTS}']"
    given = _READ.members(document.get(_LISTS, {}), path)
    found: dict[str, AccessList] = {}
    for at, each in enumerate(_READ.listed(given, "acl", path, limit=MAX_LISTS)):
        place = f"{path}.acl[{at}]"
        one = _READ.members(each, place)
        name, kind = _READ.text(one, "name", place), _READ.text(one, "type", place).removeprefix(_PREFIX)
        if name in found:
            raise _READ.refused("two access lists have this name", f"{place}.name")
        if kind not in _TYPES:
            raise _READ.refused(f"one of {', '.join(_TYPES)} is expected", f"{place}.type", "acl-type")
        found[name] = AccessList(name=name, layer=_TYPES[kind], given=one, path=place)
    return found


def allowed(lists: Sequence[AccessList], way: Way) -> Flows:
    """Return which connections `lists` allow the end to open whose packets go `way`. Raises SupplyError."""
    found: dict[Flow, None] = {}
    left_out: list[str] = []
    for one in lists:
        for name, flows in _entries(one, way):
            if flows is None:
                left_out.append(f"{one.name}/{name}")
            else:
                found |= dict.fromkeys(flows)
    if len(found) > MAX_FLOWS:
        raise _READ.refused(f"{len(found)} connections are allowed, the limit is {MAX_FLOWS}", "$", "too-many")
    return Flows(found=tuple(found), left_out=tuple(left_out))


def _entries(one: AccessList, way: Way) -> Iterator[tuple[str, tuple[Flow, ...] | None]]:
    """Yield what each entry that accepts allows; what follows a refusal may be refused by it, so it cannot be said."""
    path = f"{one.path}.aces"
    refused = False
    aces = _READ.members(one.given.get("aces", {}), path)
    for at, each in enumerate(_READ.listed(aces, "ace", path, limit=MAX_ENTRIES)):
        place = f"{path}.ace[{at}]"
        given = _READ.members(each, place)
        name = _READ.text(given, "name", place)
        flows = _flows(_READ.members(given.get("matches", {}), f"{place}.matches"), one.layer, way, f"{place}.matches")
        if _action(given, place) != "accept":
            refused = True
        else:
            yield name, None if refused else flows


def _action(given: Mapping[str, Any], place: str) -> str:
    path = f"{place}.actions"
    found = _READ.text(_READ.members(given.get("actions"), path), "forwarding", path).removeprefix(_PREFIX)
    if found not in _ACTIONS:
        raise _READ.refused("one of accept, drop, reject is expected", f"{path}.forwarding")
    return found


def _flows(matches: Mapping[str, Any], layer: str, way: Way, path: str) -> tuple[Flow, ...] | None:
    """Return the connections that an entry is about; none for answers to what the other end opened; None: unsayable."""
    names = [name for name in _TRANSPORTS if name in matches]
    if len(names) > 1:
        raise _READ.refused("an entry matches one protocol", path)
    address = _READ.members(matches.get(layer, {}), f"{path}.{layer}")
    transport = _READ.members(matches.get(names[0], {}), f"{path}.{names[0]}") if names else {}
    protocol = _protocol(address, names, f"{path}.{layer}.protocol")
    peer = _peer(address, _READ.members(matches.get(_CLASSES, {}), f"{path}['{_CLASSES}']"), way, path)
    with_ports = protocol in {"tcp", "udp", "any"}
    ranges = _ranges(transport, "destination-port", path) if with_ports else (None,)
    known = {_STARTED_BY, "source-port", "destination-port"} if with_ports else {"type", "code", "rest-of-header"}
    if peer is None or not transport.keys() <= known or not matches.keys() <= {layer, _CLASSES, *names}:
        return None
    if _is_answer(transport, way, path):
        return ()
    kind, name = peer
    return tuple(Flow(peer_kind=kind, peer=name, protocol=protocol, ports=ports) for ports in ranges)


def _is_answer(transport: Mapping[str, Any], way: Way, path: str) -> bool:
    """Return whether an entry is for packets of connections that the other end opened.

    NOTE: only TCP entries can say so (RFC 8520 section 4). Of others, one that fixes the sender's port and leaves
    the receiver's open is taken for the way back, else a device that asks for the time would have every port open.
    """
    if _STARTED_BY in transport:
        started = transport[_STARTED_BY]
        if started not in _WAYS:
            raise _READ.refused("one of from-device, to-device is expected", f"{path}.tcp['{_STARTED_BY}']")
        return bool(started != way.value)
    _ranges(transport, "source-port", path)
    return "source-port" in transport and "destination-port" not in transport


def _protocol(address: Mapping[str, Any], names: Sequence[str], path: str) -> str:
    number = address.get("protocol")
    if number is None:
        return names[0] if names else "any"
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 255:
        raise _READ.refused("a number from 0 to 255 is expected", path)
    found = _NUMBERS.get(number, str(number))
    if names and found not in _TRANSPORTS[names[0]]:
        raise _READ.refused(f"`{names[0]}` is matched as well", path)
    return found


def _peer(address: Mapping[str, Any], classes: Mapping[str, Any], way: Way, path: str) -> tuple[str, str | None] | None:
    """Return the kind and name of the other end; None where an entry says more of the packets than this."""
    short, long = _PEER[way]
    names = {
        f"ietf-acldns:{short}-dnsname": "dns",
        f"{long}-ipv4-network": "network",
        f"{long}-ipv6-network": "network",
    }
    if not address.keys() <= {"protocol", *names} or not classes.keys() <= {*_EMPTY, *_VALUED}:
        return None
    found: list[tuple[str, str | None]] = [
        (kind, _READ.text(address, name, path)) for name, kind in names.items() if name in address
    ]
    for kind, name in found:
        if kind == "network":
            _demand_network(name or "", path)
    found.extend((name, _READ.text(classes, name, path) if name in _VALUED else None) for name in classes)
    if len(found) > 1:
        return None
    return found[0] if found else ("any", None)


def _demand_network(text: str, path: str) -> None:
    try:
        ip_network(text, strict=False)
    except ValueError as cause:
        raise _READ.refused("a network is expected, such as 192.0.2.0/24", path) from cause


def _ranges(transport: Mapping[str, Any], name: str, path: str) -> tuple[tuple[int, int] | None, ...]:
    """Return the first and last ports that a match names (RFC 8519 section 4.2), all of them where there is none."""
    if name not in transport:
        return ((0, MAX_PORT),)
    place = f"{path}.{name}"
    given = _READ.members(transport[name], place)
    if "lower-port" in given:
        lower, upper = _port(given, "lower-port", place), _port(given, "upper-port", place)
        if lower > upper:
            raise _READ.refused("the lower port is above the upper one", place)
        return ((lower, upper),)
    port = _port(given, "port", place)
    match given.get("operator", "eq"):
        case "eq":
            return ((port, port),)
        case "lte":
            return ((0, port),)
        case "gte":
            return ((port, MAX_PORT),)
        case "neq":
            around = ((0, port - 1), (port + 1, MAX_PORT))
            return tuple(each for each in around if each[0] <= each[1])
        case _:
            raise _READ.refused("one of eq, lte, gte, neq is expected", f"{place}.operator")


def _port(given: Mapping[str, Any], name: str, place: str) -> int:
    value = given.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_PORT:
        raise _READ.refused("a port from 0 to 65535 is expected", f"{place}.{name}")
    return value
