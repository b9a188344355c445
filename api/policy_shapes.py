"""The public shape of a policy in force."""

from __future__ import annotations

from collections.abc import Iterable

from api.shapes import Shape
from policyengine.model.policy import Binding, Policy, Rule


class RuleOut(Shape):
    """One rule: its condition as written, and where it stands."""

    rule: str
    require: str
    message: str
    remediation: str
    phases: list[str]
    file: str
    line: int


class BindingOut(Shape):
    """Where a policy applies and how hard."""

    binding: str
    mode: str
    action: str
    file: str
    line: int


class PolicyOut(Shape):
    """A policy with its rules and bindings."""

    policy: str
    version: str
    owner: str
    title: str
    severity: str
    ceiling: str
    controls: list[str]
    rules: list[RuleOut]
    bindings: list[BindingOut]


def policy_out(policy: Policy, bindings: Iterable[Binding]) -> PolicyOut:
    """Return the public shape of `policy`."""
    return PolicyOut(
        policy=policy.name,
        version=policy.version,
        owner=policy.owner,
        title=policy.title,
        severity=policy.severity.name.lower(),
        ceiling=policy.ceiling.name.lower(),
        controls=list(policy.controls),
        rules=[_rule(rule) for rule in policy.rules],
        bindings=[_binding(binding) for binding in bindings if binding.policy == policy.name],
    )


def _rule(rule: Rule) -> RuleOut:
    return RuleOut(
        rule=rule.name,
        require=rule.text,
        message=rule.message,
        remediation=rule.remediation,
        phases=sorted(phase.value for phase in rule.phases),
        file=rule.place.file,
        line=rule.place.line,
    )


def _binding(binding: Binding) -> BindingOut:
    return BindingOut(
        binding=binding.name,
        mode=binding.mode.value,
        action=binding.action.name.lower(),
        file=binding.place.file,
        line=binding.place.line,
    )
