"""The AR4SI trustworthiness vector (draft-ietf-rats-ar4si section 2.3) of facts, and the status it allows.

A claim that nothing measured is absent, which is the same as 0: no claim is being made. Values below 32 affirm, values
below 96 warn, the rest contraindicate; a status is never better than the worst claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Status(IntEnum):
    """Appraisal status (draft-ietf-rats-ear section 3.2), worse upwards."""

    NONE = 0
    AFFIRMING = 2
    WARNING = 32
    CONTRAINDICATED = 96

    @property
    def word(self) -> str:
        """The name as it stands in JSON."""
        return self.name.lower()


Vector = Mapping[str, int]

_AFFIRMED = 2  # of instance-identity, configuration and hardware: recognised, approved, genuine
_APPROVED_BOOT = 3  # of executables: what was loaded while booting is approved; what ran since was not seen
_UNSAFE = 32  # of configuration: it exposes vulnerabilities; of hardware: genuine, with known weaknesses
_UNRECOGNISED = 33  # of executables
_CONTRAINDICATED = 96

_MATCHES = {"endorsed": _APPROVED_BOOT, "unknown": _UNRECOGNISED, "revoked": _CONTRAINDICATED}
_VOUCHED = frozenset({"idevid", "ak", "iak", "dice"})  # a vendor's CA stands behind the key, unlike behind a token's
_DEBUG = {"disabled": _AFFIRMED, "permanent-off": _AFFIRMED, "enabled": _UNSAFE}
_LIFECYCLE = {"debug": _CONTRAINDICATED, "decommissioned": _CONTRAINDICATED, "provisioning": _UNSAFE}


def vector_of(facts: Mapping[str, object]) -> dict[str, int]:
    """Return the claims that the groups in `facts` allow; each is the worst that anything measured says."""
    boot, identity = _group(facts, "boot"), _group(facts, "identity")
    measured = {
        "instance-identity": [_AFFIRMED] if identity.get("verified") is True else [],
        "configuration": _configuration(boot),
        "executables": _executables(facts.get("software")),
        "hardware": _hardware(boot, identity),
    }
    return {name: max(values) for name, values in measured.items() if values}


def status_of(vector: Vector, *, fresh: bool) -> Status:
    """Return the best status that `vector` allows; what is not fresh never affirms (RFC 9334 section 10)."""
    worst = max(vector.values(), default=0)
    if worst >= _CONTRAINDICATED:
        return Status.CONTRAINDICATED
    if worst >= _UNSAFE:
        return Status.WARNING
    return Status.AFFIRMING if worst and fresh else Status.NONE


def _configuration(boot: Mapping[str, object]) -> list[int]:
    found = [_DEBUG[word] for word in [boot.get("debug")] if isinstance(word, str) and word in _DEBUG]
    if isinstance(boot.get("secure"), bool):
        found.append(_AFFIRMED if boot["secure"] else _UNSAFE)
    return found


def _executables(software: object) -> list[int]:
    rows = software if isinstance(software, list | tuple) else ()
    matches = [row.get("match") for row in rows if isinstance(row, Mapping)]
    return [_MATCHES[match] for match in matches if isinstance(match, str) and match in _MATCHES]


def _hardware(boot: Mapping[str, object], identity: Mapping[str, object]) -> list[int]:
    found = [_LIFECYCLE[word] for word in [boot.get("lifecycle")] if isinstance(word, str) and word in _LIFECYCLE]
    if identity.get("kind") in _VOUCHED and isinstance(identity.get("anchor"), str):
        found.append(_AFFIRMED)
    return found


def _group(facts: Mapping[str, object], name: str) -> Mapping[str, object]:
    group = facts.get(name)
    return group if isinstance(group, Mapping) else {}
