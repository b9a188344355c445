"""The shared workload (25 rule templates, fact documents) in the forms that each engine takes.

The templates and documents stand outside the repository: `$POLICYENGINE_SHARED/benchmarks/workload.py`, or
`../shared/benchmarks/workload.py` beside it.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from policyengine.model.schema import FactSchema, FieldSpec
from policyengine.model.types import BOOL, DOUBLE, INT, STRING, TIMESTAMP, VERSION, Type, list_of, struct

ROOT = Path(__file__).resolve().parent.parent
VERSIONED = frozenset({"os.version", "component.version"})  # what the templates compare as versions


def shared() -> Path:
    """Return the folder with what this project shares with others."""
    return Path(os.environ.get("POLICYENGINE_SHARED", ROOT.parent / "shared"))


def load() -> ModuleType:
    """Return the workload; raises FileNotFoundError where it is not on this machine."""
    path = shared() / "benchmarks" / "workload.py"
    if not path.is_file():
        raise FileNotFoundError(f"the workload is not at {path}; set POLICYENGINE_SHARED")
    spec = importlib.util.spec_from_file_location("workload", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def conditions(workload: ModuleType, count: int) -> list[str]:
    """Return `count` rules in our language: comparisons of versions are methods there."""
    texts = []
    for text in workload.rules(count):
        method = re.sub(r"semver_ge\(([a-z.]+), ('[0-9.]+')\)", r"\1.atLeast(\2)", text)
        texts.append(re.sub(r"semver_lt\(([a-z.]+), ('[0-9.]+')\)", r"\1.below(\2)", method))
    return texts


def facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document as typed facts: lists as tuples."""
    return {
        group: {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        for group, fields in document.items()
    }


def schema(workload: ModuleType) -> FactSchema:
    """Return the fact schema of the workload's documents, taken from a full one."""
    (full,) = workload.fleet(1, missing=0.0)
    structs = {
        group: {name: _spec(group, name, value) for name, value in fields.items()} for group, fields in full.items()
    }
    component = full["firmware"]["components"][0]
    structs["component"] = {name: _spec("component", name, value) for name, value in component.items()}
    return FactSchema(roots={group: FieldSpec(type=struct(group), meaning="") for group in full}, structs=structs)


def _spec(group: str, name: str, value: object) -> FieldSpec:
    return FieldSpec(type=_type(group, name, value), meaning="", maximum=64)


def _type(group: str, name: str, value: object) -> Type:
    if f"{group}.{name}" in VERSIONED:
        return VERSION
    if isinstance(value, list):
        return list_of(struct("component") if isinstance(value[0], dict) else _type(group, name, value[0]))
    kinds = {bool: BOOL, int: INT, float: DOUBLE, str: STRING, datetime: TIMESTAMP}
    return kinds[type(value)]
