"""A CA key that does not sign: told as a matter of time, nothing recorded, and the serial number closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from policyengine.adapters.hsm import HsmError
from policyengine.services.errors import UnavailableError
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, ready_site

Pulled = tuple[Site, str, SimulatedDevice, UnavailableError]


class DeadToken:
    """The signer that it stands before, until its token was pulled."""

    def __init__(self, signer: object) -> None:
        self._signer = signer

    def __getattr__(self, name: str) -> object:
        return getattr(self._signer, name)

    def sign(self, data: bytes) -> bytes:
        raise HsmError("the token is gone", code="hsm.token")


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulled]:
    """A site whose token was pulled, its database, and a healthy device that enrolled and was refused."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
    site = ready_site(url)
    authority = site.services.est._issuance._authority
    authority._signer = DeadToken(authority._signer)
    device = site.of("healthy")[0]
    with pytest.raises(UnavailableError) as refused:
        asyncio.run(site.enrol(device))
    yield site, url, device, refused.value
    site.store.close()


def test_the_refusal_keeps_the_tokens_code_and_says_when_to_come_back(pulled: Pulled) -> None:
    refusal = pulled[3]
    assert (refusal.code, refusal.fields["retry_after"]) == ("hsm.token", 30)


def test_nothing_is_recorded_of_a_decision_whose_certificate_was_not_signed(pulled: Pulled) -> None:
    site, _, device, _ = pulled
    view = site.store.view(device.planned.device_id)
    assert view is not None and view.state is None


def test_the_serial_number_is_closed_as_aborted_with_the_reason(pulled: Pulled) -> None:
    """DESIGN section 9: a reservation is committed before the signature, so one without must not stay open."""
    engine = create_engine(pulled[1])
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, close_reason FROM certificate")).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("aborted", "hsm.token")]
