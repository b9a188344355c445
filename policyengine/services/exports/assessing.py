"""From decisions and verdict intervals to an assessment: pure, and the same when it is made and when it is verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policyengine.decision.facts_json import SOURCE_NAMES
from policyengine.model.facts import Source
from policyengine.model.ids import Digest, PolicyName
from policyengine.model.policy import Bundle, Control, Waiver
from policyengine.reports.assessment import Assessment, BundleRow, ControlRow, FailingRow, WaiverRow
from policyengine.services.exports.period import ExportRequest
from policyengine.services.records import Activation, BundleRecord

MAX_FAILING = 500  # rows of the page's list; csv/findings.csv has all
_WORST = {"fail": 3, "unknown": 2, "waived": 1, "pass": 0}
_SOURCES = {name: Source(number) for number, name in enumerate(SOURCE_NAMES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSummary:
    """What the decision in force says of a device: worst result and weakest source a control, waivers, failures."""

    device: str
    controls: Mapping[str, tuple[str, Source | None]]
    waivers: frozenset[str]
    failing: tuple[FailingRow, ...]


def in_framework(control: str, framework: str | None) -> bool:
    """Return whether a control's id, as `etsi:5.7-1`, is of `framework`; None: of any."""
    return framework is None or control.partition(":")[0] == framework


def summary_of(document: Mapping[str, Any], framework: str | None) -> DeviceSummary:
    """Return the summary of a Decision document."""
    controls: dict[str, tuple[str, Source | None]] = {}
    waivers, failing = set[str](), list[FailingRow]()
    for finding in document["findings"]:
        if finding["result"] not in _WORST:
            continue
        spoken_to = tuple(control for control in finding["controls"] if in_framework(control, framework))
        weakest = min((_SOURCES[fact["source"]] for fact in finding["facts"].values()), default=None)
        for control in spoken_to:
            controls[control] = _worse(controls.get(control), (finding["result"], weakest))
        if finding["waiver"] is not None:
            waivers.add(finding["waiver"])
        if finding["result"] in {"fail", "unknown"} and (spoken_to or framework is None):
            failing.append(_failing(document["device_id"], finding, spoken_to))
    return DeviceSummary(
        device=document["device_id"], controls=controls, waivers=frozenset(waivers), failing=tuple(failing)
    )


def _worse(before: tuple[str, Source | None] | None, now: tuple[str, Source | None]) -> tuple[str, Source | None]:
    if before is None:
        return now
    sources = [source for source in (before[1], now[1]) if source is not None]
    return max(before[0], now[0], key=_WORST.__getitem__), min(sources, default=None)


def _failing(device: str, finding: Mapping[str, Any], controls: tuple[str, ...]) -> FailingRow:
    return FailingRow(
        device=device,
        rule=finding["rule"],
        result=finding["result"],
        since=finding["failing_since"] or finding["unknown_since"],
        message=finding["message"] if finding["result"] == "fail" else finding["reason"],
        controls=controls,
    )


class Catalogue:
    """The bundles of a period, as an assessment needs them: controls, rules and waivers."""

    def __init__(self) -> None:
        self._bundles: dict[Digest, tuple[BundleRecord, Bundle]] = {}
        self._controls: dict[tuple[str, Digest], tuple[str, ...]] = {}

    def __contains__(self, digest: Digest) -> bool:
        """Return whether the bundle is known."""
        return digest in self._bundles

    def add(self, record: BundleRecord, bundle: Bundle) -> None:
        """Learn of a bundle."""
        self._bundles[record.digest] = (record, bundle)

    @property
    def records(self) -> tuple[BundleRecord, ...]:
        """All bundles, in the order of their publication."""
        records = (record for record, _ in self._bundles.values())
        return tuple(sorted(records, key=lambda record: (record.published_at, record.digest)))

    def controls(self, framework: str | None) -> Mapping[str, Control]:
        """Return the controls of `framework` in any of the bundles, by id; the latest bundle's words hold."""
        found: dict[str, Control] = {}
        for bundle in self._in_order():
            found |= {name: each for name, each in bundle.controls.items() if in_framework(name, framework)}
        return found

    def rules_of(self, control: str) -> tuple[str, ...]:
        """Return the rules that speak to a control under any of the bundles."""
        policies = [policy for bundle in self._in_order() for policy in bundle.policies.values()]
        return tuple(sorted({rule.name for each in policies if control in each.controls for rule in each.rules}))

    def controls_of(self, rule: str, digest: Digest) -> tuple[str, ...]:
        """Return the controls that a rule speaks to under a bundle; none under one that is not known."""
        key = (rule.partition("#")[0], digest)
        if key not in self._controls:
            policies = self._bundles[digest][1].policies if digest in self._bundles else {}
            policy = policies.get(PolicyName(key[0]))
            self._controls[key] = () if policy is None else policy.controls
        return self._controls[key]

    def waivers(self) -> tuple[tuple[Waiver, tuple[Digest, ...]], ...]:
        """Return every waiver and the bundles that have it, by name; the latest bundle's words hold."""
        found: dict[str, tuple[Waiver, tuple[Digest, ...]]] = {}
        for record in self.records:
            for waiver in self._bundles[record.digest][1].waivers:
                _, before = found.get(waiver.name, (waiver, ()))
                found[waiver.name] = (waiver, (*before, record.digest))
        return tuple(found[name] for name in sorted(found))

    def _in_order(self) -> list[Bundle]:
        return [self._bundles[record.digest][1] for record in self.records]


