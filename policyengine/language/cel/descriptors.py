"""The fact schema as protobuf descriptors in a private pool, so that cel-cpp type-checks every fact path.

Descriptors serve checking only: no message is ever made from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf import any_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from policyengine.errors import PolicyEngineError
from policyengine.language.cel.types import PACKAGE, VERSION_MESSAGE
from policyengine.model.schema import FactSchema, FieldSpec
from policyengine.model.types import Kind, Type

_WELL_KNOWN = (any_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
_SCALARS = {
    Kind.BOOL: FieldDescriptorProto.TYPE_BOOL,
    Kind.INT: FieldDescriptorProto.TYPE_INT64,
    Kind.UINT: FieldDescriptorProto.TYPE_UINT64,
    Kind.DOUBLE: FieldDescriptorProto.TYPE_DOUBLE,
    Kind.STRING: FieldDescriptorProto.TYPE_STRING,
    Kind.BYTES: FieldDescriptorProto.TYPE_BYTES,
}
_MESSAGES = {
    Kind.TIMESTAMP: "google.protobuf.Timestamp",
    Kind.DURATION: "google.protobuf.Duration",
    Kind.VERSION: VERSION_MESSAGE,
    Kind.DYN: "google.protobuf.Value",
}


class UnsupportedFactTypeError(PolicyEngineError):
    """A fact's type that a condition could not be checked against, such as a list of lists."""

    code = "facts.type"


def descriptors(schema: FactSchema) -> DescriptorPool:
    """Return a private pool with one message per structure of `schema`; raises UnsupportedFactTypeError."""
    pool = DescriptorPool()
    for module in _WELL_KNOWN:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(_file(schema.structs))
    return pool


def _file(structs: Mapping[str, Mapping[str, FieldSpec]]) -> FileDescriptorProto:
    file = FileDescriptorProto(name="policyengine/facts.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(module.DESCRIPTOR.name for module in _WELL_KNOWN)
    file.message_type.add(name=VERSION_MESSAGE.rpartition(".")[2])
    for name, fields in structs.items():
        message = file.message_type.add(name=name)
        _add_fields(message, ((field, spec.type) for field, spec in fields.items()))
    return file


def _add_fields(message: DescriptorProto, fields: Iterable[tuple[str, Type]]) -> None:
    for number, (name, kind) in enumerate(fields, start=1):
        field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        if kind.kind is Kind.MAP:
            _make_map(message, field, kind)
        elif kind.kind is Kind.LIST:
            _set_single(field, kind.parameters[0])
            field.label = FieldDescriptorProto.LABEL_REPEATED
        else:
            _set_single(field, kind)


def _make_map(message: DescriptorProto, field: FieldDescriptorProto, kind: Type) -> None:
    """Give `field` the form that protoc gives a map: repeated entries of a nested message."""
    entry = message.nested_type.add(name="".join(part.capitalize() for part in field.name.split("_")) + "Entry")
    entry.options.map_entry = True
    _add_fields(entry, zip(("key", "value"), kind.parameters, strict=True))
    field.label = FieldDescriptorProto.LABEL_REPEATED
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{PACKAGE}.{message.name}.{entry.name}"


def _set_single(field: FieldDescriptorProto, kind: Type) -> None:
    if kind.kind in _SCALARS:
        field.type = _SCALARS[kind.kind]
        return
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    if kind.kind is Kind.STRUCT:
        field.type_name = f".{PACKAGE}.{kind.name}"
    elif kind.kind in _MESSAGES:
        field.type_name = f".{_MESSAGES[kind.kind]}"
    else:
        raise UnsupportedFactTypeError(f"fact `{field.name}` has a type that cannot be checked", fact=field.name)
