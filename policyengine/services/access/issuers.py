"""OpenID Connect issuers that this server believes, and what it lets their people and pipelines do.

The operator's document, strict JSON:

    {"issuers": [{
       "issuer": "https://idp.example/realm", "audience": "policyengine", "algorithms": ["ES256"],
       "name": "email", "ca_file": "idp-ca.pem", "private_network": true,
       "login": {"client_id": "policyengine", "client_secret_file": "oidc.secret", "label": "Example Corp",
                 "redirect_uri": "https://policy.example/login/callback", "scope": "openid email"},
       "grants": [{"where": {"groups": "iot-security"}, "role": "security", "party": "it"},
                  {"where": {"sub": "repo:example/policies:*"}, "role": "engineering"}]}]}

A grant holds when all its claims do: a claim equals the text, or is a list that holds it; a text that ends in `*` is
the start of one. The first grant that holds decides. Whom none covers is nobody here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from policyengine.attestation.signatures import BY_NAME
from policyengine.errors import PolicyEngineError
from policyengine.model.ids import PartyName
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.services.actors import PersonRole, Principal
from policyengine.services.settings_document import Reading

# RFC 8725 section 3.2 and RFC 7518 section 3.1: what identity providers sign with; no HMAC, nothing unsigned.
ALGORITHMS = frozenset({"ES256", "ES384", "EdDSA", "Ed25519", "PS256", "RS256"})
MAX_BYTES = 256 * 1024
MAX_NAME = 100
CALLBACK = "/login/callback"

_ISSUER_KEYS = frozenset({"issuer", "audience", "algorithms", "name", "ca_file", "private_network", "login", "grants"})
_LOGIN_KEYS = frozenset({"client_id", "client_secret_file", "label", "redirect_uri", "scope"})
_GRANT_KEYS = frozenset({"where", "role", "party", "models"})


class IssuersError(PolicyEngineError):
    """The document of issuers cannot be used."""

    code = "settings.oidc"


_READING = Reading(IssuersError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Whom it is for, and what they may do."""

    where: Mapping[str, str]
    role: PersonRole
    party: PartyName | None
    models: frozenset[str] | None

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether all claims are as the grant says."""
        return all(_matches(claims.get(name), wanted) for name, wanted in self.where.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How people sign in: as which client, what the page calls it, and where the provider sends them back to."""

    client_id: str
    client_secret_file: str | None
    label: str
    redirect_uri: str  # this server's `/login/callback`, as browsers reach it
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer. `name` is the claim that an act is recorded under."""

    issuer: str
    audience: str
    algorithms: frozenset[str]
    name: str
    ca_file: str | None
    private_network: bool
    login: Login | None
    grants: tuple[Grant, ...]

    def principal(self, claims: Mapping[str, Any]) -> Principal | None:
        """Return who somebody with these believed claims is here; None: nobody."""
        grant = next((each for each in self.grants if each.holds(claims)), None)
        name = claims.get(self.name)
        if grant is None or not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            return None
        return Principal(name=name, role=grant.role, party=grant.party, models=grant.models)


def read_issuers(content: bytes) -> tuple[Issuer, ...]:
    """Return the issuers of the operator's document; raises IssuersError for anything it does not understand."""
    try:
        document = read_json(content, max_bytes=MAX_BYTES)
    except InvalidJsonError as cause:
        raise IssuersError(f"not one strict JSON document: {cause.message}") from cause
    found = tuple(
        _issuer(each)
        for each in _READING.listed(_READING.members(document, frozenset({"issuers"}), "the document"), "issuers")
    )
    if len({each.issuer for each in found}) != len(found):
        raise IssuersError("an issuer stands there twice")
    return found


def _issuer(document: object) -> Issuer:
    given = _READING.members(document, _ISSUER_KEYS, "an issuer")
    issuer = _READING.text(given, "issuer")
    parts = urlsplit(issuer)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise IssuersError(f"issuer `{issuer}` is no plain https address")  # OpenID Connect Core section 2
    algorithms = frozenset(each for each in _READING.listed(given, "algorithms") if isinstance(each, str))
    if not algorithms or not algorithms <= ALGORITHMS:
        raise IssuersError(f"`algorithms` of `{issuer}` are some of {', '.join(sorted(ALGORITHMS))}")
    private = given.get("private_network", False)
    if not isinstance(private, bool):
        raise IssuersError("`private_network` is true or false")
    login = given.get("login")
    return Issuer(
        issuer=issuer,
        audience=_READING.text(given, "audience"),
        algorithms=algorithms & BY_NAME.keys(),
        name=_READING.text(given, "name") if "name" in given else "sub",
        ca_file=_READING.text(given, "ca_file") if "ca_file" in given else None,
        private_network=private,
        login=None if login is None else _login(login),
        grants=tuple(_grant(each) for each in _READING.listed(given, "grants")),
    )


def _login(document: object) -> Login:
    given = _READING.members(document, _LOGIN_KEYS, "`login`")
    secret = _READING.text(given, "client_secret_file") if "client_secret_file" in given else None
    redirect_uri = _READING.text(given, "redirect_uri")
    if not redirect_uri.startswith("https://") or not redirect_uri.endswith(CALLBACK):
        raise IssuersError(f"`redirect_uri` is the https address of `{CALLBACK}` on this server")
    return Login(
        client_id=_READING.text(given, "client_id"),
        client_secret_file=secret,
        label=_READING.text(given, "label"),
        redirect_uri=redirect_uri,
        scope=_READING.text(given, "scope") if "scope" in given else "openid",
    )


def _grant(document: object) -> Grant:
    given = _READING.members(document, _GRANT_KEYS, "a grant")
    where = given.get("where")
    if not isinstance(where, dict) or not where or not all(isinstance(each, str) and each for each in where.values()):
        raise IssuersError("`where` names at least one claim and its text")  # without one, it would be for everybody
    try:
        role = PersonRole(_READING.text(given, "role"))
    except ValueError as cause:
        raise IssuersError(f"`role` is one of {', '.join(each.value for each in PersonRole)}") from cause
    models = frozenset(str(each) for each in _READING.listed(given, "models")) if "models" in given else None
    if role is PersonRole.VENDOR and not models:
        raise IssuersError("a vendor's grant must name the models it may see")
    if role is PersonRole.ADMIN and models is not None:
        raise IssuersError("an admin's grant is for the whole fleet")
    party = PartyName(_READING.text(given, "party")) if "party" in given else None
    return Grant(where=where, role=role, party=party, models=models)


def _matches(claim: object, wanted: str) -> bool:
    said = claim if isinstance(claim, list) else [claim]
    if wanted.endswith("*"):
        return any(isinstance(each, str) and each.startswith(wanted[:-1]) for each in said)
    return any(isinstance(each, str) and each == wanted for each in said)
