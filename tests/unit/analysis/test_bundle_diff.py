"""The difference between two bundles is what they mean differently, by whom, and which way it goes."""

from __future__ import annotations

import pytest

from policyengine.analysis.bundle_diff import changes_between
from policyengine.analysis.changes import Change, Subject, Verdict
from policyengine.analysis.direction import Direction
from policyengine.analysis.signoffs import signoffs_for
from policyengine.model.policy import Bundle
from tests.unit.language.repository import ANCHORS, BINDINGS, POLICY, REFERENCES, WAIVER, base, compiled, replaced

BOOT, BINDING = "engineering/boot.yaml", "operations/bindings.yaml"
SPARE, FLEET = "waivers/spare-part.yaml", "fleet.yaml"


def bundle(changes: dict[str, bytes | str | None] | None = None) -> Bundle:
    found = compiled(changes)
    assert found.judging is not None, found.diagnostics
    return found.judging


def changes(edits: dict[str, bytes | str | None]) -> tuple[Change, ...]:
    return changes_between(bundle(), bundle({"engineering/boot_test.yaml": None, **edits}))


def said(edits: dict[str, bytes | str | None]) -> set[tuple[str, str, str]]:
    return {(one.verdict.value, f"{one.subject.value} {one.name}", one.aspect) for one in changes(edits)}


def test_a_bundle_does_not_differ_from_itself() -> None:
    assert changes_between(bundle(), bundle()) == ()


def test_moving_documents_and_lines_changes_nothing() -> None:
    moved = {BOOT: None, "engineering/other/start.yaml": "# moved\n\n" + POLICY}
    assert changes(moved) == ()


RULE, PARAM = "rule engineering/boot#", "param engineering/boot params."


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("boot.secure && boot.mode", "boot.mode", ("loosened", f"{RULE}secure", "require")),
        ('duration("48h")', 'duration("72h")', ("tightened", f"{RULE}lasting", "require")),
        (
            "require: identity.verified",
            "require: identity.verified || boot.secure",
            ("loosened", f"{RULE}proven", "require"),
        ),
        ("left: cert.not_after - now", "left: cert.not_before - now", ("changed", f"{RULE}lasting", "require")),
        ("min: attested", "min: certified", ("loosened", f"{RULE}secure", "evidence.min")),
        ("fresh: 24h", "fresh: 12h", ("tightened", f"{RULE}secure", "evidence.fresh")),
        ("{hold: 72h}", "{hold: 73h}", ("loosened", f"{RULE}secure", "evidence.onUnknown")),
        (", onUnknown: {hold: 72h}", "", ("tightened", f"{RULE}secure", "evidence.onUnknown")),
        ("mode {boot.mode}", "the mode {boot.mode}", ("reworded", f"{RULE}secure", "message")),
        ("Flash the signed image.", "Flash it.", ("reworded", f"{RULE}secure", "remediation")),
        ("Gateways boot securely", "Gateways start securely", ("reworded", "policy engineering/boot", "title")),
        ("default: 7", "default: 6", ("loosened", f"{PARAM}min_svn", "default")),
        ("default: 24h", "default: 23h", ("tightened", f"{PARAM}max_age", "default")),
        ("default: [production, locked]", "default: [production]", ("tightened", f"{PARAM}modes", "default")),
        ("default: none", "default: other", ("changed", f"{PARAM}motto", "default")),
        ("severity: high", "severity: low", ("changed", "policy engineering/boot", "severity")),
        ("ceiling: quarantine", "ceiling: deny", ("tightened", "policy engineering/boot", "ceiling")),
        ("max: 30d", "max: 60d", ("loosened", "policy engineering/boot", "waivers")),
        ("  exclude: {site: {in: [lab]}}\n", "", ("tightened", "policy engineering/boot", "exclude")),
        (
            "exclude: {site: {in: [lab]}}",
            "exclude: {site: {in: [lab, depot]}}",
            ("loosened", "policy engineering/boot", "exclude"),
        ),
    ],
)
def test_a_change_of_a_policy_is_named_with_its_direction(old: str, new: str, expected: tuple[str, str, str]) -> None:
    assert said({BOOT: replaced(BOOT, old, new), "waivers/spare-part.yaml": None}) - {
        ("removed", "waiver spare-part", "")
    } == {expected}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mode: enforce", "mode: warn", ("loosened", "mode")),
        ("action: limited", "action: quarantine", ("tightened", "action")),
        ("where: {site: {in: [plant-a]}}", "where: {site: {in: [plant-a, lab]}}", ("tightened", "where")),
        ("min_svn: 8", "min_svn: 9", ("tightened", "params.min_svn")),
        ("per_zone_per_hour: 5", "per_zone_per_hour: 4", ("loosened", "caps")),
        ("  caps: {per_zone_per_hour: 5}\n", "", ("tightened", "caps")),
    ],
)
def test_a_change_of_a_binding_is_named_with_its_direction(old: str, new: str, expected: tuple[str, str]) -> None:
    verdict, aspect = expected
    assert said({BINDING: replaced(BINDING, old, new)}) == {(verdict, "binding operations/boot-plant", aspect)}


