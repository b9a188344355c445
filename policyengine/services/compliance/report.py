"""Compliance: how many devices stand how towards each control, on what authority, at a moment and over a period."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from policyengine.errors import quoted
from policyengine.model.facts import Source
from policyengine.model.ids import Digest
from policyengine.model.policy import Bundle, Control
from policyengine.services.actors import Principal
from policyengine.services.compliance.stance import EVERY_DEVICE, framework_of
from policyengine.services.errors import InvalidRequestError, MissingError
from policyengine.services.fleet_scope import FleetScope, narrowed
from policyengine.services.moments import micros
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, PageRequest, Store
from policyengine.services.records import ControlCount, DeviceStance, Page

RESULTS = ("pass", "fail", "unknown", "waived")
_DECIDED = ("pass", "fail", "waived")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A half-open stretch of time."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much of all devices' time in a period each result took, 0 to 1; what is missing to 1 was uncovered."""

    passing: float
    failing: float
    unknown: float
    waived: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlStanding:
    """One control: devices by result, each counted once under the worst its rules say.

    `uncovered` devices have no rule for it; `coverage` is the part of all devices for which its rules came to a
    decision (pass, fail or waived; None: there are no devices). `sources` counts devices by the weakest source that
    those rules used, `weakest_source` is the weakest of them all. `title` is None where no catalog names the control.
    """

    id: str
    title: str | None
    catalog: str | None
    edition: str | None
    rules: tuple[str, ...]
    results: Mapping[str, int]
    uncovered: int
    coverage: float | None
    weakest_source: str | None
    sources: Mapping[str, int]
    shares: Shares | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceReport:
    """The answer for `at`; `bundle` was in force then (None: none was)."""

    at: datetime
    bundle: Digest | None
    framework: str | None
    scope: FleetScope
    period: Period | None
    devices: int
    controls: tuple[ControlStanding, ...]


_Counts = Mapping[str, Sequence[ControlCount]]


class Compliance:
    """Reads for auditors and vendors; a viewer of some models is answered about those alone."""

    def __init__(self, store: Store, clock: Clock, shelf: PolicyShelf) -> None:
        self._store = store
        self._clock = clock
        self._shelf = shelf

    def report(
        self,
        viewer: Principal,
        scope: FleetScope,
        *,
        framework: str | None = None,
        as_of: datetime | None = None,
        period: Period | None = None,
    ) -> ComplianceReport:
        """Return how the devices of `scope` stood at `as_of` (None: the end of `period`, or now).

        Raises InvalidRequestError for a framework that nobody has heard of, or a period that is none.
        """
        now = self._clock.now()
        period = None if period is None else _until(period, now)
        past = as_of or (None if period is None else period.end)
        past = None if past is None or past >= now else past
        seen = narrowed(scope, viewer)
        counts = _by_control(self._store.control_counts(seen, framework=framework, at=past))
        digest, bundle = self._in_force(past or now)
        controls = _controls(bundle, counts, framework)
        times = {} if period is None else self._times(seen, framework, period)
        return ComplianceReport(
            at=past or now,
            bundle=digest,
            framework=framework,
            scope=scope,
            period=period,
            devices=sum(count.devices for count in counts.get(EVERY_DEVICE, ())),
            controls=tuple(_standing(control, known, counts, times) for control, known in controls.items()),
        )

    def devices(
        self,
        viewer: Principal,
        scope: FleetScope,
        *,
        control: str,
        result: str | None,
        as_of: datetime | None,
        page: PageRequest,
    ) -> Page[DeviceStance]:
        """Return the devices behind a number of the report, by id.

        Raises InvalidRequestError (result), MissingError for a control that no catalog, rule or decision then named.
        """
        if (result is not None and result not in RESULTS) or "\x00" in control:
            raise InvalidRequestError(f"`result` is one of {', '.join(RESULTS)}", code="request.result", path="result")
        found = narrowed(scope, viewer)
        devices = self._store.control_devices(found, control=control, result=result, at=as_of, page=page)
        if not devices.items:
            self._demand_known(found, control, as_of)
        return devices

    def _demand_known(self, scope: FleetScope, control: str, at: datetime | None) -> None:
        """Tell a control without such devices from one that does not exist."""
        counts = _by_control(self._store.control_counts(scope, framework=None, at=at))
        _, bundle = self._in_force(at or self._clock.now())
        if control not in _controls(bundle, counts, None):
            raise MissingError(
                f"no control is called {quoted(control)}: /v1/controls lists them", code="control.missing"
            )

    def _in_force(self, at: datetime) -> tuple[Digest | None, Bundle | None]:
        activation = self._store.activation_at(at)
        if activation is None:
            return None, None
        try:
            return activation.digest, self._shelf.by_digest(activation.digest).bundle
        except MissingError:
            return activation.digest, None

    def _times(self, scope: FleetScope, framework: str | None, period: Period) -> Mapping[str, Counter[str]]:
        """Return device-microseconds by control and result."""
        spent: dict[str, Counter[str]] = defaultdict(Counter)
        for sign, moment in ((1, period.end), (-1, period.start)):
            for count in self._store.control_counts(scope, framework=framework, at=moment):
                spent[count.control][count.result] += sign * count.device_time
        return spent


