"""Conditions that no device can change are found, and no other."""

from __future__ import annotations

import pytest

from policyengine.language.cel.constant import constant_value
from policyengine.language.cel.environment import Environment
from policyengine.model.schema import CORE_SCHEMA

ENVIRONMENT = Environment.for_facts(CORE_SCHEMA).with_let("yes", "1 < 2")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("1 < 2", True),
        ("2.5 <= 2.0", False),
        ("'a' == 'b'", False),
        ("!(1 == 1)", False),
        ("false && boot.secure", False),
        ("boot.secure || true", True),
        ("true && 1 < 2", True),
        ("false || 2 < 1", False),
        ("'a' in ['b', 'a']", True),
        ("1 in [2, 3]", False),
        ("true ? 1 < 2 : boot.secure", True),
        ("boot.secure ? true : 1 < 2", True),
        ("let.yes || boot.secure", None),  # a let is looked up where it is used, and this folder is small
        ("cel.bind(x, 1, true)", True),
        ("boot.secure", None),
        ("true && boot.secure", None),
        ("false || boot.secure", None),
        ("boot.secure ? true : false", None),
        ("boot.svn > 1", None),
        ("boot.svn in [1, 2]", None),
        ("1 in [boot.svn]", None),
        ("1 / 0 == 1", None),
        ("0.0 / 0.0 == 0.0 / 0.0", None),
    ],
)
def test_a_constant_condition_is_found(text: str, value: bool | None) -> None:
    assert constant_value(ENVIRONMENT.condition(text).node) is value
