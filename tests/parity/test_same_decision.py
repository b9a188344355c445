"""One policy, one device, five formats: the same decision, because facts are the same whatever they came in."""

from __future__ import annotations

import pytest

from tests.parity.presented import PRESENTED
from tests.parity.table import Judged, judged


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Judged], dict[str, Judged]]:
    return judged(f"sqlite:///{tmp_path_factory.mktemp('parity') / 'store.db'}")


@pytest.mark.parametrize("name", PRESENTED)
def test_released_firmware_passes_all_twenty_rules_in_every_format(
    name: str, decisions: tuple[dict[str, Judged], dict[str, Judged]]
) -> None:
    released, _ = decisions
    rules = {rule: result for rule, result in released[name].items() if rule != "tier"}
    assert (len(rules), set(rules.values()), released[name]["tier"]) == (20, {"pass"}, "full")


@pytest.mark.parametrize("name", PRESENTED)
def test_an_implant_is_the_same_failure_in_every_format(
    name: str, decisions: tuple[dict[str, Judged], dict[str, Judged]]
) -> None:
    """RFC 9334 section 8.3: what was measured is no reference value, so there is no release to take an SVN from."""
    _, tampered = decisions
    wrong = {rule: result for rule, result in tampered[name].items() if result != "pass"}
    assert wrong == {"tier": "quarantine", "one-release": "fail", "known-signer": "unknown", "svn-floor": "unknown"}
