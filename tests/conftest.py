"""What all tests share: where third-party vectors are, and that a skip is loud (a failure under NO_SKIP=1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.seed import is_fixed

# How long an example takes says something about the machine and its other work, not about the product.
# A run repeats the one before, unless it was asked to explore (`make explore`).
settings.register_profile("any machine", deadline=None, derandomize=is_fixed())
settings.load_profile("any machine")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of third-party vectors; skips loudly when it is not there."""
    found = Path(os.environ.get("POLICYENGINE_VECTORS", ROOT.parent / "shared" / "vectors"))
    if not found.is_dir():
        pytest.skip(f"third-party vectors are not at {found}; set POLICYENGINE_VECTORS")
    return found


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLICYENGINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section(f"{len(skipped)} SKIPPED: these behaviours were not proved here", sep="!")
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and os.environ.get("NO_SKIP") == "1" and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
