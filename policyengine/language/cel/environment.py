"""Conditions in CEL: text in, typed expression IR out, or all problems at once with their places.

cel-expr-python parses and type-checks; it never sees a device's facts (docs/adr/0004-cel-front-end.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel
from google.protobuf.descriptor_pool import DescriptorPool

from policyengine.language.cel.checked import UnreadableExpressionError, read_checked
from policyengine.language.cel.checks import problems_of
from policyengine.language.cel.cost import cost_problem
from policyengine.language.cel.descriptors import descriptors
from policyengine.language.cel.functions import (
    EXTENSION_FUNCTIONS,
    STANDARD_FUNCTIONS,
    STRING_FUNCTION,
    TYPE_NAMES,
    VERSION_FUNCTIONS,
    Function,
)
from policyengine.language.cel.messages import MAX_PROBLEMS, Vocabulary, problems_in, undeclarable
from policyengine.language.cel.names import NOW, PARAMS, Names
from policyengine.language.cel.problems import CelProblem, ConditionError
from policyengine.language.cel.text import (
    LET,
    LET_NAME,
    SourceText,
    read_condition,
    read_text,
    too_deep,
    with_numbered_variables,
)
from policyengine.language.cel.translate import Translator
from policyengine.language.cel.types import checked, configured, declared, needs_configuration
from policyengine.model.expression import Bind, Node, Variable, walk
from policyengine.model.schema import FactSchema
from policyengine.model.types import BOOL, DYN, TIMESTAMP, Type

__all__ = ["CelProblem", "Compiled", "ConditionError", "Environment", "PlainEnvironment"]

# All of the CEL standard that works on JSON-shaped values; cel-cpp knows these libraries by these names only.
_LIBRARIES = ("bindings", "encoders", "lists", "math", "optional", "regex", "sets", "strings", "two-var-comprehensions")
_LISTS = "lists"  # the one library whose functions have names that callers declare for types of their own
_LIST_FUNCTIONS = frozenset({"distinct", "first", "flatten", "last", "lists.range", "slice", "sort"})
_BLOCK = re.compile(r"\bcel\.block\s*\(")
_FACT_FUNCTIONS = VERSION_FUNCTIONS + EXTENSION_FUNCTIONS
_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A compiled text: its IR (with the lets it uses as Bind nodes around it) and the text itself.

    Offsets count characters of `text`; inside a Bind of `let.NAME`, characters of that let's text. `result_type` is
    what the type checker deduced, which the node's own type may say less precisely.
    """

    node: Node
    text: str
    result_type: Type


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a policy's conditions may name: the facts, `now`, the policy's params, and its lets so far.

    Make one with `Environment.for_facts`, and derive the others from it: they share its descriptors.
    """

    schema: FactSchema
    params: Mapping[str, Type]
    lets: Mapping[str, Node]
    _pool: DescriptorPool = field(repr=False)

    @classmethod
    def for_facts(cls, schema: FactSchema, params: Mapping[str, Type] = _EMPTY) -> Environment:
        """Return the environment of `schema`; raises UnsupportedFactTypeError for a type that cannot be checked."""
        return cls(schema=schema, params=params, lets=_EMPTY, _pool=descriptors(schema))

    def with_params(self, params: Mapping[str, Type]) -> Environment:
        """Return this environment with these params instead, and no lets."""
        return replace(self, params=params, lets=_EMPTY)

    def with_let(self, name: str, text: str) -> Environment:
        """Return this environment with one more let, which may use those before it; raises ConditionError."""
        return replace(self, lets={**self.lets, name: self._compiled(text)})

    def with_untyped_let(self, name: str) -> Environment:
        """Return this environment with a let that did not compile, so that its uses are not reported as well."""
        return replace(self, lets={**self.lets, name: Variable(name=f"{LET}.{name}", type=DYN)})

    def compile(self, text: str) -> Compiled:
        """Return `text` compiled, of any type; raises ConditionError with all problems."""
        node = self._with_lets(self._compiled(text))
        if (problem := cost_problem(node, self.schema)) is not None:
            raise ConditionError([problem])
        return Compiled(node=node, text=text, result_type=node.type)

    def condition(self, text: str) -> Compiled:
        """Return `text` compiled; raises ConditionError with all problems, and where its type is not bool."""
        compiled = self.compile(text)
        if compiled.node.type != BOOL:
            raise ConditionError([_not_bool(compiled.node)])
        return compiled

    def _compiled(self, text: str) -> Node:
        source = read_condition(text)
        if own := [token for token in source.tokens if token.text == LET_NAME]:
            message = f"fact `{LET_NAME}` is not declared"
            raise ConditionError([CelProblem(offset=at.start, code="cel.unknown-fact", message=message) for at in own])
        parsed = _checked(self._checker, source, self._vocabulary)
        node = _translated(parsed, source, self._names)
        if problems := list(problems_of(node)):
            raise ConditionError(problems[:MAX_PROBLEMS])
        return node

    def _with_lets(self, node: Node) -> Node:
        for name in reversed(tuple(self.lets)):
            bound = f"{LET}.{name}"
            if any(isinstance(each, Variable) and each.name == bound for each in walk(node)):
                node = Bind(name=bound, value=self.lets[name], body=node, type=node.type, offset=node.offset)
        return node

    @cached_property
    def _names(self) -> Names:
        return Names(facts=frozenset(self.schema.roots))

    @cached_property
    def _checker(self) -> Any:
        variables = {name: spec.type for name, spec in self.schema.roots.items()}
        variables |= {f"{PARAMS}.{name}": kind for name, kind in self.params.items()}
        variables |= {f"{LET_NAME}.{name}": node.type for name, node in self.lets.items()}
        return _checker({**variables, NOW: TIMESTAMP}, _FACT_FUNCTIONS, pool=self._pool)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        names = {NOW, *(f"{PARAMS}.{name}" for name in self.params), *(f"{LET}.{name}" for name in self.lets)}
        functions = STANDARD_FUNCTIONS | {function.name for function in _FACT_FUNCTIONS}
        return Vocabulary(schema=self.schema, names=frozenset(names), functions=functions)


@dataclass(frozen=True, kw_only=True)
class PlainEnvironment:
    """CEL without facts: variables of the caller's, for conformance runs and tools. Any result type will do.

    `functions` are the caller's; one with the name of ours takes its place.
    """

    variables: Mapping[str, Type]
    functions: tuple[Function, ...] = ()
    container: str = ""

    def compile(self, text: str) -> Compiled:
        """Return `text` type-checked; raises ConditionError with all problems.

        A text with `cel.block` is not: tools write it from what was checked before, and its numbers have no types.
        """
        if _BLOCK.search(text):
            return self.parse(text)
        source = _plain_source(text)
        parsed = _checked(self._checker, source, self._vocabulary)
        deduced = checked(parsed.type_map[parsed.expr.id])
        return Compiled(node=self._translated(parsed, source), text=text, result_type=deduced)

    def parse(self, text: str) -> Compiled:
        """Return `text` without type check: names resolve as they would at run time; raises ConditionError."""
        source = _plain_source(text)
        node = self._translated(_parsed(self._checker, source, self._vocabulary), source)
        return Compiled(node=node, text=text, result_type=DYN)

    def _translated(self, expression: Any, source: SourceText) -> Node:
        return _translated(expression, source, Names(variables=frozenset(self.variables), container=self.container))

    @cached_property
    def _checker(self) -> Any:
        types = {} if "net" in self.variables else dict.fromkeys(TYPE_NAMES, DYN)
        return _checker({**types, **self.variables}, self._functions, container=self.container)

    @cached_property
    def _functions(self) -> tuple[Function, ...]:
        own = {function.name for function in self.functions}
        return (*self.functions, *(known for known in EXTENSION_FUNCTIONS if known.name not in own))

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        functions = STANDARD_FUNCTIONS | {function.name for function in self._functions}
        schema = FactSchema(roots=_EMPTY, structs=_EMPTY)
        return Vocabulary(schema=schema, names=frozenset(self.variables), functions=functions)


def _plain_source(text: str) -> SourceText:
    return read_text(with_numbered_variables(text))


def _checker(
    variables: Mapping[str, Type],
    functions: tuple[Function, ...],
    *,
    pool: DescriptorPool | None = None,
    container: str = "",
) -> Any:
    known = functions if any(each.name == STRING_FUNCTION.name for each in functions) else (*functions, STRING_FUNCTION)
    by_configuration = {name: kind for name, kind in variables.items() if needs_configuration(kind)}
    own = frozenset(each.name for each in functions)
    try:
        return cel.NewEnv(
            pool,
            config=cel.NewEnvConfigFromYaml(_configuration(by_configuration, own)),
            variables={name: declared(kind) for name, kind in variables.items() if name not in by_configuration},
            functions=[cel.FunctionDecl(each.name, [_overload(form) for form in each.overloads]) for each in known],
            container=container or None,
        )
    except RuntimeError as cause:  # a name that cannot be one, or one that is declared twice
        raise ConditionError([undeclarable(str(cause))]) from cause


def _configuration(variables: Mapping[str, Type], own: frozenset[str]) -> str:
    """Return cel-cpp's configuration in YAML, of which JSON is a part; a library gives way to the caller's function."""
    return json.dumps(
        {
            "name": "policyengine",
            "stdlib": {"exclude_functions": [{"name": STRING_FUNCTION.name}]},  # ours takes its place
            "extensions": [{"name": name} for name in _LIBRARIES if name != _LISTS or not own & _LIST_FUNCTIONS],
            "variables": [{"name": name, **configured(kind)} for name, kind in variables.items()],
        }
    )


def _overload(form: Any) -> Any:
    parameters = [declared(kind) for kind in form.parameters]
    return cel.Overload(form.id, return_type=declared(form.result), parameters=parameters, is_member=form.member)


def _checked(checker: Any, source: SourceText, vocabulary: Vocabulary) -> Any:
    try:
        return read_checked(checker.compile(source.for_cel_cpp()).serialize())
    except UnreadableExpressionError as cause:
        raise ConditionError([too_deep(0)]) from cause
    except RuntimeError as cause:  # what the binding makes of absl::Status
        raise ConditionError(problems_in(str(cause), source, vocabulary)) from cause


def _parsed(checker: Any, source: SourceText, vocabulary: Vocabulary) -> Any:
    try:
        return read_checked(checker.compile(source.for_cel_cpp(), disable_check=True).serialize())
    except UnreadableExpressionError as cause:
        raise ConditionError([too_deep(0)]) from cause
    except RuntimeError as cause:
        raise ConditionError(problems_in(str(cause), source, vocabulary)) from cause


def _translated(expression: Any, source: SourceText, names: Names) -> Node:
    translator = Translator(expression, source, names)
    node = translator.translate()
    if translator.problems:
        raise ConditionError(translator.problems[:MAX_PROBLEMS])
    return node


def _not_bool(node: Node) -> CelProblem:
    message = f"condition is of type {node.type.kind.value}, not bool"
    advice = "compare it with something, such as `boot.svn >= 3`"
    return CelProblem(offset=node.offset, code="cel.not-bool", message=message, help=advice)
