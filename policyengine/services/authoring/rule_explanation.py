"""A rule in words: what it asks for, what it reads, when it cannot say, who answers for it, and where it acts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policyengine.errors import PolicyEngineError
from policyengine.language.diagnostics import did_you_mean
from policyengine.model.expression import Node, Param, facts_read, walk
from policyengine.model.facts import Source
from policyengine.model.ids import PolicyName, RuleName
from policyengine.model.policy import Binding, Bundle, EvidenceNeed, Policy, Rule, Selector
from policyengine.model.schema import CORE_SCHEMA, FactSchema
from policyengine.model.schema_document import type_name
from policyengine.model.times import format_duration


class UnknownRuleError(PolicyEngineError):
    """No rule, or more than one, answers to the name."""

    code = "rule.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRead:
    """A fact that the rule reads."""

    path: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Where a binding applies the rule, and how hard; `params` are the values it reads there."""

    binding: str
    owner: str
    where: str
    mode: str
    action: str
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExplanation:
    """A rule in words."""

    rule: RuleName
    title: str
    owner: str
    severity: str
    place: str
    require: str
    applies_to: str
    phases: tuple[str, ...]
    reads: tuple[FactRead, ...]
    passes_when: str
    fails_when: str
    unknown_when: tuple[str, ...]
    on_unknown: str
    message: str
    remediation: str
    controls: Mapping[str, str]
    waivers: str
    applications: tuple[Application, ...]


def explain_rule(bundle: Bundle, name: str) -> RuleExplanation:
    """Return the rule called `name` in words: `owner/policy#rule`, or any ending of that which only one rule has.

    Raises UnknownRuleError.
    """
    policy, rule = _find(bundle, name)
    params = {node.name for node in walk(rule.require) if isinstance(node, Param)}
    return RuleExplanation(
        rule=rule.name,
        title=policy.title,
        owner=policy.owner,
        severity=policy.severity.name.lower(),
        place=f"{rule.place.file}:{rule.place.line}",
        require=" ".join(rule.text.split()),
        applies_to=_applies_to(policy),
        phases=tuple(sorted(phase.value for phase in rule.phases)),
        reads=tuple(_reads(rule.require, CORE_SCHEMA.with_org(bundle.org_facts))),
        passes_when=f"the condition is true{_believed(rule.evidence)}",
        fails_when=f"the condition is false{_believed(rule.evidence)}, whatever else is missing",
        unknown_when=tuple(_unknown_when(rule.evidence)),
        on_unknown=_on_unknown(rule.evidence),
        message=rule.message,
        remediation=rule.remediation,
        controls={identity: _control_title(bundle, identity) for identity in policy.controls},
        waivers=_waivers(policy),
        applications=tuple(_applications(bundle, policy.name, params)),
    )


def _find(bundle: Bundle, name: str) -> tuple[Policy, Rule]:
    every = [(policy, rule) for policy in bundle.policies.values() for rule in policy.rules]
    found = [
        (policy, rule) for policy, rule in every if name == rule.name or rule.name.endswith((f"/{name}", f"#{name}"))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        alike = did_you_mean(name, [rule.name.partition("/")[2] if "/" not in name else rule.name for _, rule in every])
        raise UnknownRuleError(
            f"no rule is called `{name}`; {alike or 'rules are called owner/policy#rule'}", rule=name
        )
    names = ", ".join(f"`{rule.name}`" for _, rule in found)
    raise UnknownRuleError(f"more than one rule is called `{name}`: {names}", rule=name)


def _reads(require: Node, schema: FactSchema) -> Iterator[FactRead]:
    for path in sorted(facts_read(require)):
        spec = schema.field(path)
        yield FactRead(path=".".join(path), type=type_name(spec.type), meaning=spec.meaning)


def _believed(need: EvidenceNeed) -> str:
    """Return of which facts the rule believes what: `, by facts that are attested and younger than 1d`."""
    strong = [] if need.minimum is None else [need.minimum.name.lower() + " or stronger"]
    if need.minimum is Source.ATTESTED:
        strong = ["attested"]
    fresh = [] if need.fresh is None else [f"younger than {format_duration(need.fresh)}"]
    return f", by facts that are {' and '.join(strong + fresh)}" if strong or fresh else ""


def _unknown_when(need: EvidenceNeed) -> Iterator[str]:
    yield "a fact it reads is missing, and what is there does not decide it"
    if need.minimum is not None:
        yield f"a fact is weaker than {need.minimum.name.lower()}"
    if need.fresh is not None:
        yield f"a fact is {format_duration(need.fresh)} old or older"


def _on_unknown(need: EvidenceNeed) -> str:
    if need.hold is None:
        return "acts as on a failure"
    return f"holds what it decided last for {format_duration(need.hold)}, then acts as on a failure"


def _applies_to(policy: Policy) -> str:
    chosen = selector_text(policy.select)
    return chosen if policy.exclude is None else f"{chosen}, except {selector_text(policy.exclude)}"


def selector_text(selector: Selector) -> str:
    """Return `model in gw-200, gw-210 and site not in lab`, or `every device`."""
    clauses = (
        f"{clause.key} {'not in' if clause.negated else 'in'} {', '.join(clause.values)}" for clause in selector.clauses
    )
    return " and ".join(clauses) or "every device"


def _control_title(bundle: Bundle, identity: str) -> str:
    control = bundle.controls.get(identity)
    return "" if control is None else control.title


def _waivers(policy: Policy) -> str:
    if policy.waivers is None:
        return "cannot be waived"
    longest, signers = format_duration(policy.waivers.maximum), ", ".join(policy.waivers.approvals)
    return f"for at most {longest}, signed by {signers}"


def _applications(bundle: Bundle, policy: PolicyName, params: set[str]) -> Iterator[Application]:
    for binding in bundle.bindings:
        if binding.policy == policy:
            yield _application(binding, params)


def _application(binding: Binding, params: set[str]) -> Application:
    return Application(
        binding=binding.name,
        owner=binding.name.split("/", 1)[0],
        where=selector_text(binding.where),
        mode=binding.mode.value,
        action=binding.action.name.lower(),
        params={name: str(value) for name, value in sorted(binding.params.items()) if name in params},
    )
