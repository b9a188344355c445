"""Keys of single devices that the bundle vouches for, found by what evidence shows: an instance id or a key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policyengine.model.endorsements import AttestKey, ReferenceValues


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsedKey:
    """A key, and the models whose devices it may be of."""

    key: AttestKey
    models: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsedKeys:
    """All keys by the name of their device, and by their own thumbprint."""

    by_instance: Mapping[str, tuple[EndorsedKey, ...]]
    by_thumbprint: Mapping[str, tuple[EndorsedKey, ...]]

    def shown_as(self, name: str) -> tuple[EndorsedKey, ...]:
        """Return the keys of the device that evidence calls `name`, or the key with this thumbprint."""
        return self.by_instance.get(name) or self.by_thumbprint.get(name, ())

    def is_shared(self, found: EndorsedKey) -> bool:
        """Tell whether the key is listed for another device too, so that it proves neither."""
        return len({each.key.instance for each in self.by_thumbprint[found.key.thumbprint]}) > 1


def endorsed_keys(documents: Iterable[ReferenceValues]) -> EndorsedKeys:
    """Return the keys of all `documents`."""
    found = [
        EndorsedKey(key=key, models=frozenset(values.models))
        for values in documents
        for key in values.attest_keys or ()
    ]
    return EndorsedKeys(
        by_instance=_grouped([(each.key.instance, each) for each in found]),
        by_thumbprint=_grouped([(each.key.thumbprint, each) for each in found]),
    )


def _grouped(pairs: Iterable[tuple[str, EndorsedKey]]) -> Mapping[str, tuple[EndorsedKey, ...]]:
    groups: dict[str, list[EndorsedKey]] = {}
    for name, each in pairs:
        groups.setdefault(name, []).append(each)
    return {name: tuple(group) for name, group in groups.items()}
