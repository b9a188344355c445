"""CEL without facts: one expression over the caller's variables, for conformance runs and tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policyengine.decision.exact import Exact
from policyengine.decision.space import Space
from policyengine.model.expression import Node

Evaluate = Callable[[Mapping[str, object]], object]


def compile_plain(node: Node) -> Evaluate:
    """Return the function from variables to the value of `node`; it raises one of errors.ERRORS.

    Values are those of values.py. Raises UntranslatableError for a function that nobody defined.
    """
    space = Space(plain=True)
    emitter, name = Exact(space), space.fresh("u")
    text = emitter.expression(node, {})
    lines = [f"def {name}(F, K, now, vk):", *(f"    {line}" for line in emitter.prologue()), f"    return {text}"]
    space.sources.append("\n".join(lines))
    evaluate = space.load()[name]
    return lambda variables: evaluate(variables, {}, None, None)
