"""Decoded values as parts for people: a path, the clause that the part is there by, and the value on one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policyengine.attestation.documents import shown

Row = tuple[str, str, str]  # part, clause, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The clauses of one format's parts, and the names of those that it numbers.

    `clauses` are by name, or by `parent.name` where one name stands for two things; what has none there has the clause
    of the part around it, the outermost `general`. `names` are by parent and number; parent `` is for all others.
    """

    general: str
    clauses: Mapping[str, str]
    names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def name(self, parent: str, key: object) -> str:
        """Return what the part under `key` of `parent` is called."""
        known = self.names.get(parent, self.names.get("", {}))
        return known.get(key, str(key)) if type(key) is int else str(key)

    def clause(self, parent: str, name: str, around: str) -> str:
        """Return the clause of `name` in `parent`, which has clause `around`."""
        return self.clauses.get(f"{parent}.{name}") or self.clauses.get(name, around)


def parts_of(value: Mapping[object, object] | Mapping[str, object], vocabulary: Vocabulary) -> Iterator[Row]:
    """Yield the parts of `value`: every item of a map, and every item of a list that holds more than plain values."""
    return _parts("", "", vocabulary.general, value, vocabulary)


def _parts(path: str, parent: str, clause: str, value: object, vocabulary: Vocabulary) -> Iterator[Row]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            name = vocabulary.name(parent, key)
            below = f"{path}.{name}" if path else name
            yield from _parts(below, name, vocabulary.clause(parent, name, clause), item, vocabulary)
    elif isinstance(value, list | tuple) and _has_parts(value):
        for at, item in enumerate(value):
            yield from _parts(f"{path}[{at}]", parent, clause, item, vocabulary)
    else:
        yield path, clause, shown(value)


def _has_parts(items: Sequence[object]) -> bool:
    """Return whether `items` would not fit one line: maps and lists among them, or more than one byte string."""
    return any(isinstance(item, Mapping | list | tuple) for item in items) or (
        sum(isinstance(item, bytes) for item in items) > 1
    )
