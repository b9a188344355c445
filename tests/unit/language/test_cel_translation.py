"""Checked CEL becomes the expression IR: macros recognised, fact paths folded, types and places kept."""

from __future__ import annotations

import math

import pytest

from policyengine.language.cel.environment import Environment, PlainEnvironment
from policyengine.language.cel.functions import Function, Overload
from policyengine.model.expression import (
    And,
    Bind,
    Call,
    Comprehension,
    Conditional,
    Fact,
    Has,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Node,
    Now,
    Or,
    Param,
    Select,
    Variable,
    walk,
)
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    VERSION,
    Kind,
    list_of,
    map_of,
    optional_of,
    struct,
)

ENVIRONMENT = Environment.for_facts(CORE_SCHEMA, {"floor": INT})
PLAIN = PlainEnvironment(variables={"l": list_of(INT), "m": map_of(STRING, INT), "d": DYN, "a.b": INT})

SVN = Fact(path=("boot", "svn"), type=INT)
L = Variable(name="l", type=list_of(INT))
M = Variable(name="m", type=map_of(STRING, INT))
X = Variable(name="x", type=INT)


def fact(text: str) -> Node:
    return ENVIRONMENT.compile(text).node


def plain(text: str) -> Node:
    return PLAIN.compile(text).node


def number(value: int) -> Literal:
    return Literal(value=value, type=INT)


def greater(left: Node, right: Node) -> Call:
    return Call(function="_>_", arguments=(left, right), overload="greater_int64", type=BOOL)


def plus(left: Node, right: Node) -> Call:
    return Call(function="_+_", arguments=(left, right), overload="add_int64", type=INT)


def test_a_selection_on_a_group_is_a_fact() -> None:
    assert fact("boot.svn") == SVN


def test_a_group_of_one_list_is_a_fact() -> None:
    assert fact("software") == Fact(path=("software",), type=list_of(struct("software")))


def test_a_field_of_a_list_element_is_a_selection_on_its_variable() -> None:
    node = fact("software.all(s, s.version.atLeast('1.2'))")
    assert isinstance(node, Comprehension)
    element = Variable(name="s", type=struct("software"))
    version = Select(operand=element, name="version", type=VERSION)
    floor = Literal(value="1.2", type=STRING)
    assert node.body == Call(
        function="atLeast", arguments=(version, floor), overload="version_atLeast_string", type=BOOL
    )


def test_a_label_is_a_selection_on_the_map() -> None:
    labels = Fact(path=("device", "labels"), type=map_of(STRING, STRING))
    assert fact("device.labels.line") == Select(operand=labels, name="line", type=STRING)


def test_a_fact_with_a_reserved_name_is_read() -> None:
    assert fact("device.class") == Fact(path=("device", "class"), type=STRING)


def test_a_leading_dot_reads_the_same_fact() -> None:
    assert fact(".boot.svn") == SVN


@pytest.mark.parametrize(
    "text",
    [
        "software.sortBy(s, s.name)[0].version.atLeast('1')",
        "software.filter(s, s.svn > 1).map(s, s.version).all(v, v.below('2'))",
        "software[?0].optMap(s, s.version).orValue(model.min_version).atLeast('1')",
        "(boot.secure ? model.min_version : model.max_version).within('vers:semver/>=1.0.0|<2.0.0')",
        "cel.bind(v, model.min_version, v.atLeast('1'))",
        "(software + software).size() > 1",
    ],
)
def test_a_version_may_be_passed_on_to_where_it_is_tested(text: str) -> None:
    assert ENVIRONMENT.condition(text)


def test_now_and_params_are_nodes_of_their_own() -> None:
    node = fact("cert.not_after > now && boot.svn >= params.floor")
    found = {type(each): each for each in walk(node)}
    assert found[Now] == Now(type=TIMESTAMP)
    assert found[Param] == Param(name="floor", type=INT)


