"""Small constructors of expression nodes, so that tests read like the conditions they mean."""

from __future__ import annotations

from collections.abc import Mapping

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
    Node,
    Now,
    Or,
    Param,
    Select,
    Variable,
)
from policyengine.model.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    VERSION,
    Type,
    list_of,
    map_of,
    struct,
)

COMPONENT = struct("software")
FACT_TYPES: Mapping[str, Type] = {
    "boot.secure": BOOL,
    "boot.debug": STRING,
    "boot.mode": STRING,
    "boot.svn": INT,
    "boot.count": INT,
    "cert.not_after": TIMESTAMP,
    "cert.not_before": TIMESTAMP,
    "evidence.age": DURATION,
    "evidence.fresh": BOOL,
    "net.open_ports": list_of(INT),
    "net.protocols": list_of(STRING),
    "software": list_of(COMPONENT),
    "device.labels": map_of(STRING, STRING),
    "device.site": STRING,
    "model.latest_version": VERSION,
    "org.score": DOUBLE,
    "identity.verified": BOOL,
    "csr.key_bits": INT,
}
FIELD_TYPES: Mapping[str, Type] = {"name": STRING, "svn": INT, "match": STRING, "version": VERSION}

now = Now(type=TIMESTAMP)


def fact(path: str) -> Fact:
    return Fact(type=FACT_TYPES[path], path=tuple(path.split(".")))


def group(name: str) -> Fact:
    return Fact(type=struct(name), path=(name,))


def lit(value: bool | float | str | bytes | None) -> Literal:
    kinds = {bool: BOOL, int: INT, float: DOUBLE, str: STRING, bytes: BYTES, type(None): NULL}
    return Literal(type=kinds[type(value)], value=value)


def call(kind: Type, function: str, *arguments: Node) -> Call:
    return Call(type=kind, function=function, arguments=arguments)


def eq(left: Node, right: Node) -> Call:
    return call(BOOL, "_==_", left, right)


def ne(left: Node, right: Node) -> Call:
    return call(BOOL, "_!=_", left, right)


def lt(left: Node, right: Node) -> Call:
    return call(BOOL, "_<_", left, right)


def gt(left: Node, right: Node) -> Call:
    return call(BOOL, "_>_", left, right)


def ge(left: Node, right: Node) -> Call:
    return call(BOOL, "_>=_", left, right)


def le(left: Node, right: Node) -> Call:
    return call(BOOL, "_<=_", left, right)


def not_(operand: Node) -> Call:
    return call(BOOL, "!_", operand)


def and_(*operands: Node) -> And:
    return And(type=BOOL, operands=operands)


def or_(*operands: Node) -> Or:
    return Or(type=BOOL, operands=operands)


def if_(condition: Node, then: Node, otherwise: Node) -> Conditional:
    return Conditional(type=then.type, condition=condition, then=then, otherwise=otherwise)


def plus(left: Node, right: Node) -> Call:
    return call(TIMESTAMP if TIMESTAMP in (left.type, right.type) else left.type, "_+_", left, right)


def minus(left: Node, right: Node) -> Call:
    kind = DURATION if left.type == right.type == TIMESTAMP else left.type
    return call(kind, "_-_", left, right)


def duration(text: str) -> Call:
    return call(DURATION, "duration", lit(text))


def timestamp(text: str) -> Call:
    return call(TIMESTAMP, "timestamp", lit(text))


def list_(*items: Node) -> ListOf:
    return ListOf(type=list_of(items[0].type), items=items)


def in_(element: Node, collection: Node) -> Call:
    return call(BOOL, "@in", element, collection)


def size(value: Node) -> Call:
    return call(INT, "size", value)


def has(path: str) -> Has:
    above, _, name = path.rpartition(".")
    operand = fact(above) if above in FACT_TYPES else group(above)
    return Has(type=BOOL, operand=operand, name=name)


def var(name: str, kind: Type) -> Variable:
    return Variable(type=kind, name=name)


def field(variable: str, name: str) -> Select:
    return Select(type=FIELD_TYPES[name], operand=var(variable, COMPONENT), name=name)


def has_field(variable: str, name: str) -> Has:
    return Has(type=BOOL, operand=var(variable, COMPONENT), name=name)


def all_(over: Node, name: str, body: Node) -> Comprehension:
    return Comprehension(type=BOOL, macro=Macro.ALL, range=over, variables=(name,), body=body)


def exists(over: Node, name: str, body: Node) -> Comprehension:
    return Comprehension(type=BOOL, macro=Macro.EXISTS, range=over, variables=(name,), body=body)


def exists_one(over: Node, name: str, body: Node) -> Comprehension:
    return Comprehension(type=BOOL, macro=Macro.EXISTS_ONE, range=over, variables=(name,), body=body)


def filter_(over: Node, name: str, body: Node) -> Comprehension:
    return Comprehension(type=over.type, macro=Macro.FILTER, range=over, variables=(name,), body=body)


def map_(over: Node, name: str, body: Node) -> Comprehension:
    return Comprehension(type=list_of(body.type), macro=Macro.MAP, range=over, variables=(name,), body=body)


def let(name: str, value: Node, body: Node) -> Bind:
    return Bind(type=body.type, name=name, value=value, body=body)


def param(name: str, kind: Type) -> Param:
    return Param(type=kind, name=name)


def at_least(version: Node, limit: str) -> Call:
    return call(BOOL, "atLeast", version, lit(limit))


def below(version: Node, limit: str) -> Call:
    return call(BOOL, "below", version, lit(limit))
