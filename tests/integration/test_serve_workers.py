"""`policyengine serve --workers 2` on a real PostgreSQL: one port, several processes, none missed (docs/adr/0036)."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from policyengine.adapters.demo_site import DemoSite
from policyengine.adapters.device_client import Answer
from policyengine.simulation.device import SimulatedDevice, check_in
from tests.integration.real_site import Running, doomed, enrolled_nonce, expect, publish, running
from tests.integration.test_gate_programs import until
from tests.support import postgres
from tests.support.site import plain

WORKERS = 2
PATIENCE = 60.0
ENOUGH = 40  # connections, of which all meet the same one of two workers once in 2**39 runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """A server of two workers, and devices that have not enrolled yet."""

    server: Running
    devices: list[SimulatedDevice]

    def instances(self) -> set[str]:
        """Return the names of the processes that answer, each known by the request ids that it gives."""
        return {self._instance() for _ in range(ENOUGH)}

    def all_ready(self) -> bool:
        """Tell whether the bundle is in force wherever a connection leads."""
        return all(self.ask("/readyz").status == 200 for _ in range(ENOUGH))

    def _instance(self) -> str:
        return str(self.ask("/v1/nothing").document["request_id"]).partition("-")[0]

    def ask(self, path: str) -> Answer:
        """Return the answer on a connection of its own, which any worker may take."""
        with closing(self.server.connection()) as wire:
            return wire.get(path)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Together]:
    site = DemoSite(directory=tmp_path_factory.mktemp("together"))
    with doomed(site.data, **environment(postgres_server)) as server:
        found = Together(server=server, devices=list(publish(site, server, count=8)))
        assert until(found.all_ready, within=PATIENCE)
        yield found
        port = server.port
    assert until(lambda: not listens(port), within=PATIENCE), "workers must not outlive a supervisor that was killed"


def environment(postgres_server: str) -> dict[str, str]:
    return {
        "POLICYENGINE_DATABASE_URL": postgres.new_database(postgres_server),
        "POLICYENGINE_WORKERS": str(WORKERS),
    }


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def workers(server: Running) -> list[int]:
    """Return the process ids of the server's workers (the third child is Python's own resource tracker)."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_every_worker_answers_on_the_one_port(together: Together) -> None:
    assert len(together.instances()) == WORKERS


def test_device_may_meet_another_worker_each_time(together: Together) -> None:
    """Nothing of a device is in a process: nonce, floor and former decision are the database's (ADR 0033)."""
    device = together.devices.pop()
    nonce = enrolled_nonce(together.server, device)
    for _ in range(6):
        with closing(together.server.connection()) as wire:
            answer = expect(wire.post("/v1/checkins", check_in(device, nonce)), 200).document
        nonce = plain(str(answer["next_nonce"]))


def test_worker_that_is_killed_gets_a_successor(together: Together) -> None:
    former = workers(together.server)
    os.kill(former[0], signal.SIGKILL)
    assert until(lambda: len(set(workers(together.server)) - set(former)) == 1, within=PATIENCE)
    assert len(together.instances()) == WORKERS


def test_counts_of_all_workers_are_told_by_whichever_is_asked(together: Together) -> None:
    """Prometheus keeps one connection, so it would hear of one worker for ever."""
    asked = 12
    before = counted(together.server)
    for _ in range(asked):
        together.ask("/livez")
    assert until(lambda: counted(together.server) == before + asked, within=PATIENCE)


def counted(server: Running) -> int:
    """Return how many answers of `/livez` the server tells of, on a connection of its own."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    address = f"https://localhost:{server.port}/metrics"
    asking = urllib.request.Request(address, headers={"Authorization": f"Bearer {server.token}"})
    with urllib.request.urlopen(asking, context=context, timeout=PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    told = [line for line in lines if line.startswith('policyengine_http_requests_total{route="livez"')]
    return sum(int(line.rpartition(" ")[2]) for line in told)


def test_stop_ends_every_worker(tmp_path: Path, postgres_server: str) -> None:
    """`running` asks for exit code 0, one line of output and no warning: each worker drained and left by itself."""
    with running(tmp_path / "data", **environment(postgres_server)) as server:
        pids = workers(server)
    assert (len(pids), [pid for pid in pids if Path(f"/proc/{pid}").exists()]) == (WORKERS, [])
    assert not listens(server.port)


def test_several_workers_on_sqlite_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "policyengine", "serve", "--data", str(data), "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, data.exists()) == (2, "", False)
    assert done.stderr.startswith("error[serve.workers]: several workers need PostgreSQL")


def test_port_of_a_server_of_several_workers_is_not_shared_with_a_second_start(
    together: Together, tmp_path: Path, postgres_server: str
) -> None:
    """Sockets that share a port would let a second server take half of the first one's devices."""
    command = [sys.executable, "-m", "policyengine", "serve", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [*command, "--port", str(together.server.port)],
        env={**os.environ, **environment(postgres_server)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr[:20]) == (2, "error[serve.address]")


def test_worker_that_cannot_start_ends_the_server(tmp_path: Path) -> None:
    """A start is whole or not at all: no port answers for half of the workers."""
    (data := tmp_path / "nothing").mkdir()
    script = f"""
from pathlib import Path
from socket import create_server
from policyengine.cli.main import carry_out
from policyengine.cli.workers import supervise
from policyengine.settings import Settings
settings = Settings(data=Path({str(data)!r}), workers=1)
carry_out(lambda: supervise(settings, [create_server(("127.0.0.1", 0))], ready=lambda: print("ready")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (5, "")
    assert [line.partition("]")[0] for line in done.stderr.splitlines()] == [
        "error[data.missing",
        "error[fault.workers",
    ]
