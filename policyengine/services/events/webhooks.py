"""Servers that are told what changes, as the operator's document names them, strict JSON:

    {"webhooks": [{
       "name": "soc", "url": "https://soc.example/hooks/fleet", "secret_file": "soc.secret",
       "types": ["policyengine.device.changed"], "models": ["gateway-g2"],
       "ca_file": "soc-ca.pem", "private_network": true}]}

Without `types` it is told of all of them, without `models` of every device.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from policyengine.errors import PolicyEngineError, quoted
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.services.events.occurrences import TYPES, Occurrence
from policyengine.services.settings_document import Reading

MAX_BYTES = 256 * 1024
MAX_WEBHOOKS = 32  # each has a thread of its own, so that a slow server delays nobody else

_KEYS = frozenset({"name", "url", "secret_file", "types", "models", "ca_file", "private_network"})
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


class WebhooksError(PolicyEngineError):
    """The document of webhooks cannot be used."""

    code = "settings.webhooks"


_READING = Reading(WebhooksError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One server, and what it is told. `models` None: of every device."""

    name: str
    url: str
    secret_file: str
    types: frozenset[str]
    models: frozenset[str] | None
    ca_file: str | None
    private_network: bool

    def wants(self, occurrence: Occurrence) -> bool:
        """Tell whether this server is told of `occurrence`."""
        return occurrence.type in self.types and (self.models is None or occurrence.model in self.models)


def read_webhooks(content: bytes) -> tuple[Webhook, ...]:
    """Return the webhooks of the operator's document; raises WebhooksError for anything it does not understand."""
    try:
        document = read_json(content, max_bytes=MAX_BYTES)
    except InvalidJsonError as cause:
        raise WebhooksError(f"not one strict JSON document: {cause.message}") from cause
    listed = _READING.members(document, frozenset({"webhooks"}), "the document").get("webhooks")
    if not isinstance(listed, list) or len(listed) > MAX_WEBHOOKS:
        raise WebhooksError(f"`webhooks` is a list of at most {MAX_WEBHOOKS}")
    found = tuple(map(_webhook, listed))
    if len({each.name for each in found}) != len(found):
        raise WebhooksError("a webhook's name stands there twice")
    return found


def _webhook(document: object) -> Webhook:
    given = _READING.members(document, _KEYS, "a webhook")
    name = _READING.text(given, "name")
    if not _NAME.fullmatch(name):
        raise WebhooksError(f"{quoted(name)} is no name of lowercase letters, digits and `-`")
    private = given.get("private_network", False)
    if not isinstance(private, bool):
        raise WebhooksError("`private_network` is true or false")
    types = _texts(given, "types")
    if types is not None and not types <= TYPES:
        raise WebhooksError(f"`types` of `{name}` are some of {', '.join(sorted(TYPES))}")
    return Webhook(
        name=name,
        url=_address(_READING.text(given, "url"), name),
        secret_file=_READING.text(given, "secret_file"),
        types=TYPES if types is None else types,
        models=_texts(given, "models"),
        ca_file=_READING.text(given, "ca_file") if "ca_file" in given else None,
        private_network=private,
    )


def _address(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or "@" in url or "#" in url or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhooksError(f"`url` of `{name}` is no plain https address")  # it may hold a secret: not shown
    return url


def _texts(given: Mapping[str, Any], name: str) -> frozenset[str] | None:
    """Return a list of texts as a set, None where there is none; an empty one would silently tell nothing."""
    if name not in given:
        return None
    value = given[name]
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise WebhooksError(f"`{name}` is a list of at least one text")
    return frozenset(value)
