"""Members of foreign JSON, taken one by one: of the type they must have, short enough, or refused with their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import MAX_TEXT

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Members:
    """Reads the documents of one kind; what is wrong is refused as `KIND.shape`, or `KIND.too-many`, with its place."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def refused(self, message: str, path: str, reason: str = "shape") -> SupplyError:
        """Return the refusal of what stands at `path`."""
        return SupplyError(message, code=f"{self._kind}.{reason}", path=path)

    def members(self, value: Any, path: str) -> Mapping[str, Any]:
        """Return `value`, a JSON object."""
        if not isinstance(value, dict):
            raise self.refused("an object is expected", path)
        return value

    def listed(self, given: Mapping[str, Any], name: str, path: str, *, limit: int) -> list[Any]:
        """Return the list `name`, empty where there is none, with at most `limit` items."""
        value = given.get(name, [])
        if not isinstance(value, list):
            raise self.refused("a list is expected", f"{path}.{name}")
        if len(value) > limit:
            raise self.refused(f"{len(value)} items, the limit is {limit}", f"{path}.{name}", "too-many")
        return value

    def text(self, given: Mapping[str, Any], name: str, path: str) -> str:
        """Return the text `name`, which is there and not empty."""
        found = self.text_or_none(given, name, path)
        if found is None:
            raise self.refused("text is missing", f"{path}.{name}")
        return found

    def text_or_none(self, given: Mapping[str, Any], name: str, path: str) -> str | None:
        """Return the text `name`, None where it is missing or empty."""
        value = given.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self.refused("text is expected", f"{path}.{name}")
        if len(value) > MAX_TEXT:
            raise self.refused(f"the text is longer than {MAX_TEXT} characters", f"{path}.{name}", "too-long")
        if not value.isprintable():
            raise self.refused("the text holds a control character", f"{path}.{name}")
        return value

    def sha256(self, value: object, path: str) -> str | None:
        """Return a SHA-256 in lowercase hex, None where there is none."""
        if value is None:
            return None
        if not isinstance(value, str) or not _SHA256.fullmatch(value.lower()):
            raise self.refused("a SHA-256 is 64 hexadecimal digits", path, "digest")
        return value.lower()
