"""Kind PolicyTest: devices with known facts, typed by the schema, and what each rule must say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.kinds.binding import Policies, policy_at
from policyengine.language.kinds.policy import WrittenPolicy
from policyengine.language.nodes import Fields, Scalar, YamlNode, at, fields, scalars, text, texts
from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings
from policyengine.language.values import duration_at, fact_value, length_at, moment_at
from policyengine.model.decision import Outcome, Result, Tier
from policyengine.model.facts import Source
from policyengine.model.policy import Phase
from policyengine.model.policy_test import Earlier, Excuse, Expectation, Fixture, PolicyTest
from policyengine.model.schema import FactSchema, FieldSpec, UnknownFactError
from policyengine.model.types import Kind

MAX_CHAIN = 32  # devices that are each `from` the next; people lose track long before

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A fixture before its facts are put together: `flat` are single facts and whole lists by path."""

    flat: Mapping[Path, object]
    model: str | None
    evidence: YamlNode | None
    partial: bool
    phase: Phase
    prior: YamlNode | None
    waiver: YamlNode | None


def read_policy_test(page: Page, around: Surroundings, policies: Policies) -> PolicyTest | None:
    """Return the test, or None when its policy is not there."""
    written = policy_at(page, policies)
    now = moment_at(page, page.node("spec", "now"))
    fixtures = _fixtures(page, around)
    _check_priors(page, fixtures)
    _check_waivers(page, written)
    expectations = tuple(_expectations(page, written))
    if written is None:
        return None
    return PolicyTest(
        name=page.name,
        policy=written.policy.name,
        now=now,
        fixtures=fixtures,
        expectations=expectations,
        per_rule=frozenset(Outcome(one) for one in texts(page.spec, "coverage", "per_rule")),
        place=page.place(page.root),
    )


def _fixtures(page: Page, around: Surroundings) -> dict[str, Fixture]:
    devices = fields(page.spec, "devices")
    drafts: dict[str, _Draft] = {}
    for name in devices.entries:
        _draft(page, name, around, drafts, ())
    return {name: _fixture(page, name, drafts[name], around) for name in devices.entries if name in drafts}


def _draft(
    page: Page, name: str, around: Surroundings, drafts: dict[str, _Draft], path: tuple[str, ...]
) -> _Draft | None:
    """Return the draft of device `name`, made after the one it is `from`; `path` are the devices that lead here."""
    devices = fields(page.spec, "devices")
    if name in drafts or name not in devices.entries:
        return drafts.get(name)
    node = devices.entries[name]
    base = _base(page, node, around, drafts, (*path, name))
    model = at(node, "model")
    if isinstance(model, Scalar) and around.fleet is not None and model.value not in around.fleet.models:
        advice = did_you_mean(str(model.value), around.fleet.models)
        page.error(model, "fleet.unknown-model", f"there is no model `{model.value}` in fleet.yaml", advice)
    partial = at(node, "partial")
    phase = text(node, "phase")
    drafts[name] = _Draft(
        flat=_overlaid(page, node, base, around.schema),
        model=text(node, "model") or (base.model if base else None),
        evidence=at(node, "evidence") or (base.evidence if base else None),
        partial=bool(partial.value) if isinstance(partial, Scalar) else base is not None and base.partial,
        phase=Phase(phase) if phase else (base.phase if base else Phase.OPERATE),
        prior=at(node, "prior") or (base.prior if base else None),
        waiver=at(node, "waiver") or (base.waiver if base else None),
    )
    return drafts[name]


def _base(
    page: Page, node: YamlNode, around: Surroundings, drafts: dict[str, _Draft], path: tuple[str, ...]
) -> _Draft | None:
    origin = at(node, "from")
    if not isinstance(origin, Scalar):
        return None
    name = str(origin.value)
    if len(path) > MAX_CHAIN:
        message = f"more than {MAX_CHAIN} devices are from one another"
        page.error(origin, "test.chain-too-long", message, "let some of them list their facts")
        return None
    devices = fields(page.spec, "devices").entries
    if name in path:
        page.error(origin, "test.circle", f"device `{path[0]}` is from itself", "let one of them list its facts")
        return None
    if name not in devices:
        page.error(origin, "test.unknown-device", f"there is no device `{name}`", did_you_mean(name, devices))
        return None
    return _draft(page, name, around, drafts, path)


def _overlaid(page: Page, node: YamlNode, base: _Draft | None, schema: FactSchema) -> dict[Path, object]:
    flat = dict(base.flat) if base else {}
    for section in ("facts", "set"):
        given = fields(node, section)
        for written, value in given.entries.items():
            flat.update(_facts(page, given.keys[written], value, schema))
    for one in scalars(node, "unset"):
        path = tuple(str(one.value).split("."))
        if _declared(page, one, path, schema) is not None:
            flat = {key: value for key, value in flat.items() if key[: len(path)] != path}
    return flat


def _facts(page: Page, key: Scalar, value: YamlNode, schema: FactSchema) -> Iterator[tuple[Path, object]]:
    path = tuple(str(key.value).split("."))
    spec = _declared(page, key, path, schema)
    if spec is not None:
        typed = fact_value(page, value, spec, schema)
        if typed is not None:
            yield from _flat(path, typed)


