"""Who acts: people and programs with a role, a party and a part of the fleet they may see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from policyengine.model.ids import PartyName
from policyengine.services.errors import ForbiddenError


class PersonRole(Enum):
    """What an API token lets its holder do."""

    ADMIN = "admin"
    SECURITY = "security"
    ENGINEERING = "engineering"
    OPERATIONS = "operations"
    VENDOR = "vendor"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated author of a request. `models` None: the whole fleet; else only devices of these models."""

    name: str
    role: PersonRole
    party: PartyName | None = None
    models: frozenset[str] | None = None


SYSTEM = Principal(name="system", role=PersonRole.ADMIN)  # sweeps and start-up repairs; no token ever yields it


def demand(actor: Principal, *roles: PersonRole) -> None:
    """Raise ForbiddenError unless `actor` is an admin or has one of `roles`."""
    if actor.role is not PersonRole.ADMIN and actor.role not in roles:
        raise ForbiddenError(f"role `{actor.role.value}` may not do that", needed=[role.value for role in roles])


def demand_whole_fleet(actor: Principal) -> None:
    """Raise ForbiddenError for one who sees some models only: what it asks for is about all of them."""
    if actor.models is not None:
        raise ForbiddenError("a token for some models may not do that", models=sorted(actor.models))
