"""Issuers' keys over HTTPS: discovered, remembered, and fetched anew when an unknown one is named, within bounds."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote_plus, urlencode

from policyengine.adapters.guarded_https import FetchError, GuardedHttps
from policyengine.attestation.jwk import JwkSet, JwkSetError, read_jwk_set
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.services.access.issuers import Issuer, Login
from policyengine.services.errors import UnauthenticatedError, UnavailableError

FRESH_SECONDS = 3600.0  # providers announce keys a day or more before they sign with them
STALE_SECONDS = 24 * 3600.0  # how long known keys serve when the provider is away
PAUSE_SECONDS = 30.0  # between two fetches: tokens with invented key names must not make us ask for each
DISCOVERY = "/.well-known/openid-configuration"  # OpenID Connect Discovery section 4


@dataclass(slots=True)
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: JwkSet | None = None
    fetched_at: float = 0.0
    tried_at: float | None = None


class OidcKeys:
    """Implements the KeySource and the Provider port."""

    def __init__(self, *, relative_to: Path, now: Callable[[], float] = monotonic) -> None:
        self._folder = relative_to
        self._now = now
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def keys(self, issuer: Issuer, *, missing: str | None = None) -> JwkSet:
        """Return the issuer's keys; raises UnavailableError while there are none."""
        with self._lock:
            known = self._known.setdefault(issuer.issuer, _Known())
        with known.lock:
            wanted = known.keys is None or missing is not None or self._now() - known.fetched_at >= FRESH_SECONDS
            if wanted and self._is_time(known):
                self._fetch(issuer, known)
            if known.keys is None or self._now() - known.fetched_at >= STALE_SECONDS:
                raise UnavailableError("the keys of the token's issuer cannot be had", code="oidc.keys")
            return known.keys

    def client(self, issuer: Issuer) -> GuardedHttps:
        """Return the way to the issuer's servers."""
        ca_file = None if issuer.ca_file is None else self._folder / issuer.ca_file
        return GuardedHttps(ca_file=ca_file, private_network=issuer.private_network)

    def authorization(self, issuer: Issuer) -> str:
        """Return where people are sent; raises UnavailableError."""
        try:
            address = text_of(discovered(issuer, self.client(issuer)), "authorization_endpoint")
        except FetchError as cause:
            raise UnavailableError("the provider cannot be reached", code="oidc.provider") from cause
        if not address.startswith("https://"):
            raise UnavailableError("the provider has no https address for people", code="oidc.provider")
        return address

    def exchange(self, issuer: Issuer, login: Login, *, code: str, verifier: str) -> str:
        """Return the ID token for a code (RFC 6749 section 4.1.3); raises UnauthenticatedError, UnavailableError."""
        client = self.client(issuer)
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        form |= {"redirect_uri": login.redirect_uri, "client_id": login.client_id}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if login.client_secret_file is not None:
            headers["Authorization"] = self._basic(login.client_id, login.client_secret_file)
        try:
            endpoint = text_of(discovered(issuer, client), "token_endpoint")
        except FetchError as cause:
            raise UnavailableError("the provider cannot be reached", code="oidc.provider") from cause
        try:
            answer = read_json(client.post(endpoint, urlencode(form).encode(), headers))
            return text_of(answer if isinstance(answer, dict) else {}, "id_token")
        except (FetchError, InvalidJsonError) as cause:
            raise UnauthenticatedError("the provider does not vouch for anybody", code="login.refused") from cause

    def _basic(self, client_id: str, secret_file: str) -> str:
        """Return the client's credential (RFC 6749 section 2.3.1)."""
        secret = (self._folder / secret_file).read_text(encoding="utf-8").strip()
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _is_time(self, known: _Known) -> bool:
        return known.tried_at is None or self._now() - known.tried_at >= PAUSE_SECONDS

    def _fetch(self, issuer: Issuer, known: _Known) -> None:
        known.tried_at = self._now()
        client = self.client(issuer)
        try:
            found = read_jwk_set(client.get(text_of(discovered(issuer, client), "jwks_uri")))
        except (FetchError, JwkSetError):
            return  # what was known serves until it is stale
        known.keys, known.fetched_at = found, known.tried_at


def discovered(issuer: Issuer, client: GuardedHttps) -> Mapping[str, Any]:
    """Return the issuer's own description; raises FetchError for one that is not about this issuer (section 4.3)."""
    try:
        document = read_json(client.get(issuer.issuer.rstrip("/") + DISCOVERY))
    except InvalidJsonError as cause:
        raise FetchError(f"the description is not one strict JSON document: {cause.message}") from cause
    if not isinstance(document, dict) or document.get("issuer") != issuer.issuer:
        raise FetchError("the description is another issuer's")
    return document


def text_of(document: Mapping[str, Any], name: str) -> str:
    """Return a text of a description; raises FetchError."""
    value = document.get(name)
    if not isinstance(value, str):
        raise FetchError(f"the description has no `{name}`")
    return value
