"""One CA follows another over real handshakes, and a device that was away comes back with what it had."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exports import exported, second_opinion, verified
from tests.support.rollover_drill import Drill, Report

FLEET = 60  # `python -m benchmarks.rollover 10000` drills the number that the product promises


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A fleet that a rollover is over for."""
    drill = Drill(tmp_path_factory.mktemp("drill"), FLEET)
    try:
        asyncio.run(drill.run())
        yield drill
    finally:
        drill.site.store.close()


@pytest.fixture(scope="module")
def report(drill: Drill) -> Report:
    return drill.report


def test_nobody_is_locked_out_by_a_new_root(report: Report) -> None:
    """RFC 4210 section 4.4: a root changes while part of the fleet knows the old one only."""
    assert report.locked_out == {}


def test_part_of_the_fleet_was_away_during_the_switch(report: Report) -> None:
    assert report.away == pytest.approx(0.3 * report.devices, abs=2)
    assert report.devices > FLEET / 2


def test_retirement_was_refused_while_devices_depended_on_the_old_ca(report: Report) -> None:
    assert report.retirement_refused_for == report.away


def test_every_device_is_on_the_new_ca_in_the_end(report: Report) -> None:
    assert report.on_new_ca == report.devices


def test_certificates_of_a_retired_ca_still_verify_in_exports(drill: Drill, tmp_path: Path) -> None:
    """What was issued once stays on record, and its issuer is vouched for by the manifest."""
    path = exported(drill.site, tmp_path / "export.zip")
    found = verified(path)
    assert (found.faults, second_opinion(path)) == ([], None)
    assert found.certificates > FLEET