def _until(period: Period, now: datetime) -> Period:
    """Return the part of `period` that is over; raises InvalidRequestError where nothing of it is."""
    end = min(period.end, now)
    if micros(period.start) >= micros(end):
        raise InvalidRequestError("`from` is before `to`, and before now", code="request.period", path="from")
    return Period(start=period.start, end=end)


def _by_control(counts: Iterable[ControlCount]) -> _Counts:
    found: dict[str, list[ControlCount]] = defaultdict(list)
    for count in counts:
        if count.devices > 0:
            found[count.control].append(count)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    control: Control | None
    rules: tuple[str, ...]


def _controls(bundle: Bundle | None, counts: _Counts, framework: str | None) -> Mapping[str, _Known]:
    """Return what is known of each control that a catalog then named or a decision then spoke to, by id."""
    catalog = {} if bundle is None else {control.id: control for control in bundle.controls.values()}
    rules: dict[str, list[str]] = defaultdict(list)
    for policy in () if bundle is None else bundle.policies.values():
        for control in policy.controls:
            rules[control].extend(rule.name for rule in policy.rules)
    everything = {*catalog, *counts, *rules} - {EVERY_DEVICE}
    frameworks = sorted({framework_of(control) for control in everything})
    chosen = sorted(each for each in everything if framework is None or framework_of(each) == framework)
    if framework is not None and not chosen:
        raise InvalidRequestError(
            f"no control of framework `{framework}`; there are {', '.join(frameworks) or 'none at all'}",
            code="request.framework",
            path="framework",
        )
    return {each: _Known(catalog.get(each), tuple(sorted(rules[each]))) for each in chosen}


def _standing(control: str, known: _Known, counts: _Counts, times: Mapping[str, Counter[str]]) -> ControlStanding:
    devices = sum(count.devices for count in counts.get(EVERY_DEVICE, ()))
    results = Counter(dict.fromkeys(RESULTS, 0))
    sources: Counter[str] = Counter()
    for count in counts.get(control, ()):
        results[count.result] += count.devices
        if count.source:
            sources[count.source] += count.devices
    strength = {source.name.lower(): source for source in Source}
    return ControlStanding(
        id=control,
        title=None if known.control is None else known.control.title,
        catalog=None if known.control is None else known.control.source,
        edition=None if known.control is None else known.control.edition,
        rules=known.rules,
        results=dict(results),
        uncovered=devices - results.total(),
        coverage=round(sum(results[result] for result in _DECIDED) / devices, 6) if devices else None,
        weakest_source=min(sources, key=strength.__getitem__, default=None),
        sources=dict(sorted(sources.items(), key=lambda item: strength[item[0]])),
        shares=_shares(times.get(control, Counter()), times.get(EVERY_DEVICE, Counter()).total()),
    )


def _shares(spent: Counter[str], whole: int) -> Shares | None:
    if whole <= 0:
        return None
    passing, failing, unknown, waived = (round(spent[result] / whole, 6) for result in RESULTS)
    return Shares(passing=passing, failing=failing, unknown=unknown, waived=waived)
