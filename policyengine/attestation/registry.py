"""Which format judges evidence of which media type (RFC 9999 section 3): an exact table without order or guessing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policyengine.attestation import media_type as media_types
from policyengine.attestation.checks import Requirement
from policyengine.attestation.cmw.wrapper import wrapping
from policyengine.attestation.errors import FormatConflictError, UnsupportedMediaTypeError
from policyengine.attestation.formats import Format
from policyengine.attestation.media_type import MediaType
from policyengine.errors import quoted

_PROFILE = "eat_profile"
_Key = tuple[str, frozenset[tuple[str, str]]]


class Registry:
    """Formats by media type, parameters included, and the wrapper around any of them (`cmw`).

    Raises FormatConflictError if two claim one type or one name.
    """

    def __init__(self, formats: Iterable[Format]) -> None:
        self.formats = tuple(formats)
        self._by_type: dict[_Key, Format] = {}
        self._by_spelling: dict[str, Format] = {}
        self._any_profile: dict[str, Format] = {}
        for each in (*self.formats, wrapping(self.format_for)):
            self._add(each)
        # What the checks of all formats and of the wrapper ask for, by check id.
        self.requirements: Mapping[str, Requirement] = {
            stated.id: stated for each in self._by_type.values() for stated in each.requirements
        }

    def extended(self, formats: Iterable[Format]) -> Registry:
        """Return a registry that also knows `formats`, such as those of installed plug-ins."""
        return Registry((*self.formats, *formats))

    def format_for(self, media_type: str) -> Format:
        """Return the format registered for `media_type`; raises UnsupportedMediaTypeError."""
        return self._by_spelling.get(media_type) or self._parsed(media_types.parse(media_type))

    def _add(self, added: Format) -> None:
        if any(each is not added and each.name == added.name for each in self._by_type.values()):
            raise FormatConflictError(f"two evidence formats are named {quoted(added.name)}")
        for each in added.media_types:
            key = _key(each)
            if key in self._by_type:
                raise FormatConflictError(
                    f"evidence formats {quoted(self._by_type[key].name)} and {quoted(added.name)} both answer to "
                    f"{quoted(str(each))}"
                )
            self._by_type[key] = self._by_spelling[str(each)] = added
        for essence in added.any_profile:
            if essence in self._any_profile:
                raise FormatConflictError(f"two evidence formats take every profile of {quoted(essence)}")
            self._any_profile[essence] = added

    def _parsed(self, parsed: MediaType) -> Format:
        found = self._by_type.get(_key(parsed))
        if found is None and parsed.parameters.keys() == {_PROFILE}:
            found = self._any_profile.get(parsed.essence)
        if found is None:
            known = ", ".join(f"`{spelling}`" for spelling in sorted(self._by_spelling))
            raise UnsupportedMediaTypeError(f"no evidence format for {quoted(str(parsed))}; known are {known}")
        return found


def _key(media_type: MediaType) -> _Key:
    return media_type.essence, frozenset(media_type.parameters.items())
