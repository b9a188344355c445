"""Roles are stated once, beside the use cases: what the API would refuse, a command refuses too."""

from __future__ import annotations

import pytest

from api.auth import Permission
from policyengine.services.actors import PersonRole, Principal, Right, demand
from policyengine.services.errors import ForbiddenError

PAIRS = [(right, role) for right in Right for role in PersonRole]


@pytest.mark.parametrize("right", [Right.ACTIVATE, Right.REVOKE])
@pytest.mark.parametrize("role", [PersonRole.OPERATIONS, PersonRole.ENGINEERING, PersonRole.VENDOR, PersonRole.AUDITOR])
def test_only_security_activates_and_revokes(right: Right, role: PersonRole) -> None:
    with pytest.raises(ForbiddenError) as caught:
        demand(Principal(name="Otto", role=role), right)
    assert caught.value.fields["permission"] == right.label


@pytest.mark.parametrize("right", list(Right))
def test_an_admin_has_every_right(right: Right) -> None:
    demand(Principal(name="Ada", role=PersonRole.ADMIN), right)


def test_every_right_is_asked_for_by_some_route() -> None:
    assert {permission.right for permission in Permission} - {None} == set(Right)
