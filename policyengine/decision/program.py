"""The decision itself: `compile_program` once per bundle, `Program.decide` once per check-in; both pure.

Findings are in the order of rule, then binding. A rule that is decidedly not selected, or belongs to the other phase,
has no finding in a Decision; `Program.skipped` gives them to people who ask why a rule is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import cast

from policyengine.decision.answered import Answers, Memory
from policyengine.decision.binding import BoundRule, Functions, Unit, unit_of
from policyengine.decision.due import Common, Due, DueBlock, due_block, due_of
from policyengine.decision.facts_parts import Parts, split
from policyengine.decision.findings import Case, SeenFacts, Sights, conclude, explained
from policyengine.decision.generated import Evaluate, Flips
from policyengine.decision.origins import Origins, origins_of
from policyengine.decision.prior import prior_digest
from policyengine.decision.selection import Answer, applies, conjunction, identity, keys_read, selects
from policyengine.decision.settled import ordered, settle, settled
from policyengine.decision.space import Space
from policyengine.decision.views import Needs, Views
from policyengine.model.decision import Decision, Finding, FindingTerms, Prior, Result, Tier
from policyengine.model.facts import Facts
from policyengine.model.ids import Digest
from policyengine.model.policy import Action, Bundle, Enforcement, Mode, Phase, Policy, Rule
from policyengine.model.version import Key, VersionError, key_function

DEFAULT_CHECKIN = 3600  # seconds: a device that nothing else calls earlier is heard every hour
SHORTEST_CHECKIN = 60  # seconds: no deadline makes a fleet call more often
NOW_RECHECK = timedelta(hours=1)  # for rules whose use of `now` has no foreseeable moment of change
KEPT_SELECTIONS = 1024  # distinct combinations of selector keys; devices of one model and site share one

_MICROSECOND = timedelta(microseconds=1)
_Keys = tuple[str | None, ...]
_Applying = tuple[tuple[Unit, bool], ...]


def compile_program(bundle: Bundle, digest: Digest) -> Program:
    """Return the program that decides by `bundle`, whose digest is `digest`; raises UntranslatableError."""
    space, needs, units = Space(), Needs(), list[Unit]()
    for policy in sorted(bundle.policies.values(), key=lambda found: found.name):
        waivers = tuple(waiver for waiver in bundle.waivers if waiver.policy == policy.name)
        bindings = sorted(
            (found for found in bundle.bindings if found.policy == policy.name), key=lambda found: found.name
        )
        units += [unit_of(space, policy, binding, waivers, needs) for binding in (None, *bindings)]
    loaded = space.load()
    functions = {
        block.evaluate: Functions(
            evaluate=cast(Evaluate, loaded[block.evaluate]),
            flips=None if block.flips is None else cast(Flips, loaded[block.flips]),
        )
        for unit in units
        for block in unit.blocks
    }
    return Program(bundle, digest, tuple(units), functions, needs.lifetimes())


class Program:
    """A compiled bundle; decides devices, remembers nothing of them but what all of their kind answer."""

    def __init__(
        self,
        bundle: Bundle,
        digest: Digest,
        units: tuple[Unit, ...],
        functions: Mapping[str, Functions],
        lifetimes: tuple[timedelta, ...],
    ) -> None:
        self.bundle, self.digest, self.units = bundle, digest, units
        self._functions = functions
        self._lifetimes, self._memory = lifetimes, Memory()
        self._key_names = keys_read(bundle.policies.values(), bundle.bindings)
        self._version_keys = _version_keys(bundle)
        self._applying = lru_cache(maxsize=KEPT_SELECTIONS)(self._selected)
        self._due = {phase: lru_cache(maxsize=KEPT_SELECTIONS)(partial(self._due_in, phase)) for phase in Phase}

    def decide(self, facts: Facts, *, prior: Prior | None, now: datetime, phase: Phase) -> Decision:
        """Return the decision on a device with `facts` at `now` (aware UTC); `prior` is what the last one left."""
        return self.decide_parted(facts, split(facts), prior=prior, now=now, phase=phase)

    def decide_parted(
        self, facts: Facts, parts: Parts, *, prior: Prior | None, now: datetime, phase: Phase
    ) -> Decision:
        """Return the same for a caller that stores `facts` and so has their `parts` already."""
        case = self._case(facts, parts.origins, prior, now)
        due = self._due[phase](tuple(map(case.keys.get, self._key_names)))
        asked = (due.common, parts.shared_digest, case.views.standing(self._lifetimes))
        answers = self._memory.of(asked, lambda: _common_answers(case, due.common))
        _tell(case, due.common, due.common, due.common.rules, answers)
        for block in due.blocks:
            _judge(case, block)
        _note_deadlines(case, due)
        return self._decision(case, due, parts.digest, phase)

    def skipped(self, facts: Facts, *, now: datetime, phase: Phase) -> tuple[Finding, ...]:
        """Return a SKIP finding for each rule that does not apply, sorted by rule.

        Its reason is `selector.no-match` or `phase.other`. Skips are no part of a Decision: they would repeat in every
        stored document what the bundle and the device already say.
        """
        case = self._case(facts, origins_of(facts.provenance), None, now)
        selected = {unit.policy.name for unit, _ in self._applying(tuple(map(case.keys.get, self._key_names)))}
        return tuple(
            _skip(policy, rule, "phase.other" if name in selected else "selector.no-match")
            for name, policy in sorted(self.bundle.policies.items())
            for rule in policy.rules
            if name not in selected or phase not in rule.phases
        )

    def _case(self, facts: Facts, origins: Origins, prior: Prior | None, now: datetime) -> Case:
        views = Views(facts, origins, now)
        keys: Mapping[str, str | None] = identity(facts, views)
        version_key = self._version_keys.get(keys.get("model") or "", _no_scheme)
        return Case(views=views, seen=SeenFacts(views), keys=keys, prior=prior, now=now, version_key=version_key)

    def _selected(self, values: _Keys) -> _Applying:
        """Return the units that apply to a device with these selector keys; False: cannot be decided."""
        keys = dict(zip(self._key_names, values, strict=True))
        chosen: list[tuple[Unit, bool]] = []
        for name, policy in sorted(self.bundle.policies.items()):
            base = applies(policy, keys)
            if base is False:
                continue
            units = [unit for unit in self.units if unit.policy.name == name]
            matched = [(unit, _where(unit, base, keys)) for unit in units if unit.binding is not None]
            kept = [(unit, answer is True) for unit, answer in matched if answer is not False]
            chosen += kept or [(unit, base is True) for unit in units if unit.binding is None]
        return tuple(chosen)

    def _due_in(self, phase: Phase, values: _Keys) -> Due:
        """Return what a device with these selector keys is judged by in `phase`."""
        return due_of(
            tuple(
                due_block(block, self._functions[block.evaluate], certain=certain)
                for unit, certain in self._applying(values)
                for block in unit.blocks
                if phase in block.phases
            )
        )

    def _decision(self, case: Case, due: Due, name: Digest, phase: Phase) -> Decision:
        valid_until = min(case.deadlines, default=None)
        admitted = phase is Phase.OPERATE or any(map(self._admits, case.told))
        decided = Tier(case.strictest) if admitted else Tier.DENY
        observes = self.bundle.fleet.enforcement is Enforcement.OBSERVE
        return Decision(
            device_id=case.views.facts.device_id,
            decided_at=case.now,
            phase=phase,
            bundle=self.digest,
            facts=name,
            prior=None if case.prior is None else prior_digest(case.prior),
            decided_tier=decided,
            tier=Tier.FULL if observes and admitted else decided,
            previous_tier=None if case.prior is None else case.prior.tier,
            valid_until=valid_until,
            findings=due.ordered(case.told) if case.prior is None else ordered(case.prior, case.told, due.ordered),
            sights=Sights(due.rules, case.seen),
            reason=None if admitted else "decision.no-policy",
            next_checkin_after=_next_checkin(valid_until, case.now),
        )

    def _admits(self, finding: Finding) -> bool:
        """Return whether `finding` admits a new device: an empty policy admits nobody."""
        observes = self.bundle.fleet.enforcement is Enforcement.OBSERVE
        return finding.result is Result.PASS and (observes or finding.mode is Mode.ENFORCE)


def _where(unit: Unit, base: Answer, keys: Mapping[str, str | None]) -> Answer:
    return base if unit.binding is None else conjunction(base, selects(unit.binding.where, keys))


def _common_answers(case: Case, common: Common) -> Answers:
    return tuple([answer for due in common.blocks for answer in _answers(case, due)])


def _judge(case: Case, due: DueBlock) -> None:
    block = due.block
    if not due.certain:
        for bound in block.rules:
            conclude(case, bound, "selector.unknown")
        return
    _tell(case, due, due.functions.evaluate, block.rules, _answers(case, due))
    if due.functions.flips is not None:
        view = case.views.of(block.need)
        for moment in due.functions.flips(view.values, view.complete, case.now, case.version_key):
            case.until(moment if moment > case.now else moment + _MICROSECOND)  # `<=` flips just after


def _answers(case: Case, due: DueBlock) -> Answers:
    view = case.views.of(due.block.need)
    answers = due.functions.evaluate(view.values, view.complete, case.now, case.version_key)
    if not view.refused or "fact.absent" not in answers:
        return answers
    return tuple([explained(case, *pair, view) for pair in zip(due.block.rules, answers, strict=True)])


def _tell(case: Case, due: DueBlock | Common, who: Hashable, rules: tuple[BoundRule, ...], answers: Answers) -> None:
    """Add the findings that `answers` by `rules` come to; `who` answers is what a carried state remembers them by."""
    if answers == due.passing:
        case.told += due.passed
        return
    known = None if case.prior is None else settled(case.prior, who, answers, case.now)
    if known is not None:
        case.told += known.findings
        case.strictest = max(case.strictest, known.strictest)
        return
    start = len(case.told)
    for bound, answer in zip(rules, answers, strict=True):
        if answer is True:
            case.told.append(bound.passed)
        else:
            conclude(case, bound, answer)
    if case.prior is not None:
        settle(case.prior, who, answers, rules, case.told[start:])


def _note_deadlines(case: Case, due: Due) -> None:
    if due.unforeseeable:
        case.until(case.now + NOW_RECHECK)
    for lifetime in due.lifetimes:
        for observed in case.views.observed(lifetime.paths):
            case.until(observed)  # from the future: it counts once its time has come
            case.until(observed + lifetime.fresh)


def _next_checkin(valid_until: datetime | None, now: datetime) -> int:
    if valid_until is None:
        return DEFAULT_CHECKIN
    left = (valid_until - now) // timedelta(seconds=1)
    return max(SHORTEST_CHECKIN, min(DEFAULT_CHECKIN, left))


def _no_scheme(_text: str) -> Key:
    raise VersionError("the device's model is not known, so its versions have no scheme")


def _version_keys(bundle: Bundle) -> dict[str, Callable[[str], Key]]:
    """Return each model's version key function; models of one scheme share one and its cache."""
    made: dict[tuple[str, tuple[str, ...]], Callable[[str], Key]] = {}
    for model in bundle.fleet.models.values():
        scheme = (model.version_scheme, model.versions)
        if scheme not in made:
            made[scheme] = key_function(*scheme)
    return {name: made[model.version_scheme, model.versions] for name, model in bundle.fleet.models.items()}


def _skip(policy: Policy, rule: Rule, reason: str) -> Finding:
    terms = FindingTerms(
        rule=rule.name,
        policy_version=policy.version,
        binding=None,
        mode=Mode.AUDIT,
        action=Action.NOTIFY,
        severity=policy.severity,
        remediation=rule.remediation,
        controls=policy.controls,
        place=rule.place,
    )
    return Finding(terms=terms, result=Result.SKIP, reason=reason)
