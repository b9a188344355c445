"""Measurements that nothing endorses wait for people, and a vendor's proposal endorses nothing, over real databases."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from policyengine.language.bundle import BundleFile, decode, digest_of_bundle, encode_file
from policyengine.model.endorsements import TagVersion
from policyengine.model.ids import PartyName
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError, MissingError
from policyengine.simulation import corim
from tests.support.site import Site, next_nonce, ready_site

IMPLANT = hashlib.sha256(b"implant").hexdigest()
STRANGER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0x91] * 32))


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def model_of(site: Site, scenario: str) -> str:
    return site.of(scenario)[0].planned.model


def test_what_a_tampered_device_measures_waits_for_people(site: Site) -> None:
    device = site.of("tampered")[0]
    asyncio.run(site.enrol(device))
    found = site.services.releases.unmatched(SYSTEM, device.planned.model)
    assert [(each.measured.digest, each.devices, each.example) for each in found] == [
        (IMPLANT, 1, device.planned.device_id)
    ]


def test_a_device_that_runs_an_endorsed_release_leaves_nothing(site: Site) -> None:
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    assert site.services.releases.unmatched(SYSTEM, device.planned.model) == ()


def test_the_same_again_is_not_written_again(site: Site) -> None:
    device = site.of("tampered")[0]
    nonce = next_nonce(asyncio.run(site.enrol(device)))
    nonce = next_nonce(asyncio.run(site.check_in(device, nonce)))  # rules of operation judge it now: other verdicts
    before = site.services.releases.unmatched(SYSTEM, device.planned.model)
    site.clock.forward(timedelta(minutes=5))
    asyncio.run(site.check_in(device, nonce))
    assert site.services.releases.unmatched(SYSTEM, device.planned.model) == before


def test_a_vendor_does_not_see_what_others_devices_measure(site: Site) -> None:
    viewer = Principal(name="b", role=PersonRole.VENDOR, models=frozenset({"other"}))
    with pytest.raises(MissingError):
        site.services.releases.unmatched(viewer, model_of(site, "healthy"))


def test_releases_of_the_bundle_in_force_name_who_vouches_for_them(site: Site) -> None:
    model = model_of(site, "healthy")
    found = site.services.releases.endorsed(SYSTEM, model)
    vendor = site.services.releases._shelf.active().policies.bundle.fleet.models[model].vendor
    assert {each.endorser.party for each in found if each.endorser} == {vendor}


def proposal(model: str) -> bytes:
    environment = corim.environment(vendor="v", model=model)
    tag = corim.comid({0: [[environment, [corim.measurement(bytes(32), mkey="app")]]]})
    return corim.signed(STRANGER, corim.corim([tag]))


def test_a_corim_by_another_key_is_refused_with_its_check(site: Site) -> None:
    model = model_of(site, "healthy")
    with pytest.raises(InvalidRequestError) as refused:
        site.services.releases.candidate(SYSTEM, model, version="9.9.9", content=proposal(model))
    assert refused.value.code in {"corim.signature", "cose.key-type"}


def test_a_version_cannot_write_yaml(site: Site) -> None:
    model = model_of(site, "healthy")
    with pytest.raises(InvalidRequestError) as refused:
        site.services.releases.candidate(SYSTEM, model, version='1"}\nkind: x', content=proposal(model))
    assert refused.value.code == "request.version"


def test_another_vendor_proposes_nothing(site: Site) -> None:
    model = model_of(site, "healthy")
    actor = Principal(name="b", role=PersonRole.VENDOR, party=PartyName("vendor-other"), models=frozenset({model}))
    with pytest.raises(ForbiddenError):
        site.services.releases.candidate(actor, model, version="9.9.9", content=proposal(model))


def in_force(site: Site, version: int) -> None:
    """Publish and activate the bundle in force with one CoRIM tag in this version."""
    active = site.services.bundles.active()
    bundle = decode(site.services.bundles.show(active.digest)[1])
    first, *others = bundle.reference_values
    tagged = replace(first, tags=(TagVersion(tag="acme.gw-200", version=version),))
    made = replace(bundle, reference_values=(tagged, *others))
    file = BundleFile(bundle=made, digest=digest_of_bundle(made), commit="c0ffee", created_at=site.clock.now())
    digest = site.services.bundles.publish_file(SYSTEM, encode_file(file))
    site.services.bundles.activate(SYSTEM, digest, expected_generation=active.generation)


def test_a_bundle_with_an_older_corim_is_not_activated(site: Site) -> None:
    """draft-ietf-rats-corim section 5.1.1.2: the version of a tag only rises."""
    in_force(site, 4)
    site.clock.forward(timedelta(seconds=2))
    with pytest.raises(ConflictError) as refused:
        in_force(site, 3)
    assert refused.value.code == "corim.older"
