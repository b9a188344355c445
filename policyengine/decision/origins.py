"""Which facts of a device share a provenance, found once for everything that asks: their parts, views and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.model.facts import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The distinct provenances of facts, by identity and in the order of their first paths; `marks` has their numbers.

    `paths` and `marks` are as long as each other: the first path has the provenance of the first mark.
    """

    paths: tuple[str, ...]
    marks: tuple[int, ...]
    distinct: tuple[Provenance, ...]


def origins_of(provenance: Mapping[str, Provenance]) -> Origins:
    """Return how the facts under `provenance` share it."""
    every = tuple(provenance.values())
    names = tuple(map(id, every))
    distinct = dict(zip(names, every, strict=True))
    numbers = dict(zip(distinct, range(len(distinct)), strict=True))
    return Origins(
        paths=tuple(provenance), marks=tuple(map(numbers.__getitem__, names)), distinct=tuple(distinct.values())
    )
