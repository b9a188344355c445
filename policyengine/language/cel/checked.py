"""The parsed or type-checked expression as cel-expr-python serialises it, read with our own descriptor.

Only the fields we read are declared (google/cel-spec `proto/cel/expr/{syntax,checked}.proto`, whose numbers are
frozen); all others are skipped. The pool is private, so that no other package's copy can clash with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from policyengine.errors import PolicyEngineError

_PACKAGE = "policyengine.cel"
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}

# message -> field -> (number, form). A form is a scalar or message name; `*` marks a repeated field, `|` a member of
# the message's one `oneof`, `K:V` a map. Enumerations are read as int32: the wire format is the same.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Any": {"type_url": (1, "string"), "value": (2, "bytes")},
    "Empty": {},
    "ParsedExpr": {"expr": (2, "Expr"), "source_info": (3, "SourceInfo")},
    "CheckedExpr": {
        "reference_map": (2, "int64:Reference"),
        "type_map": (3, "int64:Type"),
        "expr": (4, "Expr"),
        "source_info": (5, "SourceInfo"),
    },
    "Reference": {"name": (1, "string"), "overload_id": (3, "string*"), "value": (4, "Constant")},
    "SourceInfo": {"positions": (4, "int64:int32")},
    "Expr": {
        "id": (2, "int64"),
        "const_expr": (3, "Constant|"),
        "ident_expr": (4, "Ident|"),
        "select_expr": (5, "Select|"),
        "call_expr": (6, "Call|"),
        "list_expr": (7, "CreateList|"),
        "struct_expr": (8, "CreateStruct|"),
        "comprehension_expr": (9, "Comprehension|"),
    },
    "Constant": {
        "null_value": (1, "int32|"),
        "bool_value": (2, "bool|"),
        "int64_value": (3, "int64|"),
        "uint64_value": (4, "uint64|"),
        "double_value": (5, "double|"),
        "string_value": (6, "string|"),
        "bytes_value": (7, "bytes|"),
    },
    "Ident": {"name": (1, "string")},
    "Select": {"operand": (1, "Expr"), "field": (2, "string"), "test_only": (3, "bool")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "Expr*")},
    "CreateList": {"elements": (1, "Expr*"), "optional_indices": (2, "int32*")},
    "CreateStruct": {"message_name": (1, "string"), "entries": (2, "Entry*")},
    "Entry": {
        "id": (1, "int64"),
        "field_key": (2, "string|"),
        "map_key": (3, "Expr|"),
        "value": (4, "Expr"),
        "optional_entry": (5, "bool"),
    },
    "Comprehension": {
        "iter_var": (1, "string"),
        "iter_range": (2, "Expr"),
        "accu_var": (3, "string"),
        "accu_init": (4, "Expr"),
        "loop_condition": (5, "Expr"),
        "loop_step": (6, "Expr"),
        "result": (7, "Expr"),
        "iter_var2": (8, "string"),
    },
    "Type": {
        "dyn": (1, "Empty|"),
        "null": (2, "int32|"),
        "primitive": (3, "int32|"),
        "wrapper": (4, "int32|"),
        "well_known": (5, "int32|"),
        "list_type": (6, "ListType|"),
        "map_type": (7, "MapType|"),
        "message_type": (9, "string|"),
        "type_param": (10, "string|"),
        "type": (11, "Type|"),
        "error": (12, "Empty|"),
        "abstract_type": (14, "AbstractType|"),
    },
    "ListType": {"elem_type": (1, "Type")},
    "MapType": {"key_type": (1, "Type"), "value_type": (2, "Type")},
    "AbstractType": {"name": (1, "string"), "parameter_types": (2, "Type*")},
}


class UnreadableExpressionError(PolicyEngineError):
    """The serialised expression nests deeper than a protobuf reader follows (100 messages), or is not one."""

    code = "cel.too-deep"


def read_checked(serialised: bytes) -> Any:
    """Return the CheckedExpr or ParsedExpr inside the serialised Any; raises UnreadableExpressionError."""
    classes = _classes()
    try:
        envelope: Any = classes["Any"].FromString(serialised)
        return classes[envelope.type_url.rpartition(".")[2]].FromString(envelope.value)
    except (DecodeError, KeyError) as cause:
        raise UnreadableExpressionError("the condition nests too deeply") from cause


@cache
def _classes() -> Mapping[str, type[Message]]:
    pool = DescriptorPool()
    pool.Add(_file())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="policyengine/cel.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, form) in fields.items():
            _add_field(message, field, number, form)
    return file


def _add_field(message: Any, name: str, number: int, form: str) -> None:
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if ":" in form:
        entry = "".join(part.capitalize() for part in name.split("_")) + "Entry"
        nested = message.nested_type.add(name=entry)
        nested.options.map_entry = True
        for position, part in enumerate(form.split(":"), start=1):
            _add_field(nested, ("key", "value")[position - 1], position, part)
        form = f"{message.name}.{entry}*"
    if form.endswith("*"):
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if form.endswith("|"):
        if not message.oneof_decl:
            message.oneof_decl.add(name="kind")
        field.oneof_index = 0
    _set_type(field, form.rstrip("*|"))


def _set_type(field: FieldDescriptorProto, form: str) -> None:
    if form in _SCALARS:
        field.type = _SCALARS[form]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{form}"
