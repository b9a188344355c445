"""cel-expr/cel-policy's suites that evaluate, on JSON-shaped inputs."""

from __future__ import annotations

import pytest

from policyengine.decision.values import Optional, equal
from tests.conformance.cel_policy import cases, given
from tests.conformance.running import vectors

DIRECTORY = vectors() / "cel-policy"

pytestmark = pytest.mark.skipif(
    not DIRECTORY.is_dir(), reason=f"cel-policy vectors are not at {DIRECTORY}; set POLICYENGINE_VECTORS"
)


def test_every_policy_gives_what_its_suite_says() -> None:
    judged = [(name, given(policy, scope), wanted) for name, policy, scope, wanted in cases(DIRECTORY)]
    assert len(judged) >= 60
    assert [row for row in judged if not _same(row[1], row[2])] == []


def _same(found: object, wanted: object) -> bool:
    """Return whether a policy gave what is wanted: a value that it always has may stand for the optional of it."""
    if isinstance(found, Optional) and found.present and not isinstance(wanted, Optional):
        return equal(found.value, wanted)
    return equal(found, wanted)
