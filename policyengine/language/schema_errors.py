"""jsonschema's errors in our words: code, sentence, help, and the place of the key or value that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError

from policyengine.language.diagnostics import did_you_mean
from policyengine.language.nodes import Document, Fields, Scalar, Step, YamlNode, at
from policyengine.model.diagnostic import Diagnostic, Level

_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
}
_TOKEN = re.compile(r"[^\s,\]}#]+")
_MAX_SHOWN = 80

Translation = Iterator[Diagnostic]


def diagnostics_of(document: Document, error: ValidationError) -> Translation:
    """Yield what `error` says of `document`; values that the reader has refused are not reported again."""
    if error.instance is None:
        return
    if "propertyNames" in error.absolute_schema_path:
        yield _bad_name(document, error)
        return
    yield from _TRANSLATIONS.get(str(error.validator), _other)(document, error)


def _node(document: Document, error: ValidationError) -> YamlNode:
    path: list[Step] = list(error.absolute_path)
    return at(document.root, *path) or document.root


def _where(error: ValidationError) -> str:
    """Return the path of the value in error, such as `spec.rules[0]`; empty at the top."""
    shown = ""
    for step in error.absolute_path:
        shown += f"[{step}]" if isinstance(step, int) else f".{step}"
    return shown.removeprefix(".")[:_MAX_SHOWN]


def _value(error: ValidationError) -> Any:
    """Return the value of the keyword that failed."""
    return error.validator_value


def _schema(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _advice(error: ValidationError) -> str:
    schema = _schema(error)
    return str(schema.get("x-help") or schema.get("description") or "")


def _at(document: Document, node: YamlNode, code: str, message: str, advice: str) -> Diagnostic:
    return Diagnostic(
        file=document.file,
        line=node.line,
        column=node.column,
        code=code,
        severity=Level.ERROR,
        message=message,
        help=advice,
    )


def _bad_name(document: Document, error: ValidationError) -> Diagnostic:
    mapping = _node(document, error)
    name = str(error.instance)
    node = mapping.keys[name] if isinstance(mapping, Fields) and name in mapping.keys else mapping
    return _at(document, node, "schema.pattern", f"`{name[:_MAX_SHOWN]}` is not a name for this", _advice(error))


def _unknown_keys(document: Document, error: ValidationError) -> Translation:
    mapping = _node(document, error)
    schema = _schema(error)
    known = schema.get("properties", {})
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", {})]
    where = _where(error)
    inside = f" in `{where}`" if where else ""
    if not isinstance(mapping, Fields):
        return
    for key, node in mapping.keys.items():
        if key not in known and not any(pattern.search(key) for pattern in patterns):
            message = f"unknown key `{key[:_MAX_SHOWN]}`{inside}"
            yield _at(document, node, "schema.unknown-key", message, did_you_mean(key, known))


def _missing_keys(document: Document, error: ValidationError) -> Translation:
    node = _node(document, error)
    where = _where(error)
    inside = f" in `{where}`" if where else ""
    properties = _schema(error).get("properties", {})
    for key in _value(error):
        if isinstance(error.instance, Mapping) and key not in error.instance:
            meaning = str(properties.get(key, {}).get("description", "")).rstrip(".")
            advice = f"add `{key}: ...`" + (f": {meaning[0].lower()}{meaning[1:]}" if meaning else "")
            yield _at(document, node, "schema.missing-key", f"the key `{key}` is missing{inside}", advice)


def _type(document: Document, error: ValidationError) -> Translation:
    node = _node(document, error)
    value = _value(error)
    expected = value if isinstance(value, list) else [value]
    number = isinstance(error.instance, int | float) and not isinstance(error.instance, bool)
    if "string" in expected and number and isinstance(node, Scalar):
        written = _TOKEN.match(document.source, node.index)
        shown = written.group()[:_MAX_SHOWN] if written else str(error.instance)
        message = f"`{shown}` without quotes is a number, text is needed at `{_where(error)}`"
        fits = re.search(str(_schema(error).get("pattern", "")), shown) is not None
        advice = f'write "{shown}" in quotes' if fits else _advice(error)
        yield _at(document, node, "schema.unquoted-number", message, advice)
        return
    words = " or ".join(_TYPE_WORDS[name] for name in expected)
    yield _at(document, node, "schema.type", f"`{_where(error)}` must be {words}", _advice(error))


def _enum(document: Document, error: ValidationError) -> Translation:
    allowed = [str(one) for one in _value(error)]
    shown = str(error.instance)[:_MAX_SHOWN]
    yield _at(
        document,
        _node(document, error),
        "schema.enum",
        f"`{shown}` is not a value of `{_where(error)}`",
        did_you_mean(shown, allowed),
    )


def _const(document: Document, error: ValidationError) -> Translation:
    message = f"`{_where(error)}` must be `{error.validator_value}`"
    yield _at(document, _node(document, error), "schema.api-version", message, f"write `{error.validator_value}`")


def _pattern(document: Document, error: ValidationError) -> Translation:
    message = f"`{str(error.instance)[:_MAX_SHOWN]}` does not have the form of `{_where(error)}`"
    yield _at(document, _node(document, error), "schema.pattern", message, _advice(error))


def _unique(document: Document, error: ValidationError) -> Translation:
    seen: set[tuple[type, str]] = set()
    items: Any = error.instance
    for index, item in enumerate(items):
        if (type(item), str(item)) in seen:
            node = at(document.root, *error.absolute_path, index) or document.root
            message = f"`{str(item)[:_MAX_SHOWN]}` is listed twice in `{_where(error)}`"
            yield _at(document, node, "schema.repeated-item", message, "remove one of the two")
        seen.add((type(item), str(item)))


def _size(document: Document, error: ValidationError) -> Translation:
    limit = error.validator_value
    words = {
        "minItems": f"needs at least {limit} item",
        "maxItems": f"has more than {limit} items",
        "minLength": f"needs at least {limit} character",
        "maxLength": f"is longer than {limit} characters",
        "minProperties": f"needs at least {limit} key",
    }
    message = f"`{_where(error)}` {words[str(error.validator)]}"
    yield _at(document, _node(document, error), "schema.size", message, _advice(error))


def _range(document: Document, error: ValidationError) -> Translation:
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
    }
    message = f"`{_where(error)}` must be {words[str(error.validator)]} {error.validator_value}"
    yield _at(document, _node(document, error), "schema.range", message, _advice(error))


def _other(document: Document, error: ValidationError) -> Translation:
    yield _at(document, _node(document, error), "schema.type", f"`{_where(error)}` has the wrong form", _advice(error))


_TRANSLATIONS: Mapping[str, Callable[[Document, ValidationError], Translation]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "uniqueItems": _unique,
    "minItems": _size,
    "maxItems": _size,
    "minLength": _size,
    "maxLength": _size,
    "minProperties": _size,
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "exclusiveMaximum": _range,
}
