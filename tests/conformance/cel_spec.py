"""How much of google/cel-spec's simple tests the front end translates: `python -m tests.conformance.cel_spec`.

The data are described in `policy/README.md` of the vectors (DESIGN section 13). Only cases that need no protobuf
message, enum or container beyond names are counted.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policyengine.language.cel.environment import ConditionError, PlainEnvironment
from policyengine.language.cel.functions import Function, Overload
from policyengine.model.expression import Node
from policyengine.model.types import DYN, Kind, Type, list_of, map_of, optional_of

_ROOT = Path(__file__).resolve().parents[2]
_SIMPLE = {kind.value: Type(kind=kind) for kind in Kind} | {"any": DYN}


def vectors() -> Path:
    """Return the directory of the third-party vectors, whether or not it is there."""
    return Path(os.environ.get("POLICYENGINE_VECTORS", _ROOT.parent / "shared" / "vectors"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test of cel-spec."""

    id: str
    file: str
    expression: str
    bindings: Mapping[str, Any]
    environment: PlainEnvironment
    is_checked: bool
    expect: Mapping[str, Any]

    def translated(self) -> Node:
        """Return the IR of the case's expression; raises ConditionError."""
        compile_text = self.environment.compile if self.is_checked else self.environment.parse
        return compile_text(self.expression).node


def cases(directory: Path) -> Iterator[Case]:
    """Yield the JSON-shaped cases below `directory` (`policy/cel-spec`)."""
    for path in sorted(directory.glob("*.json")):
        for raw in json.loads(path.read_text()):
            if raw["json_shaped"]:
                yield _case(path.stem, raw)


def _case(file: str, raw: Mapping[str, Any]) -> Case:
    declared = raw.get("type_env", {})
    variables = dict.fromkeys(raw["bindings"], DYN) | {
        name: type_of(form) for name, form in declared.get("variables", {}).items()
    }
    functions = tuple(_function(form) for form in declared.get("functions", ()))
    environment = PlainEnvironment(variables=variables, functions=functions, container=raw.get("container", ""))
    return Case(
        id=raw["id"],
        file=file,
        expression=raw["expr"],
        bindings=raw["bindings"],
        environment=environment,
        is_checked=not raw["disable_check"],
        expect=raw["expect"],
    )


def type_of(form: Any) -> Type:
    """Return the type written as in the vectors' README."""
    if isinstance(form, str):
        return _SIMPLE[form]
    match form:
        case {"list": element}:
            return list_of(type_of(element))
        case {"map": [key, value]}:
            return map_of(type_of(key), type_of(value))
        case {"abstract": "optional_type", "params": [value]}:
            return optional_of(type_of(value))
        case {"abstract": name, **rest}:
            return Type(kind=Kind.ABSTRACT, name=name, parameters=tuple(map(type_of, rest.get("params", ()))))
        case {"type": _}:
            return _SIMPLE["type"]
        case _:
            return DYN


def _function(form: Mapping[str, Any]) -> Function:
    overloads = tuple(
        Overload(
            id=each["id"],
            parameters=tuple(map(type_of, each["params"])),
            result=type_of(each["result"]),
            member=each.get("instance", False),
        )
        for each in form["overloads"]
    )
    return Function(name=form["name"], overloads=overloads)


def main() -> None:
    """Write, for each file, how many cases translate, and each case that should and does not."""
    sys.stdout.write("\n".join(report(vectors() / "policy" / "cel-spec")) + "\n")


def report(directory: Path) -> Iterator[str]:
    """Yield each case that should translate and does not, then the count of each file, then of all."""
    done: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for case in cases(directory):
        total[case.file] += 1
        try:
            case.translated()
            done[case.file] += 1
        except ConditionError as error:
            if case.expect["kind"] == "error":
                done[case.file] += 1
            else:
                problem = error.problems[0]
                yield f"{case.id}: {problem.code} at {problem.offset}: {problem.message}"
    for file in sorted(total):
        yield f"{file:24} {done[file]:5} of {total[file]:5}"
    yield f"{'all':24} {done.total():5} of {total.total():5} ({done.total() / total.total():.1%})"


if __name__ == "__main__":
    main()
