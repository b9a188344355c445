"""Rules that no policy test expects anything of."""

from __future__ import annotations

from collections import defaultdict

from policyengine.language.documents import Documents, full_name
from policyengine.language.nodes import at, fields, items, text

UNTESTED = "test.untested-rule"


def note_untested(documents: Documents) -> None:
    """Note every rule that no test names, or once for the policy when no test is about it.

    Nothing is said of a policy with a test that is itself wrong: it may well name the rule.
    """
    named: dict[str, set[str]] = defaultdict(set)
    for page in documents.of("PolicyTest"):
        expected = fields(page.spec, "expect").entries.values()
        named[text(page.spec, "policy") or ""].update(name for one in expected for name in fields(one).entries)
    for page in documents.of("Policy"):
        name = full_name(page)
        if name in documents.refused_tests:
            continue
        if name not in named:
            message = f"no test is about policy `{name}`"
            page.info(page.node("metadata", "name"), UNTESTED, message, "write a PolicyTest beside it, in *_test.yaml")
            continue
        for node in items(page.spec, "rules"):
            rule = text(node, "id") or ""
            if rule not in named[name]:
                advice = f"expect a result of it, such as `{rule}: pass`, in a test of `{name}`"
                page.info(at(node, "id") or node, UNTESTED, f"no test expects anything of rule `{rule}`", advice)
