"""The Kyverno library's policies as realistic expressions: one verdict for one resource."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from policyengine.decision.errors import CelError
from tests.conformance.running import FailedError, evaluate, native


class _Lazy(dict[str, object]):
    """`variables`: each is computed when it is read, from those before it; one that fails matters only then."""

    def __init__(self, expressions: Mapping[str, str], bindings: Mapping[str, object]) -> None:
        super().__init__(dict.fromkeys(expressions))
        self._expressions, self._bindings = expressions, bindings

    def __getitem__(self, name: str) -> object:
        try:
            return evaluate(self._expressions[name], {**self._bindings, "variables": self})
        except FailedError as cause:
            raise CelError("cel.error", str(cause)) from cause


def cases(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield all cases below `directory`."""
    for path in sorted(directory.glob("*.json")):
        yield from json.loads(path.read_text())


def verdict(case: Mapping[str, Any]) -> str:
    """Return `pass`, `fail` or `skip` as Kyverno would."""
    policy, bindings = case["policy"], {"object": native(case["object"]), "oldObject": None}
    expressions = {variable["name"]: variable["expression"] for variable in policy.get("variables", ())}
    scope = {**bindings, "variables": _Lazy(expressions, bindings)}
    if not all(_holds(text, scope) for text in policy.get("matchConditions", ())):
        return "skip"
    return "pass" if all(_holds(rule["expression"], scope) for rule in policy["validations"]) else "fail"


def _holds(text: str, scope: Mapping[str, object]) -> bool:
    try:
        return evaluate(text, scope) is True
    except FailedError:
        return False
