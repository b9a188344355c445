"""Waivers of the bundle in force: who approved what, until when, and which devices they cover."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from policyengine.decision.selection import applies, selects
from policyengine.decision.waivers import covering, in_force
from policyengine.errors import quoted
from policyengine.model.base64url import base64url, from_base64url
from policyengine.model.decision import Outcome
from policyengine.model.ids import DeviceId
from policyengine.model.policy import Bundle, Clause, Policy, Selector, Waiver
from policyengine.services.actors import Principal
from policyengine.services.errors import InvalidRequestError
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import MAX_PAGE, Clock, PageRequest, Store
from policyengine.services.records import Device, Page
from policyengine.services.scope import missing, visible_view

MAX_COVERED = MAX_PAGE  # devices that one waiver's answer names, as many as a page has


class WaiverState(Enum):
    """Whether a waiver runs: one beyond what its policy allows covers nothing until it is near enough to its end."""

    IN_FORCE = "in-force"
    EXPIRED = "expired"
    TOO_LONG = "too-long"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverFilter:
    """Which waivers a list shows; None means any. `owner` is that of the policy, `device` one it would cover."""

    device: DeviceId | None = None
    rule: str | None = None
    state: WaiverState | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverStanding:
    """A waiver, the owner of its policy, and how it stood at the moment asked for.

    For a viewer of some models `where` names no device, serial number or model beyond theirs.
    """

    waiver: Waiver
    where: Selector
    owner: str
    state: WaiverState


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """A device, the rules that are waived on it, and since when the first of them is."""

    device_id: DeviceId
    rules: tuple[str, ...]
    since: datetime


class Waivers:
    """Reads for everyone; a vendor's people see those that may cover devices of their models."""

    def __init__(self, store: Store, clock: Clock, shelf: PolicyShelf) -> None:
        self._store = store
        self._clock = clock
        self._shelf = shelf

    def list(
        self, viewer: Principal, where: WaiverFilter, page: PageRequest, *, as_of: datetime | None = None
    ) -> Page[WaiverStanding]:
        """Return the waivers of the bundle in force, or in force at `as_of`, by name.

        Raises MissingError for a device that there is not, InvalidRequestError for a cursor that is none.
        """
        keys = None if where.device is None else self._keys(viewer, where.device, as_of)
        after = "" if page.cursor is None else _name_in(page.cursor)
        bundle = self._in_force(as_of)
        found = [
            standing
            for standing in self._visible(viewer, bundle, as_of)
            if standing.waiver.name > after and bundle is not None and _wanted(standing, where, bundle, keys)
        ]
        items = tuple(found[: page.limit])
        more = len(found) > page.limit
        return Page(items=items, next=base64url(items[-1].waiver.name.encode()) if more and items else None)

    def show(
        self, viewer: Principal, name: str, *, as_of: datetime | None = None
    ) -> tuple[WaiverStanding, tuple[Covered, ...]]:
        """Return one waiver and the devices it covers by id, at most MAX_COVERED. Raises MissingError."""
        bundle = self._in_force(as_of)
        for standing in self._visible(viewer, bundle, as_of):
            if standing.waiver.name == name and bundle is not None:
                return standing, self._covered(viewer, bundle, standing.waiver, as_of)
        raise missing(f"no waiver in force is called {quoted(name)}: /v1/waivers lists them", "waiver.missing")

    def _in_force(self, as_of: datetime | None) -> Bundle | None:
        activation = self._store.activation() if as_of is None else self._store.activation_at(as_of)
        return None if activation is None else self._shelf.by_digest(activation.digest).bundle

    def _visible(self, viewer: Principal, bundle: Bundle | None, as_of: datetime | None) -> Iterator[WaiverStanding]:
        if bundle is None:
            return
        now = as_of or self._clock.now()
        for waiver in sorted(bundle.waivers, key=lambda each: each.name):
            policy = bundle.policies[waiver.policy]
            where = self._shown(viewer, policy, waiver)
            if where is not None:
                state = _state(waiver, policy, now)
                yield WaiverStanding(waiver=waiver, where=where, owner=policy.owner, state=state)

    def _shown(self, viewer: Principal, policy: Policy, waiver: Waiver) -> Selector | None:
        """Return what `viewer` may see of where a waiver applies; None: it cannot cover a device of theirs."""
        if viewer.models is None:
            return waiver.where
        models = [{"model": model} for model in viewer.models]
        if not any(selects(waiver.where, keys) is not False and applies(policy, keys) is not False for keys in models):
            return None
        clauses = tuple(self._narrowed(viewer, clause) for clause in waiver.where.clauses)
        hidden = any(clause.key == "device" and not clause.negated and not clause.values for clause in clauses)
        return None if hidden else Selector(clauses=clauses)

    def _narrowed(self, viewer: Principal, clause: Clause) -> Clause:
        values = clause.values
        if clause.key == "model":
            values = tuple(value for value in values if value in (viewer.models or ()))
        elif clause.key == "device":
            values = tuple(value for value in values if self._is_theirs(viewer, value))
        elif clause.key == "serial":
            values = ()  # of which vendor's device each is, a serial number does not say
        return replace(clause, values=values)

    def _is_theirs(self, viewer: Principal, name: str) -> bool:
        view = self._store.view(DeviceId(name))
        return view is not None and view.device.model in (viewer.models or ())

    def _keys(self, viewer: Principal, device_id: DeviceId, as_of: datetime | None) -> Mapping[str, str | None]:
        device = visible_view(self._store, viewer, device_id).device
        if as_of is not None:
            then = self._store.device_at(device_id, as_of)
            if then is None:
                raise missing("no device had that id then", "device.missing")
            device = then[0]
        return _keys_of(device)

    def _covered(
        self, viewer: Principal, bundle: Bundle, waiver: Waiver, as_of: datetime | None
    ) -> tuple[Covered, ...]:
        """Return the devices on which findings are waived and this waiver is the one that covers them."""
        now, terms = as_of or self._clock.now(), bundle.policies[waiver.policy].waivers
        waived = self._store.waived(sorted(waiver.rules), at=as_of, models=viewer.models, limit=MAX_COVERED)
        said: dict[DeviceId, dict[str, datetime]] = defaultdict(dict)
        for verdict in waived:
            keys = self._keys(viewer, verdict.device_id, as_of)
            competing = (each for each in bundle.waivers if verdict.rule in each.rules)
            if terms is not None and covering(competing, terms, Outcome.FAIL, keys, now) == waiver:
                said[verdict.device_id][verdict.rule] = verdict.valid_from
        return tuple(
            Covered(device_id=device_id, rules=tuple(sorted(rules)), since=min(rules.values()))
            for device_id, rules in said.items()
        )


