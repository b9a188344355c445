"""Rules of a policy: conditions compiled, evidence needs, phases and messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from policyengine.language.cel.constant import constant_value
from policyengine.language.cel.environment import Environment
from policyengine.language.cel.problems import ConditionError
from policyengine.language.known_values import Known
from policyengine.language.nodes import Scalar, YamlNode, at, fields, items, text, texts
from policyengine.language.page import Page
from policyengine.language.rule_lints import check_overlaps, check_parts
from policyengine.language.templates import check_message
from policyengine.language.values import length_at
from policyengine.model.expression import Node, facts_read
from policyengine.model.facts import Source
from policyengine.model.ids import PolicyName, rule_name
from policyengine.model.policy import EvidenceNeed, ParamSpec, Phase, Rule
from policyengine.model.schema import FactSchema

MAX_HOLD = timedelta(days=7)  # DESIGN section 4: an unknown may hold what was decided last for at most a week

_ADVICE = {
    "cel.type": "compare values of one type; `policyengine facts` shows the type of each fact",
    "cel.syntax": "look here and just before for a missing parenthesis, quote or operator",
}
_BOTH = frozenset({Phase.ENROLL, Phase.OPERATE})
_USES = {name: re.compile(rf"\b{name}\s*\.\s*([a-z][a-z0-9_]*)") for name in ("params", "let")}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetting:
    """What all rules of one policy are compiled against."""

    policy: PolicyName
    schema: FactSchema
    environment: Environment
    known: Known


def environment_of(page: Page, params: Mapping[str, ParamSpec], facts: Environment, known: Known) -> Environment:
    """Return the environment in which the policy's conditions compile, its lets included; reports lets in error.

    A let may use those written before it.
    """
    environment = facts.with_params({name: spec.type for name, spec in params.items()})
    for name, node in fields(page.spec, "let").entries.items():
        if isinstance(node, Scalar):
            environment = _with_let(page, environment, name, node)
            known.check(page, node, environment.lets[name])
    return environment


def _with_let(page: Page, environment: Environment, name: str, node: Scalar) -> Environment:
    try:
        return environment.with_let(name, str(node.value))
    except ConditionError as refused:
        _report(page, node, refused)
        return environment.with_untyped_let(name)


def _report(page: Page, node: Scalar, refused: ConditionError) -> None:
    for problem in refused.problems:
        advice = problem.help or _ADVICE.get(problem.code, "")
        page.error_inside(node, problem.offset, problem.code, problem.message, advice)


def read_rules(page: Page, setting: RuleSetting) -> tuple[Rule, ...]:
    """Return the rules that compile, in the order written; reports everything wrong with them."""
    rules: list[Rule] = []
    seen: dict[str, int] = {}
    for node in items(page.spec, "rules"):
        rule_id = text(node, "id") or ""
        if rule_id in seen:
            message = f"the rule id `{rule_id}` is already used on line {seen[rule_id]}"
            page.error(at(node, "id") or node, "rule.duplicate", message, "give it a name of its own")
            continue
        seen[rule_id] = node.line
        rules.extend(_rule(page, node, rule_id, setting))
    check_overlaps(page, rules)
    return tuple(rules)


def _rule(page: Page, node: YamlNode, rule_id: str, setting: RuleSetting) -> Iterator[Rule]:
    message = at(node, "message")
    if isinstance(message, Scalar):
        check_message(page, message, setting.schema)
    evidence = _evidence(page, node)
    require = at(node, "require")
    condition = _condition(page, require, setting) if isinstance(require, Scalar) else None
    if condition is None:
        return
    yield Rule(
        name=rule_name(setting.policy, rule_id),
        id=rule_id,
        require=condition,
        text=text(node, "require") or "",
        evidence=evidence,
        message=text(node, "message") or "",
        remediation=text(node, "remediation") or "",
        phases=_phases(page, node, condition),
        place=page.place(node),
    )


def _condition(page: Page, require: Scalar, setting: RuleSetting) -> Node | None:
    """Return the compiled condition at `require`, or None with everything wrong with it reported."""
    try:
        condition = setting.environment.condition(str(require.value)).node
    except ConditionError as refused:
        _report(page, require, refused)
        return None
    constant = constant_value(condition)
    if constant is not None:
        outcome = "true, so it checks nothing" if constant else "false, so no device can pass"
        page.error(
            require, "rule.constant", f"the condition is always {outcome}", "read a fact in it, or remove the rule"
        )
    else:
        check_parts(page, require, condition)
        setting.known.check(page, require, condition)
    return condition


def _evidence(page: Page, node: YamlNode) -> EvidenceNeed:
    minimum = text(node, "evidence", "min")
    fresh = at(node, "evidence", "fresh")
    return EvidenceNeed(
        minimum=None if minimum is None else Source[minimum.upper()],
        fresh=None if fresh is None else length_at(page, fresh),
        hold=_hold(page, node),
    )


def _hold(page: Page, node: YamlNode) -> timedelta | None:
    if text(node, "evidence", "onUnknown") == "hold":
        return MAX_HOLD
    written = at(node, "evidence", "onUnknown", "hold")
    if written is None:
        return None
    length = length_at(page, written)
    if length > MAX_HOLD:
        page.error(written, "rule.hold-too-long", "an unknown may hold for 7 days at most", "write `7d` or less")
    return length


def _phases(page: Page, node: YamlNode, condition: Node) -> frozenset[Phase]:
    named = frozenset(Phase(one) for one in texts(node, "phases"))
    groups = {path[0] for path in facts_read(condition)}
    if not named and {"cert", "csr"} <= groups:
        message = "the rule reads both `cert` and `csr`, which are never there together unless a device renews"
        page.error(node, "rule.phases", message, "name its `phases`: [enroll], [operate] or both")
    if named:
        return named
    if "cert" in groups:
        return frozenset({Phase.OPERATE})
    return frozenset({Phase.ENROLL}) if "csr" in groups else _BOTH


def check_uses(page: Page) -> None:
    """Warn of params and lets that no condition uses."""
    conditions = [text(node, "require") or "" for node in items(page.spec, "rules")]
    lets = fields(page.spec, "let")
    written = [*conditions, *(str(node.value) for node in lets.entries.values() if isinstance(node, Scalar))]
    for section, word, code in (("params", "params", "params.unused"), ("let", "let", "lets.unused")):
        used = {name for one in written for name in _USES[word].findall(one)}
        declared = fields(page.spec, section)
        for name, key in declared.keys.items():
            if name not in used:
                page.warning(key, code, f"`{word}.{name}` is used in no condition", "use it or remove it")


def written_ids(page: Page) -> frozenset[str]:
    """Return the ids of all rules written in the policy."""
    return frozenset(text(node, "id") or "" for node in items(page.spec, "rules"))
