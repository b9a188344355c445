"""What a damaged bundle, or a tier without certificates, must not be able to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from pki.errors import PkiError
from policyengine.model.decision import Tier
from policyengine.services.certification.issuing import Grant, Issuance
from policyengine.services.nonces import open_nonce
from policyengine.simulation import device as simulated
from tests.support.site import Site, next_nonce, put_in_force, ready_site, request


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def damage(site: Site, digest: str) -> None:
    """Cut the stored bytes of a bundle short."""
    with site.store._engines.write.begin() as connection:
        changed = connection.execute(
            text("UPDATE document SET body = :body WHERE digest = :digest"),
            {"body": b"\x28\xb5\x2f\xfd", "digest": bytes.fromhex(digest.removeprefix("sha256:"))},
        )
        assert changed.rowcount == 1


def test_damaged_bundle_leaves_the_last_good_one_in_force(site: Site) -> None:
    """Service ceilings section 8: check-ins go on under the last good bundle, and readiness says so."""
    device = site.of("healthy")[0]
    reply = asyncio.run(site.enrol(device))
    before = json.loads(reply.body)["bundle"]
    digest = put_in_force(site, fleet=(b"enforcement: enforce", b"enforcement: observe"))
    damage(site, digest)
    for _ in range(3):
        site.clock.forward(timedelta(minutes=1))
        reply = asyncio.run(site.check_in(device, next_nonce(reply)))
        assert json.loads(reply.body)["bundle"] == before
    health = site.services.health.check()
    assert (health.ready, health.problems, health.bundle) == (True, ("policy.unreadable",), before)


def test_bundle_whose_stored_bytes_are_anothers_is_not_put_in_force(site: Site) -> None:
    """A bundle is named by its digest, also where it comes from our own database."""
    before = site.services.health.check().bundle
    first = put_in_force(site, fleet=(b"enforcement: enforce", b"enforcement: observe"))
    with site.store._engines.write.begin() as connection:
        other = connection.execute(
            text("SELECT body FROM document WHERE digest = :digest"),
            {"digest": bytes.fromhex(str(before).removeprefix("sha256:"))},
        ).scalar_one()
        connection.execute(
            text("UPDATE document SET body = :body WHERE digest = :digest"),
            {"body": other, "digest": bytes.fromhex(first.removeprefix("sha256:"))},
        )
    health = site.services.health.check()
    assert (health.bundle, health.problems) == (before, ("policy.unreadable",))


def test_no_certificate_is_made_for_a_tier_that_holds_them(site: Site) -> None:
    """Asked past every other check, issuing itself refuses: the tier is part of what it needs (DESIGN section 9)."""
    checkins = site.services.checkins
    issuance: Issuance = checkins._with.issuance
    device = site.of("healthy")[0]
    body = request(simulated.enrolment(device, site.challenge()))
    nonce = open_nonce(body.nonce, key=checkins._with.nonce_key)
    active = checkins._with.shelf.active()
    appraising = checkins._with.appraiser.appraise(body, nonce, bound=None, active=active, now=site.clock.now())
    found = asyncio.run(appraising)
    assert found.request is not None and found.profile is not None
    for tier in (Tier.QUARANTINE, Tier.DENY):
        grant = Grant(
            view=found.claimant.view,
            request=found.request,
            profile=found.profile,
            tier=tier,
            decision_id=found.judged.id,
            fleet="kestrel",
            now=found.now,
        )
        with pytest.raises(PkiError):
            asyncio.run(issuance.issue(grant))
    with site.store._engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM certificate")).scalar_one() == 0
