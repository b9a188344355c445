"""Documents that the operator writes as JSON (issuers, webhooks): no unknown keys, no values of other types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policyengine.errors import PolicyEngineError, quoted


@dataclass(frozen=True, slots=True)
class Reading:
    """How one kind of document is read; whatever is wrong with it is raised as `refusal`."""

    refusal: type[PolicyEngineError]

    def members(self, document: object, known: frozenset[str], what: str) -> Mapping[str, Any]:
        """Return `document`, an object with no keys but `known`; `what` names it in the refusal."""
        if not isinstance(document, dict):
            raise self.refusal(f"{what} is no JSON object")
        unknown = sorted(document.keys() - known)
        if unknown:
            raise self.refusal(f"{what} has no key {quoted(unknown[0])}")
        return document

    def text(self, given: Mapping[str, Any], name: str) -> str:
        """Return the text `name`, which is there and not empty."""
        value = given.get(name)
        if not isinstance(value, str) or not value:
            raise self.refusal(f"`{name}` is missing or no text")
        return value

    def listed(self, given: Mapping[str, Any], name: str) -> list[Any]:
        """Return the list `name`, which is there."""
        value = given.get(name)
        if not isinstance(value, list):
            raise self.refusal(f"`{name}` is missing or no list")
        return value
