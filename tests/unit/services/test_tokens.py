"""API tokens: only a hash is kept, and every refusal is the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from policyengine.model.ids import PartyName
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.changes import Change, CreateApiToken, RevokeApiToken, TouchApiToken
from policyengine.services.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    MissingError,
    UnauthenticatedError,
)
from policyengine.services.records import ApiToken
from policyengine.services.tokens import Tokens
from tests.support.site import FakeClock, FakeEntropy

DAY = timedelta(days=1)


@dataclass(slots=True)
class FakeStore:
    """The part of the Store port that tokens use, in memory."""

    kept: dict[str, ApiToken] = field(default_factory=dict)
    written: list[Change] = field(default_factory=list)

    def apply(self, change: Change) -> None:
        self.written.append(change)
        match change:
            case CreateApiToken():
                self.kept[change.token.id] = change.token
            case RevokeApiToken():
                self.kept[change.id] = replace(self.kept[change.id], revoked_at=change.at)
            case TouchApiToken():
                self.kept[change.id] = replace(self.kept[change.id], last_used=change.at)

    def api_token(self, token_id: str) -> ApiToken | None:
        return self.kept.get(token_id)

    def api_tokens(self) -> tuple[ApiToken, ...]:
        return tuple(self.kept.values())


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tokens(store: FakeStore, clock: FakeClock) -> Tokens:
    return Tokens(store, clock, FakeEntropy())  # type: ignore[arg-type]  # a fake of the part that is used


def auditor(tokens: Tokens) -> str:
    return tokens.create(SYSTEM, name="Ada", role=PersonRole.AUDITOR, lifetime=DAY).secret


def test_token_says_who_holds_it(tokens: Tokens) -> None:
    assert tokens.authenticate(auditor(tokens)) == Principal(name="Ada", role=PersonRole.AUDITOR)


def test_secret_is_not_stored(tokens: Tokens, store: FakeStore) -> None:
    secret = auditor(tokens).rpartition("_")[2]
    assert secret not in repr(store.kept)


def test_token_has_ended_at_the_instant_it_expires(tokens: Tokens, clock: FakeClock) -> None:
    secret = auditor(tokens)
    clock.forward(DAY)
    with pytest.raises(UnauthenticatedError):
        tokens.authenticate(secret)


def test_revoked_token_is_refused(tokens: Tokens, store: FakeStore) -> None:
    secret = auditor(tokens)
    tokens.revoke(SYSTEM, next(iter(store.kept)))
    with pytest.raises(UnauthenticatedError):
        tokens.authenticate(secret)


@pytest.mark.parametrize("spoilt", ["", "pe_", "pe_0000000000000000_" + "A" * 43, "x" * 10_000, "pe_\ud800", "\x00"])
def test_unknown_and_malformed_tokens_get_one_answer(tokens: Tokens, spoilt: str) -> None:
    """GHSA-34fc class: unknown and wrong are not told apart."""
    with pytest.raises(UnauthenticatedError) as refused:
        tokens.authenticate(spoilt)
    assert refused.value.message == "the token is unknown, expired or revoked"


def test_known_id_with_another_secret_is_refused(tokens: Tokens) -> None:
    secret = auditor(tokens)
    with pytest.raises(UnauthenticatedError):
        tokens.authenticate(secret[:-1] + ("A" if secret[-1] != "A" else "B"))


def test_last_use_is_written_at_most_once_a_minute(tokens: Tokens, store: FakeStore, clock: FakeClock) -> None:
    secret = auditor(tokens)
    for _ in range(5):
        tokens.authenticate(secret)
    clock.forward(timedelta(minutes=1))
    tokens.authenticate(secret)
    assert sum(isinstance(change, TouchApiToken) for change in store.written) == 2


def test_vendor_token_names_the_models_it_sees(tokens: Tokens) -> None:
    with pytest.raises(InvalidRequestError):
        tokens.create(SYSTEM, name="Acme", role=PersonRole.VENDOR, lifetime=DAY)


def test_only_an_admin_makes_tokens(tokens: Tokens) -> None:
    operator = Principal(name="Bo", role=PersonRole.OPERATIONS)
    with pytest.raises(ForbiddenError):
        tokens.create(operator, name="x", role=PersonRole.ADMIN, lifetime=DAY)


def test_token_that_does_not_exist_cannot_be_revoked(tokens: Tokens) -> None:
    with pytest.raises(MissingError):
        tokens.revoke(SYSTEM, "0" * 16)


def of_party(tokens: Tokens, name: str, party: str) -> str:
    made = tokens.create(SYSTEM, name=name, role=PersonRole.SECURITY, lifetime=DAY, party=PartyName(party))
    return made.record.id


def test_one_name_speaks_for_one_party(tokens: Tokens) -> None:
    """Else one person would be both parties of a revocation."""
    of_party(tokens, "Ada", "it")
    with pytest.raises(ConflictError) as refused:
        of_party(tokens, "Ada", "operations")
    assert refused.value.code == "token.party"


@pytest.mark.parametrize("alike", ["ada", "A da", "\uff21da", "Ada "])
def test_name_that_looks_like_anothers_is_refused(tokens: Tokens, alike: str) -> None:
    of_party(tokens, "Ada", "it")
    with pytest.raises(ConflictError) as refused:
        of_party(tokens, alike, "operations")
    assert refused.value.code == "token.name"


def test_a_token_is_followed_by_another_of_the_same_party(tokens: Tokens) -> None:
    assert of_party(tokens, "Ada", "it") != of_party(tokens, "Ada", "it")


def test_who_changes_sides_gives_the_token_up_first(tokens: Tokens) -> None:
    tokens.revoke(SYSTEM, of_party(tokens, "Ada", "it"))
    assert of_party(tokens, "Ada", "operations")
