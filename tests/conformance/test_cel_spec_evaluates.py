"""google/cel-spec's simple tests of the core language, evaluated by the generated engine."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policyengine.decision.errors import ERRORS
from policyengine.decision.plain import compile_plain
from policyengine.decision.space import UntranslatableError
from policyengine.decision.times import duration, timestamp
from policyengine.decision.values import TypeName, Uint, map_key
from policyengine.language.cel import ConditionError
from tests.conformance.cel_spec import Case, cases

EXTENSIONS = frozenset({"block_ext", "encoders_ext", "math_ext", "network_ext", "string_ext"})  # functions to come
# Where we know that we differ, and why. A case that begins to pass has to leave this list.
KNOWN = {
    "comparisons/lt_literal/not_lt_dyn_int_big_lossy_double": "exact comparison of int and double, cel-spec's is lossy",
    "comparisons/gt_literal/not_gt_dyn_big_double_int": "exact comparison of int and double, cel-spec's is lossy",
    "comparisons/lte_literal/lte_dyn_big_double_int": "exact comparison of int and double, cel-spec's is lossy",
    "comparisons/gte_literal/gte_dyn_int_big_lossy_double": "exact comparison of int and double, cel-spec's is lossy",
    "timestamps/timestamp_conversions/toString_timestamp_nanos": "times have microseconds",
    "timestamps/timestamp_arithmetic/add_time_to_duration_nanos_negative": "times have microseconds",
    "timestamps/timestamp_arithmetic/add_time_to_duration_nanos_positive": "times have microseconds",
    "timestamps/timestamp_range/add_duration_nanos_over": "times have microseconds",
    "timestamps/timestamp_range/add_duration_nanos_under": "times have microseconds",
    "timestamps/timestamp_range/sub_time_duration_over": "certificates may end in the year 9999",
    "timestamps/timestamp_range/sub_time_duration_under": "certificates may end in the year 9999",
}


def value_of(typed: Mapping[str, Any]) -> Any:
    """Return the value written as in the vectors' README."""
    held = typed.get("v")
    readers: Mapping[str, Any] = {
        "int": lambda: int(held),
        "uint": lambda: Uint(int(held)),
        "double": lambda: float(held.replace("Infinity", "inf")),
        "bytes": lambda: base64.b64decode(held),
        "list": lambda: tuple(map(value_of, held)),
        "map": lambda: {map_key(value_of(key)): value_of(value) for key, value in held},
        "timestamp": lambda: timestamp(held),
        "duration": lambda: duration(held),
        "type": lambda: TypeName(held),
    }
    return readers.get(typed["t"], lambda: held)()


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal and of one type; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


def conforms(case: Case) -> bool:
    """Return whether our engine does with `case` what cel-spec expects."""
    wants_error = case.expect["kind"] == "error"
    try:
        evaluate = compile_plain(case.translated())
        value = evaluate({name: value_of(held) for name, held in case.bindings.items()})
    except (ConditionError, UntranslatableError, *ERRORS):
        return wants_error
    return not wants_error and same(value, value_of(case.expect["value"]))


def test_the_core_language_conforms_but_for_the_known_cases(vectors: Path) -> None:
    judged = [
        case
        for case in cases(vectors / "policy" / "cel-spec")
        if case.file not in EXTENSIONS and case.expect["kind"] != "type" and _is_declared(case)
    ]
    differing = {case.id for case in judged if not conforms(case)}
    assert len(judged) > 1000
    assert differing == set(KNOWN)


def _is_declared(case: Case) -> bool:
    """Return whether the case needs no function or name that is first looked for when it runs."""
    return not case.expression.endswith("() || true") and "f_unknown" not in case.expression
