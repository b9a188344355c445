"""A CA below a company's root follows another: certified by openssl, over real handshakes, part of a fleet away."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pki.reservation import pem_of
from policyengine.adapters.company_rollover import install_successor, request_successor
from policyengine.adapters.company_root import accept_certificate, request_authority
from policyengine.adapters.rollover_state import RolloverError, RolloverState
from tests.integration.company import Company
from tests.support.rollover_drill import NAMES, Drill
from tests.support.site import PASSPHRASE

FLEET = 40  # with devices of every scenario; the healthy ones make the drill


class CompanyDrill(Drill):
    """The drill below a company's root; `following` is the root that certifies the successor."""

    def __init__(self, folder: Path, count: int, *, following: str) -> None:
        self.company = Company(folder)
        self.following = following
        super().__init__(folder, count)

    def _found(self) -> None:
        self.company.found("root-1")
        common = {"passphrase": PASSPHRASE, "entropy": self.entropy}
        request = request_authority(self.directory, names=NAMES, now=self.clock.now(), **common)
        given = self._certified(request, "root-1", "first")
        accept_certificate(self.directory, given, now=self.clock.now(), **common)

    def _certified(self, request: str, root: str, out: str) -> bytes:
        """Return what the company sends back, when it is valid: openssl's certificates begin now."""
        given = self.company.certify(request, root, out)
        self.clock.time = max(self.clock.time, datetime.now(UTC))
        return given

    def _prepare(self) -> None:
        request = request_successor(
            self.directory,
            passphrase=PASSPHRASE,
            fleet=None,
            domains=(),
            now=self.clock.now(),
            entropy=self.entropy,
        )
        self.cross = None
        if self.following != "root-1":
            self.company.found(self.following)
            self.cross = self._certified(request, "root-1", "crossed")
            with pytest.raises(RolloverError) as refused:
                self.install(request, cross=None)
            assert refused.value.code == "rotate.cross"
        self.install(request, cross=self.cross)

    def install(self, request: str, *, cross: bytes | None) -> None:
        """Let the company certify the request, and install what it sends back."""
        given = self._certified(request, self.following, "second")
        made = install_successor(
            self.directory,
            given,
            cross=cross,
            passphrase=PASSPHRASE,
            now=self.clock.now(),
            entropy=self.entropy,
        )
        assert made.state is RolloverState.PREPARED


@pytest.fixture(scope="module", params=["root-1", "root-2"])
def drill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CompanyDrill]:
    """A fleet that a rollover is over for: below the company's root, and to another root of the company."""
    drill = CompanyDrill(tmp_path_factory.mktemp("company"), FLEET, following=request.param)
    try:
        asyncio.run(drill.run())
        yield drill
    finally:
        drill.site.store.close()


def test_nobody_is_locked_out(drill: CompanyDrill) -> None:
    assert (drill.report.locked_out, drill.report.away > 0) == ({}, True)


def test_every_device_is_on_the_companys_next_ca(drill: CompanyDrill) -> None:
    assert drill.report.on_new_ca == drill.report.devices


def test_openssl_finds_a_path_from_every_device_to_the_companys_root(drill: CompanyDrill, tmp_path: Path) -> None:
    leaves = []
    for member in drill.fleet:
        leaves.append(tmp_path / f"{member.device.planned.device_id}.pem")
        leaves[-1].write_text(pem_of(member.certificate))
    issuing, root = drill.directory / "g2" / "issuing.pem", drill.folder / f"{drill.following}.pem"
    command = ["openssl", "verify", "-x509_strict", "-CAfile", root, "-untrusted", issuing, *leaves]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.count(": OK")) == (0, len(leaves)), done.stderr
