"""Makes `tests/vectors/mud/`: our own MUD files, each named after its defect, each with one defect.

`python -m tests.vectors.make_mud` writes them; a test holds the files to this script. The index says the code and the
place of each refusal, or of a file that is read what is allowed. `rfc8520-section-9.json` is not made here: it is the
example of RFC 8520 section 9 (a code component of the IETF Trust, under the Revised BSD License).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "mud"
MUD = "ietf-mud:mud"
LISTS = "ietf-access-control-list:acls"
PLACE = f"$['{MUD}']"
ACE = f"$['{LISTS}'].acl[1].aces.ace[0]"

Json = Any


def entry(name: str, forwarding: str = "accept", **matches: Json) -> Json:
    """Return an entry of an access list; of `matches`, `mud` stands for the classes of RFC 8520."""
    named = {MUD if name == "mud" else name: value for name, value in matches.items()}
    return {"name": name, "matches": named, "actions": {"forwarding": forwarding}}


def access_list(name: str, *entries: Json) -> Json:
    return {"name": name, "type": "ipv4-acl-type", "aces": {"ace": list(entries)}}


def policy(*names: str) -> Json:
    return {"access-lists": {"access-list": [{"name": name} for name in names]}}


def at(port: int) -> Json:
    return {"destination-port": {"operator": "eq", "port": port}}


CLOUD = entry("cloud", ipv4={"ietf-acldns:dst-dnsname": "cloud.acme.example", "protocol": 6}, tcp=at(8883))
LOCAL = entry("local", ipv4={"protocol": 6}, tcp=at(443), mud={"local-networks": [None]})


def document(
    inbound: tuple[Json, ...] = (LOCAL,), outbound: tuple[Json, ...] = (CLOUD,), **members: Json
) -> dict[str, Json]:
    """Return a sound MUD file; a member that is None is left out."""
    said = {
        "mud-version": 1,
        "mud-url": "https://acme.example/mud/gw-200.json",
        "last-update": "2026-11-01T00:00:00Z",
        "cache-validity": 48,
        "is-supported": True,
        "systeminfo": "A gateway",
        "mfg-name": "Acme",
        "model-name": "gw-200",
        "from-device-policy": policy("from"),
        "to-device-policy": policy("to"),
    } | {name.replace("_", "-"): value for name, value in members.items()}
    return {
        MUD: {name: value for name, value in said.items() if value is not None},
        LISTS: {"acl": [access_list("from", *outbound), access_list("to", *inbound)]},
    }


def changed(**members: Json) -> dict[str, Json]:
    """Return a sound file with some members of an entry for packets to the device replaced."""
    found = deepcopy(document())
    found[LISTS]["acl"][1]["aces"]["ace"][0] |= members
    return found


def typed(kind: str) -> dict[str, Json]:
    found = deepcopy(document())
    found[LISTS]["acl"][1]["type"] = kind
    return found


def twice_named() -> dict[str, Json]:
    found = deepcopy(document())
    found[LISTS]["acl"][0]["name"] = "to"
    return found


TCP = {"protocol": 6}
REFUSED: Mapping[str, tuple[Json, str, str]] = {
    "no-mud-container": ({LISTS: {}}, "mud.shape", PLACE),
    "version-2": (document(mud_version=2), "mud.version", f"{PLACE}.mud-version"),
    "no-url": (document(mud_url=None), "mud.shape", f"{PLACE}.mud-url"),
    "url-in-cleartext": (document(mud_url="http://acme.example/mud"), "mud.shape", f"{PLACE}.mud-url"),
    "time-without-zone": (document(last_update="2026-11-01T00:00:00"), "mud.time", f"{PLACE}.last-update"),
    "valid-for-no-hour": (document(cache_validity=0), "mud.validity", f"{PLACE}.cache-validity"),
    "valid-for-more-than-a-week": (document(cache_validity=169), "mud.validity", f"{PLACE}.cache-validity"),
    "supported-is-a-word": (document(is_supported="yes"), "mud.shape", f"{PLACE}.is-supported"),
    "misspelt-member": (document(cache_valdity=24), "mud.unknown-member", f"{PLACE}.cache-valdity"),
    "control-character-in-name": (document(mfg_name="Ac\nme"), "mud.shape", f"{PLACE}.mfg-name"),
    "policy-names-no-list": (
        document(to_device_policy=policy("two")),
        "mud.acl-missing",
        f"{PLACE}.to-device-policy.access-lists.access-list[0].name",
    ),
    "two-lists-of-one-name": (twice_named(), "mud.shape", f"$['{LISTS}'].acl[1].name"),
    "ethernet-list": (typed("eth-acl-type"), "mud.acl-type", f"$['{LISTS}'].acl[1].type"),
    "action-is-unknown": (changed(actions={"forwarding": "allow"}), "mud.shape", f"{ACE}.actions.forwarding"),
    "no-action": (changed(actions={}), "mud.shape", f"{ACE}.actions.forwarding"),
    "two-protocols": (changed(matches={"tcp": {}, "udp": {}}), "mud.shape", f"{ACE}.matches"),
    "tcp-with-the-number-of-udp": (
        changed(matches={"ipv4": {"protocol": 17}, "tcp": at(443)}),
        "mud.shape",
        f"{ACE}.matches.ipv4.protocol",
    ),
    "port-out-of-range": (
        changed(matches={"ipv4": TCP, "tcp": at(65536)}),
        "mud.shape",
        f"{ACE}.matches.destination-port.port",
    ),
    "ports-upside-down": (
        changed(matches={"ipv4": TCP, "tcp": {"destination-port": {"lower-port": 9, "upper-port": 8}}}),
        "mud.shape",
        f"{ACE}.matches.destination-port",
    ),
    "operator-is-unknown": (
        changed(matches={"ipv4": TCP, "tcp": {"destination-port": {"operator": "near", "port": 9}}}),
        "mud.shape",
        f"{ACE}.matches.destination-port.operator",
    ),
    "opened-by-nobody": (
        changed(matches={"ipv4": TCP, "tcp": {"ietf-mud:direction-initiated": "both"} | at(443)}),
        "mud.shape",
        f"{ACE}.matches.tcp['ietf-mud:direction-initiated']",
    ),
    "network-is-none": (
        changed(matches={"ipv4": TCP | {"source-ipv4-network": "192.0.2.0/33"}, "tcp": at(443)}),
        "mud.shape",
        f"{ACE}.matches",
    ),
}


def written(content: Json) -> str:
    return json.dumps(content, indent=1) + "\n"


def files() -> dict[str, str]:
    """Return every file that is made here, by name."""
    index = [{"file": f"{name}.json", "code": code, "path": path} for name, (_, code, path) in REFUSED.items()]
    made = {f"{name}.json": written(content) for name, (content, _, _) in REFUSED.items()}
    return made | {"sound.json": written(document()), "index.json": written(index)}


if __name__ == "__main__":
    for file, text in files().items():
        (HERE / file).write_text(text)
