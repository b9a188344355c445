"""Evidence exports: making one of many decisions, and verifying it by making every decision again.

`python -m benchmarks.audit_replay [--decisions 100000]`

Decisions are real ones: people put devices of a simulated fleet into quarantine and let them out again, over and over.
The target (issue 6): 100,000 decisions verified in 60 seconds. The CPU of one is also given in bare P-256 verifications
of the same run, which a busy machine makes slower alike, and as the time it takes processors that nobody else uses.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from benchmarks.checkins import bare_verifications
from policyengine.adapters.evidence_archive import OpenedArchive
from policyengine.adapters.parcel_processes import ParcelProcesses, processes
from policyengine.model.decision import Tier
from policyengine.services.changes import Act
from policyengine.services.checkins.judging import standing_of
from policyengine.services.exports.verifying import verify
from policyengine.services.records import Restriction
from tests.support.exports import exported
from tests.support.site import LOG_KEY, ROOT, Site, ready_site

TARGET = 100_000 / 60  # decisions verified a second
DEVICES = 100
SECOND = ROOT / "tools" / "verify_export.py"


def filled(site: Site, decisions: int) -> None:
    """Record about so many decisions."""

    async def enrol() -> None:
        for device in site.of("healthy")[:DEVICES]:
            await site.enrol(device)

    asyncio.run(enrol())
    redecider = site.services.devices._redecider
    ids = [device.planned.device_id for device in site.of("healthy")[:DEVICES]]
    for number in range(decisions // len(ids)):
        site.clock.forward(timedelta(seconds=1))
        changes = []
        for each in ids:
            view, now = site.store.view(each), site.clock.now()
            assert view is not None
            assert view.state is not None
            held = Restriction(tier=Tier.QUARANTINE, reason="drill", actor="bench", since=now)
            standing = replace(standing_of(view.state), restriction=None if number % 2 else held)
            act = Act(actor="bench", at=now, action="drill", subject=each, detail={}, salt=b"s" * 16)
            changes.append(redecider.under(view, view.state, standing, act))
        failures = [failure for failure in site.store.apply_all(changes) if failure is not None]
        assert not failures, failures[0]


def spent() -> float:
    """Return the seconds of CPU that this process and those it waited for have used."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def report(decisions: int) -> bool:
    """Print the figures; return whether the target was met."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "export.zip"
        site = ready_site(f"sqlite:///{directory}/store.db", count=2 * DEVICES)
        filled(site, decisions)
        began = time.perf_counter()
        exported(site, path)
        made = time.perf_counter() - began
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began, cpu = time.perf_counter(), spent()
        archive = OpenedArchive(path)
        found = verify(archive, LOG_KEY.verifier, ParcelProcesses(path))
        archive.close()
        checked, cpu = time.perf_counter() - began, spent() - cpu
        assert found.verified, found.faults[:3]
        began = time.perf_counter()
        second = subprocess.run([sys.executable, SECOND, path], check=True, capture_output=True)
        beside = time.perf_counter() - began
        site.store.close()
        print(f"{found.replayed} decisions, {path.stat().st_size / 1e6:.0f} MB, {found.leaves} leaves")
        print(f"{made:8.1f} s  made: {found.replayed / made:,.0f} decisions/s; this process at most {grown:.0f} MB")
        print(f"{checked:8.1f} s  verified in {processes()} processes: {found.replayed / checked:,.0f} decisions/s")
        each, bare = cpu / found.replayed, bare_verifications()
        alone = 100_000 * each / processes()
        print(f"{cpu:8.1f} s  of CPU for that, {each * 1e3:.2f} ms a decision: {each * bare:.1f} P-256 verifications")
        print(f"{alone:8.1f} s  for 100,000 if {processes()} processors did nothing else")
        print(
            f"{beside:8.1f} s  by the second verifier, which makes none again: {second.stdout.decode().splitlines()[0]}"
        )
        return found.replayed / checked >= TARGET


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000)
    met = report(parser.parse_args().decisions)
    print(f"target {TARGET:,.0f} decisions/s verified: {'met' if met else 'MISSED'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
