"""The workload on cel-cpp through its Python binding (cel-expr-python)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from cel_expr_python import cel
from google.protobuf.timestamp_pb2 import Timestamp


class CelCpp:
    """Compiled rules of the workload; evaluates one device at a time, its variables converted once for all rules."""

    def __init__(self, workload: ModuleType, texts: Sequence[str]) -> None:
        dynamic = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
        variables = dict.fromkeys(workload.GROUPS, dynamic) | {"now": cel.Type.TIMESTAMP}
        functions = [
            cel.FunctionDecl(
                name,
                [
                    cel.Overload(
                        id=f"{name}_string_string",
                        return_type=cel.Type.BOOL,
                        parameters=[cel.Type.STRING, cel.Type.STRING],
                        impl=implementation,
                    )
                ],
            )
            for name, implementation in (("semver_ge", workload.semver_ge), ("semver_lt", workload.semver_lt))
        ]
        self._env = cel.NewEnv(variables=variables, functions=functions)
        self._rules = [self._env.compile(text) for text in texts]
        self._now = Timestamp(seconds=int(workload.NOW.timestamp()))

    def outcomes(self, document: Mapping[str, Any]) -> list[bool | None]:
        """Return one outcome per rule; `document` has protobuf timestamps (workload.pbdoc)."""
        activation = self._env.Activation({**document, "now": self._now})
        return [_outcome(rule.eval(activation)) for rule in self._rules]


def _outcome(value: Any) -> bool | None:
    found = value.value()
    return found if found is True or found is False else None
