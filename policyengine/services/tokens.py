"""API tokens of people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from policyengine.model.ids import PartyName
from policyengine.services.actors import PersonRole, Principal
from policyengine.services.records import ApiToken


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token in clear, shown once, and its record."""

    secret: str
    record: ApiToken


class Tokens:
    """Tokens look like `pe_<id>_<secret>`; only a hash is kept."""

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
        """Return a new token; a vendor's must have `models`. Raises ForbiddenError, InvalidRequestError."""
        raise NotImplementedError

    def authenticate(self, secret: str) -> Principal:
        """Return whose token this is; compares in constant time. Raises UnauthenticatedError."""
        raise NotImplementedError

    def list(self, viewer: Principal) -> tuple[ApiToken, ...]:
        """Return all tokens, newest first."""
        raise NotImplementedError

    def revoke(self, actor: Principal, token_id: str) -> None:
        """End a token now. Raises MissingError."""
        raise NotImplementedError
