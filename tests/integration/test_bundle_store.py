"""Damaged, half-written and older bundles are refused by a server's own store, and the last good one stays in force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, create_engine, select, update

from policyengine.adapters.sql import tables
from policyengine.adapters.sql.codec import packed, raw
from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import ConflictError
from tests.support.site import Site, open_site, policies, put_in_force, ready_site

STRICTER = {"it__cleartext": (b"severity: high", b"severity: critical")}


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = ready_site(database)
    yield made
    made.store.close()


def made(site: Site, *, height: int | None, **changes: tuple[bytes, bytes]) -> bytes:
    files, _ = policies(**changes)
    now = site.clock.now()
    compiled = compile_tree(files, now=now)
    assert compiled.bundle is not None and compiled.digest is not None, compiled.diagnostics
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit="c0ffee", created_at=now, height=height)
    return encode_file(file)


def forced(site: Site, content: bytes) -> str:
    digest = site.services.bundles.publish_file(SYSTEM, content)
    active = site.services.bundles.active()
    site.services.bundles.activate(SYSTEM, digest, expected_generation=active.generation if active else None)
    site.clock.forward(timedelta(seconds=2))
    return digest


@contextmanager
def connected(database: str) -> Iterator[Connection]:
    """Yield a connection beside the server's own, committed at the end."""
    engine = create_engine(database)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def damage(database: str, digest: str, *, body: bytes) -> None:
    """Write other bytes into the row of a stored bundle, as a bad disk or an interrupted restore does."""
    with connected(database) as connection:
        changed = update(tables.document).where(tables.document.c.digest == raw(digest)).values(body=body)
        assert connection.execute(changed).rowcount == 1


def stored(database: str, digest: str) -> bytes:
    with connected(database) as connection:
        body = connection.execute(select(tables.document.c.body).where(tables.document.c.digest == raw(digest)))
        found: bytes = body.scalar_one()
    return found


def in_force(site: Site) -> str:
    """Return the digest by which devices are judged."""
    found = site.services.health.check()
    assert found.ready
    return str(found.bundle)


@pytest.mark.parametrize("damaged", ["half", "flipped", "other", "empty"])
def test_a_damaged_bundle_never_comes_in_force(site: Site, database: str, damaged: str) -> None:
    """Published whole, damaged in the store, activated: what was in force before stays, and health says so."""
    good = in_force(site)
    digest = site.services.bundles.publish_file(SYSTEM, made(site, height=None, **STRICTER))
    body = stored(database, digest)
    bodies = {"half": body[: len(body) // 2], "flipped": packed(b"[1]"), "other": stored(database, good), "empty": b""}
    damage(database, digest, body=bodies[damaged])
    with pytest.raises(PolicyEngineError):
        site.services.bundles.activate(SYSTEM, digest, expected_generation=1)
    assert (in_force(site), site.services.bundles.active().digest) == (good, good)


def test_a_bundle_damaged_after_it_was_activated_leaves_the_last_good_one_in_force(site: Site, database: str) -> None:
    good = in_force(site)
    digest = site.services.bundles.publish_file(SYSTEM, made(site, height=None, **STRICTER))
    site.services.bundles.activate(SYSTEM, digest, expected_generation=1)
    damage(database, digest, body=stored(database, digest)[:-9])
    site.clock.forward(timedelta(seconds=2))
    assert (in_force(site), site.services.health.check().problems) == (good, ("policy.unreadable",))


def test_a_server_that_starts_with_a_damaged_bundle_refuses_to_judge(site: Site, database: str) -> None:
    """An older bundle would be a way back to weaker rules; nobody asked for it."""
    digest = site.services.bundles.active().digest
    damage(database, digest, body=packed(b"{}"))
    again = open_site(database)
    health = again.services.health.check()
    again.store.close()
    assert (health.ready, health.bundle, health.problems) == (False, None, ("policy.unreadable",))


def test_a_good_bundle_follows_a_damaged_one(site: Site, database: str) -> None:
    damage(database, site.services.bundles.active().digest, body=b"")
    digest = put_in_force(site, **STRICTER)
    again = open_site(database)
    health = again.services.health.check()
    again.store.close()
    assert str(health.bundle) == digest


def test_a_generation_that_goes_back_in_the_store_changes_nothing_in_force(site: Site, database: str) -> None:
    """A database restored from before the activation: the worker keeps the generation that it has seen."""
    new = put_in_force(site, **STRICTER)
    assert in_force(site) == new
    with connected(database) as connection:
        connection.execute(tables.activation.delete().where(tables.activation.c.generation == 2))
    site.clock.forward(timedelta(seconds=2))
    assert in_force(site) == new


def test_a_bundle_from_earlier_in_history_is_refused_though_it_is_published_later(site: Site) -> None:
    new = forced(site, made(site, height=12, **STRICTER))
    with pytest.raises(ConflictError) as refused:
        site.services.bundles.publish_file(SYSTEM, made(site, height=11))
    assert (refused.value.code, in_force(site)) == ("bundle.older", new)


def test_a_bundle_published_in_time_and_activated_too_late_is_refused(site: Site) -> None:
    old = site.services.bundles.publish_file(SYSTEM, made(site, height=11, it__cleartext=(b"high", b"low")))
    new = forced(site, made(site, height=12, **STRICTER))
    with pytest.raises(ConflictError) as refused:
        site.services.bundles.activate(SYSTEM, old, expected_generation=2)
    assert (refused.value.code, in_force(site)) == ("bundle.older", new)


def test_a_bundle_without_a_place_in_history_cannot_follow_one_that_has_it(site: Site) -> None:
    forced(site, made(site, height=12, **STRICTER))
    with pytest.raises(ConflictError) as refused:
        site.services.bundles.publish_file(SYSTEM, made(site, height=None))
    assert refused.value.code == "bundle.older"


def test_a_commit_that_restores_old_content_can_be_put_in_force(site: Site) -> None:
    """`git revert` gives the old digest a new place in history."""
    old = forced(site, made(site, height=11))
    forced(site, made(site, height=12, **STRICTER))
    assert forced(site, made(site, height=13)) == old == in_force(site)


def test_a_policy_whose_version_fell_makes_its_bundle_older(site: Site) -> None:
    forced(site, made(site, height=None, it__cleartext=(b"version: 1.0.0", b"version: 1.1.0")))
    with pytest.raises(ConflictError) as refused:
        site.services.bundles.publish_file(SYSTEM, made(site, height=None))
    assert "policy `it/cleartext` has version 1.0.0, the bundle seen has 1.1.0" in refused.value.message
