"""Why a decision is as it is, in words a person can act on at night."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policyengine.decision.documents import decision_document
from policyengine.model.expression import Node
from policyengine.services.history.explanation import MAX_SHOWN, Explanation, explain
from tests.support import ir
from tests.support.bundles import binding, bundle, decide, facts, policy, program, rule, seen

COMPONENTS = [{"name": f"part-{number}", "digest": "ab" * 32, "match": "unknown"} for number in range(4)]


def explained(require: Node, values: Mapping[str, object], *, complete: bool = False) -> Explanation:
    policies, bindings = policy(rule(require)), (binding(),)
    decision = decide(program(policies, bindings=bindings), facts(values, {"": seen(complete=complete)}))
    document = json.loads(json.dumps(decision_document(decision, commit="c0ffee")))
    return explain(document, bundle(policies, bindings=bindings), None)


def only(found: Explanation) -> Mapping[str, Any]:
    (reason,) = found.document["because"]  # type: ignore[misc]
    return reason


def test_an_unknown_names_the_fact_that_is_missing() -> None:
    reason = only(explained(ir.fact("boot.secure"), {}))
    assert reason["missing"] == ["boot.secure"]
    assert reason["change"] == "`...` must hold, but a fact it reads is missing; now boot.secure is missing"


def test_an_unknown_is_not_told_as_a_failure() -> None:
    """The rule's message says what is wrong when it fails; nobody knows that here."""
    text = explained(ir.fact("boot.secure"), {}).text
    assert "it failed" not in text
    assert "a fact it reads is missing" in text


def test_a_failure_tells_the_rule_s_message_and_the_value_it_saw() -> None:
    found = explained(ir.fact("boot.secure"), {"boot": {"secure": False}})
    assert "it failed" in found.text
    assert only(found)["change"] == "`...` must hold; now boot.secure is false (attested)"


def test_a_long_list_is_counted_in_a_sentence_and_whole_among_the_facts() -> None:
    reason = only(explained(ir.eq(ir.size(ir.fact("software")), ir.lit(0)), {"software": COMPONENTS}, complete=True))
    assert reason["facts"]["software"]["value"] == COMPONENTS
    assert "software is a list of 4 (attested)" in reason["change"]


def test_a_long_text_is_cut_in_a_sentence() -> None:
    found = explained(ir.eq(ir.fact("boot.mode"), ir.lit("locked")), {"boot": {"mode": "x" * 1000}})
    assert f"boot.mode is {'x' * MAX_SHOWN}... (attested)" in only(found)["change"]
