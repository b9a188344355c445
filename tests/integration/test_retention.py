"""Retention over a real store: what is archived stays verifiable, and only that leaves the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from policyengine.adapters.evidence_archive import ArchiveFile, file_digest
from policyengine.model.ids import DeviceId
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError
from policyengine.services.exports.retention import Segment, due_findings
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.registry.devices import DeviceDetail
from tests.support.exports import exported, verified
from tests.support.site import Site, ready_site

AUDITOR = Principal(name="Ada", role=PersonRole.AUDITOR)
ALL = PageRequest(limit=500)


@dataclass(slots=True)
class Kept:
    """A site with two segments archived and the first one pruned, and what was so before."""

    site: Site
    devices: list[DeviceId]
    files: list[Path]
    cut: datetime
    later: datetime
    decisions: int
    answered: list[DeviceDetail]
    leaves: int
    pruned: int
    codes: list[str] = field(default_factory=list)


def archive(site: Site, folder: Path, before: datetime) -> Path:
    """Do as `policyengine db archive` does."""
    request = site.services.retention.due(SYSTEM, before=before)
    file = folder / f"{before:%H%M%S%f}.zip"
    writing = ArchiveFile(file)
    try:
        manifest = site.services.exports.write(SYSTEM, request, writing)
        writing.finish()
    finally:
        writing.abandon()
    segment = Segment(start=request.start, end=request.end, digest=file_digest(file), decisions=manifest.decisions)
    site.services.retention.keep(SYSTEM, segment)
    return file


def refused(act: object) -> str:
    with pytest.raises((ConflictError, InvalidRequestError, ForbiddenError)) as error:
        act()  # type: ignore[operator]
    return str(error.value.code)


def shown(site: Site, devices: list[DeviceId], at: datetime) -> list[DeviceDetail]:
    return [site.services.devices.show_at(AUDITOR, device, at) for device in devices]


def play(site: Site, folder: Path) -> Kept:
    """Let devices change in two days, archive each day, prune the first; what must be refused is tried on the way."""
    services, devices = site.services, []
    for scenario in ("healthy", "debug", "tampered"):
        device = site.of(scenario)[0]
        asyncio.run(site.enrol(device))
        devices.append(DeviceId(device.planned.device_id))
    for round_ in range(2):
        site.clock.forward(timedelta(hours=1))
        services.devices.quarantine(SYSTEM, devices[0], reason=f"round {round_}")
        site.clock.forward(timedelta(hours=1))
        services.devices.release(SYSTEM, devices[0], reason="over")
    site.clock.forward(timedelta(hours=1))
    cut = site.clock.now()
    site.clock.forward(timedelta(hours=1))
    services.devices.quarantine(SYSTEM, devices[1], reason="next day")
    later = site.clock.now()
    site.clock.forward(timedelta(hours=1))
    files = [archive(site, folder, cut), archive(site, folder, later)]
    stranger = exported(site, folder / "stranger.zip", start=later, end=later + timedelta(minutes=1))
    codes = [
        refused(lambda: services.retention.prune(SYSTEM, file_digest(stranger))),
        refused(lambda: services.retention.prune(SYSTEM, file_digest(files[1]))),
        refused(lambda: services.retention.prune(AUDITOR, file_digest(files[0]))),
        refused(lambda: services.retention.due(SYSTEM, before=later)),
        refused(lambda: services.retention.due(SYSTEM, before=site.clock.now() + timedelta(days=1))),
    ]
    before = len(list(site.store.all_decisions())), shown(site, devices, cut), site.store.log_head().size
    pruned = services.retention.prune(SYSTEM, file_digest(files[0]))
    codes.append(refused(lambda: services.retention.prune(SYSTEM, file_digest(files[0]))))
    return Kept(
        site=site,
        devices=devices,
        files=files,
        cut=cut,
        later=later,
        decisions=before[0],
        answered=before[1],
        leaves=before[2],
        pruned=pruned,
        codes=codes,
    )


@pytest.fixture(scope="module")
def kept(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    site = ready_site(module_database)
    try:
        yield play(site, tmp_path_factory.mktemp("retention"))
    finally:
        site.store.close()


def test_only_decisions_that_nothing_needs_any_more_leave_the_database(kept: Kept) -> None:
    """Four acts on one device; its last decision, the one behind its certificate and the others' stay."""
    left = list(kept.site.store.all_decisions())
    assert kept.pruned == 3
    assert len(left) == kept.decisions - kept.pruned
    assert {record.device_id for record in left} == set(kept.devices)


def test_segments_verify_before_and_after_what_they_hold_is_pruned(kept: Kept) -> None:
    found = [verified(file) for file in kept.files]
    assert [each.faults for each in found] == [[], []]
    assert found[0].replayed >= kept.pruned


def test_from_the_end_of_the_segment_on_everything_is_answered_as_before(kept: Kept) -> None:
    assert shown(kept.site, kept.devices, kept.cut) == kept.answered


def test_the_log_stays_whole(kept: Kept) -> None:
    """DESIGN section 12: leaves are never taken out; pruning adds one."""
    head = kept.site.store.log_head()
    leaves = kept.site.store.log_leaves(0, head.size)
    assert (head.size, len(leaves)) == (kept.leaves + 1, head.size)
    assert kept.site.services.audit.replay().differences == ()


def test_archiving_and_pruning_are_acts_in_the_log(kept: Kept) -> None:
    """Never silently."""
    acts = kept.site.services.audit.events(AUDITOR, ALL).items
    told = [(act.action, act.detail["decisions"]) for act in acts if act.subject == "records"]
    assert [action for action, _ in told] == ["records.prune", "records.archive", "records.archive"]
    assert told[0] == ("records.prune", kept.pruned)
    assert kept.site.services.retention.kept_since() == kept.cut


def test_what_is_not_archived_not_next_or_not_allowed_is_refused(kept: Kept) -> None:
    """A stranger's file, the second before the first, an auditor, what is archived already, the future, and twice."""
    assert kept.codes == [
        "records.unknown",
        "records.order",
        "actor.forbidden",
        "records.archived",
        "request.period",
        "records.unknown",
    ]


def test_an_export_of_what_was_pruned_is_refused_and_one_from_then_on_verifies(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError) as error:
        exported(kept.site, tmp_path / "early.zip", start=kept.cut - timedelta(seconds=1))
    later = exported(kept.site, tmp_path / "later.zip", start=kept.cut, end=kept.later)
    assert error.value.code == "request.archived"
    assert verified(later).faults == []


def test_devices_are_listed_as_ever(kept: Kept) -> None:
    page = kept.site.services.devices.list_at(AUDITOR, DeviceFilter(), ALL, kept.cut)
    assert {device.id for device, state in page.items if state is not None} == set(kept.devices)


def test_the_doctor_names_what_is_due_and_nothing_else(kept: Kept) -> None:
    now = kept.site.clock.now()
    due = {
        days: [finding.code for finding in due_findings(kept.site.store, after=timedelta(days=days), now=now + later)]
        for days, later in ((7, timedelta(0)), (30, timedelta(days=31)))
    }
    assert due == {7: [], 30: ["records.due", "records.unpruned"]}
