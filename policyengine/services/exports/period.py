"""What an export is asked for: a framework, a period and a part of the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policyengine.errors import quoted
from policyengine.model.times import format_timestamp
from policyengine.services.errors import InvalidRequestError

MAX_TERMS = 100  # values of one scope; more is a list of devices, which a site or model names better
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
        """Return the scope as it is written on a command line."""
        return " ".join(f"{key}={','.join(values)}" for key, values in self.document.items()) or "whole fleet"


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


def parse_scope(text: str | None) -> Scope:
    """Return the scope that `text` spells, as `model=gw-200,gw-210 site=plant-a`; None: the whole fleet.

    Raises InvalidRequestError `request.scope`.
    """
    found: dict[str, tuple[str, ...]] = {}
    for term in (text or "").split():
        key, equals, values = term.partition("=")
        named = tuple(sorted(set(values.split(","))))
        if not equals or key not in _KEYS or key in found or "" in named or len(named) > MAX_TERMS or "\x00" in values:
            known = ", ".join(_KEYS)
            raise InvalidRequestError(
                f"{quoted(term)} is no part of a scope; write KEY=VALUE[,VALUE...] once each of {known}",
                code="request.scope",
                field="scope",
            )
        found[key] = named
    return Scope(**found)


def demand_period(request: ExportRequest, *, now: datetime) -> ExportRequest:
    """Return `request` once its period is one and lies in the past; raises InvalidRequestError `request.period`."""
    if not request.start < request.end:
        raise InvalidRequestError("the period ends before it starts", code="request.period", field="to")
    if request.end > now:
        raise InvalidRequestError("the period ends in the future", code="request.period", field="to")
    return request
