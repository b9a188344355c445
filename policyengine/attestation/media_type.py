"""Media types with parameters (RFC 9110 section 8.3.1), as far as evidence formats are named by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from policyengine.attestation.errors import UnsupportedMediaTypeError
from policyengine.errors import quoted

MAX_LENGTH = 256  # the longest registered evidence type with its profile has 70 characters

_TCHARS = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_TYPE = re.compile(f"({_TCHARS}/{_TCHARS})")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_TCHARS})=(?:({_TCHARS})|"((?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*)")')


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A media type in lowercase and its parameters; parameter names in lowercase, values as given."""

    essence: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the canonical spelling, every value quoted."""
        return self.essence + "".join(f'; {name}="{value}"' for name, value in sorted(self.parameters.items()))


def parse(text: str) -> MediaType:
    """Return the media type `text`; raises UnsupportedMediaTypeError if it is none, too long or repeats a parameter."""
    head = _TYPE.match(text) if len(text) <= MAX_LENGTH else None
    if head is None:
        raise _no_media_type(text)
    parameters: dict[str, str] = {}
    at = head.end()
    while at < len(text.rstrip(" \t")):
        found = _PARAMETER.match(text, at)
        if found is None or found[1].lower() in parameters:
            raise _no_media_type(text)
        parameters[found[1].lower()] = found[2] if found[2] is not None else re.sub(r"\\(.)", r"\1", found[3])
        at = found.end()
    return MediaType(essence=head[1].lower(), parameters=parameters)


@lru_cache(maxsize=64)  # the spellings in use are a handful
def announced_profile(text: str) -> str | None:
    """Return the token profile that media type `text` announces: `eat_profile` (RFC 9782), or `profile` before it."""
    parameters = parse(text).parameters
    return parameters.get("eat_profile", parameters.get("profile"))


def _no_media_type(text: str) -> UnsupportedMediaTypeError:
    return UnsupportedMediaTypeError(f"{quoted(text)} is not a media type")