def _flat(path: Path, value: object) -> Iterator[tuple[Path, object]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for name, below in value.items():
        if below is not None:
            yield from _flat((*path, name), below)


def _declared(page: Page, node: Scalar, path: Path, schema: FactSchema) -> FieldSpec | None:
    """Return the declaration of the fact at `path`; reports one that there is not, or that is inside a list."""
    try:
        inside = any(schema.type_of(path[:length]).kind is Kind.LIST for length in range(1, len(path)))
        spec = schema.field(path)
    except UnknownFactError:
        known = [".".join(one) for one, _ in schema.leaves()]
        shown = ".".join(path)[:80]
        page.error(node, "facts.undeclared", f"fact `{shown}` is not declared", did_you_mean(shown, known))
        return None
    if inside:
        message = f"`{'.'.join(path)}` is inside a list"
        page.error(node, "test.inside-list", message, "write the whole list: `software: [{name: ...}]`")
        return None
    return spec


def _fixture(page: Page, name: str, draft: _Draft, around: Surroundings) -> Fixture:
    place = fields(page.spec, "devices").keys[name]
    age = at(draft.evidence, "age") if draft.evidence else None
    source = text(draft.evidence, "source") if draft.evidence else None
    return Fixture(
        name=name,
        values=_nested({**_registered(name, draft, around), **draft.flat}),
        source=Source[(source or "attested").upper()],
        age=timedelta() if age is None else duration_at(page, age),
        partial=draft.partial,
        phase=draft.phase,
        place=page.place(place),
        prior=_earlier(page, draft.prior),
        waiver=_excuse(page, draft.waiver),
    )


def _earlier(page: Page, node: YamlNode | None) -> Earlier | None:
    if node is None:
        return None
    return Earlier(device=text(node, "device") or "", ago=length_at(page, at(node, "ago") or node))


def _excuse(page: Page, node: YamlNode | None) -> Excuse | None:
    if node is None:
        return None
    return Excuse(rules=frozenset(texts(node, "rules")), expires=moment_at(page, at(node, "expires") or node))


def _check_priors(page: Page, fixtures: Mapping[str, Fixture]) -> None:
    """Report decisions before that are about no device of the test, or that lead back to themselves."""
    devices = fields(page.spec, "devices")
    for name, node in devices.entries.items():
        written = at(node, "prior", "device")
        if not isinstance(written, Scalar):
            continue
        if written.value not in devices.entries:
            advice = did_you_mean(str(written.value), devices.entries)
            page.error(written, "test.unknown-device", f"there is no device `{written.value}`", advice)
        elif _histories(fixtures, name) > MAX_CHAIN:
            message = f"device `{name}` is before itself, or after more than {MAX_CHAIN} others"
            page.error(written, "test.circle", message, "let one of them have no `prior`")


def _histories(fixtures: Mapping[str, Fixture], name: str) -> int:
    """Return how many decisions precede the one on `name`; more than MAX_CHAIN where that has no end."""
    count, earlier = 0, fixtures[name].prior if name in fixtures else None
    while earlier is not None and count <= MAX_CHAIN:
        count, earlier = count + 1, fixtures[earlier.device].prior if earlier.device in fixtures else None
    return count


def _check_waivers(page: Page, written: WrittenPolicy | None) -> None:
    for node in fields(page.spec, "devices").entries.values():
        for one in scalars(node, "waiver", "rules"):
            _check_rule(page, one, written)


def _registered(name: str, draft: _Draft, around: Surroundings) -> dict[Path, object]:
    """Return what the registry knows of any device: its id and what follows from its model."""
    facts: dict[Path, object] = {("device", "id"): name}
    model = around.fleet.models.get(draft.model) if around.fleet is not None and draft.model else None
    if model is not None:
        facts[("device", "model")] = model.name
        facts[("device", "vendor")] = model.vendor
        facts[("device", "class")] = model.device_class
    return facts


def _nested(flat: Mapping[Path, object]) -> dict[str, object]:
    root: dict[str, object] = {}
    for path, value in flat.items():
        group = root
        for step in path[:-1]:
            below = group.setdefault(step, {})
            if isinstance(below, dict):
                group = below
        group[path[-1]] = value
    return root


def _expectations(page: Page, policy: WrittenPolicy | None) -> Iterator[Expectation]:
    expect = fields(page.spec, "expect")
    devices = fields(page.spec, "devices").entries
    for name, node in expect.entries.items():
        if name not in devices:
            advice = did_you_mean(name, devices)
            page.error(expect.keys[name], "test.unknown-device", f"there is no device `{name}`", advice)
        if isinstance(node, Fields):
            _check_rules(page, node, policy)
            yield _expectation(page, name, node, expect.keys[name])


def _check_rules(page: Page, node: Fields, written: WrittenPolicy | None) -> None:
    for rule, key in node.keys.items():
        if rule != "tier":
            _check_rule(page, key, written)


def _check_rule(page: Page, node: Scalar, written: WrittenPolicy | None) -> None:
    rule = str(node.value)
    if written is not None and rule not in written.rule_ids:
        message = f"policy `{written.policy.name}` has no rule `{rule}`"
        page.error(node, "test.unknown-rule", message, did_you_mean(rule, written.rule_ids))


def _expectation(page: Page, name: str, node: Fields, key: Scalar) -> Expectation:
    tier = text(node, "tier")
    return Expectation(
        fixture=name,
        results={rule: Result(text(node, rule)) for rule in node.entries if rule != "tier"},
        tier=None if tier is None else Tier[tier.upper()],
        place=page.place(key),
        places={rule: page.place(value) for rule, value in node.entries.items()},
    )
