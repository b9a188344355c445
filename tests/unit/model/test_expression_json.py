"""Expressions survive the way into a bundle and back, and nothing else is read as one."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.model.canonical import canonical
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
)
from policyengine.model.expression_json import MAX_DEPTH, ExpressionDocumentError, from_document, to_document
from policyengine.model.type_json import type_from_document, type_to_document
from policyengine.model.types import (
    BOOL,
    BYTES,
    DOUBLE,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Kind,
    Type,
    list_of,
    map_of,
    optional_of,
    struct,
)

NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
SIMPLE_TYPES = st.sampled_from(
    [Type(kind=kind) for kind in Kind if kind not in (Kind.LIST, Kind.MAP, Kind.OPTIONAL, Kind.STRUCT, Kind.ABSTRACT)]
)
TYPES = st.recursive(
    st.one_of(SIMPLE_TYPES, NAMES.map(struct)),
    lambda inner: st.one_of(
        inner.map(list_of),
        inner.map(optional_of),
        st.builds(map_of, inner, inner),
        st.builds(
            lambda name, of: Type(kind=Kind.ABSTRACT, name=name, parameters=tuple(of)),
            NAMES,
            st.lists(inner, max_size=2),
        ),
    ),
    max_leaves=4,
)
LITERALS = st.one_of(
    st.booleans().map(lambda value: Literal(value=value, type=BOOL)),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: Literal(value=value, type=INT)),
    st.integers(0, 2**64 - 1).map(lambda value: Literal(value=value, type=UINT)),
    st.floats(allow_nan=False).map(lambda value: Literal(value=value, type=DOUBLE)),
    NAMES.map(lambda value: Literal(value=value, type=STRING)),
    NAMES.map(lambda value: Literal(value=value, type=TYPE)),
    st.binary(max_size=8).map(lambda value: Literal(value=value, type=BYTES)),
    st.just(Literal(value=None, type=NULL)),
)
LEAVES = st.one_of(
    LITERALS,
    st.builds(Fact, path=st.lists(NAMES, min_size=1, max_size=3).map(tuple), type=TYPES),
    st.just(Now(type=TIMESTAMP)),
    st.builds(Param, name=NAMES, type=TYPES),
    st.builds(Variable, name=NAMES, type=TYPES, offset=st.integers(0, 99)),
)


def _composite(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    many = st.lists(inner, max_size=3).map(tuple)
    operands = st.lists(inner, min_size=2, max_size=3).map(tuple)
    indices = st.frozensets(st.integers(0, 5), max_size=2)
    return st.one_of(
        st.builds(Select, operand=inner, name=NAMES, optional=st.booleans(), type=TYPES),
        st.builds(Has, operand=inner, name=NAMES, type=TYPES),
        st.builds(Call, function=NAMES, arguments=many, overload=NAMES, type=TYPES),
        st.builds(And, operands=operands, type=TYPES),
        st.builds(Or, operands=operands, type=TYPES),
        st.builds(Conditional, condition=inner, then=inner, otherwise=inner, type=TYPES),
        st.builds(ListOf, items=many, optional=indices, type=TYPES),
        st.builds(
            MapOf, entries=st.lists(st.tuples(inner, inner), max_size=2).map(tuple), optional=indices, type=TYPES
        ),
        st.builds(
            Comprehension,
            macro=st.sampled_from(Macro),
            range=inner,
            variables=st.lists(NAMES, min_size=1, max_size=2).map(tuple),
            condition=st.none() | inner,
            body=inner,
            type=TYPES,
        ),
        st.builds(Bind, name=NAMES, value=inner, body=inner, type=TYPES),
    )


NODES = st.recursive(LEAVES, _composite, max_leaves=12)


@settings(deadline=None)
@given(NODES)
def test_a_node_comes_back_from_its_canonical_bytes(node: Node) -> None:
    assert from_document(json.loads(canonical(to_document(node)))) == node


@given(TYPES)
def test_a_type_comes_back_from_its_document(kind: Type) -> None:
    assert type_from_document(json.loads(canonical(type_to_document(kind)))) == kind


@settings(deadline=None)
@given(NODES, NODES)
def test_different_nodes_have_different_documents(one: Node, other: Node) -> None:
    assert (canonical(to_document(one)) == canonical(to_document(other))) == (one == other)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
def test_an_odd_double_comes_back(value: float) -> None:
    back = from_document(json.loads(canonical(to_document(Literal(value=value, type=DOUBLE)))))
    assert isinstance(back, Literal)
    assert repr(back.value) == repr(value)


def test_a_true_does_not_come_back_as_one() -> None:
    back = from_document(to_document(Literal(value=True, type=BOOL)))
    assert isinstance(back, Literal)
    assert back.value is True


def test_offsets_do_not_reach_the_document() -> None:
    assert to_document(Now(type=TIMESTAMP, offset=7)) == to_document(Now(type=TIMESTAMP))


LITERAL = {"node": "literal", "type": "int", "value": 1}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "now",
        {},
        {"node": "now"},
        {"node": "nothing", "type": "bool"},
        {"node": ["now"], "type": "bool"},
        {"node": "now", "type": "bool", "extra": 1},
        {"node": "now", "type": "boolean"},
        {"node": "now", "type": "list"},
        {"node": "now", "type": {"list": []}},
        {"node": "now", "type": {"list": ["int", "int"]}},
        {"node": "now", "type": {"map": ["int"]}},
        {"node": "now", "type": {"int": []}},
        {"node": "now", "type": {"struct": [1]}},
        {"node": "now", "type": {"struct": ["a", "int"]}},
        {"node": "now", "type": {"list": "int"}},
        {"node": "now", "type": {"list": ["int"], "map": []}},
        {"node": "now", "type": 3},
        {"node": "fact", "type": "int", "path": []},
        {"node": "fact", "type": "int", "path": "boot"},
        {"node": "fact", "type": "int", "path": [1]},
        {"node": "fact", "type": "int"},
        {"node": "and", "type": "bool", "operands": [LITERAL]},
        {"node": "has", "type": "bool", "operand": None, "name": "x"},
        {"node": "select", "type": "bool", "operand": LITERAL, "name": "x", "optional": False},
        {"node": "select", "type": "bool", "operand": LITERAL, "name": "x", "optional": 1},
        {"node": "call", "type": "bool", "function": "f", "arguments": [], "overload": ""},
        {"node": "list", "type": "dyn", "items": [], "optional": []},
        {"node": "list", "type": "dyn", "items": [], "optional": [1, 0]},
        {"node": "list", "type": "dyn", "items": [], "optional": [True]},
        {"node": "list", "type": "dyn", "items": [], "optional": [-1]},
        {"node": "map", "type": "dyn", "entries": [[LITERAL]]},
        {"node": "map", "type": "dyn", "entries": [LITERAL]},
        {"node": "macro", "type": "bool", "macro": "some", "range": LITERAL, "variables": ["x"], "body": LITERAL},
        {"node": "macro", "type": "bool", "macro": ["all"], "range": LITERAL, "variables": ["x"], "body": LITERAL},
        {"node": "macro", "type": "bool", "macro": "all", "range": LITERAL, "variables": [], "body": LITERAL},
        {
            "node": "macro",
            "type": "bool",
            "macro": "all",
            "range": LITERAL,
            "variables": ["x", "y", "z"],
            "body": LITERAL,
        },
        {"node": "literal", "type": "int"},
        {"node": "literal", "type": "int", "value": True},
        {"node": "literal", "type": "int", "value": 1.0},
        {"node": "literal", "type": "int", "value": "1"},
        {"node": "literal", "type": "int", "value": "9223372036854775808"},
        {"node": "literal", "type": "int", "value": "9" * 5000},
        {"node": "literal", "type": "int", "value": 2**60},
        {"node": "literal", "type": "uint", "value": -1},
        {"node": "literal", "type": "double", "value": 1.5},
        {"node": "literal", "type": "double", "value": "1.50"},
        {"node": "literal", "type": "double", "value": "one"},
        {"node": "literal", "type": "string", "value": 1},
        {"node": "literal", "type": "bytes", "value": "a"},
        {"node": "literal", "type": "bytes", "value": "YQ=="},
        {"node": "literal", "type": "bytes", "value": "é"},
        {"node": "literal", "type": "null", "value": False},
        {"node": "literal", "type": "bool", "value": 1},
        {"node": "literal", "type": "timestamp", "value": "2026-11-23T00:00:00Z"},
    ],
)
def test_what_we_never_write_is_not_read(document: object) -> None:
    with pytest.raises(ExpressionDocumentError) as caught:
        from_document(document)
    assert caught.value.code == "bundle.expression"


def test_an_error_says_where() -> None:
    document = {"node": "and", "type": "bool", "operands": [LITERAL, {"node": "now"}]}
    with pytest.raises(ExpressionDocumentError, match=r"`expression\.operands\.1`"):
        from_document(document)


def test_a_deep_document_is_refused() -> None:
    document: dict[str, object] = LITERAL
    for _ in range(10_000):
        document = {"node": "has", "type": "bool", "name": "x", "operand": document}
    with pytest.raises(ExpressionDocumentError, match="too deeply"):
        from_document(document)


def test_a_deep_type_is_refused() -> None:
    kind: object = "int"
    for _ in range(10_000):
        kind = {"list": [kind]}
    with pytest.raises(ExpressionDocumentError, match="too deeply"):
        from_document({"node": "now", "type": kind})


def test_the_depth_limit_itself_is_read() -> None:
    node: Node = Literal(value=1, type=INT)
    for _ in range(MAX_DEPTH):
        node = Has(operand=node, name="x", type=BOOL)
    assert from_document(to_document(node)) == node
