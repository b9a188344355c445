"""A version names one content for ever: it rises with the content (DESIGN section 4)."""

from __future__ import annotations

from policyengine.language.history import compare
from tests.unit.language.repository import base, replaced

BOOT = "engineering/boot.yaml"
WAIVER = "waivers/spare-part.yaml"


def found(path: str, text: str) -> list[tuple[str, int, int]]:
    diagnostics = compare(base(), {**base(), path: text.encode()})
    assert all(one.help for one in diagnostics)
    return [(one.code, one.line, one.column) for one in diagnostics]


def test_nothing_changed_and_nothing_is_said() -> None:
    assert compare(base(), base()) == ()


def test_a_changed_policy_with_its_old_version_is_found_at_the_version() -> None:
    assert found(BOOT, replaced(BOOT, "default: 7", "default: 6")) == [("version.not-raised", 5, 12)]


def test_a_changed_policy_with_a_higher_version_is_good() -> None:
    changed = replaced(BOOT, "default: 7", "default: 6").replace("version: 1.4.0", "version: 1.10.0")
    assert found(BOOT, changed) == []


def test_a_version_does_not_go_back() -> None:
    assert found(BOOT, replaced(BOOT, "version: 1.4.0", "version: 1.3.9")) == [("version.lowered", 5, 12)]


def test_layout_and_comments_are_no_content() -> None:
    assert found(BOOT, replaced(BOOT, "severity: high", "severity:   high # why")) == []


def test_a_new_policy_has_any_version() -> None:
    without = {path: data for path, data in base().items() if path != BOOT}
    assert compare(without, base()) == ()


def test_a_policy_that_moves_to_another_file_is_the_same_policy() -> None:
    moved = {path: data for path, data in base().items() if path != BOOT}
    moved["engineering/other.yaml"] = replaced(BOOT, "default: 7", "default: 6").encode()
    assert [(one.file, one.code) for one in compare(base(), moved)] == [
        ("engineering/other.yaml", "version.not-raised")
    ]


def test_the_help_names_a_version_that_is_high_enough() -> None:
    (one,) = compare(base(), {**base(), BOOT: replaced(BOOT, "default: 7", "default: 6").encode()})
    assert "1.4.1" in one.help


def test_an_extended_waiver_says_when_it_was_first_granted() -> None:
    later = replaced(WAIVER, "2026-12-15", "2027-01-15")
    assert found(WAIVER, later) == [("waiver.extended", 12, 12)]
    assert found(WAIVER, later + "  granted: 2026-11-20\n") == []


def test_a_waiver_that_ends_earlier_needs_no_first_day() -> None:
    assert found(WAIVER, replaced(WAIVER, "2026-12-15", "2026-12-01")) == []


def test_a_file_that_cannot_be_read_is_no_change_of_a_version() -> None:
    assert found(BOOT, "a: [") == []
