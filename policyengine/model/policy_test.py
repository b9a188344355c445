"""Policy tests as values: devices with known facts, and what each rule must say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.model.decision import Outcome, Result, Tier
from policyengine.model.facts import Source
from policyengine.model.ids import PolicyName
from policyengine.model.policy import Phase, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The decision before: on the device `device` of the same test, made `ago` before this one."""

    device: str
    ago: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """A waiver that one device of a test has: rule ids, and when it ends. Its policy's terms decide what it covers."""

    rules: frozenset[str]
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A device of a policy test, with `from`, `set` and `unset` already applied.

    `values` are facts as in `Facts.values`, typed by the schema; `device.id`, `model`, `vendor` and `class` are filled
    in from the fixture's name and the fleet. All other facts come from `source`, observed `age` before the test's
    `now`; groups are complete unless `partial`. Without `prior` the decision is the first on the device.
    """

    name: str
    values: Mapping[str, object]
    source: Source
    age: timedelta
    partial: bool
    phase: Phase
    place: Place
    prior: Earlier | None = None
    waiver: Excuse | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is expected of one fixture: results by rule id, and its decided tier (None: not judged)."""

    fixture: str
    results: Mapping[str, Result]
    tier: Tier | None
    place: Place
    places: Mapping[str, Place]  # where each result stands, and `tier`


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """One document of kind PolicyTest. `per_rule`: outcomes that every rule of the policy must show at least once."""

    name: str
    policy: PolicyName
    now: datetime
    fixtures: Mapping[str, Fixture]
    expectations: tuple[Expectation, ...]
    per_rule: frozenset[Outcome]
    place: Place
