"""Conditions written to turn missing facts into a pass; none may (DESIGN section 6).

Each asks "is the bad thing absent?" in another way: through has(), optionals, ternaries, size, `in`, copies of a list
in literals, maps and lets, dyn, negated quantifiers, and functions over lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from policyengine.decision.program import Program
from policyengine.language.cel.environment import Environment
from policyengine.model.decision import Result
from policyengine.model.facts import Provenance, Source
from policyengine.model.policy import EvidenceNeed
from policyengine.model.schema import CORE_SCHEMA
from tests.support.bundles import HOUR, decide, facts, policy, program, rule, seen

CONDITIONS = r"""
software.size() == 0
size(software) < 2
!(software.size() >= 2)
(true ? software : []).size() < 2
[software][0].size() < 2
[software, software].all(s, s.size() < 2)
cel.bind(s, software, size(s) < 2)
{"a": software}["a"].size() < 2
(software + []).size() < 2
optional.of(software).value().size() < 2
optional.of(software).orValue([]).size() < 2
software.filter(s, s.name == "evil").size() == 0
software.map(s, s.name).size() < 2
!("evil" in software.map(s, s.name))
!software.exists(s, s.name == "evil")
software.all(s, s.name != "evil")
!software.exists_one(s, s.name == "evil")
!has(boot.debug) || boot.debug == "disabled"
!has(boot.debug)
boot.?debug.orValue("disabled") == "disabled"
!boot.?debug.hasValue()
boot.?debug.optMap(d, d == "enabled").orValue(false) == false
has(boot.debug) ? boot.debug == "disabled" : true
!(443 in net.open_ports)
!(23 in net.open_ports)
net.open_ports.size() < 3
net.open_ports == [443]
net.open_ports != [443, 23]
net.open_ports.all(p, p != 23)
!net.open_ports.exists(p, p == 23)
net.open_ports.reverse()[0] == 443
net.protocols.join(",") == "https"
!net.protocols.join(",").contains("telnet")
size(net.protocols.join(",")) < 6
string(net.open_ports.size()) == "1"
dyn(net.open_ports).size() < 2
type(net.open_ports) == list && net.open_ports.size() < 2
net.open_ports[?1].orValue(443) == 443
!net.open_ports[?1].hasValue()
net.open_ports[0] == 443
!(net.open_ports.exists(p, p == 23) ? true : false)
net.open_ports.exists(p, p == 23) == false
(net.open_ports.exists(p, p == 23) || false) == false
[net.open_ports.exists(p, p == 23)] == [false]
[has(boot.debug)] == [false]
cel.bind(x, has(boot.debug), !x)
cel.bind(x, net.open_ports, !(23 in x))
cel.bind(x, net, !(23 in x.open_ports))
{"k": net}["k"].open_ports.size() < 2
[net][0].open_ports.size() < 2
[net].all(n, n.open_ports.size() < 2)
[net].all(n, !has(n.tls_min) || n.tls_min == "1.2")
[boot].exists(b, !has(b.debug))
software.all(s, !has(s.version) || s.version.atLeast("2.0.0"))
software.all(s, s.?version.hasValue() == false || s.svn > 3)
software.exists(s, has(s.name) && s.name == "app") && !software.exists(s, s.name == "evil")
software.all(i, s, i < 1)
!software.exists(i, s, i == 1)
software.transformList(i, s, i).size() < 2
software.transformMap(i, s, s.name).size() < 2
net.open_ports.transformMap(i, p, p).size() < 2
device.labels.size() == 0
!("bad" in device.labels)
!has(device.labels.bad)
device.labels.?bad.orValue("ok") == "ok"
device.labels[?"bad"].orValue("ok") == "ok"
device.labels.all(k, k != "bad")
!device.labels.exists(k, k == "bad")
device.labels == {}
pcrs.size() == 0
tpm.?manufacturer.hasValue() == false
boot.svn < 5 ? true : !has(boot.debug)
(boot.svn > 5 || true) && !has(boot.debug)
!(boot.svn > 5 && false) && !has(boot.debug)
optional.none().orValue(software).size() < 2
[?boot.?debug].size() == 0
{?"a": boot.?debug}.size() == 0
[boot.?debug.orValue("x"), "x"][0] == "x"
boot.?debug == optional.none()
boot.?debug.or(optional.of("disabled")).value() == "disabled"
boot.?debug.optFlatMap(d, optional.of(d)).hasValue() == false
software.map(s, s.name == "evil", s.name).size() == 0
config.debug_services.size() == 0
config.debug_services == []
!config.debug_services.exists(s, true)
config.debug_services.all(s, false)
size(config.debug_services) == 0 ? true : false
[1].all(x, config.debug_services.size() == 0)
[1].all(x, !(23 in net.open_ports))
[1].exists(x, !has(boot.debug))
net.open_ports.map(p, p + 0).size() < 2
net.open_ports.filter(p, p > 1000) == []
net.open_ports.exists_one(p, p > 0)
net.open_ports + [1] == [443, 1]
[1] + net.open_ports == [1, 443]
cel.bind(f, software.filter(s, s.name == "evil"), f.size() == 0)
cel.bind(b, boot, !has(b.debug))
cel.bind(b, boot, b.?debug.orValue("disabled") == "disabled")
!optional.of(boot).debug.hasValue()
optional.ofNonZeroValue(boot.?debug.orValue("")).hasValue() == false
optional.of(net).?open_ports.orValue([443]) == [443]
software[?1].hasValue() == false
software[?1].?name.orValue("fine") == "fine"
(software.exists(s, s.name == "evil") ? "b" : "g") == "g"
software.all(s, s.name == "evil") == false || software.size() < 2
vuln.all(v, !v.kev)
!vuln.exists(v, v.kev)
sbom.components.all(c, c.license != "x")
sbom.components.size() < 2
csr.san.all(s, s.startsWith("a"))
cert.san.size() < 2
string(boot.svn) == "3" || !has(boot.debug)
""".strip().splitlines()

EVERYTHING: Mapping[str, Any] = {
    "boot": {"secure": True, "debug": "enabled", "svn": 3, "mode": "debug"},
    "net": {"open_ports": (443, 23, 8883), "protocols": ("https", "telnet"), "tls_min": "1.0"},
    "software": ({"name": "app", "version": "1.0.0", "svn": 1}, {"name": "evil", "version": "1.0.0", "svn": 1}),
    "config": {"debug_services": ("telnet",)},
    "device": {"labels": {"bad": "x"}},
    "vuln": ({"id": "a", "kev": True},),
    "sbom": {"components": ({"purl": "p", "name": "n", "license": "x"}, {"purl": "q", "name": "n", "license": "x"})},
    "pcrs": {"sha256:0": "aa"},
    "tpm": {"manufacturer": "IFX"},
    "cert": {"san": ("a", "b")},
}


def compiled(need: EvidenceNeed | None = None) -> Program:
    environment = Environment.for_facts(CORE_SCHEMA)
    nodes = [environment.compile(text).node for text in CONDITIONS]
    return program(policy(*(rule(node, name=f"r{at}", evidence=need) for at, node in enumerate(nodes))))


def results(
    rules: Program, values: Mapping[str, Any], provenance: Mapping[str, Provenance] | None = None
) -> dict[str, Result]:
    decision = decide(rules, facts(values, provenance))
    return {CONDITIONS[int(found.rule.rpartition("#r")[2])]: found.result for found in decision.findings}


def poorer(value: Any) -> Iterator[Any]:
    """Yield `value` with one fact or element less, at any depth."""
    if isinstance(value, dict):
        for name in value:
            yield {key: kept for key, kept in value.items() if key != name}
            yield from ({**value, name: less} for less in poorer(value[name]))
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield value[:at] + value[at + 1 :]
            yield from ((*value[:at], less, *value[at + 1 :]) for less in poorer(item))


@pytest.mark.parametrize("seed", range(12))
def test_one_fact_less_never_passes_what_did_not_pass(seed: int) -> None:
    random, rules = Random(seed), compiled()
    values: Any = EVERYTHING
    for _ in range(seed % 8):
        values = random.choice(list(poorer(values)))
    before = results(rules, values)
    for less in poorer(values):
        after = results(rules, less)
        gained = {text for text, found in before.items() if found is not Result.PASS and after[text] is Result.PASS}
        assert gained == set(), less


@pytest.mark.parametrize(
    ("source", "age"),
    [(Source.REPORTED, timedelta(minutes=1)), (Source.ATTESTED, HOUR), (Source.ATTESTED, -HOUR)],
    ids=["weak", "exactly-too-old", "future"],
)
def test_complete_groups_too_weak_or_too_old_pass_nothing(source: Source, age: timedelta) -> None:
    """A fact too weak for the rule is absent even in a complete group, and so is the group's completeness."""
    rules = compiled(EvidenceNeed(minimum=Source.ATTESTED, fresh=HOUR))
    provenance = {group: seen(source, age=age, complete=True) for group in ("", *EVERYTHING)}
    for values in (EVERYTHING, {}):
        assert {text for text, found in results(rules, values, provenance).items() if found is Result.PASS} == set()


def test_the_same_conditions_pass_and_fail_where_groups_are_complete() -> None:
    """Proves that the tests above could fail: these conditions do decide."""
    provenance = {group: seen(complete=True) for group in ("", *EVERYTHING)}
    clean = {**EVERYTHING, "boot": {"secure": True, "svn": 9}, "net": {"open_ports": (443,), "protocols": ("https",)}}
    clean |= {"software": EVERYTHING["software"][:1], "config": {"debug_services": ()}}
    good = list(results(compiled(), clean, provenance).values())
    bad = list(results(compiled(), EVERYTHING, provenance).values())
    assert good.count(Result.PASS) > len(CONDITIONS) * 2 / 3
    assert bad.count(Result.FAIL) > len(CONDITIONS) * 2 / 3