@pytest.mark.parametrize(
    ("path", "edit", "expected"),
    [
        (SPARE, None, ("removed", "waiver spare-part", "")),
        ("waivers/more.yaml", WAIVER.replace("spare-part", "more"), ("added", "waiver more", "")),
        (SPARE, WAIVER.replace("12-15", "12-16"), ("loosened", "waiver spare-part", "expires")),
        (SPARE, WAIVER.replace("[floor]", "[floor, fresh]"), ("loosened", "waiver spare-part", "rules")),
        (SPARE, WAIVER.replace("OPS-412", "OPS-1"), ("reworded", "waiver spare-part", "ticket")),
        (FLEET, ("enforcement: enforce", "enforcement: observe"), ("loosened", "fleet north", "enforcement")),
        (FLEET, ("unknown: refuse", "unknown: pending"), ("loosened", "fleet north", "enrollment.unknown")),
        (FLEET, ("  sites:", "  gate: {update: quarantine}\n  sites:"), ("loosened", "fleet north", "gate.update")),
        ("parties.yaml", ("[tighten, loosen]", "[tighten]"), ("changed", "party engineering", "may")),
        ("profiles/all.yaml", ("lifetime: 14d", "lifetime: 15d"), ("changed", "profile all", "lifetime")),
        ("reference-values/vendor-acme/gw-200.yaml", None, ("removed", "reference-values gw-200 4.2.1", "")),
        ("facts/own.yaml", None, ("removed", "fact org.ring", "")),
    ],
)
def test_every_other_document_is_compared_too(
    path: str, edit: str | tuple[str, str] | None, expected: tuple[str, str, str]
) -> None:
    assert expected in said({path: replaced(path, *edit) if isinstance(edit, tuple) else edit})


def test_rules_that_come_and_go_are_named() -> None:
    gone = replaced(BOOT, "    - id: proven\n      require: identity.verified\n", "")
    assert said({BOOT: gone}) == {("removed", f"{RULE}proven", "")}
    come = replaced(BOOT, "  ceiling: quarantine", "    - {id: more, require: evidence.fresh}\n  ceiling: quarantine")
    assert said({BOOT: come}) == {("added", f"{RULE}more", "")}


def test_a_rule_with_another_name_and_the_same_content_is_renamed() -> None:
    renamed = {BOOT: replaced(BOOT, "id: proven", "id: identity-proven")}
    assert said(renamed) == {("renamed", f"{RULE}identity-proven", "")}
    assert changes(renamed)[0].old == "engineering/boot#proven"


def test_a_policy_with_another_name_takes_its_bindings_along() -> None:
    vendor = "vendors/vendor-acme/keys.yaml"
    edits: dict[str, bytes | str | None] = {
        BOOT: replaced(BOOT, "name: boot\n", "name: start\n"),
        BINDING: BINDINGS.replace("engineering/boot", "engineering/start"),
        vendor: base()[vendor].decode().replace("engineering/boot", "engineering/start"),
        "waivers/spare-part.yaml": None,
    }
    assert said(edits) == {("renamed", "policy engineering/start", ""), ("removed", "waiver spare-part", "")}


def test_a_default_that_moves_is_one_change_though_bindings_follow() -> None:
    assert said({BOOT: replaced(BOOT, "default: 4.2.0", "default: 4.3.0")}) == {
        ("tightened", f"{PARAM}min_version", "default")
    }


