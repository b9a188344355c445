"""Kind Policy: rules with an owner, kept inside the owner's scope."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.kinds.params import check_directions, read_params
from policyengine.language.known_values import Known
from policyengine.language.nodes import Scalar, YamlNode, at, fields, scalars, text, texts
from policyengine.language.page import Page
from policyengine.language.rules import RuleSetting, check_uses, environment_of, read_rules, written_ids
from policyengine.language.selectors import selector_at
from policyengine.language.surroundings import Surroundings, needs_right, owner_of, party_at, party_names
from policyengine.language.values import length_at
from policyengine.model.ids import PartyName, PolicyName
from policyengine.model.policy import Action, Party, Policy, Right, Selector, Severity, WaiverTerms
from policyengine.model.selection import intersection, is_within, leaves_nothing, selects_nothing


def policy_name(page: Page) -> PolicyName:
    """Return `owner/policy`."""
    return PolicyName(f"{page.owner}/{page.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPolicy:
    """A policy, and the ids of all rules written in it: also of those that do not compile and are not in `policy`."""

    policy: Policy
    rule_ids: frozenset[str]


def read_policy(page: Page, around: Surroundings) -> WrittenPolicy:
    """Return the policy; rules that do not compile are reported and left out."""
    owner = owner_of(page, around)
    needs_right(page, page.node("metadata", "owner"), owner, Right.TIGHTEN)
    _check_controls(page, around)
    params = read_params(page, around)
    check_uses(page)
    known = Known(schema=around.schema, fleet=around.fleet)
    environment = environment_of(page, params, around.environment, known)
    setting = RuleSetting(policy=policy_name(page), schema=around.schema, environment=environment, known=known)
    rules = read_rules(page, setting)
    check_directions(page, params, rules)
    scope = owner.scope if owner is not None else Selector()
    policy = Policy(
        name=policy_name(page),
        version=text(page.root, "metadata", "version") or "",
        owner=PartyName(page.owner),
        title=text(page.root, "metadata", "title") or "",
        severity=Severity[(text(page.spec, "severity") or "").upper()],
        controls=tuple(sorted(texts(page.spec, "controls"))),
        select=_selected(page, owner, around),
        scope=scope,
        exclude=_excluded(page, around),
        params=params,
        rules=rules,
        ceiling=Action[(text(page.spec, "ceiling") or "").upper()],
        waivers=_waiver_terms(page, around),
        place=page.place(page.root),
    )
    return WrittenPolicy(policy=policy, rule_ids=written_ids(page))


def _check_controls(page: Page, around: Surroundings) -> None:
    for one in scalars(page.spec, "controls"):
        name = str(one.value)
        if name not in around.controls:
            advice = did_you_mean(name, around.controls) or "declare it in controls/*.yaml"
            page.error(one, "controls.unknown", f"there is no control `{name}`", advice)


def _excluded(page: Page, around: Surroundings) -> Selector | None:
    exclude = selector_at(page, ("exclude",), around)
    return exclude if exclude.clauses else None


def _selected(page: Page, owner: Party | None, around: Surroundings) -> Selector:
    select = selector_at(page, ("select",), around)
    where = at(page.spec, "select") or page.node("metadata", "owner")
    if owner is None or around.fleet is None:
        return select
    if leaves_nothing(select, _excluded(page, around), around.fleet):
        advice = "correct `select` or `exclude`, or remove the policy"
        page.error(where, "policy.selects-nothing", "no device of the fleet fits this policy", advice)
        return select
    return inside_scope(page, where, select, owner, around)


def inside_scope(page: Page, node: YamlNode, select: Selector, owner: Party, around: Surroundings) -> Selector:
    """Return what of `select` is inside the owner's scope; reports at `node` what is not."""
    if around.fleet is None:
        return select
    both = intersection(select, owner.scope)
    if selects_nothing(both, around.fleet):
        advice = "select devices of its scope in parties.yaml"
        page.error(node, "scope.outside", f"this is wholly outside the scope of party `{owner.name}`", advice)
    elif not is_within(select, owner.scope, around.fleet):
        message = f"this reaches outside the scope of party `{owner.name}`, only the part inside applies"
        page.warning(node, "scope.narrowed", message, "select only devices of its scope in parties.yaml")
    return both


def _waiver_terms(page: Page, around: Surroundings) -> WaiverTerms | None:
    node = fields(page.spec, "waivers")
    longest = node.entries.get("max")
    if longest is None:
        return None
    for one in scalars(node, "approvals"):
        party_at(page, one, str(one.value), around)
    unknown = node.entries.get("unknown")
    return WaiverTerms(
        maximum=length_at(page, longest),
        approvals=party_names(texts(node, "approvals")),
        unknown=isinstance(unknown, Scalar) and unknown.value is True,
    )
