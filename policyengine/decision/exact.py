"""Three-valued code: `&&`, `||`, `all` and `exists` absorb what fails, and the result is True, False or a reason.

One generated function per absorbing node. A function returns a str, the reason, for unknown: raising would cost more
than the rule. A rule comes here only after its straight code (emitter.py) has raised.
"""

from __future__ import annotations

from dataclasses import replace

from policyengine.decision.emitter import PLAIN, Emitter, indented, opposite
from policyengine.decision.space import Alias, Local, Scope, Space, origin
from policyengine.model.expression import And, Bind, Call, Comprehension, Macro, Node, Or, walk

_QUANTIFIERS = (Macro.ALL, Macro.EXISTS)
_CAUGHT = ("except KeyError:", "    {} = {} or 'fact.absent'", "except X as x:", "    {} = {} or why(x)")


def absorbs(node: Node) -> bool:
    """Return whether `node` itself can be decided although a part of it failed."""
    match node:
        case And() | Or():
            return True
        case Comprehension():
            return node.macro in _QUANTIFIERS
        case Bind():
            return True  # its value is only needed where the body reads it
        case _:
            return False


def anywhere(node: Node) -> bool:
    """Return whether an absorbing node is in `node`; without one, what failed is the answer."""
    return any(absorbs(found) for found in walk(node))


class Exact(Emitter):
    """Writes one three-valued function; absorbing nodes below it are calls of functions of their own."""

    def conjunction(self, node: And, scope: Scope) -> str:
        """Return a call that decides `&&`."""
        return f"D({judge(self.space, node, scope)})"

    def disjunction(self, node: Or, scope: Scope) -> str:
        """Return a call that decides `||`."""
        return f"D({judge(self.space, node, scope)})"

    def bind(self, node: Bind, scope: Scope) -> str:
        """Return a call that binds lazily; a plain value is not bound but used."""
        return super().bind(node, scope) if isinstance(node.value, PLAIN) else f"V({value(self.space, node, scope)})"

    def comprehension(self, node: Comprehension, scope: Scope) -> str:
        """Return a call that decides `all` and `exists`; the other macros fail with any of their elements."""
        if node.macro in _QUANTIFIERS:
            return f"D({judge(self.space, node, scope)})"
        return super().comprehension(node, scope)


def judge(space: Space, node: Node, scope: Scope) -> str:
    """Write the three-valued function of bool `node` and return a call of it; its value is True, False or a reason."""
    emitter = Exact(space)
    return _written(space, emitter, scope, _Writer(emitter, scope).function(node))


def value(space: Space, node: Bind, scope: Scope) -> str:
    """Write the function of `node`, of any type, and return a call of it; its value may be Failed."""
    emitter = Exact(space)
    lines, inner = _Writer(emitter, scope).bound(node)
    text = emitter.expression(node.body, inner.scope)
    return _written(
        space, emitter, scope, [*lines, "try:", f"    return {text}", "except X as x: return Failed(why(x))"]
    )


def _written(space: Space, emitter: Exact, scope: Scope, body: list[str]) -> str:
    name = space.fresh("f")
    locals_ = [found.name for found in scope.values() if isinstance(found, Local)]
    parameters = ", ".join(("F", "K", "now", "vk", *dict.fromkeys(locals_)))
    lines = [f"def {name}({parameters}):", *indented(emitter.prologue()), *indented(body)]
    space.sources.append("\n".join(lines))
    return f"{name}({parameters})"


class _Writer:
    """Writes the statements of one three-valued function."""

    def __init__(self, emitter: Exact, scope: Scope) -> None:
        self.emitter, self.scope = emitter, scope

    def function(self, node: Node) -> list[str]:
        """Return the statements that compute `node` and return True, False or the reason."""
        match node:
            case And():
                return self._junction(node.operands, stop="False")
            case Or():
                return self._junction(node.operands, stop="True")
            case Comprehension() if node.macro in _QUANTIFIERS:
                return self._quantifier(node)
            case Bind():
                lines, inner = self.bound(node)
                return [*lines, *inner.function(node.body)]
            case Call(function="!_") if absorbs(node.arguments[0]):
                call = judge(self.emitter.space, node.arguments[0], self.scope)
                return [f"t = {call}", "return t if type(t) is str else not t"]
            case _:
                return self._leaf(node)

    def _leaf(self, node: Node) -> list[str]:
        text = self.emitter.condition(node, self.scope)
        return ["try:", f"    return {text}", "except X as x:", "    return why(x)"]

    def _junction(self, operands: tuple[Node, ...], *, stop: str) -> list[str]:
        lines = ["e = None"]
        for operand in operands:
            lines += self._operand(operand, stop)
        return [*lines, f"return {opposite(stop)} if e is None else e"]

    def _operand(self, operand: Node, stop: str) -> list[str]:
        """Return the statements that return `stop` if `operand` says so, and remember its reason if it failed."""
        inner, wanted = _unwrapped(operand, stop)
        if absorbs(inner):
            call = judge(self.emitter.space, inner, self.scope)
            return [f"t = {call}", f"if t is {wanted}: return {stop}", "if type(t) is str: e = e or t"]
        test = self.emitter.condition(operand, self.scope)
        negation = "not " if stop == "False" else ""
        return ["try:", f"    if {negation}{test}: return {stop}", *(line.format("e", "e") for line in _CAUGHT)]

    def _quantifier(self, node: Comprehension) -> list[str]:
        stop = "False" if node.macro is Macro.ALL else "True"
        loop, inner = self.emitter.loop(node, self.scope)
        target, _, over = loop.partition(" in ")
        lines = ["try:", f"    r = {over}", "except X as x:", "    return why(x)", "e = None", f"for {target} in r:"]
        lines += indented(_Writer(self.emitter, inner)._operand(node.body, stop))
        lines.append("if e is not None: return e")
        path = origin(node.range, self.scope)
        if path is not None:
            lines.append(f"if not K[{path!r}]: return 'fact.incomplete'")
        return [*lines, f"return {opposite(stop)}"]

    def bound(self, node: Bind) -> tuple[list[str], _Writer]:
        """Return the statements that bind, and the writer of the body."""
        if isinstance(node.value, PLAIN):
            alias = Alias(node=node.value, scope=self.scope)
            return [], _Writer(self.emitter, {**self.scope, node.name: alias})
        local = replace(self.emitter.local(node.value.type, origin(node.value, self.scope)), lazy=True)
        text = self.emitter.raw(node.value, self.scope)
        lines = ["try:", f"    {local.name} = {text}", "except X as x:", f"    {local.name} = Failed(why(x))"]
        return lines, _Writer(self.emitter, {**self.scope, node.name: local})


def _unwrapped(node: Node, stop: str) -> tuple[Node, str]:
    """Return `node` without its negations, and the answer of it that counts as `stop`."""
    while isinstance(node, Call) and node.function == "!_":
        node, stop = node.arguments[0], opposite(stop)
    return node, stop
