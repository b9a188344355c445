"""Who may see what suppliers say of a model, and who may say it."""

from __future__ import annotations

import re

from policyengine.services.actors import PersonRole, Principal, Right, demand
from policyengine.services.errors import ForbiddenError, InvalidRequestError
from policyengine.services.policies import PolicyShelf
from policyengine.services.scope import missing

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}", re.ASCII)  # as of releases that are proposed


def demand_visible(policies: PolicyShelf, viewer: Principal, model: str) -> str:
    """Return whose model it is. Raises ForbiddenError; MissingError for one that is not there for `viewer`."""
    demand(viewer, Right.READ)
    found = policies.active().policies.bundle.fleet.models.get(model)
    if found is None or (viewer.models is not None and model not in viewer.models):
        raise missing("there is no such model", "model.missing")
    return found.vendor


def demand_own(policies: PolicyShelf, actor: Principal, model: str, release: str) -> None:
    """Raise unless `actor` is staff or speaks for the model's vendor, and `release` can name one.

    Raises ForbiddenError, MissingError, InvalidRequestError (`request.version`).
    """
    demand_own_model(policies, actor, model)
    if not _RELEASE.fullmatch(release):
        raise InvalidRequestError("a version is 1 to 64 letters, digits and `.+_-`", code="request.version")


def demand_own_model(policies: PolicyShelf, actor: Principal, model: str) -> None:
    """Raise unless `actor` is staff or speaks for the model's vendor. Raises ForbiddenError, MissingError."""
    demand(actor, Right.PROPOSE)
    vendor = demand_visible(policies, actor, model)
    if actor.role is PersonRole.VENDOR and actor.party not in {None, vendor}:
        raise ForbiddenError("only the model's vendor and staff may speak of its releases", permission="release")
