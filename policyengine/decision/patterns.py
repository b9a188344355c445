"""CEL's `regex` extension over RE2: replace, extract, extractAll; linear in the text, never backtracking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from policyengine.decision.arithmetic import MAX_CONCATENATION
from policyengine.decision.errors import CelError, no_overload
from policyengine.decision.optionals import of
from policyengine.decision.strings import compiled
from policyengine.decision.values import NONE, Optional

_REWRITE = re.compile(r"\\(?:(\d)|(\\)|(.?))|([^\\]+)", re.DOTALL)


def _texts(function: str, *values: object) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise no_overload(function, *values)
    return values  # type: ignore[return-value] # all are str, checked


def replace(text: object, pattern: object, rewrite: object, count: object = -1) -> str:
    r"""Return `text` with the first `count` matches replaced, all if negative; `\1` in `rewrite` names a group.

    Raises CelError `cel.regex` for a bad pattern or rewrite, `cel.size` for a result beyond bounds.
    """
    whole, expression, form = _texts("regex.replace", text, pattern, rewrite)
    if type(count) is not int:
        raise no_overload("regex.replace", text, pattern, rewrite, count)
    matcher = compiled(expression)
    parts = tuple(_rewriting(form, matcher.groups))
    made: list[str] = []
    size = end = 0
    for match in islice(_found(matcher, whole), None if count < 0 else count):
        made += [whole[end : match.start()], *(part if isinstance(part, str) else match[part] or "" for part in parts)]
        size, end = size + sum(map(len, made[-len(parts) - 1 :])), match.end()
        if size > MAX_CONCATENATION:
            raise CelError("cel.size", f"the result is longer than {MAX_CONCATENATION}")
    return "".join([*made, whole[end:]])


def _found(matcher: Any, whole: str) -> Iterator[Any]:
    """Yield the matches in turn; as in RE2's own replacement, no empty one right behind another match."""
    end = -1
    for match in matcher.finditer(whole):
        if match.end() > match.start() or match.start() != end:
            yield match
        end = match.end()


def _rewriting(form: str, groups: int) -> Iterator[str | int]:
    for found in _REWRITE.finditer(form):
        group, backslash, other, plain = found.groups()
        if other is not None:
            raise CelError("cel.regex", "in a rewrite a backslash stands before a digit or a backslash")
        if group is not None and int(group) > groups:
            raise CelError("cel.regex", "the rewrite names a group that the pattern does not have")
        yield int(group) if group is not None else backslash or plain


def _single(pattern: str) -> Any:
    matcher = compiled(pattern)
    if matcher.groups > 1:
        raise CelError("cel.regex", "the pattern has more than one capturing group")
    return matcher


def extract(text: object, pattern: object) -> Optional:
    """Return the first match, or what its one group matched, if any."""
    whole, expression = _texts("regex.extract", text, pattern)
    matcher = _single(expression)
    match = matcher.search(whole)
    found = None if match is None else match[matcher.groups]
    return NONE if found is None else of(found)


def extract_all(text: object, pattern: object) -> tuple[str, ...]:
    """Return all matches, or what their one group matched, without empty ones."""
    whole, expression = _texts("regex.extractAll", text, pattern)
    matcher = _single(expression)
    return tuple(found for match in matcher.finditer(whole) if (found := match[matcher.groups]))
