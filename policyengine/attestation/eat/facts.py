"""The facts that a believed EAT gives (groups `boot` and `software`); what it does not say stays absent.

A device is as safe as its worst part: debug enabled, or a boot that the maker did not authorise, in any believed
submodule is the device's. What only a submodule says in its favour says nothing of the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policyengine.attestation.eat import claims as eat
from policyengine.model.schema import MAX_SOFTWARE

# RFC 9711 section 4.2.9. Only from 3 on can nobody enable it again.
_DEBUG = {0: "enabled", 1: "disabled", 2: "disabled", 3: "permanent-off", 4: "permanent-off"}


def add_facts(facts: dict[str, object], claims: eat.Claims, parts: Sequence[tuple[str, eat.Claims]]) -> None:
    """Add groups `boot` and `software` of sound `claims` and of the believed submodules `parts`, by path."""
    boot = _boot(claims, [part for _, part in parts])
    if boot:
        facts["boot"] = boot
    software = [_software("", claims), *(_software(path, part) for path, part in parts)]
    named = [row for row in software if row][:MAX_SOFTWARE]
    if named:
        facts["software"] = named


def _boot(claims: eat.Claims, parts: Sequence[eat.Claims]) -> dict[str, object]:
    boot: dict[str, object] = {}
    debug = claims.get(eat.DBGSTAT)
    if any(part.get(eat.DBGSTAT) == 0 for part in parts):
        debug = 0
    if debug is not None:
        boot["debug"] = _DEBUG[debug]
    if debug == 0:
        boot["mode"] = "debug"
    secure = claims.get(eat.OEMBOOT)
    if any(part.get(eat.OEMBOOT) is False for part in parts):
        secure = False
    if secure is not None:
        boot["secure"] = secure
    if eat.BOOTCOUNT in claims:
        boot["count"] = claims[eat.BOOTCOUNT]
    if eat.BOOTSEED in claims:
        boot["seed"] = claims[eat.BOOTSEED].hex()
    return boot


def _software(path: str, claims: eat.Claims) -> Mapping[str, object]:
    """Return what `claims` say of the software of one part; nothing is measured, so nothing can match."""
    row: dict[str, object] = {}
    if eat.SWNAME in claims:
        row["name"] = claims[eat.SWNAME]
    if eat.SWVERSION in claims:
        row["version"] = claims[eat.SWVERSION][0]
    if row and path:
        row["layer"] = path
    return row
