"""The Kyverno library's policies, 451 verdicts on real resources."""

from __future__ import annotations

import pytest

from tests.conformance.kyverno import cases, verdict
from tests.conformance.running import vectors

DIRECTORY = vectors() / "kyverno"

pytestmark = pytest.mark.skipif(
    not DIRECTORY.is_dir(), reason=f"Kyverno vectors are not at {DIRECTORY}; set POLICYENGINE_VECTORS"
)


def test_every_resource_gets_kyvernos_verdict() -> None:
    judged = [(case["id"], verdict(case), case["expected"]) for case in cases(DIRECTORY)]
    assert len(judged) == 451
    assert {expected for _, _, expected in judged} == {"pass", "fail", "skip"}
    assert [row for row in judged if row[1] != row[2]] == []
