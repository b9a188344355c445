"""No text of a policy is ever part of generated source: names, texts, keys and patterns are data or numbers there."""

from __future__ import annotations

import ast
import io
import tokenize
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.decision.emitter import Emitter
from policyengine.decision.exact import Exact
from policyengine.decision.generated import write_conditions
from policyengine.decision.plain import compile_plain
from policyengine.decision.space import Space
from policyengine.language.cel.environment import ConditionError, PlainEnvironment
from policyengine.model.expression import (
    And,
    Bind,
    Call,
    Comprehension,
    Has,
    Literal,
    Macro,
    MapOf,
    Node,
    Select,
    Variable,
)
from policyengine.model.types import BOOL, DYN, STRING
from tests.property.differential import drawn
from tests.property.grammar import PARAM_VALUES

HOSTILE = (
    "'", '"', "'''", '"""', "\\", "\\'", "\n", "\r", "\0", "\u2028", "{x}", "%s", "#", ")", "');import os;('", "é😀",
    "__import__('os')", "'+str(F)+'", "\\N{BULLET}", "\t", "\x1a", "F", "K", "now", "lambda: 0", "\ud7ff", "`",
)  # fmt: skip
TEXT = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=4), max_size=5).map("".join)


def sources(node: Node) -> list[str]:
    """Return all that is generated for `node` as plain CEL, straight and exact."""
    space = Space(plain=True)
    straight, exact = Emitter(space).expression(node, {}), Exact(space).expression(node, {})
    return [
        *space.sources,
        f"def made(F, K, now, vk):\n    return {straight}",
        f"def exact(F, K, now, vk): return {exact}",
    ]


def skeleton(source: str) -> list[str]:
    """Return the tokens of `source` with every text and number blank, and every generated name as its kind."""
    kept = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.STRING:
            assert isinstance(ast.literal_eval(token.string), str)
            kept.append("text")
        elif token.type == tokenize.NUMBER:
            kept.append("number")
        else:
            kept.append(token.string.rstrip("0123456789"))
    return kept


def about(text: str, name: str) -> Node:
    """Return an expression in which `text` and `name` stand wherever a policy's text can."""
    value = Literal(value=text, type=STRING)
    held = Select(operand=Variable(name=name, type=DYN), name=text, type=DYN)
    entry = MapOf(entries=((value, held),), type=DYN)
    looped = Comprehension(
        macro=Macro.ALL, range=entry, variables=(name,), body=Has(operand=held, name=text, type=BOOL), type=BOOL
    )
    bound = Bind(
        name=text,
        value=held,
        body=Call(function="_==_", arguments=(Variable(name=text, type=DYN), value), type=BOOL),
        type=BOOL,
    )
    matched = Call(function="contains", arguments=(value, value), type=BOOL)
    return And(operands=(looped, bound, matched), type=BOOL)


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT)
def test_generated_source_is_the_same_whatever_a_policy_says(text: str, name: str) -> None:
    """Only the contents of literals differ: the tokens around them are those of a harmless policy."""
    ours = [skeleton(source) for source in sources(about(text, f"n{name}"))]
    assert ours == [skeleton(source) for source in sources(about("a", "nb"))]


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    node = Call(
        function="_+_", arguments=(Literal(value=text, type=STRING), Variable(name=text, type=DYN)), type=STRING
    )
    assert compile_plain(node)({text: text}) == text + text


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_a_text_in_a_condition_comes_back_as_it_was(text: str) -> None:
    """The whole way: from CEL's own escapes to the answer, as text, key, field, and element."""
    literal = '"' + "".join(f"\\U{ord(sign):08x}" for sign in text) + '"'
    condition = f"{{{literal}: [{literal}]}}[{literal}].map(x, x + {literal})[0]"
    node = PlainEnvironment(variables={}).compile(condition).node
    assert compile_plain(node)({}) == text * 2


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_a_condition_of_random_text_is_refused_or_read_but_never_run_as_python(text: str) -> None:
    for condition in (text, f"a.{text}", f"a.`{text}`", f"[1].all({text}, true)", f"cel.bind({text}, 1, true)"):
        try:
            node = PlainEnvironment(variables={"a": DYN}).compile(condition).node
        except ConditionError:
            continue
        for source in sources(node):
            ast.parse(source)


@pytest.mark.parametrize("seed", range(3))
def test_names_in_the_source_of_whole_policies_are_all_of_our_making(seed: int) -> None:
    _, nodes = drawn(Random(seed), 200)
    space = Space(params=dict(PARAM_VALUES))
    write_conditions(space, nodes)
    known = set(space.bindings) | set(space.bindings["__builtins__"])  # type: ignore[call-overload]
    for source in space.sources:
        tree = ast.parse(source)
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert all(name in known or name.rstrip("0123456789") in LOCAL for name in names), names - known
        assert not any(isinstance(node, ast.Import | ast.ImportFrom | ast.Global) for node in ast.walk(tree))
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert attributes <= {"startswith", "endswith", "get"}


LOCAL = frozenset({"F", "K", "now", "vk", "e", "r", "t", "x", "g", "v", "f", "u", "c", "m"})
