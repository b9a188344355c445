"""What became of a condition is decided from its shape, or said to be undecided: never guessed."""

from __future__ import annotations

import pytest

from policyengine.analysis.condition_direction import Comparison
from policyengine.analysis.direction import Direction
from policyengine.language.cel.environment import Environment
from policyengine.model.policy import Model
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import INT

ENVIRONMENT = Environment.for_facts(CORE_SCHEMA, {"limit": INT, "other": INT})
SEMVER = Model(name="gw", vendor="v", device_class="c", version_scheme="semver")
INTEGER = Model(name="sn", vendor="v", device_class="c", version_scheme="integer")


def direction(old: str, new: str, *models: Model) -> Direction:
    before, after = (ENVIRONMENT.condition(text).node for text in (old, new))
    return Comparison(models=models or (SEMVER,)).direction(before, after)


@pytest.mark.parametrize(
    ("looser", "tighter"),
    [
        ("boot.svn >= 7", "boot.svn >= 8"),
        ("boot.svn >= 7", "boot.svn > 7"),
        ("boot.svn < 7", "boot.svn < 6"),
        ("boot.svn <= 7", "boot.svn < 7"),
        ("7 <= boot.svn", "8 <= boot.svn"),
        ("boot.secure", "boot.secure && boot.svn > 1"),
        ("boot.secure && boot.svn > 1", "boot.secure && boot.svn > 2"),
        ("boot.secure || boot.svn > 1", "boot.secure"),
        ("boot.secure || boot.svn > 1 || evidence.fresh", "boot.svn > 1 || evidence.fresh"),
        ('boot.mode in ["a", "b"]', 'boot.mode in ["a"]'),
        ('boot.mode in ["a", "b"]', 'boot.mode == "b"'),
        ('!(boot.mode in ["a"])', '!(boot.mode in ["a", "b"])'),
        ("vuln.all(v, v.cvss < 7.0)", "vuln.all(v, v.cvss < 6.5)"),
        ("vuln.all(v, v.cvss < 7.0)", "vuln.all(v, v.cvss < 7.0 && !v.kev)"),
        ("!software.exists(c, c.svn < 3)", "!software.exists(c, c.svn < 4)"),
        ('cert.not_after - now > duration("24h")', 'cert.not_after - now > duration("48h")'),
        ('cert.not_after > timestamp("2026-01-01T00:00:00Z")', 'cert.not_after > timestamp("2027-01-01T00:00:00Z")'),
        ('model.latest_version.atLeast("4.9.0")', 'model.latest_version.atLeast("4.10.0")'),
        ('model.latest_version.below("5.0.0")', 'model.latest_version.below("4.0.0")'),
        ("boot.secure ? boot.svn > 1 : boot.svn > 5", "boot.secure ? boot.svn > 2 : boot.svn > 5"),
        ("boot.secure && (boot.svn > 1 || evidence.fresh)", "boot.secure && boot.svn > 1"),
    ],
)
def test_a_stricter_condition_is_tighter_and_the_way_back_is_looser(looser: str, tighter: str) -> None:
    assert (direction(looser, tighter), direction(tighter, looser)) == (Direction.TIGHTER, Direction.LOOSER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("boot.svn > 7", "boot.count > 7"),
        ("boot.svn >= params.limit", "boot.svn >= params.other"),
        ("boot.secure && boot.svn > 1", "boot.secure && evidence.fresh && evidence.verified"),
        ("boot.svn > 1 && boot.count > 5", "boot.svn > 2 && boot.count > 4"),
        ('boot.mode in ["a", "b"]', 'boot.mode in ["b", "c"]'),
        ("vuln.all(v, v.kev)", "vuln.exists(v, v.kev)"),
        ("software.all(c, c.svn > 1)", "vuln.all(c, c.cvss > 1.0)"),
        ('device.serial.matches("^A")', 'device.serial.matches("^AB")'),
        ("boot.secure", "!boot.secure"),
        ("boot.svn == 7", "boot.svn != 7"),
        ("boot.secure ? boot.svn > 1 : boot.svn > 5", "boot.secure ? boot.svn > 2 : boot.svn > 4"),
    ],
)
def test_what_shapes_do_not_decide_is_undecided(old: str, new: str) -> None:
    assert direction(old, new) is Direction.UNDECIDED


def test_versions_that_models_order_differently_are_undecided() -> None:
    old, new = 'model.latest_version.atLeast("4.2.0")', 'model.latest_version.atLeast("4.3.0")'
    assert direction(old, new, SEMVER) is Direction.TIGHTER
    assert direction(old, new, SEMVER, INTEGER) is Direction.UNDECIDED


def test_spaces_and_comments_change_nothing() -> None:
    assert direction("boot.secure&&boot.svn>7", "boot.secure && // here\n boot.svn > 7") is Direction.SAME


def test_the_sign_of_a_zero_is_a_difference() -> None:
    """Zeros are equal whatever their sign, and what is divided by them is not (IEEE 754 section 6.3)."""
    old, new = "vuln.all(v, v.cvss / 0.0 > 1.0)", "vuln.all(v, v.cvss / -0.0 > 1.0)"
    assert direction(old, new) is Direction.UNDECIDED
    assert direction(old, f"{new} && boot.secure") is Direction.UNDECIDED
    assert direction(new, new) is Direction.SAME
