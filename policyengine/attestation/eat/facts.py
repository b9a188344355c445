"""The facts that a believed EAT gives (groups `boot` and `software`); what it does not say stays absent.

A device is as safe as its worst part: debug enabled, or a boot that the maker did not authorise, in any believed
submodule is the device's. What only a submodule says in its favour says nothing of the device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat.measurements import Measurement, measurements
from policyengine.attestation.reference import Comparison, Match, compare
from policyengine.model.endorsements import ReferenceValues
from policyengine.model.schema import MAX_SOFTWARE

# RFC 9711 section 4.2.9. Only from 3 on can nobody enable it again.
_DEBUG = {0: "enabled", 1: "disabled", 2: "disabled", 3: "permanent-off", 4: "permanent-off"}


def add_facts(
    facts: dict[str, object],
    claims: eat_claims.Claims,
    parts: Sequence[tuple[str, eat_claims.Claims]],
    *,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> None:
    """Add groups `boot` and `software` of sound `claims` and of the believed submodules `parts`, by path.

    What the token measures is compared with `endorsements` at `now`, and adds group `endorsement`.
    """
    measured = measurements(claims.get(eat_claims.MEASUREMENTS, ()))
    comparison = compare([(each.name, each.digest) for each in measured], endorsements=endorsements, now=now)
    boot = _boot(claims, [part for _, part in parts])
    if comparison.svn is not None:
        boot["svn"] = comparison.svn
    if boot:
        facts["boot"] = boot
    if comparison.endorsement:
        facts["endorsement"] = comparison.endorsement
    software = [_software("", claims), *(_software(path, part) for path, part in parts)]
    rows = [_measured(each, match, comparison) for each, match in zip(measured, comparison.matches, strict=True)]
    named = [row for row in (*software, *rows) if row][:MAX_SOFTWARE]
    if named:
        facts["software"] = named


def _measured(each: Measurement, match: Match, comparison: Comparison) -> Mapping[str, object]:
    row: dict[str, object] = {
        "name": each.name,
        "digest": each.digest,
        "digest_alg": each.algorithm,
        "match": match.value,
    }
    version = comparison.version if each.version is None else each.version
    if version is not None:
        row["version"] = version
    if comparison.svn is not None:
        row["svn"] = comparison.svn
    return row


def _boot(claims: eat_claims.Claims, parts: Sequence[eat_claims.Claims]) -> dict[str, object]:
    boot: dict[str, object] = {}
    debug = claims.get(eat_claims.DBGSTAT)
    if any(part.get(eat_claims.DBGSTAT) == 0 for part in parts):
        debug = 0
    if debug is not None:
        boot["debug"] = _DEBUG[debug]
    if debug == 0:
        boot["mode"] = "debug"
    secure = claims.get(eat_claims.OEMBOOT)
    if any(part.get(eat_claims.OEMBOOT) is False for part in parts):
        secure = False
    if secure is not None:
        boot["secure"] = secure
    if secure and debug:  # as every format has it: signed images only, and nobody debugs now
        boot["mode"] = "production"
    if eat_claims.BOOTCOUNT in claims:
        boot["count"] = claims[eat_claims.BOOTCOUNT]
    if eat_claims.BOOTSEED in claims:
        boot["seed"] = claims[eat_claims.BOOTSEED].hex()
    return boot


def _software(path: str, claims: eat_claims.Claims) -> Mapping[str, object]:
    """Return what `claims` say of the software of one part by name: that is not measured, so nothing can match."""
    row: dict[str, object] = {}
    if eat_claims.SWNAME in claims:
        row["name"] = claims[eat_claims.SWNAME]
    if eat_claims.SWVERSION in claims:
        row["version"] = claims[eat_claims.SWVERSION][0]
    if row and path:
        row["layer"] = path
    return row
