"""On which side a param is stricter is read off the rules that use it, never taken from who wrote it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policyengine.language.cel.environment import Environment
from policyengine.model.ids import PolicyName, rule_name
from policyengine.model.param_strictness import Growth, strictness
from policyengine.model.policy import EvidenceNeed, Phase, Place, Rule, Tighter
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import BOOL, DURATION, INT, STRING, VERSION, list_of

ENVIRONMENT = Environment.for_facts(
    CORE_SCHEMA,
    {"n": INT, "long": DURATION, "v": VERSION, "texts": list_of(STRING), "on": BOOL},
)
RULE = Rule(
    name=rule_name(PolicyName("it/p"), "r"),
    id="r",
    require=ENVIRONMENT.condition("boot.secure").node,
    text="",
    evidence=EvidenceNeed(),
    message="",
    remediation="",
    phases=frozenset(Phase),
    place=Place(file="it/p.yaml", line=1),
)


def found(param: str, *conditions: str) -> Tighter | Growth:
    return strictness(tuple(replace(RULE, require=ENVIRONMENT.condition(one).node) for one in conditions), param)


@pytest.mark.parametrize(
    ("param", "condition"),
    [
        ("n", "boot.svn >= params.n"),
        ("n", "params.n < boot.svn"),
        ("n", "!(boot.svn < params.n)"),
        ("n", "boot.secure && (evidence.fresh || boot.svn - 1 > params.n + 2)"),
        ("n", "boot.secure ? boot.svn > params.n : boot.svn > 2 * params.n"),
        ("n", "cel.bind(floor, params.n + 1, boot.svn >= floor)"),
        ("n", "software.all(c, c.svn >= params.n)"),
        ("n", "!software.exists(c, c.svn < params.n)"),
        ("n", "vuln.all(one, one.cvss * 2.0 > double(params.n))"),
        ("long", "cert.not_after - now > params.long"),
        ("long", "now + params.long < cert.not_after"),
        ("v", "model.latest_version.atLeast(params.v)"),
        ("v", "!model.latest_version.below(params.v)"),
        ("texts", "!(boot.mode in params.texts)"),
        ("texts", "params.texts.all(one, one in net.protocols)"),
        ("texts", "sets.contains(net.protocols, params.texts)"),
        ("on", "!params.on || boot.secure"),
    ],
)
def test_a_param_that_lets_fewer_devices_pass_as_it_grows_is_tighter_higher(param: str, condition: str) -> None:
    assert found(param, condition) is Tighter.HIGHER
    assert found(param, f"!({condition})") is Tighter.LOWER


@pytest.mark.parametrize(
    ("param", "conditions"),
    [
        ("n", ["boot.svn >= params.n", "boot.svn <= params.n"]),
        ("n", ["boot.svn >= params.n || boot.count <= params.n"]),
        ("n", ["boot.svn == params.n"]),
        ("n", ["boot.svn % params.n > 2"]),
        ("n", ["boot.svn >= params.n * -1"]),
        ("n", ["boot.svn * params.n > 2"]),
        ("n", ["params.n > 3 ? boot.svn > 1 : boot.svn > 2"]),
        ("n", ["cel.bind(floor, params.n, boot.svn == floor)"]),
        ("n", ["software.exists_one(c, c.svn > params.n)"]),
        ("n", ["software.filter(c, c.svn > params.n).size() > 2"]),
        ("texts", ["size(params.texts) > size(net.protocols)"]),
        ("texts", ["params.texts.filter(one, one in net.protocols).all(one, one != boot.mode)"]),
    ],
)
def test_a_param_whose_side_does_not_show_is_unclear(param: str, conditions: list[str]) -> None:
    assert found(param, *conditions) is Growth.UNCLEAR


def test_a_param_that_no_rule_reads_has_no_side() -> None:
    assert found("n", "boot.secure", "cel.bind(n, boot.svn, n > 2)") is Growth.NONE