def test_a_comprehension_variable_hides_a_group() -> None:
    node = fact("[1, 2].all(boot, boot > 1)")
    assert isinstance(node, Comprehension)
    assert node.body == greater(Variable(name="boot", type=INT), number(1))


def test_a_let_binds_around_the_condition_that_uses_it() -> None:
    environment = ENVIRONMENT.with_let("left", "cert.not_after - now").with_let("unused", "boot.svn")
    node = environment.condition("let.left > duration('48h')").node
    assert isinstance(node, Bind)
    assert (node.name, node.value.type) == ("let.left", DURATION)
    assert Variable(name="let.left", type=DURATION) in tuple(walk(node.body))


def test_a_let_that_uses_another_is_bound_inside_it() -> None:
    environment = ENVIRONMENT.with_let("one", "boot.svn").with_let("two", "let.one + 1")
    node = environment.condition("let.two > 1").node
    assert isinstance(node, Bind)
    assert isinstance(node.body, Bind)
    assert (node.name, node.body.name) == ("let.one", "let.two")


def test_a_field_called_let_stays_a_field() -> None:
    assert plain("d.let") == Select(operand=Variable(name="d", type=DYN), name="let", type=DYN)


def test_and_is_flat() -> None:
    node = fact("boot.secure && (boot.svn > 1 && boot.svn > 2) && boot.svn > 3")
    assert isinstance(node, And)
    assert len(node.operands) == 4


def test_or_inside_and_stays_apart() -> None:
    node = fact("boot.secure && (boot.svn > 1 || boot.svn > 2)")
    assert isinstance(node, And)
    assert isinstance(node.operands[1], Or)


def test_a_ternary_is_a_conditional() -> None:
    node = fact("boot.secure ? boot.svn : 0")
    assert node == Conditional(
        condition=Fact(path=("boot", "secure"), type=BOOL), then=SVN, otherwise=number(0), type=INT
    )


def test_has_keeps_the_group_and_the_name() -> None:
    group = Fact(path=("boot",), type=struct("boot"))
    assert fact("has(boot.svn)") == Has(operand=group, name="svn", type=BOOL)


def test_an_optional_selection_on_a_group_is_optional() -> None:
    node = fact("boot.?svn")
    group = Fact(path=("boot",), type=struct("boot"))
    assert node == Select(operand=group, name="svn", optional=True, type=optional_of(INT))


@pytest.mark.parametrize(
    ("text", "macro", "condition", "body"),
    [
        ("l.all(x, x > 1)", Macro.ALL, None, greater(X, number(1))),
        ("l.exists(x, x > 1)", Macro.EXISTS, None, greater(X, number(1))),
        ("l.exists_one(x, x > 1)", Macro.EXISTS_ONE, None, greater(X, number(1))),
        ("l.map(x, x + 1)", Macro.MAP, None, plus(X, number(1))),
        ("l.map(x, x > 0, x + 1)", Macro.MAP, greater(X, number(0)), plus(X, number(1))),
        ("l.filter(x, x > 1)", Macro.FILTER, None, greater(X, number(1))),
    ],
)
def test_a_macro_of_one_variable_is_recognised(text: str, macro: Macro, condition: Node | None, body: Node) -> None:
    node = plain(text)
    assert isinstance(node, Comprehension)
    assert (node.macro, node.range, node.variables) == (macro, L, ("x",))
    assert (node.condition, node.body) == (condition, body)


V = Variable(name="v", type=INT)
K = Variable(name="k", type=STRING)
ENTRY = MapOf(entries=((V, K),), type=map_of(INT, STRING))


