"""Planted defects of the translator: each one has to be found by the comparison with the slow interpreter."""

from __future__ import annotations

import pytest

from policyengine.decision.functions import FUNCTIONS
from tests.property.mutants import COMPUTED, WRITTEN, found_by_function, found_by_source


def test_the_translator_as_it_is_agrees() -> None:
    assert found_by_source("never", "never") == 0


def test_the_functions_as_they_are_agree() -> None:
    assert found_by_function("size", FUNCTIONS["size"]) == 0


@pytest.mark.parametrize("mutant", WRITTEN)
def test_a_defect_in_what_is_written_is_found(mutant: str) -> None:
    assert found_by_source(*WRITTEN[mutant]) > 0


@pytest.mark.parametrize("mutant", COMPUTED)
def test_a_defect_of_a_function_is_found(mutant: str) -> None:
    assert found_by_function(*COMPUTED[mutant]) > 0
