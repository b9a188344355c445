"""Facts as people read them: message templates with `{fact.path}`, and single values as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from policyengine.model.times import format_duration, format_timestamp

KEPT_PATHS = 4096  # fact paths kept split; a bundle names some hundred
MAX_SHOWN = 256  # characters of one value in a message; the whole value is among the finding's facts

_NESTED = (dict, Mapping)  # a plain dict first: it is the usual case, and asking an abstract class is slow
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_:-]+)*)\}")


class Template:
    """A message with places for facts, split once."""

    __slots__ = ("_form", "_paths", "constant")

    def __init__(self, text: str) -> None:
        parts = _PLACE.split(text)
        self._form = "%s".join(part.replace("%", "%%") for part in parts[::2])
        self._paths = parts[1::2]
        self.constant = None if self._paths else text  # what it always says, if it shows no fact

    def filled(self, shown: Shown) -> str:
        """Return the message with each fact's value, `unknown` where it is absent."""
        paths = self._paths
        if len(paths) == 1:
            return self._form % (shown[paths[0]],)
        return self._form % tuple([shown[path] for path in paths])


class Shown(dict[str, str]):
    """Facts by dotted path as messages show them, each made when it is first asked for."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__()
        self._values = values

    def __missing__(self, path: str) -> str:
        text = self[path] = shown_value(found(self._values, path))
        return text


def found(values: Mapping[str, object], path: str) -> object:
    """Return the fact at dotted `path` in nested `values`, None if it is absent."""
    value: object = values
    for step in _steps(path):
        if not isinstance(value, _NESTED):
            return None
        value = value.get(step)
    return value


@lru_cache(maxsize=KEPT_PATHS)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def shown_value(value: object) -> str:
    """Return `value` as text, cut to MAX_SHOWN characters."""
    text = value if type(value) is str else _text(value)
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
