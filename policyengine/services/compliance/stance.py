"""A device's stance: for each control its rules speak to, the worst result of them and the weakest source they used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policyengine.model.facts import Source
from policyengine.services.changes import VerdictRow

EVERY_DEVICE = ""  # the control that all decided devices have, so that the population is counted like everything else
_WORST_FIRST = {"fail": 0, "unknown": 1, "waived": 2, "pass": 3}  # a rule that was skipped says nothing


@dataclass(frozen=True, slots=True, order=True)
class StanceCell:
    """What a device's rules say of one control. `source` is empty where they read no fact that the device has."""

    control: str
    result: str
    source: str


def framework_of(control: str) -> str:
    """Return the name of a control's framework: what stands before the colon of its id."""
    return control.partition(":")[0]


def stance_of(verdicts: Iterable[VerdictRow]) -> tuple[StanceCell, ...]:
    """Return the stance that `verdicts` come to, by control; the first cell says only that the device was decided.

    A device counts once for each control: fail before unknown before waived before pass, whatever its other rules say.
    """
    worst: dict[str, str] = {}
    weakest: dict[str, Source] = {}
    for said in verdicts:
        if said.result not in _WORST_FIRST:
            continue
        for control in said.controls:
            worst[control] = min(worst.get(control, said.result), said.result, key=_WORST_FIRST.__getitem__)
            if said.source is not None:
                weakest[control] = min(weakest.get(control, said.source), said.source)
    cells = [StanceCell(control, result, _named(weakest.get(control))) for control, result in worst.items()]
    return tuple(sorted([StanceCell(EVERY_DEVICE, "", ""), *cells]))


def _named(source: Source | None) -> str:
    return "" if source is None else source.name.lower()
