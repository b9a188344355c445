"""CEL without facts: one expression over the caller's variables, for conformance runs and tools.

The code is what a rule gets: straight first, three-valued where that raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policyengine.decision.emitter import Emitter
from policyengine.decision.errors import CelError
from policyengine.decision.exact import Exact
from policyengine.decision.functions import FUNCTIONS, Function, accepts
from policyengine.decision.space import Space
from policyengine.model.expression import Call, Node, walk

MAX_ELEMENTS = 5_000_000  # a few seconds; a policy's condition is bounded before it runs (language/cel/cost.py)

Evaluate = Callable[[Mapping[str, object]], object]


class _Variables(dict[str, object]):
    """What the caller gives; any other name fails where it is read. One evaluation's budget is here as well."""

    def __init__(self, variables: Mapping[str, object]) -> None:
        super().__init__(variables)
        self._left = MAX_ELEMENTS

    def __missing__(self, name: str) -> object:
        raise CelError("cel.undeclared", f"`{name[:64]}` has no value")

    def spend(self, collection: object) -> object:
        """Return `collection`, through which a macro is about to go; raises CelError `cel.cost` above MAX_ELEMENTS."""
        if isinstance(collection, tuple | dict):
            self._left -= len(collection)
            if self._left < 0:
                raise CelError("cel.cost", f"macros went through more than {MAX_ELEMENTS} elements")
        return collection


def compile_plain(node: Node, functions: Mapping[str, Function] = FUNCTIONS) -> Evaluate:
    """Return the function from variables to the value of `node`; it raises one of errors.ERRORS.

    Values are those of values.py. A function that is not among `functions` fails where it is called.
    """
    space = Space(plain=True, functions={**functions, **_undeclared(node, functions)})
    name = space.fresh("u")
    straight, exact = Emitter(space).expression(node, {}), Exact(space).expression(node, {})
    lines = [f"def {name}(F, K, now, vk):", "    try:", f"        return {straight}", "    except X: pass"]
    space.sources.append("\n".join([*lines, f"    return {exact}"]))
    evaluate = space.load()[name]
    return lambda variables: evaluate(_Variables(variables), {}, None, None)


def _undeclared(node: Node, functions: Mapping[str, Function]) -> dict[str, Function]:
    calls = [call for call in walk(node) if isinstance(call, Call)]
    return {call.function: _checked(call.function, functions) for call in calls if not _has(functions, call)}


def _has(functions: Mapping[str, Function], call: Call) -> bool:
    return call.function in functions and accepts(functions[call.function], len(call.arguments))


def _checked(name: str, functions: Mapping[str, Function]) -> Function:
    """Return the function `name`, if any, that fails for a number of arguments that it does not take."""
    known = functions.get(name)

    def called(*arguments: object) -> object:
        if known is None or not accepts(known, len(arguments)):
            raise CelError("cel.undeclared", f"no function `{name[:64]}` takes {len(arguments)} arguments")
        return known(*arguments)

    return called
