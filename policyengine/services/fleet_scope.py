"""A part of the fleet by model, site and zone, as queries write it: `model:gw-200`, `site:plant-a`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from policyengine.services.actors import Principal
from policyengine.services.errors import InvalidRequestError

MAX_SCOPE = 64  # parts of one query; more is a list of devices, not a scope


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetScope:
    """Devices whose model, site and zone are among the named ones; None: any. The empty name: the registry has none."""

    models: frozenset[str] | None = None
    sites: frozenset[str] | None = None
    zones: frozenset[str] | None = None


WHOLE_FLEET = FleetScope()
_FIELDS = {"model": "models", "site": "sites", "zone": "zones"}


def parse_scope(parts: Iterable[str]) -> FleetScope:
    """Return the scope that `parts` name, each `KEY:NAME`: names of one key are alternatives, all keys must hold.

    Raises InvalidRequestError (`request.scope`).
    """
    named: dict[str, set[str]] = {}
    for count, part in enumerate(parts, start=1):
        key, colon, name = part.partition(":")
        if key not in _FIELDS or not colon or "\x00" in name or count > MAX_SCOPE:
            raise InvalidRequestError(
                f"a scope is up to {MAX_SCOPE} times `model:NAME`, `site:NAME` or `zone:NAME`",
                code="request.scope",
                path="scope",
            )
        named.setdefault(_FIELDS[key], set()).add(name)
    return FleetScope(**{field: frozenset(names) for field, names in named.items()})


def narrowed(scope: FleetScope, viewer: Principal) -> FleetScope:
    """Return the part of `scope` that `viewer` may see."""
    if viewer.models is None:
        return scope
    return replace(scope, models=viewer.models if scope.models is None else scope.models & viewer.models)