def _state(waiver: Waiver, policy: Policy, now: datetime) -> WaiverState:
    if now >= waiver.expires:
        return WaiverState.EXPIRED
    terms = policy.waivers
    return WaiverState.IN_FORCE if terms is not None and in_force(waiver, terms, now) else WaiverState.TOO_LONG


def _wanted(
    standing: WaiverStanding, where: WaiverFilter, bundle: Bundle, keys: Mapping[str, str | None] | None
) -> bool:
    waiver = standing.waiver
    return (
        (where.rule is None or where.rule in waiver.rules)
        and (where.state is None or where.state is standing.state)
        and (where.owner is None or where.owner == standing.owner)
        and (keys is None or (selects(waiver.where, keys) is True and _may_apply(bundle.policies[waiver.policy], keys)))
    )


def _may_apply(policy: Policy, keys: Mapping[str, str | None]) -> bool:
    return applies(policy, keys) is not False


def _keys_of(device: Device) -> Mapping[str, str | None]:
    """Return the keys that selectors read of a device, from the registry."""
    keys = {
        "device": str(device.id),
        "vendor": device.vendor,
        "model": device.model,
        "class": device.device_class,
        "hw_version": device.hw_version,
        "serial": device.serial,
        "site": device.site,
        "zone": device.zone,
        "criticality": device.criticality,
        "lifecycle": device.lifecycle.value,
    }
    return keys | {f"labels.{name}": value for name, value in device.labels.items()}


def _name_in(cursor: str) -> str:
    content = from_base64url(cursor)
    if content is None or not content.isascii():
        raise InvalidRequestError("cursor is not one this service gave", code="request.cursor", field="cursor")
    return content.decode("ascii")
