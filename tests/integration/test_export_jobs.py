"""Evidence exports that are asked for over HTTP, with a real store and real files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from policyengine.adapters.export_folder import MAX_WAITING, ExportFiles
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import ConflictError, InvalidRequestError, MissingError, UnavailableError
from policyengine.services.exports.errors import ExportTooLargeError
from policyengine.services.exports.jobs import ExportJobs, ExportState
from policyengine.services.exports.period import ExportRequest, Scope
from policyengine.services.exports.ports import ArchiveWriter
from tests.support.exports import verified
from tests.support.site import START, FakeClock, ready_site


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ExportFiles]:
    files = ExportFiles(tmp_path / "exports", FakeClock())
    yield files
    files.close()


def nothing(archive: ArchiveWriter) -> None:
    archive.plain("README.txt", b"nothing")


def test_what_was_asked_for_over_http_verifies(tmp_path: Path) -> None:
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    folder = ExportFiles(tmp_path / "exports", site.clock)
    jobs = ExportJobs(site.services.exports, folder)
    request = ExportRequest(framework="etsi", start=START, end=START + timedelta(seconds=1), scope=Scope())
    name, _ = jobs.ask(SYSTEM, request)
    folder.close()
    size, content = jobs.content(SYSTEM, name)
    path = tmp_path / "fetched.zip"
    path.write_bytes(b"".join(content))
    assert (path.stat().st_size, verified(path).faults) == (size, [])
    site.store.close()


def test_the_same_request_is_one_export(tmp_path: Path) -> None:
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    request = ExportRequest(framework=None, start=START, end=START + timedelta(seconds=1), scope=Scope())
    names = {site.services.export_jobs.ask(SYSTEM, request)[0] for _ in range(3)}
    site.store.close()
    assert len(names) == 1


def test_an_export_that_is_not_done_is_not_served(folder: ExportFiles, tmp_path: Path) -> None:
    done = Event()
    folder.begin("a" * 64, lambda archive: (done.wait(10), nothing(archive)))
    jobs = ExportJobs(None, folder)  # type: ignore[arg-type]  # nothing is asked of it
    with pytest.raises(ConflictError, match="running"):
        jobs.content(SYSTEM, f"sha256:{'a' * 64}")
    done.set()


def test_what_goes_wrong_is_told_by_its_code(folder: ExportFiles) -> None:
    def too_large(archive: ArchiveWriter) -> None:
        raise ExportTooLargeError("it is too large")

    folder.begin("a", too_large)
    folder.close()
    assert folder.state("a") == ExportState(state="failed", code="export.too-large")


def test_an_export_that_a_crash_ended_is_failed_and_can_be_asked_for_again(folder: ExportFiles, tmp_path: Path) -> None:
    folder.begin("other", nothing)
    (tmp_path / "exports" / "a.running").touch()  # what a killed process leaves: the file, and nobody's lock on it
    assert folder.state("a") == ExportState(state="failed", code="export.interrupted")
    folder.begin("a", nothing)
    folder.close()
    found = folder.state("a")
    assert found is not None
    assert found.state == "done"


def test_too_many_waiting_exports_are_refused(folder: ExportFiles) -> None:
    done = Event()
    for number in range(MAX_WAITING):
        folder.begin(str(number), lambda archive: (done.wait(10), nothing(archive)))
    with pytest.raises(UnavailableError, match="too many"):
        folder.begin("one more", nothing)
    done.set()


def test_nobody_learns_of_an_export_that_nobody_asked_for(folder: ExportFiles) -> None:
    with pytest.raises(MissingError):
        ExportJobs(None, folder).state(SYSTEM, f"sha256:{'b' * 64}")  # type: ignore[arg-type]


def test_a_period_that_is_not_over_is_refused_at_once(tmp_path: Path) -> None:
    site = ready_site(f"sqlite:///{tmp_path / 'store.db'}")
    late = ExportRequest(framework=None, start=START, end=START + timedelta(days=400), scope=Scope())
    with pytest.raises(InvalidRequestError):
        site.services.export_jobs.ask(SYSTEM, late)
    site.store.close()
