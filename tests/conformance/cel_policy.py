"""cel-expr/cel-policy's suites: CEL conditions under the composition rules of CEL policies, which are not ours.

The composition is done here, in a few lines; every condition, variable and output runs on our engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from policyengine.decision.errors import CelError
from policyengine.decision.functions import FUNCTIONS
from policyengine.decision.optionals import none, of
from policyengine.language.cel.functions import Function, Overload
from policyengine.model.types import STRING
from tests.conformance.running import FailedError, evaluate, native

LEFT_OUT: Mapping[str, str] = {
    "pb": "its input is a protobuf message",
    "context_pb": "its input is a protobuf message",
    "agent_tool_execution_governance": "its functions `hasCreditCard` and `hasEmailOrPhone` are not described",
}
_PLACES = {"10.0.0.1": "us", "10.0.0.2": "de"}  # as upstream's test has it; all others are `ir`
_DECLARED = (
    Function(name="locationCode", overloads=(Overload(id="locationCode", parameters=(STRING,), result=STRING),)),
)
_FUNCTIONS = {**FUNCTIONS, "locationCode": lambda address: _PLACES.get(address, "ir")}
_Scope = Mapping[str, object]


def _value(text: str, scope: _Scope) -> object:
    return evaluate(text, scope, _DECLARED, _FUNCTIONS)


class _Variables(dict[str, object]):
    """`variables`: each is computed when it is read, from those before it."""

    def __init__(self, written: list[Mapping[str, str]], scope: _Scope) -> None:
        outer = scope.get("variables")
        super().__init__(outer if isinstance(outer, dict) else {})
        self._outer, self._scope = outer, scope
        self._written = {each["name"]: each["expression"] for each in written}
        self.update(dict.fromkeys(self._written))

    def __getitem__(self, name: str) -> object:
        if name not in self._written:
            return self._outer[name]  # type: ignore[index] # the name is in this map, so it is one of the outer
        earlier = list(self._written)[: list(self._written).index(name)]
        before = [{"name": each, "expression": self._written[each]} for each in earlier]
        try:
            return _value(self._written[name], {**self._scope, "variables": _Variables(before, self._scope)})
        except FailedError as cause:
            raise CelError("cel.error", str(cause)) from cause


def outcomes(rule: Mapping[str, Any], scope: _Scope) -> list[object]:
    """Return what the rule's branches give: the first of a `match`, if any, or the list of all of an `aggregate`.

    A branch with a condition is chosen by it, also where the rule in it gives nothing; one without falls through.
    """
    inner = {**scope, "variables": _Variables(rule.get("variables", []), scope)}
    collected: list[object] = []
    for branch in rule.get("match") or rule["aggregate"]:
        if _value(branch.get("condition", "true"), inner) is True:
            found = [_value(branch["output"], inner)] if "output" in branch else outcomes(branch["rule"], inner)
            collected += found
            if "match" in rule and (found or "condition" in branch):
                return _listed(branch, found)
    return collected


def _listed(branch: Mapping[str, Any], found: list[object]) -> list[object]:
    """Return the one value of a branch: an aggregate's is the list of what it found."""
    return [tuple(found)] if "aggregate" in branch.get("rule", ()) else found


def _validated(spec: Mapping[str, Any], scope: _Scope) -> Iterator[object]:
    inner = {**scope, "variables": _Variables(spec.get("variables", []), scope)}
    for rule in spec["validations"]:
        if _value(rule["expression"], inner) is not True:
            yield _value(rule["messageExpression"], inner)
            return


def given(policy: Mapping[str, Any], scope: _Scope) -> object:
    """Return what the policy gives, an optional of it, or for `aggregate` the list."""
    if "spec" in policy:
        return next((of(found) for found in _validated(policy["spec"], scope)), none())
    found = outcomes(policy["rule"], scope)
    if "aggregate" in policy["rule"]:
        return tuple(found)
    return of(found[0]) if found else none()


def _input(written: Mapping[str, Any]) -> object:
    return _value(written["expr"], {}) if "expr" in written else native(written["value"])


def cases(directory: Path) -> Iterator[tuple[str, Mapping[str, Any], _Scope, object]]:
    """Yield the name, policy, inputs and output of every case that evaluates."""
    for suite in sorted(each for each in directory.iterdir() if (each / "tests.yaml").is_file()):
        if suite.name in LEFT_OUT:
            continue
        policy, tests = (
            yaml.load((suite / f"{name}.yaml").read_text(), yaml.CSafeLoader) for name in ("policy", "tests")
        )
        for section in tests.get("section") or tests["sections"]:
            for test in section["tests"]:
                scope = {name: _input(written) for name, written in (test.get("input") or {}).items()}
                output = test["output"]
                wanted = (
                    _input(output) if isinstance(output, dict) and output.keys() & {"expr", "value"} else native(output)
                )
                yield f"{suite.name}/{section['name']}/{test['name']}", policy, scope, wanted
