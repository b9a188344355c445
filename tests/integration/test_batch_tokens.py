"""Batch tokens over a real database: a vendor's signed list, and nobody else's, makes devices expected."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policyengine.adapters.token_file import TokenFile
from policyengine.errors import PolicyEngineError
from policyengine.model.base64url import base64url
from policyengine.model.ids import DeviceId
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import InvalidRequestError
from policyengine.services.identification.enrolment_tokens import token_digest
from policyengine.services.records import Lifecycle
from policyengine.services.registry.batch_tokens import BatchOutcome, BatchToken
from policyengine.services.registry.serial_signers import TYPE
from tests.support.site import START, Site, announced, ready_site

ACME = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
EXAMPLE_KEY = b"9Z82grkfJiMW7gAy0DbHoyS4t98ncQbbRJW7j5NcLQY="
DEVICES = [{"serial": f"AC-8000000{at}", "model": "gw-200"} for at in range(3)]


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    public = base64.b64encode(ACME.public_key().public_bytes_raw())
    made = ready_site(database, parties=(EXAMPLE_KEY, public))
    yield made
    made.store.close()


def signed(
    devices: Sequence[object] = DEVICES,
    *,
    key: Ed25519PrivateKey = ACME,
    vendor: str = "vendor-acme",
    header: dict[str, object] | None = None,
) -> bytes:
    head = base64url(json.dumps(header or {"alg": "EdDSA", "typ": TYPE}).encode())
    payload = {"vendor": vendor, "batch": "2026-11", "devices": list(devices)}
    text = f"{head}.{base64url(json.dumps(payload).encode())}"
    return f"{text}.{base64url(key.sign(text.encode()))}".encode()


def make(site: Site, content: bytes) -> tuple[BatchOutcome, list[BatchToken]]:
    kept: list[BatchToken] = []
    outcome = site.services.batch_tokens.make(SYSTEM, content, lifetime=timedelta(days=30), keep=kept.extend)
    return outcome, kept


def refusal(site: Site, content: bytes) -> str:
    with pytest.raises(PolicyEngineError) as refused:
        make(site, content)
    return refused.value.code


def test_every_device_of_a_list_is_expected_and_has_a_token(site: Site) -> None:
    outcome, kept = make(site, signed())
    assert (outcome.announced, outcome.tokens, outcome.left) == (3, 3, 0)
    for each in kept:
        assert site.store.view(DeviceId(each.device_id)).device.lifecycle is Lifecycle.EXPECTED
        assert site.store.enrolment_token(token_digest(each.token)).device_id == each.device_id


def test_a_list_that_comes_again_makes_nothing(site: Site) -> None:
    make(site, signed())
    outcome, kept = make(site, signed())
    assert (outcome.announced, outcome.tokens, outcome.left, kept) == (0, 0, 3, [])


def test_a_token_goes_to_the_device_that_is_registered_under_the_serial_number(site: Site) -> None:
    """Operators name devices; a vendor knows serial numbers."""
    planned = next(each.planned for each in site.devices.values() if each.planned.model == "gw-200")
    _, kept = make(site, signed([{"serial": planned.serial, "model": "gw-200"}]))
    assert [each.device_id for each in kept] == [announced(planned).id]


def test_a_list_by_another_key_is_refused(site: Site) -> None:
    assert refusal(site, signed(key=STRANGER)) == "serials.signature"


def test_a_vendor_that_signs_with_two_keys_signs_no_list_with_one(database: str) -> None:
    public = base64.b64encode(ACME.public_key().public_bytes_raw())
    keys = b'keys: [{id: acme-2026, ed25519: "%b"}, {id: acme-2, ed25519: "%b"}]\n  threshold: 2'
    second = base64.b64encode(STRANGER.public_key().public_bytes_raw())
    old = b'keys: [{id: acme-2026, ed25519: "%b"}]' % EXAMPLE_KEY
    made = ready_site(database, parties=(old, keys % (public, second)))
    assert refusal(made, signed()) == "serials.signature"
    made.store.close()


def test_a_list_that_was_changed_is_refused(site: Site) -> None:
    head, payload, signature = signed().split(b".")
    other = signed([{"serial": "AC-80000009", "model": "gw-200"}]).split(b".")[1]
    assert payload != other
    assert refusal(site, b".".join((head, other, signature))) == "serials.signature"


def test_another_document_of_the_vendor_is_no_list(site: Site) -> None:
    """RFC 8725 section 3.11: the type must be said."""
    assert refusal(site, signed(header={"alg": "EdDSA"})) == "serials.signature"
    assert refusal(site, signed(header={"alg": "EdDSA", "typ": "JWT"})) == "serials.signature"


@pytest.mark.parametrize("alg", ["none", "HS256", "ES256"])
def test_another_algorithm_is_refused(site: Site, alg: str) -> None:
    assert refusal(site, signed(header={"alg": alg, "typ": TYPE})) == "serials.signature"


@pytest.mark.parametrize("vendor", ["vendor-nobody", "operations"])
def test_a_list_of_nobody_who_is_a_vendor_is_refused(site: Site, vendor: str) -> None:
    assert refusal(site, signed(vendor=vendor)) == "serials.vendor"


def test_a_vendor_signs_no_list_in_the_name_of_another(site: Site) -> None:
    assert refusal(site, signed(vendor="vendor-borealis")) == "serials.signature"


@pytest.mark.parametrize("model", ["plc-9", "unheard-of"])
def test_models_of_others_are_not_in_a_vendors_scope(site: Site, model: str) -> None:
    assert refusal(site, signed([{"serial": "X", "model": model}])) == "serials.scope"


def test_where_a_device_stands_is_not_the_vendors_to_say(site: Site) -> None:
    assert refusal(site, signed([{**DEVICES[0], "site": "plant-a"}])) == "request.serials"


def test_a_serial_number_twice_is_refused(site: Site) -> None:
    assert refusal(site, signed([DEVICES[0], DEVICES[0]])) == "request.serials"


def test_a_registry_that_disagrees_refuses_the_whole_list(site: Site) -> None:
    taken = next(each.planned for each in site.devices.values() if each.planned.model == "gw-200")
    assert refusal(site, signed([DEVICES[0], {**DEVICES[1], "id": taken.device_id}])) == "registry.conflict"
    assert site.store.view(DeviceId(DEVICES[0]["serial"])) is None


def test_an_id_that_is_anothers_but_for_case_refuses_the_whole_list(site: Site) -> None:
    taken = next(iter(site.devices.values())).planned.device_id
    assert refusal(site, signed([DEVICES[0], {**DEVICES[1], "id": taken.upper()}])) == "device.exists"
    assert site.store.view(DeviceId(DEVICES[0]["serial"])) is None


@pytest.mark.parametrize("content", [b"", b"a.b", b"....", b"\xff.\xff.\xff", b"e30.e30."])
def test_what_is_no_list_is_told_apart_from_a_bad_signature(site: Site, content: bytes) -> None:
    assert refusal(site, content) == "request.serials"


def test_the_file_of_tokens_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    with TokenFile(path) as kept:
        kept.add([BatchToken(device_id="a", serial="b", token="c", expires_at=START)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InvalidRequestError), TokenFile(path):
        pass


def test_a_file_without_tokens_does_not_stay(tmp_path: Path) -> None:
    with TokenFile(tmp_path / "tokens.csv"):
        pass
    assert not (tmp_path / "tokens.csv").exists()