@pytest.mark.parametrize(
    ("text", "macro", "condition", "body"),
    [
        ("m.all(k, v, v > 1)", Macro.ALL, None, greater(V, number(1))),
        ("m.exists(k, v, v > 1)", Macro.EXISTS, None, greater(V, number(1))),
        ("m.existsOne(k, v, v > 1)", Macro.EXISTS_ONE, None, greater(V, number(1))),
        ("m.transformList(k, v, v + 1)", Macro.TRANSFORM_LIST, None, plus(V, number(1))),
        ("m.transformList(k, v, v > 1, v + 1)", Macro.TRANSFORM_LIST, greater(V, number(1)), plus(V, number(1))),
        ("m.transformMap(k, v, v + 1)", Macro.TRANSFORM_MAP, None, plus(V, number(1))),
        ("m.transformMap(k, v, v > 1, v + 1)", Macro.TRANSFORM_MAP, greater(V, number(1)), plus(V, number(1))),
        ("m.transformMapEntry(k, v, {v: k})", Macro.TRANSFORM_MAP_ENTRY, None, ENTRY),
        ("m.transformMapEntry(k, v, v > 1, {v: k})", Macro.TRANSFORM_MAP_ENTRY, greater(V, number(1)), ENTRY),
    ],
)
def test_a_macro_of_two_variables_is_recognised(text: str, macro: Macro, condition: Node | None, body: Node) -> None:
    node = plain(text)
    assert isinstance(node, Comprehension)
    assert (node.macro, node.range, node.variables) == (macro, M, ("k", "v"))
    assert (node.condition, node.body) == (condition, body)


def test_macros_nest() -> None:
    node = plain("l.all(x, l.exists(y, x > y))")
    assert isinstance(node, Comprehension)
    assert isinstance(node.body, Comprehension)
    assert node.body.body == greater(X, Variable(name="y", type=INT))


def test_bind_is_recognised() -> None:
    assert plain("cel.bind(x, 1, x + 2)") == Bind(name="x", value=number(1), body=plus(X, number(2)), type=INT)


def test_a_bind_over_an_empty_list_is_still_a_bind() -> None:
    node = plain("cel.bind(x, [], x.size())")
    assert isinstance(node, Bind)


@pytest.mark.parametrize("text", ["m.?a.optMap(x, x + 1)", "m.?a.optFlatMap(x, optional.of(x + 1))"])
def test_optional_macros_are_a_conditional_on_the_value(text: str) -> None:
    node = plain(text)
    assert isinstance(node, Conditional)
    assert any(isinstance(each, Bind) and each.name == "x" for each in walk(node.then))


def test_optional_entries_and_items_are_marked() -> None:
    items, entries = plain("[1, ?m.?a]"), plain("{'k': 1, ?'a': m.?a}")
    assert isinstance(items, ListOf)
    assert isinstance(entries, MapOf)
    assert (items.optional, entries.optional) == (frozenset({1}), frozenset({1}))


def test_an_optional_index_is_a_call() -> None:
    node = plain("l[?0]")
    assert isinstance(node, Call)
    assert (node.function, node.type) == ("_[?_]", optional_of(INT))


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("-9223372036854775808", -(2**63), INT),
        ("9223372036854775807", 2**63 - 1, INT),
        ("18446744073709551615u", 2**64 - 1, UINT),
        ("0xFF", 255, INT),
        ("1e308", 1e308, DOUBLE),
        ("true", True, BOOL),
        ("null", None, NULL),
        ("'é\\U0001F600'", "é\U0001f600", STRING),
        ("r'\\d'", "\\d", STRING),
        ("'''a\nb'''", "a\nb", STRING),
        ("b'\\xff'", b"\xff", BYTES),
        ("b'é'", "é".encode(), BYTES),
        ("'\\x00'", "\0", STRING),
        ("int", "int", TYPE),
    ],
)
def test_a_constant_keeps_value_and_type(text: str, value: object, kind: object) -> None:
    node = plain(text)
    assert node == Literal(value=value, type=kind)  # type: ignore[arg-type]
    assert isinstance(node, Literal)
    assert type(node.value) is type(value)


def test_minus_zero_keeps_its_sign() -> None:
    node = plain("-0.0")
    assert isinstance(node, Literal)
    assert isinstance(node.value, float)
    assert math.copysign(1.0, node.value) == -1.0