class Assessor:
    """Counts devices one after the other; holds numbers, never devices."""

    def __init__(self, request: ExportRequest, catalogue: Catalogue) -> None:
        self._request, self._catalogue = request, catalogue
        self._results: dict[str, Counter[str]] = {}
        self._weakest: dict[str, Source] = {}
        self._failed: Counter[str] = Counter()
        self._waived: Counter[str] = Counter()
        self._failing: list[FailingRow] = []
        self._failing_count = self._devices = self._decided = 0

    def device(self, summary: DeviceSummary | None, failed: Iterable[tuple[str, Digest]]) -> None:
        """Count a device: what its last decision says, and which rules, under which bundles, failed in the period."""
        self._devices += 1
        self._failed.update({name for rule, bundle in failed for name in self._catalogue.controls_of(rule, bundle)})
        if summary is None:
            return
        self._decided += 1
        self._waived.update(summary.waivers)
        self._failing_count += len(summary.failing)
        self._failing.extend(summary.failing[: MAX_FAILING - len(self._failing)])
        for control, (result, source) in summary.controls.items():
            self._results.setdefault(control, Counter())[result] += 1
            if source is not None:
                self._weakest[control] = min(source, self._weakest.get(control, source))

    def assessment(
        self, *, origin: str, log_size: int, decisions: int, in_force: Sequence[tuple[Activation, BundleRecord]]
    ) -> Assessment:
        """Return what was counted."""
        controls = self._catalogue.controls(self._request.framework)
        names = sorted(controls.keys() | self._results.keys())
        return Assessment(
            origin=origin,
            framework=self._request.framework,
            start=self._request.start,
            end=self._request.end,
            scope=str(self._request.scope),
            devices=self._devices,
            undecided=self._devices - self._decided,
            decisions=decisions,
            log_size=log_size,
            controls=tuple(self._control(name, controls.get(name)) for name in names),
            waivers=tuple(self._waiver(waiver) for waiver, _ in self._catalogue.waivers() if self._ran(waiver)),
            bundles=tuple(_in_force(activation, record) for activation, record in in_force),
            failing=tuple(self._failing),
            failing_count=self._failing_count,
        )

    def _control(self, name: str, control: Control | None) -> ControlRow:
        counts, weakest = self._results.get(name, Counter()), self._weakest.get(name)
        return ControlRow(
            id=name,
            title="" if control is None else control.title,
            source="" if control is None else control.source,
            edition="" if control is None else control.edition,
            rules=self._catalogue.rules_of(name),
            passed=counts["pass"],
            failed=counts["fail"],
            unknown=counts["unknown"],
            waived=counts["waived"],
            failed_in_period=self._failed[name],
            weakest=None if weakest is None else SOURCE_NAMES[weakest],
        )

    def _ran(self, waiver: Waiver) -> bool:
        return waiver.expires > self._request.start

    def _waiver(self, waiver: Waiver) -> WaiverRow:
        return WaiverRow(
            name=waiver.name,
            policy=waiver.policy,
            rules=tuple(sorted(waiver.rules)),
            approvals=waiver.approvals,
            reason=waiver.reason,
            ticket=waiver.ticket,
            compensating_control=waiver.compensating_control,
            expires=waiver.expires,
            devices=self._waived[waiver.name],
        )


def _in_force(activation: Activation, record: BundleRecord) -> BundleRow:
    return BundleRow(
        digest=activation.digest, commit=record.commit, since=activation.activated_at, actor=activation.actor
    )
