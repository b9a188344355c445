"""The JSON-shaped cases of google/cel-spec translate to the expression IR, and survive its JSON form."""

from __future__ import annotations

import pytest

from policyengine.language.cel.environment import ConditionError
from policyengine.model.expression import walk
from policyengine.model.expression_json import from_document, to_document
from tests.conformance.cel_spec import cases, report, vectors

DIRECTORY = vectors() / "policy" / "cel-spec"
OTHER_LIBRARIES = ("network_ext", "block_ext")  # cel-expr-python 0.1.3 knows neither
CASES = [case for case in cases(DIRECTORY) if case.file not in OTHER_LIBRARIES] if DIRECTORY.is_dir() else []

pytestmark = pytest.mark.skipif(not CASES, reason=f"cel-spec vectors are not at {DIRECTORY}; set POLICYENGINE_VECTORS")

# `sort` is declared by this case and by the `lists` library, which is always on.
CLASHES = frozenset({"type_deduction/type_parameters/multiple_parameters_generality_2"})


def test_every_case_of_value_or_type_translates() -> None:
    missed = []
    for case in CASES:
        try:
            case.translated()
        except ConditionError as error:
            if case.expect["kind"] != "error" and case.id not in CLASHES:
                missed.append((case.id, error.problems))
    assert not missed


def test_every_translated_case_survives_its_json_form() -> None:
    survived = 0
    for case in CASES:
        try:
            node = case.translated()
        except ConditionError:
            continue
        if not any(value != value for value in (getattr(each, "value", None) for each in walk(node))):
            assert from_document(to_document(node)) == node, case.id
            survived += 1
    assert survived > 1500


def test_an_accumulator_never_leaves_its_macro() -> None:
    for case in CASES:
        try:
            node = case.translated()
        except ConditionError:
            continue
        assert not any(getattr(each, "name", "") == "@result" for each in walk(node)), case.id


def test_at_least_nine_in_ten_of_all_cases_translate() -> None:
    *_, total = report(DIRECTORY)
    done, of = (int(word) for word in total.split() if word.isdigit())
    assert done / of > 0.9
