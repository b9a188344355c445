"""The policies in force: what they ask for, who owns them, and where they bind."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.auth import Catalogue, Reader
from api.paging import AsOf, WholePaging
from api.policy_shapes import PolicyOut, policy_out
from api.strict import StrictRoute
from policyengine.language.bundle import decode
from policyengine.services.errors import MissingError

router = APIRouter(prefix="/v1/policies", tags=["policies"], route_class=StrictRoute)


@router.get("")
def list_policies(
    _viewer: Reader, services: Catalogue, as_of: AsOf, page: WholePaging, response: Response
) -> list[PolicyOut]:
    """Return the policies of the bundle in force; `X-Policy-Bundle` names it."""
    active = services.bundles.active(as_of=as_of)
    if active is None:
        raise MissingError("no bundle is in force")
    _, content = services.bundles.show(active.digest)
    bundle = decode(content)
    response.headers["X-Policy-Bundle"] = active.digest
    policies = [policy for _, policy in sorted(bundle.policies.items())]
    return page.part(policies, lambda policy: policy.name, lambda policy: policy_out(policy, bundle.bindings))
