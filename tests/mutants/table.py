"""The mutation table: for every check of every format, the evidence that is believed once the check is taken out."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass

import policyengine.attestation
from policyengine.attestation.checks import Requirement, stated_in
from tests.mutants.cases import CASES, NegativeCase
from tests.mutants.removal import removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One check: the cases that only it refuses, and those believed on a build without it."""

    check: str
    clause: str
    cases: tuple[NegativeCase, ...]
    killing: tuple[NegativeCase, ...]


def requirements() -> Mapping[str, Requirement]:
    """Return every requirement of the attestation package by its check id."""
    package = policyengine.attestation
    names = [module.name for module in pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}.")]
    modules = [importlib.import_module(name) for name in sorted(names)]
    return {each.id: each for each in stated_in(*(vars(module) for module in modules))}


def row(check: str) -> Row:
    """Return what becomes of the cases of `check` on a build without it."""
    cases = tuple(case for case in CASES if case.check == check)
    return Row(
        check=check,
        clause=requirements()[check].clause,
        cases=cases,
        killing=tuple(case for case in cases if is_believed(case)),
    )


def is_believed(case: NegativeCase) -> bool:
    """Tell whether a build without the check of `case` believes it; to crash on it is not to believe it."""
    with removed(case.check, *case.beside):
        try:
            return case.judge().accepted
        except (TypeError, AttributeError, LookupError, ValueError):  # facts made of what the check would have refused
            return False
