"""Running foreign expressions on the engine that judges devices, and comparing what comes out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policyengine.decision.errors import ERRORS
from policyengine.decision.functions import FUNCTIONS, Function
from policyengine.decision.plain import compile_plain
from policyengine.decision.values import map_of
from policyengine.language.cel.environment import ConditionError, PlainEnvironment
from policyengine.language.cel.functions import Function as Declaration
from policyengine.model.types import DYN
from policyengine.services.authoring.expressions import answer_line

_ROOT = Path(__file__).resolve().parents[2]


class FailedError(Exception):
    """The expression does not compile, or fails when it runs."""


def vectors() -> Path:
    """Return the directory of the third-party policy vectors, whether or not it is there."""
    return Path(os.environ.get("POLICYENGINE_VECTORS", _ROOT.parent / "shared" / "vectors")) / "policy"


def answered(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what `policyengine cel eval` prints for `case`."""
    return answer_line(json.dumps(case).encode()).document


def same(one: Any, other: Any) -> bool:
    """Return whether two typed values are equal and of one type; NaN equals NaN, a map's order is free."""
    if one["t"] != other["t"]:
        return False
    held, wanted = one["v"], other["v"]
    match one["t"]:
        case "list":
            return len(held) == len(wanted) and all(map(same, held, wanted))
        case "map":
            return len(held) == len(wanted) and all(
                any(same(key, known) and same(value, given) for known, given in wanted) for key, value in held
            )
        case "double":
            return held == wanted or float(held) == float(wanted)
        case _:
            return bool(held == wanted)


def native(value: Any) -> object:
    """Return a JSON value as CEL has it."""
    if isinstance(value, list):
        return tuple(map(native, value))
    if isinstance(value, dict):
        return map_of(*((key, native(held)) for key, held in value.items()))
    return value


def evaluate(
    text: str,
    variables: Mapping[str, object],
    declarations: tuple[Declaration, ...] = (),
    functions: Mapping[str, Function] = FUNCTIONS,
) -> object:
    """Return the value of `text` over untyped `variables`; raises FailedError."""
    environment = PlainEnvironment(variables=dict.fromkeys(variables, DYN), functions=declarations)
    try:
        return compile_plain(environment.compile(text).node, functions)(variables)
    except (ConditionError, *ERRORS) as cause:
        raise FailedError(f"{text}: {cause}") from cause
