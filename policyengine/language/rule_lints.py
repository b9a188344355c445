"""Rules that cannot be meant: parts that decide nothing, conditions nobody can meet, rules made needless by others."""

from __future__ import annotations

from collections.abc import Sequence

from policyengine.language.cel.constant import constant_value
from policyengine.language.cel.opposites import never_all_false, never_together
from policyengine.language.nodes import Scalar, YamlNode, at, items, text
from policyengine.language.page import Page
from policyengine.model.expression import And, Node, Or, walk
from policyengine.model.policy import Rule

MAX_COMPARED = 300  # rules of one policy that are compared with each other: 45,000 pairs in a few milliseconds


def check_parts(page: Page, require: Scalar, condition: Node) -> None:
    """Report operands of `&&` and `||` that no fact can change, and an `&&` of something and its opposite."""
    for node in walk(condition):
        if not isinstance(node, And | Or):
            continue
        constants = {constant_value(operand) for operand in node.operands} - {None}
        for value in sorted(map(bool, constants)):
            message = f"a part of the condition is always {str(value).lower()}"
            page.warning(require, "rule.constant-part", message, "remove that part, or read a fact in it")
        if isinstance(node, And) and never_together(node.operands):
            _report_opposites(page, require, node, condition)
        if isinstance(node, Or) and never_all_false(node.operands):
            message = "one side of an `||` is always true, as it allows what the other side does not"
            page.warning(require, "rule.constant-part", message, "write `&&` if both must hold, or remove that part")


def _report_opposites(page: Page, require: Scalar, node: And, condition: Node) -> None:
    if node is condition:
        message = "the condition asks for something and for its opposite, so no device can pass"
        page.error(require, "rule.contradiction", message, "remove one of the two, or name another fact in it")
    else:
        message = "a part of the condition is always false, as it asks for something and for its opposite"
        page.warning(require, "rule.constant-part", message, "write `||` if one is enough, or remove that part")


def check_overlaps(page: Page, rules: Sequence[Rule]) -> None:
    """Warn of rules that ask what another rule of the policy asks too, of the same evidence in the same phases."""
    compared = [(rule, _asked(rule.require)) for rule in rules[:MAX_COMPARED]]
    for number, (rule, asked) in enumerate(compared):
        others = (
            (other, more)
            for place, (other, more) in enumerate(compared)
            if place != number
            and (other.evidence, other.phases) == (rule.evidence, rule.phases)
            and (_holds_all(more, asked) if len(more) > len(asked) else place < number and _same(more, asked))
        )
        found = next(others, None)
        if found is not None and len(found[1]) == len(asked):
            message = f"rule `{rule.id}` asks the same as rule `{found[0].id}`"
            advice = f"remove `{rule.id}`, or ask it of other evidence"
            page.warning(_place(page, rule), "rule.repeated", message, advice)
        elif found is not None:
            message = f"rule `{found[0].id}` asks for all of this and more, so `{rule.id}` never fails alone"
            advice = f"remove `{rule.id}`, or what `{found[0].id}` shares with it"
            page.warning(_place(page, rule), "rule.implied", message, advice)


def _asked(condition: Node) -> tuple[Node, ...]:
    return condition.operands if isinstance(condition, And) else (condition,)


def _holds_all(more: Sequence[Node], asked: Sequence[Node]) -> bool:
    return all(one in more for one in asked)


def _same(first: Sequence[Node], second: Sequence[Node]) -> bool:
    return len(first) == len(second) and _holds_all(first, second)


def _place(page: Page, rule: Rule) -> YamlNode:
    node = next((one for one in items(page.spec, "rules") if text(one, "id") == rule.id), page.spec)
    return at(node, "id") or node
