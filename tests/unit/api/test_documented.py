"""docs/api.md says what is so: every route with its permission, every setting."""

from __future__ import annotations

import re
from pathlib import Path

from api.auth import leaves, permission_of
from policyengine import settings
from tests.unit.api import fakes

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()


def test_every_route_stands_in_the_page_with_its_permission() -> None:
    routes = leaves(fakes.application(fakes.services()).router.routes)
    served = {(f"{method} {route.path}", permission_of(route).label) for route in routes for method in route.methods}
    told = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (\w+) \|", PAGE, re.MULTILINE))
    assert {entry for entry in served if not entry[0].startswith("HEAD ")} == told


def test_every_setting_stands_in_the_page() -> None:
    told = set(re.findall(r"`([A-Z_]+)`", PAGE.partition("## Settings")[2]))
    assert {name.upper() for name in settings._READERS} <= told
