"""The rule templates of the shared benchmark translate (they are read from beside the repository, never copied)."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from policyengine.language.cel.environment import PlainEnvironment
from policyengine.language.cel.functions import Function, Overload
from policyengine.model.expression import Call, Comprehension, walk
from policyengine.model.expression_json import from_document, to_document
from policyengine.model.types import BOOL, DYN, STRING, TIMESTAMP, map_of

SHARED = Path(os.environ.get("POLICYENGINE_SHARED", Path(__file__).resolve().parents[4] / "shared"))
WORKLOAD = SHARED / "benchmarks" / "workload.py"

pytestmark = pytest.mark.skipif(not WORKLOAD.is_file(), reason=f"no workload at {WORKLOAD}; set POLICYENGINE_SHARED")


def _workload() -> ModuleType:
    spec = importlib.util.spec_from_file_location("workload", WORKLOAD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _environment(groups: tuple[str, ...]) -> PlainEnvironment:
    functions = tuple(
        Function(name=name, overloads=(Overload(id=f"{name}_string_string", parameters=(STRING, STRING), result=BOOL),))
        for name in ("semver_ge", "semver_lt")
    )
    variables = dict.fromkeys(groups, map_of(STRING, DYN)) | {"now": TIMESTAMP}
    return PlainEnvironment(variables=variables, functions=functions)


def test_every_template_translates_and_survives_its_json_form() -> None:
    workload = _workload()
    environment = _environment(workload.GROUPS)
    nodes = [environment.compile(text).node for text in workload.rules(25)]
    assert all(from_document(to_document(node)) == node for node in nodes)
    assert sum(isinstance(each, Comprehension) for node in nodes for each in walk(node)) == 6
    assert sum(isinstance(each, Call) and each.function == "semver_ge" for node in nodes for each in walk(node)) == 2
