"""kill -9 in the middle of check-ins: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from policyengine.model.ids import DeviceId
from policyengine.services.actors import SYSTEM
from policyengine.services.certification.orphans import ABANDONED_AFTER, recover, recover_beside_others
from tests.support.site import ROOT, FakeEntropy, Site, announced, open_site, ready_site

CHILD = """
import asyncio, sys
from tests.support.site import announced, next_nonce, open_site
site = open_site(sys.argv[1], seed=int(sys.argv[2]))
async def one(device):
    nonce = next_nonce(await site.enrol(device))
    while True:
        reply = await site.check_in(device, nonce)
        nonce = next_nonce(reply)
        print("acknowledged", device.planned.device_id, reply.decision_id, flush=True)
async def main():
    await asyncio.gather(*(one(device) for device in site.of("healthy")))
asyncio.run(main())
"""


@pytest.fixture
def killed(database: str) -> tuple[str, list[str]]:
    """A database whose server was killed after some acknowledgements, and these."""
    made = ready_site(database)
    made.store.close()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, database, "23"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(40)]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read()
    child.stdout.close()
    child.wait()
    return database, [line for line in (*lines, *rest.splitlines(keepends=True)) if line.endswith("\n")]


@pytest.fixture
def survivor(killed: tuple[str, list[str]]) -> Site:
    site = open_site(killed[0], seed=99)
    recover(site.store, site.clock, FakeEntropy())
    return site


def rows(site: Site, statement: str) -> list[tuple[object, ...]]:
    with site.store._engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_everything_holds_after_kill(killed: tuple[str, list[str]], survivor: Site) -> None:
    """Service ceilings section 8, first row; issue 2 "Bad input and faults"."""
    try:
        assert len(killed[1]) >= 40
        _no_acknowledged_check_in_is_lost(killed[1], survivor)
        _no_certificate_without_its_decision(survivor)
        _no_reservation_stays_open(survivor)
        _no_gap_in_the_log(survivor)
        assert survivor.services.audit.replay().differences == ()
    finally:
        survivor.store.close()


def _no_acknowledged_check_in_is_lost(lines: list[str], site: Site) -> None:
    """Each device's version counts at least its acknowledged check-ins, and the enrolment before them."""
    acknowledged = Counter(line.split()[1] for line in lines)
    versions = {name: site.store.view(DeviceId(name)).state.version for name in acknowledged}
    assert {name: number for name, number in acknowledged.items() if versions[name] < number + 1} == {}


def _no_certificate_without_its_decision(site: Site) -> None:
    orphans = rows(
        site,
        "SELECT serial FROM certificate "
        "WHERE state = 'issued' AND decision_id NOT IN (SELECT decision_id FROM decision)",
    )
    assert orphans == []


def _no_reservation_stays_open(site: Site) -> None:
    assert rows(site, "SELECT serial FROM certificate WHERE state = 'reserved'") == []


def _no_gap_in_the_log(site: Site) -> None:
    indexes = [row[0] for row in rows(site, "SELECT log_index FROM log_leaf ORDER BY log_index")]
    assert (indexes, rows(site, "SELECT size FROM log_head")) == (list(range(len(indexes))), [(len(indexes),)])


def test_reservation_left_open_by_a_crash_is_aborted_and_never_completed(tmp_path: Path) -> None:
    """DESIGN section 9: a restart closes orphans as aborted."""
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    device = site.of("healthy")[0]
    asyncio.run(site.enrol(device))
    with site.store._engines.write.begin() as connection:
        connection.execute(text("UPDATE certificate SET state = 'reserved'"))
    recover(site.store, site.clock, FakeEntropy())
    found = rows(site, "SELECT state, close_reason FROM certificate")
    site.store.close()
    assert found == [("aborted", "restart")]


def test_log_says_what_became_of_a_reservation_that_a_crash_left_open(tmp_path: Path) -> None:
    """Each serial number that was reserved has one more leaf: its certificate, or that there will be none."""
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    asyncio.run(site.enrol(site.of("healthy")[0]))
    with site.store._engines.write.begin() as connection:
        connection.execute(text("UPDATE certificate SET state = 'reserved'"))
    recover(site.store, site.clock, FakeEntropy())
    leaf = site.store.log_leaves(site.store.log_head().size - 1, 1)[0]
    ((issuer, serial, device),) = rows(site, "SELECT issuer, serial, device_id FROM certificate")
    site.store.close()
    said = {"issuer": issuer, "serial": serial, "device": device, "reason": "restart"}
    assert (leaf.kind, json.loads(leaf.record)) == ("reservation-aborted", said)


def test_server_that_starts_beside_others_leaves_alone_what_they_are_signing(tmp_path: Path) -> None:
    """Only what was left open for longer than a signature ever takes is a crash's remains."""
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    asyncio.run(site.enrol(site.of("healthy")[0]))
    site.clock.forward(ABANDONED_AFTER)
    asyncio.run(site.enrol(site.of("healthy")[1]))
    with site.store._engines.write.begin() as connection:
        connection.execute(text("UPDATE certificate SET state = 'reserved'"))
    recover_beside_others(site.store, site.clock, FakeEntropy())
    found = rows(site, "SELECT state FROM certificate ORDER BY reserved_at")
    site.store.close()
    assert found == [("aborted",), ("reserved",)]


def test_announcing_the_same_devices_again_adds_none(tmp_path: Path) -> None:
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    again = site.services.devices.announce(SYSTEM, [announced(device.planned) for device in site.devices.values()])
    site.store.close()
    assert again == 0
