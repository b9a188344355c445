"""One generated function per policy set: all its conditions, tried as straight code, finished exactly where that fails.

`evaluate(F, K, now, vk)` takes fact groups by name, completeness by path, the time, and the key function of the
device's versions; it returns one of True, False or a reason (str: unknown) per condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from policyengine.decision import flips
from policyengine.decision.emitter import PLAIN, Emitter, indented, opposite
from policyengine.decision.exact import anywhere, judge
from policyengine.decision.space import Alias, Scope, Space, origin
from policyengine.model.expression import Bind, Call, Comprehension, Literal, Macro, Node, walk
from policyengine.model.version import Key

Answer = bool | str
Evaluate = Callable[
    [Mapping[str, object], Mapping[str, bool], datetime, Callable[[str], Key]],
    tuple[Answer, ...],
]
Flips = Callable[
    [Mapping[str, object], Mapping[str, bool], datetime, Callable[[str], Key]],
    list[datetime],
]


def write_conditions(space: Space, conditions: Sequence[Node]) -> str:
    """Write the function of `conditions` into `space` and return its name; equal conditions are computed once."""
    emitter, body, results = Emitter(space), list[str](), list[str]()
    known: dict[Node, str] = {}
    for at, node in enumerate(conditions):
        result = known.get(node) if _shareable(node) else None
        if result is None:
            result = known[node] = f"r{at}"
            body += _guarded(emitter, node, result)
        results.append(result)
    return _function(space, emitter, body, f"return ({', '.join(results)},)" if results else "return ()")


def _shareable(node: Node) -> bool:
    """Return whether an equal node means the same: 0.0 and -0.0 are equal, and differ as divisors."""
    return not any(
        isinstance(found, Literal) and type(found.value) is float and not found.value for found in walk(node)
    )


def _function(space: Space, emitter: Emitter, body: list[str], last: str) -> str:
    name = space.fresh("u")
    lines = [f"def {name}(F, K, now, vk):", *indented([*emitter.prologue(), *body, last])]
    space.sources.append("\n".join(lines))
    return name


def _guarded(emitter: Emitter, node: Node, result: str) -> list[str]:
    """Return the statements that set `result`: straight code, and what to do when it raises."""
    lines = ["try:", *indented(_straight(emitter, node, {}, result))]
    if anywhere(node):
        return [*lines, f"except X: {result} = {judge(emitter.space, node, {})}"]
    return [*lines, f"except KeyError: {result} = 'fact.absent'", f"except X as x: {result} = why(x)"]


def _straight(emitter: Emitter, node: Node, scope: Scope, result: str, *, holds: str = "True") -> list[str]:
    """Return statements that set `result` to `holds` where `node` is true; loops instead of generators at the top."""
    match node:
        case Bind():
            return _bound(emitter, node, scope, result, holds)
        case Call(function="!_", arguments=(operand,)):
            return _straight(emitter, operand, scope, result, holds=opposite(holds))
        case Comprehension(macro=Macro.ALL | Macro.EXISTS):
            return _loop(emitter, node, scope, result, holds)
        case _:
            text = emitter.condition(node, scope)
            return [f"{result} = {text}" if holds == "True" else f"{result} = not {text}"]


def _bound(emitter: Emitter, node: Bind, scope: Scope, result: str, holds: str) -> list[str]:
    if isinstance(node.value, PLAIN):
        inner = {**scope, node.name: Alias(node=node.value, scope=scope)}
        return _straight(emitter, node.body, inner, result, holds=holds)
    local = emitter.local(node.value.type, origin(node.value, scope))
    line = f"{local.name} = {emitter.raw(node.value, scope)}"
    return [line, *_straight(emitter, node.body, {**scope, node.name: local}, result, holds=holds)]


def _loop(emitter: Emitter, node: Comprehension, scope: Scope, result: str, holds: str) -> list[str]:
    loop, inner = emitter.loop(node, scope)
    test = emitter.condition(node.body, inner)
    every = node.macro is Macro.ALL
    none_found, found = (holds, opposite(holds)) if every else (opposite(holds), holds)
    path = origin(node.range, scope)
    lines = [f"for {loop}:", f"    if {'not ' if every else ''}{test}:", f"        {result} = {found}", "        break"]
    if path is None:
        return [*lines, f"else: {result} = {none_found}"]
    return [*lines, "else:", f"    K[{path!r}] or P()", f"    {result} = {none_found}"]


def write_flips(space: Space, conditions: Sequence[Node]) -> str | None:
    """Write the function that returns when comparisons with `now` change their answer; None if there are none."""
    moments = [moment for node in conditions for moment in flips.moments(node)]
    if not moments:
        return None
    emitter, body = Emitter(space), ["t = []"]
    for moment in dict.fromkeys(moments):
        body += ["try:", f"    t.append({flips.source(emitter, moment)})", "except X: pass"]
    return _function(space, emitter, body, "return t")
