"""Kind Binding: where a policy applies and how hard, within the rights of the binding's owner."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.kinds.params import key_node, loosens, set_params
from policyengine.language.kinds.policy import WrittenPolicy, inside_scope
from policyengine.language.nodes import Scalar, at, fields, text
from policyengine.language.page import Page
from policyengine.language.selectors import selector_at
from policyengine.language.surroundings import Surroundings, needs_right, owner_of
from policyengine.model.ids import BindingName, PolicyName
from policyengine.model.param_strictness import Growth, strictness
from policyengine.model.policy import Action, Binding, Fleet, Mode, ParamSpec, Party, Policy, Right, Role, Selector
from policyengine.model.selection import intersection, leaves_nothing, models_of

Policies = Mapping[PolicyName, WrittenPolicy | None]  # None: its document is itself wrong


def policy_at(page: Page, policies: Policies) -> WrittenPolicy | None:
    """Return the policy that the document's `spec.policy` names; reports an unknown one."""
    name = PolicyName(text(page.spec, "policy") or "")
    if name not in policies:
        node = page.node("spec", "policy")
        page.error(node, "policy.unknown", f"there is no policy `{name}`", did_you_mean(name, policies))
    return policies.get(name)


def read_binding(page: Page, around: Surroundings, policies: Policies) -> Binding | None:
    """Return the binding, or None when the policy it names is not there."""
    owner = owner_of(page, around)
    written = policy_at(page, policies)
    where = _where(page, owner, around)
    mode = Mode(text(page.spec, "mode"))
    action = Action[(text(page.spec, "action") or "notify").upper()]
    owners_node = page.node("metadata", "owner")
    needs_right(page, owners_node, owner, Right.TIGHTEN)
    if mode is Mode.ENFORCE:
        needs_right(page, page.node("spec", "mode"), owner, Right.ENFORCE)
    if written is None:
        return None
    policy = written.policy
    _check_action(page, action, policy)
    _check_meets(page, where, policy, around)
    return Binding(
        name=BindingName(f"{page.owner}/{page.name}"),
        policy=policy.name,
        where=where,
        params=_params(page, owner, policy, around),
        mode=mode,
        action=action,
        caps=_caps(page),
        place=page.place(page.root),
    )


def _where(page: Page, owner: Party | None, around: Surroundings) -> Selector:
    where = selector_at(page, ("where",), around)
    if owner is None:
        return where
    node = at(page.spec, "where") or page.node("metadata", "owner")
    return inside_scope(page, node, where, owner, around)


def _check_action(page: Page, action: Action, policy: Policy) -> None:
    if action > policy.ceiling:
        ceiling = policy.ceiling.name.lower()
        message = f"`{action.name.lower()}` is stronger than the ceiling `{ceiling}` of policy `{policy.name}`"
        advice = f"write `{ceiling}` or milder, or let the policy's owner raise its ceiling"
        page.error(page.node("spec", "action"), "binding.above-ceiling", message, advice)


def _check_meets(page: Page, where: Selector, policy: Policy, around: Surroundings) -> None:
    both = intersection(where, policy.select)
    if around.fleet is not None and leaves_nothing(both, policy.exclude, around.fleet):
        node = at(page.spec, "where") or page.node("spec", "policy")
        message = f"no device matches this that policy `{policy.name}` selects and does not exclude"
        page.error(node, "binding.matches-nothing", message, "select devices that the policy is about")


def _params(page: Page, owner: Party | None, policy: Policy, around: Surroundings) -> dict[str, object]:
    """Return a value for every param of the policy; the values set here are checked against the owner's rights."""
    for name, key in fields(page.spec, "params").keys.items():
        if name not in policy.params:
            advice = did_you_mean(name, policy.params)
            page.error(key, "params.unknown", f"policy `{policy.name}` has no param `{name}`", advice)
    given = set_params(page, policy.params)
    for name, value in given.items():
        _check_tuning(page, owner, policy, policy.params[name], value, around.fleet)
    return {name: given.get(name, spec.default) for name, spec in policy.params.items()}


def _check_tuning(
    page: Page, owner: Party | None, policy: Policy, spec: ParamSpec, value: object, fleet: Fleet | None
) -> None:
    if owner is None:
        return
    node = key_node(fields(page.spec, "params"), spec.name)
    if owner.name != policy.owner and owner.name not in spec.tunable_by:
        advice = f"ask party `{policy.owner}` to add `{owner.name}` to its `tunable_by`"
        message = f"party `{owner.name}` may not set param `{spec.name}` of policy `{policy.name}`"
        page.error(node, "params.not-tunable", message, advice)
    elif fleet is not None and _loosens(spec, value, policy, fleet) and Right.LOOSEN not in owner.may:
        _report_loosening(page, owner, spec, policy)


def _loosens(spec: ParamSpec, value: object, policy: Policy, fleet: Fleet) -> bool:
    return loosens(spec, value, policy.rules, [fleet.models[name] for name in sorted(models_of(policy.select, fleet))])


def _report_loosening(page: Page, owner: Party, spec: ParamSpec, policy: Policy) -> None:
    node = key_node(fields(page.spec, "params"), spec.name)
    direction = f"its tighter direction is `{spec.tighter.value}`" if spec.tighter else "it has no tighter direction"
    if strictness(policy.rules, spec.name) is Growth.UNCLEAR:
        direction = "the rules do not show on which side it is tighter"
    who = "a vendor may tighten only" if owner.role is Role.VENDOR else "this needs the right `loosen`"
    message = f"this loosens param `{spec.name}`, which party `{owner.name}` may not do"
    page.error(node, "params.loosened", message, f"{direction}; {who}")


def _caps(page: Page) -> dict[str, int]:
    caps = fields(page.spec, "caps")
    return {
        name: int(node.value or 0)
        for name, node in sorted(caps.entries.items())
        if isinstance(node, Scalar) and isinstance(node.value, int | float)
    }