def test_each_change_is_of_the_party_that_owns_the_document() -> None:
    found = changes(
        {
            BINDING: replaced(BINDING, "mode: enforce", "mode: warn"),
            BOOT: replaced(BOOT, "severity: high", "severity: low"),
        }
    )
    assert {one.party for one in found} == {"operations", "engineering"}


def signers(edits: dict[str, bytes | str | None]) -> dict[str, bool]:
    return {one.party: one.quorum for one in signoffs_for(changes(edits), bundle())}


def test_loosening_needs_the_owner_and_it() -> None:
    assert signers({BOOT: replaced(BOOT, "default: 7", "default: 6")}) == {"engineering": False, "it": False}


def test_tightening_needs_nobody_else() -> None:
    assert signers({BOOT: replaced(BOOT, "default: 7", "default: 8")}) == {}


def test_an_undecided_direction_needs_what_loosening_needs() -> None:
    assert signers({BOOT: replaced(BOOT, "default: none", "default: x")}) == {"engineering": False, "it": False}


def test_a_second_anchor_of_the_same_certificate_is_not_hidden_by_the_first() -> None:
    entry = "    - {file: acme.pem, use: [idevid], vendor: vendor-acme, models: [gw-200]}\n"
    for written in (ANCHORS + entry, ANCHORS.replace("  anchors:\n", f"  anchors:\n{entry}")):
        edits: dict[str, bytes | str | None] = {"trust-anchors/index.yaml": written}
        assert [(one.verdict.value, one.subject.value) for one in changes(edits)] == [("added", "anchor")]
        assert signers(edits) == {"engineering": False, "vendor-acme": False}


def test_other_digests_for_a_release_that_is_listed_elsewhere_are_not_hidden() -> None:
    other = REFERENCES.replace("name: gw-200", "name: again").replace("6655", "0000")
    for path in ("reference-values/vendor-acme/aaa.yaml", "reference-values/vendor-acme/zzz.yaml"):
        edits: dict[str, bytes | str | None] = {path: other}
        assert said(edits) == {("added", "reference-values gw-200 4.2.1", "")}
        assert "engineering" in signers(edits)


def test_a_policy_that_goes_to_another_party_needs_its_old_and_new_owner_and_it() -> None:
    keys = "vendors/vendor-acme/keys.yaml"
    edits: dict[str, bytes | str | None] = {
        BOOT: None,
        "operations/boot.yaml": POLICY.replace("owner: engineering", "owner: operations"),
        BINDING: BINDINGS.replace("engineering/boot", "operations/boot"),
        keys: base()[keys].decode().replace("engineering/boot", "operations/boot"),
        SPARE: None,
    }
    taken = [one for one in changes(edits) if one.subject is Subject.POLICY]
    assert {(one.verdict, one.party, one.new) for one in taken} == {
        (Verdict.RENAMED, "engineering", "operations/boot"),
        (Verdict.RENAMED, "operations", "operations/boot"),
    }
    assert {"engineering", "operations", "it"} <= {one.party for one in signoffs_for(taken, bundle())}


def test_a_param_that_a_rule_uses_unclearly_is_not_believed_to_tighten() -> None:
    """The side that `tighter` names is a claim of who wrote it; it counts where the rules bear it out."""
    unclear = replaced(BOOT, "boot.mode in params.modes", "boot.mode in params.modes && size(params.modes) > 1")
    moved = unclear.replace("default: [production, locked]", "default: [production]")
    found = changes_between(bundle({BOOT: unclear}), bundle({BOOT: moved}))
    assert [(one.effect, one.aspect) for one in found] == [(Direction.UNDECIDED, "default")]


def test_rewording_needs_nobody_else() -> None:
    assert signers({BOOT: replaced(BOOT, "Flash the signed image.", "Flash it.")}) == {}


@pytest.mark.parametrize("path", ["reference-values/vendor-acme/gw-200.yaml", "trust-anchors/index.yaml"])
def test_what_vendors_vouch_for_needs_engineering(path: str) -> None:
    assert signers({path: None})["engineering"] is False


def test_parties_need_a_quorum_of_it_engineering_and_operations() -> None:
    edits = {"parties.yaml": replaced("parties.yaml", "[tighten, loosen]", "[tighten]")}
    assert signers({**edits}) == {"engineering": True, "it": True, "operations": True}
