"""What an export is asked for: a framework, a period and a part of the fleet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from policyengine.errors import quoted
from policyengine.model.times import format_timestamp
from policyengine.services.errors import InvalidRequestError

MAX_PARTS = 100  # of one scope; more is a list of devices, which a site or a model names better
_KEYS = ("device", "model", "site", "zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which devices: for each key the values that match, all keys together; no key means the whole fleet.

    Site and zone are those that the registry has now.
    """

    device: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    zone: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every device is meant."""
        return not any((self.device, self.model, self.site, self.zone))

    @property
    def document(self) -> dict[str, list[str]]:
        """The scope as JSON: only the keys that narrow it."""
        return {key: list(getattr(self, key)) for key in _KEYS if getattr(self, key)}

    def __str__(self) -> str:
        """Return the scope in words: its parts as they are written."""
        return " ".join(f"{key}:{name}" for key, names in self.document.items() for name in names) or "whole fleet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A framework (None: all), the half-open period from `start` to `end`, and a scope."""

    framework: str | None
    start: datetime
    end: datetime
    scope: Scope

    @property
    def document(self) -> dict[str, object]:
        """The request as JSON."""
        return {
            "framework": self.framework,
            "from": format_timestamp(self.start),
            "to": format_timestamp(self.end),
            "scope": self.scope.document,
        }


def parse_scope(parts: Iterable[str]) -> Scope:
    """Return the scope that `parts` name, each `KEY:NAME`: names of one key are alternatives, all keys must hold.

    It is written like that of queries (services/fleet_scope.py), and may name devices. Raises InvalidRequestError
    `request.scope`.
    """
    named: dict[str, set[str]] = {}
    for count, part in enumerate(parts, 1):
        key, colon, name = part.partition(":")
        if not colon or key not in _KEYS or not name or "\x00" in name or count > MAX_PARTS:
            known = ", ".join(f"`{each}:NAME`" for each in _KEYS)
            raise InvalidRequestError(
                f"{quoted(part)} is no part of a scope; there are up to {MAX_PARTS} of {known}",
                code="request.scope",
                path="scope",
            )
        named.setdefault(key, set()).add(name)
    return Scope(**{key: tuple(sorted(names)) for key, names in named.items()})


def demand_period(request: ExportRequest, *, now: datetime) -> ExportRequest:
    """Return `request` once its period is one and lies in the past; raises InvalidRequestError `request.period`."""
    if not request.start < request.end:
        raise InvalidRequestError("the period ends before it starts", code="request.period", path="to")
    if request.end > now:
        raise InvalidRequestError("the period ends in the future", code="request.period", path="to")
    return request
