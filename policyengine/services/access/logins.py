"""People sign in at their own provider: OpenID Connect's authorization code flow with PKCE (RFC 7636, RFC 9700).

1. `begin`: a state, a PKCE verifier and, made of it, a nonce are drawn; the browser keeps state and verifier in a
   cookie of its own, and is sent to the provider with the state, the verifier's hash and the nonce.
2. The provider sends the browser back with a code and the state. `finish` demands that the state is the cookie's, so
   that nobody is signed in as somebody else by a link (RFC 6749 section 10.12), and that `iss`, if it comes, is the
   issuer (RFC 9207).
3. The code is exchanged, with the verifier, for an ID token, which is judged as any token of that issuer is, for the
   client as its audience, and must carry the nonce.
4. A grant must cover its claims. Then a session begins: an API token like any other, hashed at rest, listed, revocable,
   with an end, and an act in the log.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlencode

from policyengine.model.base64url import base64url, from_base64url
from policyengine.services.access.issuers import Issuer, Login
from policyengine.services.access.workloads import Workloads
from policyengine.services.errors import MissingError, UnauthenticatedError, UnavailableError
from policyengine.services.ports import Entropy
from policyengine.services.tokens import NewToken, Tokens

SESSION = timedelta(hours=8)  # a working day
SECRET_BYTES = 32  # RFC 7636 section 7.1
MAX_CODE = 4096


class Provider(Protocol):
    """The provider's own addresses, as it describes them."""

    def authorization(self, issuer: Issuer) -> str:
        """Return where people are sent. Raises UnavailableError."""
        ...

    def exchange(self, issuer: Issuer, login: Login, *, code: str, verifier: str) -> str:
        """Return the ID token for a code. Raises UnavailableError, UnauthenticatedError when the code is refused."""
        ...


class NoProvider:
    """The provider of a server that believes none."""

    def authorization(self, issuer: Issuer) -> str:  # noqa: ARG002 - the port's signature
        """Raise UnavailableError."""
        raise UnavailableError("there is no provider", code="oidc.provider")

    def exchange(self, issuer: Issuer, login: Login, *, code: str, verifier: str) -> str:  # noqa: ARG002 - as above
        """Raise UnavailableError."""
        raise UnavailableError("there is no provider", code="oidc.provider")


NOBODY = NoProvider()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Where to send the browser, and what it must bring back."""

    address: str
    cookie: str


class Logins:
    """Signs people in at the issuers that have a `login`, each by its place in the operator's document."""

    def __init__(
        self,
        issuers: Sequence[Issuer],
        provider: Provider,
        *,
        workloads: Workloads,
        tokens: Tokens,
        entropy: Entropy,
    ) -> None:
        self._issuers = {
            str(place): (issuer, issuer.login) for place, issuer in enumerate(issuers) if issuer.login is not None
        }
        self._provider = provider
        self._workloads = workloads
        self._tokens = tokens
        self._entropy = entropy

    @property
    def choices(self) -> Sequence[tuple[str, str]]:
        """The places and labels of issuers where people may sign in."""
        return tuple((place, login.label) for place, (_, login) in self._issuers.items())

    def begin(self, place: str) -> Begun:
        """Return where the browser goes. Raises MissingError, UnavailableError."""
        issuer, login = self._found(place)
        state, verifier = (base64url(self._entropy.draw(SECRET_BYTES)) for _ in range(2))
        asked = {
            "response_type": "code",
            "client_id": login.client_id,
            "redirect_uri": login.redirect_uri,
            "scope": login.scope,
            "state": state,
            "nonce": _nonce(verifier),
            "code_challenge": base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        address = self._provider.authorization(issuer)
        joint = "&" if "?" in address else "?"
        return Begun(address=f"{address}{joint}{urlencode(asked)}", cookie=f"{place}.{state}.{verifier}")

    def finish(self, cookie: str, *, code: str, state: str, issuer: str | None) -> NewToken:
        """Return a session for whom the provider vouches. Raises UnauthenticatedError, UnavailableError."""
        place, kept, verifier = _parts(cookie)
        if not hmac.compare_digest(kept, state.encode("utf-8", "surrogatepass")) or not 0 < len(code) <= MAX_CODE:
            raise _refused("the answer does not belong to a sign-in that this browser began")
        try:
            known, login = self._found(place)
        except MissingError as cause:
            raise _refused("there is no such provider any more") from cause
        if issuer is not None and issuer != known.issuer:
            raise _refused("the answer is another provider's")
        token = self._provider.exchange(known, login, code=code, verifier=verifier)
        claims = self._workloads.claims_of(known, token, audience=login.client_id)
        if claims.get("nonce") != _nonce(verifier):
            raise _refused("the provider's token is for another sign-in")
        person = known.principal(claims)
        if person is None:
            raise _refused("nobody here has a right to it; no grant covers this account")
        return self._tokens.begin_session(person, lifetime=SESSION, vouched_by=known.issuer)

    def end(self, secret: str) -> None:
        """End the session with that token; a token that a person made otherwise, and used here, goes on."""
        self._tokens.end_session(secret)

    def _found(self, place: str) -> tuple[Issuer, Login]:
        found = self._issuers.get(place)
        if found is None:
            raise MissingError("there is no such provider", code="login.missing")
        return found


def _parts(cookie: str) -> tuple[str, bytes, str]:
    place, _, rest = cookie.partition(".")
    state, _, verifier = rest.partition(".")
    if any(len(from_base64url(each) or b"") != SECRET_BYTES for each in (state, verifier)):
        raise _refused("this browser has begun no sign-in, or too long ago")
    return place, state.encode(), verifier


def _nonce(verifier: str) -> str:
    return base64url(hashlib.sha256(b"policyengine login nonce v1" + verifier.encode()).digest())


def _refused(message: str) -> UnauthenticatedError:
    return UnauthenticatedError(message, code="login.refused")
