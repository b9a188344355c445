"""An application over fakes, spoken to through ASGI without a socket."""

from __future__ import annotations

import pytest

from policyengine.services.catalogue import Services
from tests.unit.api import fakes


@pytest.fixture
def services() -> Services:
    return fakes.services()


@pytest.fixture
def client(services: Services) -> fakes.Client:
    return fakes.Client(fakes.application(services))
