"""Counters of an attester never go back: one that does shows an older state, or another device under the same key.

They are compared where the device's evidence was already believed, and kept in its state: the write that raises one
names the version it saw, so two check-ins at once cannot both pass. A device whose counters were rightly reset (a TPM
that was cleared, a board that was replaced) is retired and announced again, which starts them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policyengine.attestation.checks import Requirement
from policyengine.attestation.formats import Verified
from policyengine.attestation.tpm.evidence import TpmEvidence
from policyengine.services.errors import RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A fact that only grows, by its group and name, and the requirement that it does."""

    group: str
    name: str
    requirement: Requirement

    @property
    def fact(self) -> str:
        """The path of the fact."""
        return f"{self.group}.{self.name}"


RESET_COUNT = Requirement(
    id="tpm.reset-count",
    clause="TPM 2.0 Part 2 section 10.11.1",
    expected="a resetCount that is not below the last one seen of this device",
)
BOOT_COUNT = Requirement(
    id="eat.boot-count",
    clause="RFC 9711 section 4.2.12",
    expected="a bootcount that is not below the last one seen of this device",
)
_RESETS = Counter(group="boot", name="reset_count", requirement=RESET_COUNT)
COUNTERS = (
    _RESETS,
    Counter(group="boot", name="count", requirement=BOOT_COUNT),
)


def counted(items: Iterable[Verified], before: Mapping[str, int]) -> Mapping[str, int]:
    """Return the counters of a device after believed evidence `items`, `before` those it had; raises RefusedError."""
    after = before
    for item in items:
        for counter in COUNTERS:
            seen = _seen(item, counter)
            if seen is None and counter is _RESETS and counter.fact in after:
                seen = _quoted_resets(item)
            if seen is not None:
                _demand_not_below(counter, seen, after.get(counter.fact))
                after = {**after, counter.fact: seen}
    return after


def _seen(item: Verified, counter: Counter) -> int | None:
    group = item.facts.get(counter.group)
    value = group.get(counter.name) if isinstance(group, Mapping) else None
    return value if type(value) is int else None


def _quoted_resets(item: Verified) -> int | None:
    """Return the resetCount of a quote that shows no EK, for a key that once showed where it stands.

    The quote is signed and the EK beside it is not: leaving that out must not make the count go unseen.
    """
    parts = item.decoded.get("tpm")
    return parts.quote.attest.reset_count if isinstance(parts, TpmEvidence) else None


def _demand_not_below(counter: Counter, seen: int, least: int | None) -> None:
    if least is not None and seen < least:
        check = counter.requirement.failed(f"{seen} after {least}")
        raise RefusedError(
            f"`{counter.fact}` went back: {check.seen}", code="evidence.refused", check=check.id, failed=[check.id]
        )
