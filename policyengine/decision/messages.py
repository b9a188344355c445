"""Facts as people read them: message templates with `{fact.path}`, and single values as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from policyengine.model.times import format_duration, format_timestamp

MAX_SHOWN = 256  # characters of one value in a message; the whole value is among the finding's facts

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_:-]+)*)\}")


class Template:
    """A message with places for facts, split once."""

    __slots__ = ("_paths", "_texts")

    def __init__(self, text: str) -> None:
        parts = _PLACE.split(text)
        self._texts, self._paths = parts[::2], [tuple(path.split(".")) for path in parts[1::2]]

    def filled(self, values: Mapping[str, object], shown: dict[tuple[str, ...], str]) -> str:
        """Return the message with each fact's value, `unknown` where it is absent; `shown` keeps values as text."""
        text = self._texts[0]
        for path, after in zip(self._paths, self._texts[1:], strict=True):
            value = shown.get(path)
            if value is None:
                value = shown[path] = shown_value(found(values, path))
            text += value + after
        return text


def found(values: Mapping[str, object], path: tuple[str, ...]) -> object:
    """Return the fact at `path` in nested `values`, None if it is absent."""
    value: object = values
    for step in path:
        if not isinstance(value, dict | Mapping) or step not in value:
            return None
        value = value[step]
    return value


def shown_value(value: object) -> str:
    """Return `value` as text, cut to MAX_SHOWN characters."""
    text = _text(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_timestamp(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return ", ".join(_text(item) for item in value[:MAX_SHOWN])
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return str(value)
