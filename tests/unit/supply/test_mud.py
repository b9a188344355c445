"""MUD files are read as RFC 8520 has them, and what they allow is said of who may call whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from policyengine.supply.errors import SupplyError
from policyengine.supply.mud import MAX_MUD_BYTES, MudFile, read_mud
from policyengine.supply.mud_flows import Flow
from tests.vectors import make_mud as made

VECTORS = Path(__file__).parents[2] / "vectors" / "mud"
REFUSED = json.loads((VECTORS / "index.json").read_text())
TCP = {"protocol": 6}


def read(inbound: tuple[Any, ...] = (), outbound: tuple[Any, ...] = (), **members: Any) -> MudFile:
    return read_mud(json.dumps(made.document(inbound, outbound, **members)).encode())


def called(found: MudFile) -> list[tuple[int, int] | None]:
    return [flow.ports for flow in found.inbound.found]


def test_the_vector_files_are_what_the_script_makes() -> None:
    kept = {path.name: path.read_text() for path in VECTORS.iterdir() if not path.name.startswith("rfc8520")}
    assert kept == made.files()


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["file"])
def test_each_vector_is_refused_by_its_code_at_its_place(case: dict[str, str]) -> None:
    with pytest.raises(SupplyError) as refused:
        read_mud((VECTORS / case["file"]).read_bytes())
    assert (refused.value.code, refused.value.path) == (case["code"], case["path"])


def test_the_example_of_the_rfc_allows_one_name_to_be_called_and_nobody_to_call() -> None:
    """RFC 8520 section 9: the entry for packets to the device is for answers only (direction-initiated)."""
    found = read_mud((VECTORS / "rfc8520-section-9.json").read_bytes())
    assert (found.url, found.system_info) == (
        "https://lighting.example.com/lightbulb2000",
        "The BMS Example Light Bulb",
    )
    assert found.last_update == datetime(2019, 1, 28, 10, 20, 51, tzinfo=UTC)
    assert (found.validity, found.is_supported) == (timedelta(hours=48), True)
    assert found.outbound.found == (Flow(peer_kind="dns", peer="test.example.com", protocol="tcp", ports=(443, 443)),)
    assert (found.inbound.found, found.inbound.left_out, found.outbound.left_out) == ((), (), ())


def test_a_sound_file_says_who_may_call_and_who_is_called() -> None:
    found = read_mud((VECTORS / "sound.json").read_bytes())
    assert found.inbound.found == (Flow(peer_kind="local-networks", peer=None, protocol="tcp", ports=(443, 443)),)
    assert found.outbound.found == (
        Flow(peer_kind="dns", peer="cloud.acme.example", protocol="tcp", ports=(8883, 8883)),
    )


def test_a_file_that_does_not_say_how_long_it_counts_counts_for_two_days() -> None:
    """RFC 8520 section 3.5."""
    assert read(cache_validity=None).validity == timedelta(hours=48)


def test_members_of_an_extension_that_is_named_are_left_aside() -> None:
    """RFC 8520 section 3.9: an extension may add members."""
    assert read(extensions=["masa"], masa_server="https://acme.example").url.startswith("https://acme.example")


@pytest.mark.parametrize(
    ("match", "ports"),
    [
        ({"operator": "lte", "port": 1023}, [(0, 1023)]),
        ({"operator": "gte", "port": 49152}, [(49152, 65535)]),
        ({"operator": "neq", "port": 23}, [(0, 22), (24, 65535)]),
        ({"operator": "neq", "port": 0}, [(1, 65535)]),
        ({"port": 443}, [(443, 443)]),
        ({"lower-port": 8000, "upper-port": 8010}, [(8000, 8010)]),
    ],
)
def test_ports_are_said_as_ranges(match: dict[str, Any], ports: list[tuple[int, int]]) -> None:
    """RFC 8519 section 4.2, port-range-or-operator."""
    assert called(read((made.entry("x", ipv4=TCP, tcp={"destination-port": match}),))) == ports


def test_an_entry_without_ports_opens_all_of_them() -> None:
    assert called(read((made.entry("x", ipv4=TCP, tcp={}),))) == [(0, 65535)]


def test_a_protocol_without_ports_has_none() -> None:
    found = read((made.entry("ping", ipv4={"protocol": 1}, icmp={"type": 8}),)).inbound.found
    assert [(flow.protocol, flow.ports) for flow in found] == [("icmp", None)]


def test_answers_to_what_the_device_asked_open_no_port() -> None:
    """As makers write it for UDP, which has no direction (RFC 8520 section 4)."""
    source = {"source-port": {"operator": "eq", "port": 123}}
    found = read((made.entry("ntp", ipv4={"protocol": 17}, udp=source),)).inbound
    assert (found.found, found.left_out) == ((), ())


def test_what_is_refused_is_not_allowed() -> None:
    assert called(read((made.entry("x", "drop", ipv4=TCP, tcp=made.at(23)),))) == []


@pytest.mark.parametrize("action", ["drop", "reject", "ietf-access-control-list:drop"])
def test_what_follows_a_refusal_is_left_out_as_it_may_be_refused(action: str) -> None:
    first = made.entry("no", action, ipv4=TCP, tcp={"destination-port": {"operator": "lte", "port": 1023}})
    found = read((first, made.entry("yes", ipv4=TCP, tcp=made.at(443)))).inbound
    assert (found.found, found.left_out) == ((), ("to/yes",))


@pytest.mark.parametrize(
    "matches",
    [
        {"ipv4": TCP | {"ttl": 1}, "tcp": made.at(443)},
        {"ipv4": TCP, "tcp": made.at(443) | {"flags": "syn"}},
        {"ipv4": TCP | {"destination-ipv4-network": "192.0.2.1/32"}, "tcp": made.at(443)},
        {
            "ipv4": TCP | {"ietf-acldns:src-dnsname": "a.example"},
            "tcp": made.at(443),
            made.MUD: {"my-controller": [None]},
        },
        {"ipv4": TCP, "tcp": made.at(443), made.MUD: {"neighbours": [None]}},
        {"eth": {}, "ipv4": TCP, "tcp": made.at(443)},
        {"ipv6": TCP, "tcp": made.at(443)},
    ],
    ids=["ttl", "flags", "own address", "two peers", "unknown class", "ethernet", "other layer"],
)
def test_an_entry_that_says_more_than_facts_can_is_left_out(matches: dict[str, Any]) -> None:
    """Said without that, it would allow more than the file does."""
    found = read(({"name": "x", "matches": matches, "actions": {"forwarding": "accept"}},)).inbound
    assert (found.found, found.left_out) == ((), ("to/x",))


@pytest.mark.parametrize(
    ("classes", "peer"),
    [
        ({"manufacturer": "acme.example"}, ("manufacturer", "acme.example")),
        ({"model": "https://acme.example/gw"}, ("model", "https://acme.example/gw")),
        ({"controller": "urn:ietf:params:mud:dns"}, ("controller", "urn:ietf:params:mud:dns")),
        ({"same-manufacturer": [None]}, ("same-manufacturer", None)),
        ({}, ("any", None)),
    ],
)
def test_the_other_end_is_said_by_its_class(classes: dict[str, Any], peer: tuple[str, str | None]) -> None:
    """RFC 8520 section 4."""
    found = read(outbound=(made.entry("x", ipv4=TCP, tcp=made.at(443), mud=classes),)).outbound.found
    assert [(flow.peer_kind, flow.peer) for flow in found] == [peer]


def test_more_connections_than_facts_hold_are_refused() -> None:
    with pytest.raises(SupplyError) as refused:
        read(tuple(made.entry(f"p{port}", ipv4=TCP, tcp=made.at(port)) for port in range(1, 258)))
    assert refused.value.code == "mud.too-many"


def test_a_file_beyond_the_limit_is_refused_by_its_size_alone() -> None:
    with pytest.raises(SupplyError) as refused:
        read_mud(b"[" * (MAX_MUD_BYTES + 1))
    assert refused.value.code == "mud.json"


JUNK = (None, True, 0, -1, 10**30, 1.5, "", "x", "\u2028", [], [None], [[]], {}, [{}], {"": {}})


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where everything in a document stands."""
    yield path
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in inside:
        yield from places(value, (*path, step))


def replaced(node: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    changed = copy(node)
    changed[path[0]] = replaced(node[path[0]], path[1:], value)
    return changed


@pytest.mark.parametrize("file", ["sound.json", "rfc8520-section-9.json"])
def test_whatever_stands_in_any_place_is_read_or_refused_and_nothing_else(file: str) -> None:
    document = json.loads((VECTORS / file).read_text())
    for path in places(document):
        for junk in JUNK:
            with suppress(SupplyError):
                read_mud(json.dumps(replaced(document, path, junk)).encode())
