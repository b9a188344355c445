"""Kind Waiver: a dated exception, allowed only on the terms of the policy it is for."""

from __future__ import annotations

from datetime import datetime, timedelta

from policyengine.language.diagnostics import did_you_mean, errors
from policyengine.language.kinds.binding import Policies, policy_at
from policyengine.language.kinds.policy import WrittenPolicy
from policyengine.language.nodes import at, scalars, text, texts
from policyengine.language.page import Page
from policyengine.language.selectors import selector_at
from policyengine.language.surroundings import Surroundings, owner_of, party_at, party_names
from policyengine.language.values import NO_MOMENT, moment_at
from policyengine.model.expression import facts_read
from policyengine.model.ids import rule_name
from policyengine.model.policy import Policy, Right, Selector, Waiver, WaiverTerms
from policyengine.model.selection import intersection, leaves_nothing
from policyengine.model.times import format_duration, format_timestamp

SOON = timedelta(days=7)  # a working week to mend the devices or to have the waiver extended


def read_waiver(page: Page, around: Surroundings, policies: Policies) -> Waiver | None:
    """Return the waiver, or None when anything about it is a mistake: such a waiver covers nothing."""
    known = len(page.report.found)
    waiver = _read(page, around, policies)
    return None if errors(page.report.found[known:]) else waiver


def _read(page: Page, around: Surroundings, policies: Policies) -> Waiver | None:
    owner_of(page, around)
    where = selector_at(page, ("where",), around)
    expires = moment_at(page, page.node("spec", "expires"))
    _check_approvals(page, around)
    written = policy_at(page, policies)
    if written is None:
        return None
    policy = written.policy
    if policy.waivers is None:
        message = f"policy `{policy.name}` cannot be waived"
        page.error(
            page.node("spec", "policy"), "waiver.forbidden", message, "its owner must say `waivers:` on what terms"
        )
        return None
    _check_life(page, expires, policy.waivers, around.now)
    _check_granted(page, around.now)
    _check_agreed(page, policy.waivers)
    _check_rules(page, written)
    _check_meets(page, where, policy, around)
    return Waiver(
        name=page.name,
        policy=policy.name,
        rules=frozenset(rule_name(policy.name, rule) for rule in texts(page.spec, "rules")),
        where=where,
        reason=text(page.spec, "reason") or "",
        ticket=text(page.spec, "ticket") or "",
        compensating_control=text(page.spec, "compensatingControl") or "",
        approvals=party_names(texts(page.spec, "approvals")),
        expires=expires,
        unknown=policy.waivers.unknown,
        place=page.place(page.root),
    )


def _check_approvals(page: Page, around: Surroundings) -> None:
    """Report unknown approvers, and a waiver that no party with the right `waive` stands behind."""
    approvers = [party_at(page, one, str(one.value), around) for one in scalars(page.spec, "approvals")]
    if not any(party is None or Right.WAIVE in party.may for party in approvers):
        advice = "have a party with that right approve it too"
        page.error(page.node("spec", "approvals"), "waiver.no-right", "no approver has the right `waive`", advice)


def _check_life(page: Page, expires: datetime, terms: WaiverTerms, now: datetime) -> None:
    node = page.node("spec", "expires")
    if expires == NO_MOMENT:
        return
    if expires <= now:  # half-open: at its very end a waiver has ended
        advice = "remove the waiver, or have a new one signed"
        page.error(node, "waiver.expired", f"the waiver ended at {format_timestamp(expires)}", advice)
        return
    granted = _granted(page) or now.replace(microsecond=0)
    if expires - granted > terms.maximum:  # extensions count towards one maximum, from the first day
        longest = format_duration(terms.maximum)
        advice = f"let it end by {format_timestamp(granted + terms.maximum)}"
        page.error(node, "waiver.too-long", f"the waiver lasts longer than the {longest} its policy allows", advice)
    elif expires - now <= SOON:
        advice = "mend the devices, or have it extended within what its policy allows"
        page.warning(node, "waiver.expires-soon", f"the waiver ends at {format_timestamp(expires)}", advice)


def _granted(page: Page) -> datetime | None:
    written = at(page.spec, "granted")
    return None if written is None else moment_at(page, written)


def _check_granted(page: Page, now: datetime) -> None:
    granted = _granted(page)
    if granted is not None and granted > now:
        advice = "write the day on which it was first granted"
        page.error(page.node("spec", "granted"), "waiver.future", "the waiver is granted later than now", advice)


def _check_agreed(page: Page, terms: WaiverTerms) -> None:
    missing = sorted(set(terms.approvals) - set(texts(page.spec, "approvals")))
    if missing:
        message = "the policy asks for approval by " + ", ".join(f"`{name}`" for name in missing)
        page.error(page.node("spec", "approvals"), "waiver.approvals", message, "add them and have them sign")


def _check_rules(page: Page, written: WrittenPolicy) -> None:
    known = {rule.id: rule for rule in written.policy.rules}
    for one in scalars(page.spec, "rules"):
        rule = known.get(str(one.value))
        if one.value not in written.rule_ids:
            message = f"policy `{written.policy.name}` has no rule `{one.value}`"
            page.error(one, "waiver.unknown-rule", message, did_you_mean(str(one.value), written.rule_ids))
        elif rule is not None and any(path[0] == "identity" for path in facts_read(rule.require)):
            advice = "replace the device or its identity; who a device is cannot be waived"
            page.error(one, "waiver.identity", f"rule `{rule.id}` judges the device's identity", advice)


def _check_meets(page: Page, where: Selector, policy: Policy, around: Surroundings) -> None:
    both = intersection(where, policy.select)
    if around.fleet is not None and leaves_nothing(both, policy.exclude, around.fleet):
        message = f"no device matches this that policy `{policy.name}` selects and does not exclude"
        page.error(page.node("spec", "where"), "waiver.matches-nothing", message, "remove the waiver or mend `where`")