def test_a_call_that_only_values_can_decide_has_no_overload() -> None:
    node = plain("1 in d")
    assert isinstance(node, Call)
    assert node.overload == ""


def test_a_dotted_variable_is_one_name() -> None:
    assert plain("a.b + 1") == plus(Variable(name="a.b", type=INT), number(1))


@pytest.mark.parametrize(
    ("text", "offsets"),
    [
        ("boot.svn > 1", {"boot.svn": 0, "_>_": 9, "1": 11}),
        ("'é😀' == 'a' && boot.svn > 1", {"boot.svn": 15, "_>_": 24, "1": 26, "_==_": 5, "é😀": 0, "a": 8}),
        ("true ||\n  boot.svn > 1", {"boot.svn": 10, "_>_": 19, "1": 21, "True": 0}),
        ("boot.mode.startsWith('x')", {"boot.mode": 0, "startsWith": 10, "x": 21}),
        ("math.greatest(boot.svn, 1) > 2", {"math.@max": 5, "boot.svn": 14, "1": 24, "_>_": 27, "2": 29}),
    ],
)
def test_offsets_count_characters_and_point_at_operators_and_names(text: str, offsets: dict[str, int]) -> None:
    named = {_title(each): each.offset for each in walk(fact(text))}
    assert {name: named[name] for name in offsets} == offsets


def _title(node: Node) -> str:
    match node:
        case Fact():
            return ".".join(node.path)
        case Call():
            return node.function
        case Literal():
            return str(node.value)
        case _:
            return type(node).__name__


def test_a_macro_stands_at_its_name() -> None:
    assert fact("software.all(s, s.svn > 1)").offset == 9


def test_an_offset_behind_a_let_is_not_moved() -> None:
    environment = ENVIRONMENT.with_let("floor", "1")
    node = environment.condition("let.floor < boot.svn").node
    assert isinstance(node, Bind)
    assert node.body.offset == 10


def test_declared_functions_are_called_by_name() -> None:
    form = Overload(id="semver_ge_string_string", parameters=(STRING, STRING), result=BOOL)
    environment = PlainEnvironment(variables={"d": DYN}, functions=(Function(name="semver_ge", overloads=(form,)),))
    node = environment.compile("semver_ge(d.version, '1.2')").node
    assert isinstance(node, Call)
    assert (node.function, node.overload) == ("semver_ge", "semver_ge_string_string")


def test_an_unchecked_expression_has_no_types() -> None:
    node = PLAIN.parse("d.x + 'a'").node
    assert node.type == DYN


def test_an_unchecked_library_function_is_a_plain_call() -> None:
    node = PLAIN.parse("optional.of(1)").node
    assert isinstance(node, Call)
    assert (node.function, len(node.arguments)) == ("optional.of", 1)


def test_an_unchecked_name_takes_the_longest_variable() -> None:
    assert PLAIN.parse("a.b").node == Variable(name="a.b", type=DYN)


def test_an_unchecked_type_name_is_a_type() -> None:
    assert PLAIN.parse("google.protobuf.Timestamp").node == Literal(value="google.protobuf.Timestamp", type=TYPE)


def test_an_unchecked_name_resolves_in_its_container() -> None:
    environment = PlainEnvironment(variables={"x.y.z": INT, "z": INT}, container="x.y")
    assert environment.parse("z").node == Variable(name="x.y.z", type=DYN)


def test_a_leading_dot_reads_the_global_that_a_macro_variable_hides() -> None:
    environment = PlainEnvironment(variables={"x": INT})
    node = environment.compile("[1].all(x, x > .x)").node
    assert isinstance(node, Comprehension)
    assert isinstance(node.body, Call)
    local, outer = node.body.arguments
    assert (local, outer) == (Variable(name=node.variables[0], type=INT), Variable(name="x", type=INT))
    assert node.variables[0] != "x"


def test_struct_types_name_their_structure() -> None:
    assert fact("software[0]").type.kind is Kind.STRUCT
