"""CEL's text functions: the standard ones and the `strings` extension's; positions count code points."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

from policyengine.decision.arithmetic import MAX_CONCATENATION
from policyengine.decision.errors import CelError, no_overload

CACHED_PATTERNS = 1024  # distinct dynamic patterns; constant patterns are compiled with their rule
CACHED_ANSWERS = 4096  # texts per constant pattern whose answer is remembered: facts repeat across a fleet
MAX_REMEMBERED = 256  # characters; a longer text is matched anew, so that the cache stays small
MAX_PATTERN = 4096  # characters
_WHITE = "".join(  # Unicode's property White_Space; Python strips the separators U+001C to U+001F as well
    map(
        chr,
        (*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    )
)
_NOT_GIVEN = object()


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return options


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return the function that says whether RE2 `pattern` occurs in a text; linear in the text, never backtracking.

    Raises CelError `cel.regex` for a pattern that RE2 refuses.
    """
    search = compiled(pattern).search
    remembered = lru_cache(maxsize=CACHED_ANSWERS)(lambda text: search(text) is not None)

    def matches(text: str) -> bool:
        return remembered(text) if len(text) <= MAX_REMEMBERED else search(text) is not None

    return matches


@lru_cache(maxsize=CACHED_PATTERNS)
def compiled(pattern: str) -> Any:
    """Return the compiled RE2 `pattern`; raises CelError `cel.regex`."""
    if len(pattern) > MAX_PATTERN:
        raise CelError("cel.regex", f"the pattern is longer than {MAX_PATTERN} characters")
    try:
        return re2.compile(pattern, _options())
    except re2.error as cause:
        raise CelError("cel.regex", "RE2 does not accept the pattern") from cause


def matches(text: object, pattern: object) -> bool:
    """Return CEL's `text.matches(pattern)` for a pattern known only at run time."""
    if not (isinstance(text, str) and isinstance(pattern, str)):
        raise no_overload("matches", text, pattern)
    return compiled(pattern).search(text) is not None


def _two(function: str, text: object, other: object) -> tuple[str, str]:
    if isinstance(text, str) and isinstance(other, str):
        return text, other
    raise no_overload(function, text, other)


def contains(text: object, part: object) -> bool:
    """Return `text.contains(part)`."""
    whole, wanted = _two("contains", text, part)
    return wanted in whole


def starts_with(text: object, part: object) -> bool:
    """Return `text.startsWith(part)`."""
    whole, wanted = _two("startsWith", text, part)
    return whole.startswith(wanted)


def ends_with(text: object, part: object) -> bool:
    """Return `text.endsWith(part)`."""
    whole, wanted = _two("endsWith", text, part)
    return whole.endswith(wanted)


def _text(function: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise no_overload(function, value)


def _whole(function: str, value: object) -> int:
    if type(value) is int:
        return value
    raise no_overload(function, value)


def char_at(text: object, position: object) -> str:
    """Return `text.charAt(position)`; the empty text at the very end."""
    whole, at = _text("charAt", text), _whole("charAt", position)
    if not 0 <= at <= len(whole):
        raise CelError("cel.index", "the index is outside the text")
    return whole[at : at + 1]


def index_of(text: object, part: object, start: object = 0) -> int:
    """Return `text.indexOf(part, start)`, -1 if it does not occur."""
    whole, wanted = _two("indexOf", text, part)
    first = _inside("indexOf", whole, start)
    return whole.find(wanted, first)


def last_index_of(text: object, part: object, limit: object = _NOT_GIVEN) -> int:
    """Return `text.lastIndexOf(part, limit)`: the last occurrence that starts at or before `limit`."""
    whole, wanted = _two("lastIndexOf", text, part)
    last = len(whole) if limit is _NOT_GIVEN else _inside("lastIndexOf", whole, limit)
    return whole.rfind(wanted, 0, last + len(wanted))


def _inside(function: str, whole: str, position: object) -> int:
    at = _whole(function, position)
    if not 0 <= at <= len(whole):
        raise CelError("cel.index", "the index is outside the text")
    return at


def lower_ascii(text: object) -> str:
    """Return `text.lowerAscii()`; other letters stay as they are."""
    whole = _text("lowerAscii", text)
    return whole.lower() if whole.isascii() else "".join(sign.lower() if sign.isascii() else sign for sign in whole)


def upper_ascii(text: object) -> str:
    """Return `text.upperAscii()`; other letters stay as they are."""
    whole = _text("upperAscii", text)
    return whole.upper() if whole.isascii() else "".join(sign.upper() if sign.isascii() else sign for sign in whole)


def replace(text: object, old: object, new: object, limit: object = -1) -> str:
    """Return `text.replace(old, new, limit)`; a negative limit replaces all."""
    whole, wanted = _two("replace", text, old)
    substitute, count = _text("replace", new), _whole("replace", limit)
    grown = len(whole) + (whole.count(wanted) * len(substitute))
    if grown > MAX_CONCATENATION:
        raise CelError("cel.size", f"the result is longer than {MAX_CONCATENATION}")
    return whole.replace(wanted, substitute, count)


def split(text: object, separator: object, limit: object = -1) -> tuple[str, ...]:
    """Return `text.split(separator, limit)`: at most `limit` parts, all of them when negative."""
    whole, wanted = _two("split", text, separator)
    count = _whole("split", limit)
    if count == 0:
        return ()
    if wanted == "":
        return tuple(whole) if count < 0 or count >= len(whole) else (*whole[: count - 1], whole[count - 1 :])
    return tuple(whole.split(wanted, count - 1 if count > 0 else -1))


def join(parts: object, separator: object = "") -> str:
    """Return `parts.join(separator)` of a list of texts."""
    if not isinstance(parts, tuple):
        raise no_overload("join", parts)
    return _text("join", separator).join(_text("join", part) for part in parts)


def substring(text: object, start: object, end: object = _NOT_GIVEN) -> str:
    """Return `text.substring(start, end)`."""
    whole = _text("substring", text)
    first = _inside("substring", whole, start)
    last = len(whole) if end is _NOT_GIVEN else _inside("substring", whole, end)
    if first > last:
        raise CelError("cel.index", "the substring ends before it starts")
    return whole[first:last]


def trim(text: object) -> str:
    """Return `text.trim()` without leading and trailing white space."""
    return _text("trim", text).strip(_WHITE)


def reverse(value: object) -> object:
    """Return the text or list the other way round."""
    if isinstance(value, str | tuple):
        return value[::-1]
    raise no_overload("reverse", value)
