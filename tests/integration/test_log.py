"""The transparency log on real databases: what is signed, what is served, and what no restored backup may undo."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from policyengine.adapters.sql import migration
from policyengine.adapters.sql.engine import open_engines
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import MissingError
from policyengine.services.history.log import ForkError
from policyengine.transparency.checkpoint import Checkpoint, open_checkpoint
from policyengine.transparency.disclosure import read_disclosure, verify_disclosure
from policyengine.transparency.errors import ProofError
from policyengine.transparency.leaf import leaf_hash
from policyengine.transparency.merkle import tree_hash
from policyengine.transparency.monitor import prove_extension
from policyengine.transparency.tiles import Tile, parse_place
from tests.support.log_entries import bundled_entries
from tests.support.site import LOG_KEY, FakeClock, Site, next_nonce, open_site, ready_site

KEY = LOG_KEY.verifier


def grown(site: Site, count: int, *, after: int = 0) -> list[str]:
    """Enrol `count` devices after the first `after` and return their decisions."""

    async def enrol() -> list[str]:
        healthy = site.of("healthy")[after : after + count]
        return [(await site.enrol(device)).decision_id for device in healthy]

    return asyncio.run(enrol())


def fetch(site: Site, path: str) -> bytes:
    level, _, place = path.removeprefix("tile/").partition("/")
    found = parse_place(place)
    assert found is not None
    return site.services.log.tile(Tile(level=int(level), index=found[0], width=found[1]))


def signed(site: Site) -> Checkpoint:
    site.clock.forward(timedelta(seconds=2))  # beyond what a checkpoint is kept for
    return open_checkpoint(site.services.log.checkpoint(), key=KEY)


def test_a_checkpoint_is_the_root_of_all_leaves(database: str) -> None:
    site = ready_site(database)
    grown(site, 3)
    leaves = site.store.log_hashes(0, 0, 10_000)
    checkpoint = signed(site)
    assert (checkpoint.size, checkpoint.root) == (len(leaves), tree_hash(leaves))
    site.store.close()


def test_entries_hash_to_the_leaves_that_tiles_hold(database: str) -> None:
    """C2SP tlog-tiles: a monitor that reads entries can rebuild the tree."""
    site = ready_site(database)
    grown(site, 2)
    size = signed(site).size
    tile = Tile(level=0, index=0, width=size)
    entries = bundled_entries(site.services.log.entries(tile))
    assert b"".join(map(leaf_hash, entries)) == site.services.log.tile(tile)
    site.store.close()


def test_every_checkpoint_extends_every_earlier_one(database: str) -> None:
    site = ready_site(database)
    seen = [signed(site)]
    for number in range(4):
        grown(site, 1, after=number)
        seen.append(signed(site))
    for earlier in seen:
        prove_extension(earlier, seen[-1], lambda path: fetch(site, path))
    site.store.close()


def test_a_decision_s_receipt_verifies_offline_and_lays_its_record_open(database: str) -> None:
    site = ready_site(database)
    decision = grown(site, 1)[0]
    disclosed = site.services.log.decision_proof(SYSTEM, decision)
    sent = json.dumps(dict(disclosed.document)).encode()
    verify_disclosure(read_disclosure(sent), key=KEY)
    assert json.loads(disclosed.record)["decision"] == decision
    site.store.close()


def test_a_receipt_with_another_record_is_refused(database: str) -> None:
    site = ready_site(database)
    document = dict(site.services.log.decision_proof(SYSTEM, grown(site, 1)[0]).document)
    document["record"] = str(document["record"]).replace('"tier":"full"', '"tier":"deny"')
    with pytest.raises(ProofError):
        verify_disclosure(read_disclosure(json.dumps(document).encode()), key=KEY)
    site.store.close()


def test_a_check_in_that_changed_nothing_has_no_leaf_of_its_own(database: str) -> None:
    site = ready_site(database)
    device = site.of("healthy")[0]

    async def twice() -> str:
        first = await site.enrol(device)
        site.clock.forward(timedelta(minutes=1))
        second = await site.check_in(device, next_nonce(first))
        site.clock.forward(timedelta(minutes=1))
        return (await site.check_in(device, next_nonce(second))).decision_id

    with pytest.raises(MissingError) as refused:
        site.services.log.decision_proof(SYSTEM, asyncio.run(twice()))
    assert refused.value.code == "proof.missing"
    site.store.close()


def test_a_vendor_gets_no_receipt_of_another_s_device(database: str) -> None:
    """Service ceilings class 32: a foreign id answers like a missing one."""
    site = ready_site(database)
    decision = grown(site, 1)[0]
    stranger = Principal(name="stranger", role=PersonRole.VENDOR, models=frozenset({"none"}))
    with pytest.raises(MissingError):
        site.services.log.decision_proof(stranger, decision)
    site.store.close()


def test_a_tile_that_is_not_there_yet_is_missing(database: str) -> None:
    site = ready_site(database)
    size = signed(site).size
    with pytest.raises(MissingError) as refused:
        site.services.log.tile(Tile(level=0, index=0, width=size + 1))
    assert refused.value.code == "log.tile"
    site.store.close()


def test_a_restored_backup_is_refused_a_signature(tmp_path: Path) -> None:
    """Service ceilings section 8: a published checkpoint stays a prefix, else refuse to sign."""
    file = tmp_path / "store.db"
    site = ready_site(f"sqlite:///{file}")
    signed(site)
    site.store.close()
    shutil.copy(file, tmp_path / "backup.db")
    site = open_site(f"sqlite:///{file}", clock=FakeClock(time=site.clock.time))
    grown(site, 2)
    signed(site)
    site.store.close()
    for left in tmp_path.glob("store.db*"):
        left.unlink()
    shutil.copy(tmp_path / "backup.db", file)
    restored = open_site(f"sqlite:///{file}", clock=FakeClock(time=site.clock.time))
    with pytest.raises(ForkError) as refused:
        restored.services.log.checkpoint()
    assert refused.value.fields["signed"] > refused.value.fields["size"]
    restored.store.close()


def test_a_restored_backup_that_has_grown_again_is_refused_too(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    site = ready_site(f"sqlite:///{file}")
    site.store.close()
    shutil.copy(file, tmp_path / "backup.db")
    site = open_site(f"sqlite:///{file}", clock=FakeClock(time=site.clock.time))
    grown(site, 1)
    signed(site)
    site.store.close()
    for left in tmp_path.glob("store.db*"):
        left.unlink()
    shutil.copy(tmp_path / "backup.db", file)
    restored = open_site(f"sqlite:///{file}", clock=FakeClock(time=site.clock.time), seed=8)
    grown(restored, 4)
    with pytest.raises(ForkError, match="not those that were signed"):
        restored.services.log.checkpoint()
    restored.store.close()


def test_a_changed_leaf_is_refused_a_signature(database: str) -> None:
    site = ready_site(database)
    signed(site)
    grown(site, 1)
    engines = open_engines(database)
    with engines.write.begin() as connection:
        connection.execute(text("UPDATE log_leaf SET leaf_hash = :forged WHERE log_index = 0"), {"forged": b"f" * 32})
    engines.dispose()
    site.clock.forward(timedelta(seconds=2))
    with pytest.raises(ForkError):
        site.services.log.checkpoint()
    site.store.close()


def test_a_log_from_before_there_were_trees_is_counted_in(database: str) -> None:
    """Migration 0002 gives what growing would have given."""
    site = ready_site(database, count=290)
    decision = grown(site, 100)[-1]
    before = signed(site), site.store.log_hashes(1, 0, 9), site.store.leaf_of_decision(decision)
    site.store.close()
    migrated(database, "0001")
    site = open_site(database, clock=FakeClock(time=site.clock.time))
    assert (signed(site), site.store.log_hashes(1, 0, 9), site.store.leaf_of_decision(decision)) == before
    site.store.close()


def migrated(database: str, revision: str) -> None:
    """Bring the schema back to `revision`."""
    engines = open_engines(database)
    with engines.write.begin() as connection:
        config = migration._config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engines.dispose()


def test_the_log_grows_over_full_tiles_as_the_definition_says(database: str) -> None:
    """More than 256 leaves: roots of full tiles are stored, and the frontier is right."""
    site = ready_site(database, count=290)
    grown(site, 100)
    leaves = site.store.log_hashes(0, 0, 10_000)
    assert len(leaves) > 256
    assert list(site.store.log_hashes(1, 0, 10)) == [
        tree_hash(leaves[at : at + 256]) for at in range(0, len(leaves) - 255, 256)
    ]
    assert signed(site).root == tree_hash(leaves)
    site.store.close()
