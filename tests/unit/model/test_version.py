"""Versions sort as their scheme says."""

from __future__ import annotations

from itertools import pairwise

import pytest

from policyengine.model.version import VersionError, key_function, within

RISING = {
    "semver": "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.9.0 1.10.0",
    "dotted": "0.9 1 1.0.1 1.2 1.10 2",
    "calver": "2024.2 2024.10.1 2026.05",
    "integer": "1 9 10 200",
    "deb": "1.0~beta1~svn1245 1.0~beta1 1.0 1.0-1 1.0-1+b1 1.0a 1.0+b 1.2 1:0.1",
    "rpm": "1.0~rc1 1.0 1.0^git1 1.0a 1.0.1 1.1-1 1.1-2 1.10 2:0.1",
    "ordered": "gold silver bronze",
}


def scheme(name: str):  # type: ignore[no-untyped-def]
    return key_function(name, RISING["ordered"].split())


@pytest.mark.parametrize("name", RISING)
def test_versions_rise_as_their_scheme_says(name: str) -> None:
    """SemVer 2.0.0 section 11; Debian Policy section 5.6.12; rpmvercmp."""
    keys = [scheme(name)(text) for text in RISING[name].split()]
    assert [low < high for low, high in pairwise(keys)] == [True] * (len(keys) - 1)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("semver", "1.0.0+a", "1.0.0+b"), ("dotted", "1.2", "1.2.0"), ("deb", "1.0", "0:1.0-0"), ("rpm", "1.0", "0:1.0")],
)
def test_different_texts_of_one_version_are_equal(name: str, one: str, other: str) -> None:
    assert scheme(name)(one) == scheme(name)(other)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("semver", "1.0"),
        ("semver", "01.0.0"),
        ("semver", "v1.0.0"),
        ("dotted", "1..2"),
        ("dotted", "1.x"),
        ("integer", "-1"),
        ("deb", "abc"),
        ("deb", "1.0-"),
        ("deb", "1:"),
        ("deb", "a:1.0"),
        ("deb", "1.0_1"),
        ("rpm", "a b"),
        ("ordered", "iron"),
        ("semver", "1.0.0\n"),
        ("dotted", "1" * 200),
    ],
)
def test_what_is_no_version_is_refused(name: str, text: str) -> None:
    with pytest.raises(VersionError):
        scheme(name)(text)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(VersionError):
        key_function("emoji")


@pytest.mark.parametrize(
    ("text", "limits", "inside"),
    [
        ("1.5.0", ">=1.0.0|<2.0.0", True),
        ("1.0.0", ">=1.0.0|<2.0.0", True),
        ("2.0.0", ">=1.0.0|<2.0.0", False),
        ("0.9.0", ">=1.0.0|<2.0.0", False),
        ("1.3.7", ">=1.0.0|!=1.3.7|<2.0.0", False),
        ("3.1.0", "<2.0.0|>=3.0.0", True),
        ("2.5.0", "<2.0.0|>=3.0.0", False),
        ("1.2.3", "1.2.3|1.2.4", True),
        ("1.2.5", "1.2.3|1.2.4", False),
        ("9.9.9", "*", True),
        ("9.9.9", "!=1.0.0", True),
        ("1.5.0", "<2.0.0|>=1.0.0", True),
        ("2.5.0", "<2.0.0|<3.0.0", True),
        ("1.5.0", ">1.0.0|>2.0.0|<3.0.0", True),
        ("3.5.0", ">1.0.0|>2.0.0|<3.0.0", False),
        ("1.0.0-rc.1", ">=1.0.0|<2.0.0", False),
        ("1.0.0+b", "1.0.0%2Ba", True),
    ],
)
def test_a_range_says_which_versions_lie_in_it(text: str, limits: str, inside: bool) -> None:
    assert within(text, f"vers:semver/{limits}", scheme("semver")) is inside


@pytest.mark.parametrize(
    "limits",
    ["1.0.0", "vers:semver", "vers:semver/", "vers:semver/>=x", "vers:semver/>=1.0.0||", "vers:semver/>=1.0.0|<1.0.0"],
)
def test_what_is_no_range_is_refused(limits: str) -> None:
    with pytest.raises(VersionError):
        within("1.0.0", limits, scheme("semver"))


def test_a_semver_number_may_be_of_any_size() -> None:
    """SemVer 2.0.0 clause 2 sets no limit."""
    key = scheme("semver")
    assert key("99999999999999999999999.999999999999999999.99999999999999999") > key("1.0.0")
