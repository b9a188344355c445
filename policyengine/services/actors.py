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
    GATE = "gate"  # an enforcement point: asks whether devices may pass, and sees nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated author of a request. `models` None: the whole fleet; else only devices of these models."""

    name: str
    role: PersonRole
    party: PartyName | None = None
    models: frozenset[str] | None = None


_EVERYONE = frozenset(PersonRole) - {PersonRole.GATE}
_STAFF = frozenset({PersonRole.SECURITY, PersonRole.ENGINEERING, PersonRole.OPERATIONS})


class Right(Enum):
    """What a use case asks of its actor, and the roles that have it (an admin has all); stated nowhere else."""

    READ = ("read", _EVERYONE)
    OPERATE = ("operate", frozenset({PersonRole.OPERATIONS, PersonRole.SECURITY}))
    PUBLISH = ("publish", _STAFF)
    PROPOSE = ("propose", _STAFF | {PersonRole.VENDOR})  # have a release verified; it changes nothing here
    ACTIVATE = ("activate", frozenset({PersonRole.SECURITY}))  # changes what the whole fleet is judged by
    CERTIFY = ("certify", frozenset({PersonRole.SECURITY, PersonRole.OPERATIONS}))  # hold and release
    REVOKE = ("revoke", frozenset({PersonRole.SECURITY}))  # cannot be taken back
    CONCUR = ("concur", _STAFF)  # be the second party of what takes two; the policies say which party
    AUDIT = ("audit", _STAFF | {PersonRole.AUDITOR})
    MEASURE = ("measure", _STAFF | {PersonRole.AUDITOR})
    GATE = ("gate", frozenset({PersonRole.GATE, PersonRole.OPERATIONS, PersonRole.SECURITY}))
    INSPECT = ("inspect", frozenset({PersonRole.AUDITOR}))  # who holds tokens
    ADMINISTER = ("administer", frozenset[PersonRole]())

    def __init__(self, label: str, roles: frozenset[PersonRole]) -> None:
        self.label = label
        self.roles = roles


SYSTEM = Principal(name="system", role=PersonRole.ADMIN)  # sweeps and start-up repairs; no token ever yields it


def demand(actor: Principal, right: Right) -> None:
    """Raise ForbiddenError unless `actor` has `right`."""
    if actor.role is not PersonRole.ADMIN and actor.role not in right.roles:
        raise ForbiddenError(f"role `{actor.role.value}` lacks permission `{right.label}`", permission=right.label)


def demand_whole_fleet(actor: Principal) -> None:
    """Raise ForbiddenError for one who sees some models only: what it asks for is about all of them."""
    if actor.models is not None:
        raise ForbiddenError("a token for some models may not do that", models=sorted(actor.models))
