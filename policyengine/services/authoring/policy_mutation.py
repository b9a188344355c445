"""Would the policy tests notice a mistake? Each policy is changed a little, many times, and its tests are run again.

A mutant is killed when any expectation of any test of its policy no longer holds. One that does not run at all (a
pattern that is none, say) is not counted. The order is fixed, and work is bounded by MAX_MUTANTS a policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from policyengine.analysis.policy_mutants import Mutant, Site, mutants_of_policy
from policyengine.errors import PolicyEngineError
from policyengine.language.source_places import SourcePlaces
from policyengine.model.ids import Digest, PolicyName
from policyengine.model.policy import Bundle, Place, Policy
from policyengine.model.policy_test import PolicyTest
from policyengine.services.authoring.policy_bench import Bench
from policyengine.services.authoring.policy_tests import cases_of

MAX_MUTANTS = 500  # a policy of ten rules has about a hundred and fifty; beyond it they are thinned out evenly


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A change that no test noticed, where it is, and which device would show it."""

    rule: str | None
    place: Place
    original: str
    mutated: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMutation:
    """What became of one policy's mutants. `left_out` were not tried, beyond the limit."""

    policy: PolicyName
    mutants: int
    survivors: tuple[Survivor, ...]
    left_out: int

    @property
    def killed(self) -> int:
        """The number of mutants that a test noticed."""
        return self.mutants - len(self.survivors)


def score(mutations: Iterable[PolicyMutation]) -> float:
    """Return how many of all mutants were killed, in percent, rounded down to a tenth; 100 where there are none."""
    listed = tuple(mutations)
    mutants = sum(one.mutants for one in listed)
    return 100.0 if not mutants else sum(one.killed for one in listed) * 1000 // mutants / 10


def mutations_of(
    bundle: Bundle, digest: Digest, tests: Iterable[PolicyTest], places: SourcePlaces
) -> Iterator[PolicyMutation]:
    """Yield what became of the mutants of each policy, by name, as soon as it is known.

    Every expectation must hold before (`run_policy_tests`). All mutants of a policy without a test survive.
    """
    listed = tuple(tests)
    for name, policy in sorted(bundle.policies.items()):
        own = [test for test in listed if test.policy == name]
        yield _mutation(bundle, digest, policy, own, places)


def _mutation(
    bundle: Bundle, digest: Digest, policy: Policy, tests: Sequence[PolicyTest], places: SourcePlaces
) -> PolicyMutation:
    found = mutants_of_policy(policy, [binding for binding in bundle.bindings if binding.policy == policy.name])
    tried = _thinned(found)
    alive = [_is_killed(bundle, digest, mutant, tests) for mutant in tried]
    survivors = [mutant for mutant, killed in zip(tried, alive, strict=True) if killed is False]
    return PolicyMutation(
        policy=policy.name,
        mutants=sum(killed is not None for killed in alive),
        survivors=tuple(_survivor(mutant, places) for mutant in survivors),
        left_out=len(found) - len(tried),
    )


def _thinned(mutants: Sequence[Mutant]) -> Sequence[Mutant]:
    """Return at most MAX_MUTANTS of `mutants`, evenly spread."""
    count = len(mutants)
    return mutants if count <= MAX_MUTANTS else [mutants[at * count // MAX_MUTANTS] for at in range(MAX_MUTANTS)]


def _is_killed(bundle: Bundle, digest: Digest, mutant: Mutant, tests: Iterable[PolicyTest]) -> bool | None:
    """Return whether a test notices `mutant`; None for one that does not run."""
    others = tuple(binding for binding in bundle.bindings if binding.policy != mutant.policy.name)
    changed = replace(bundle, bindings=(*others, *mutant.bindings))
    try:
        return any(_notices(Bench(changed, digest, mutant.policy, test), test) for test in tests)
    except PolicyEngineError:
        return None


def _notices(bench: Bench, test: PolicyTest) -> bool:
    for expectation in test.expectations:
        judged = {expectation.fixture: bench.judge(test.fixtures[expectation.fixture])}
        alone = replace(test, expectations=(expectation,))
        if not all(case.passed for case in cases_of(alone, bench.policy, judged)):
            return True
    return False


def _survivor(mutant: Mutant, places: SourcePlaces) -> Survivor:
    return Survivor(
        rule=mutant.rule,
        place=_place(mutant.site, places),
        original=mutant.original,
        mutated=mutant.mutated,
        hint=mutant.hint,
    )


def _place(site: Site, places: SourcePlaces) -> Place:
    if site.rule is None:
        return places.below(site.place, *site.below)
    return places.condition(site.rule, site.offset, let=site.let)
