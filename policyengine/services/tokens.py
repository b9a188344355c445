"""API tokens of people and programs."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.errors import quoted
from policyengine.model.base64url import base64url
from policyengine.model.ids import PartyName
from policyengine.services.actors import PersonRole, Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, CreateApiToken, RevokeApiToken, TouchApiToken
from policyengine.services.errors import ConflictError, InvalidRequestError, MissingError, UnauthenticatedError
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.records import ApiToken

MAX_LIFETIME = timedelta(days=366)  # a token that nobody renews for a year is forgotten, and so it ends
MAX_NAME = 100
VOUCHED = "oidc "  # how the maker of a session's token starts; its issuer follows
TOUCH_EVERY = timedelta(minutes=1)

_FORM = re.compile(r"pe_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token in clear, shown once, and its record."""

    secret: str
    record: ApiToken


class Tokens:
    """Tokens look like `pe_<id>_<secret>`; only a hash is kept."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def create(
        self,
        actor: Principal,
        *,
        name: str,
        role: PersonRole,
        lifetime: timedelta,
        party: PartyName | None = None,
        models: frozenset[str] | None = None,
    ) -> NewToken:
        """Return a new token; a vendor's must have `models`, an admin's none: it could make itself another without.

        Raises ForbiddenError, InvalidRequestError, ConflictError where a live token has that name and another party, or
        a name that looks the same.
        """
        demand(actor, Right.ADMINISTER)
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidRequestError(f"name is not 1 to {MAX_NAME} printable characters", field="name")
        if not timedelta(0) < lifetime <= MAX_LIFETIME:
            raise InvalidRequestError(f"lifetime is not between 0 and {MAX_LIFETIME.days} days", field="lifetime")
        if role is PersonRole.VENDOR and not models:
            raise InvalidRequestError("a vendor's token must name the models it may see", field="models")
        if role is PersonRole.ADMIN and models is not None:
            raise InvalidRequestError("an admin's token is for the whole fleet", field="models")
        self._demand_one_party(name, party)
        holder = Principal(name=name, role=role, party=party, models=models)
        return self._keep(holder, lifetime, created_by=actor.name, by=(actor.name, "token.create"))

    def begin_session(self, person: Principal, *, lifetime: timedelta, vouched_by: str) -> NewToken:
        """Return a token for somebody whom a believed issuer vouches for, with what its grant lets them do."""
        return self._keep(person, lifetime, created_by=VOUCHED + vouched_by, by=(person.name, "token.login"))

    def end_session(self, secret: str) -> None:
        """End the token if it is a session's; one that a person made goes on, and one that has ended stays so."""
        now = self._clock.now()
        with suppress(UnauthenticatedError, ConflictError):
            record = self._recognised(secret, now)
            if record.created_by.startswith(VOUCHED):
                act = self._act(_principal(record), "token.logout", record.id, now)
                self._store.apply(RevokeApiToken(id=record.id, at=now, act=act))

    def _demand_one_party(self, name: str, party: PartyName | None) -> None:
        """Raise ConflictError unless all live tokens of whoever is called `name` are for `party`: two would be both.

        What takes two parties compares names, so one person is one name, and that name speaks for one party.
        """
        now = self._clock.now()
        live = (each for each in self._store.api_tokens() if each.revoked_at is None and now < each.expires_at)
        for each in live:
            if folded_name(each.name) != folded_name(name):
                continue
            if each.name != name:
                raise ConflictError(f"the name looks like {quoted(each.name)}, who has a token", code="token.name")
            if each.party is not None and party is not None and each.party != party:
                message = f"{quoted(name)} speaks for party {quoted(each.party)}: revoke token {each.id} first"
                raise ConflictError(message, code="token.party")

    def _keep(self, holder: Principal, lifetime: timedelta, *, created_by: str, by: tuple[str, str]) -> NewToken:
        token_id, secret = self._entropy.draw(8).hex(), base64url(self._entropy.draw(32))
        now = self._clock.now()
        record = ApiToken(
            id=token_id,
            name=holder.name,
            role=holder.role.value,
            party=holder.party,
            models=None if holder.models is None else tuple(sorted(holder.models)),
            created_at=now,
            created_by=created_by,
            expires_at=now + lifetime,
            last_used=None,
            revoked_at=None,
            secret_hash=_hash(secret),
        )
        actor, action = by
        act = Act(actor=actor, at=now, action=action, subject=token_id, detail={}, salt=self._entropy.draw(SALT_SIZE))
        self._store.apply(CreateApiToken(token=record, act=act))
        return NewToken(secret=f"pe_{token_id}_{secret}", record=record)

    def authenticate(self, secret: str) -> Principal:
        """Return whose token this is; compares in constant time. Raises UnauthenticatedError."""
        now = self._clock.now()
        record = self._recognised(secret, now)
        if _is_due(record, now):
            self._store.apply(TouchApiToken(id=record.id, at=now))
        return _principal(record)

    async def admit(self, secret: str) -> Principal:
        """Do as `authenticate` does, for callers that must not block."""
        now = self._clock.now()
        record = self._recognised(secret, now)
        if _is_due(record, now):
            await self._store.submit(TouchApiToken(id=record.id, at=now))
        return _principal(record)

    def _recognised(self, secret: str, now: datetime) -> ApiToken:
        form = _FORM.fullmatch(secret)
        record = None if form is None else self._store.api_token(form[1])
        expected = _NOBODY if record is None else record.secret_hash
        given = _hash(secret if form is None else form[2])
        matches = hmac.compare_digest(expected, given)  # an unknown token takes the same steps as a wrong one
        if record is None or not matches or record.revoked_at is not None or now >= record.expires_at:
            raise UnauthenticatedError("the token is unknown, expired or revoked")
        return record

    def list(self, viewer: Principal) -> tuple[ApiToken, ...]:
        """Return all tokens, newest first. Raises ForbiddenError."""
        demand(viewer, Right.INSPECT)
        return self._store.api_tokens()

    def revoke(self, actor: Principal, token_id: str) -> None:
        """End a token now. Raises ForbiddenError, MissingError, ConflictError when it is revoked already."""
        demand(actor, Right.ADMINISTER)
        if self._store.api_token(token_id) is None:
            raise MissingError("no token has that id", code="token.missing")
        now = self._clock.now()
        self._store.apply(RevokeApiToken(id=token_id, at=now, act=self._act(actor, "token.revoke", token_id, now)))

    def _act(self, actor: Principal, action: str, token_id: str, now: datetime) -> Act:
        return Act(
            actor=actor.name, at=now, action=action, subject=token_id, detail={}, salt=self._entropy.draw(SALT_SIZE)
        )


def folded_name(name: str) -> str:
    """Return what two names have in common that a reader takes for one: case, spaces and look-alike forms aside."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


_NOBODY = bytes(32)


def _is_due(record: ApiToken, now: datetime) -> bool:
    return record.last_used is None or now - record.last_used >= TOUCH_EVERY


def _principal(record: ApiToken) -> Principal:
    return Principal(
        name=record.name,
        role=PersonRole(record.role),
        party=None if record.party is None else PartyName(record.party),
        models=None if record.models is None else frozenset(record.models),
    )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(b"policyengine api token v1" + secret.encode("utf-8", "surrogatepass")).digest()
