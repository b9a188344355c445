"""A real installation: `policyengine serve` in a process of its own, the starter pack in force, devices with keys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from policyengine.adapters.clock import SystemClock
from policyengine.adapters.demo_site import DemoSite, write_policies, write_vendor
from policyengine.adapters.device_client import Answer, Connection
from policyengine.adapters.entropy import SystemEntropy
from policyengine.adapters.tree import read_tree
from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.simulation.device import SimulatedDevice, enrolment
from policyengine.simulation.documents import registry_entry
from policyengine.simulation.fleet import found_vendor, manufacture
from policyengine.simulation.plan import Scenario, plan_fleet
from tests.support.site import plain

MODELS = ("gw-200", "plc-9", "sn-40")
SERIALS = {"vendor-acme": "AC-", "vendor-borealis": "BO-"}
BUNDLE_TYPE = "application/vnd.policyengine.bundle+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers."""

    process: subprocess.Popen[str]
    data: Path
    url: str

    @property
    def ca_pem(self) -> str:
        return (self.data / "ca.pem").read_text()

    @property
    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def connection(self, *, token: str | None = None) -> Connection:
        return Connection(self.url, ca_pem=self.ca_pem, token=token)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextmanager
def running(data: Path, **environment: str) -> Iterator[Running]:
    """Run a server over `data` for the length of the block; it must then stop by itself with exit code 0."""
    process = _launched(data, environment)
    try:
        yield _ready(process, data)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        logged = _log(data).read_text()
        assert process.returncode == 0, logged
        levels = {json.loads(line)["level"] for line in logged.splitlines()}
        assert levels <= {"info"}, logged
        assert said.count("\n") == 1, "readiness is one line"
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def doomed(data: Path, **environment: str) -> Iterator[Running]:
    """Run a server over `data` that the block kills, or that is killed after it: no farewell, no clean-up."""
    process = _launched(data, environment)
    try:
        yield _ready(process, data)
    finally:
        process.kill()
        process.communicate()
        (data / "server.json").unlink(missing_ok=True)


def _launched(data: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    _log(data).parent.mkdir(parents=True, exist_ok=True)
    with _log(data).open("w") as log:  # a file: a pipe that nobody empties would hold the server after 64 KiB
        return subprocess.Popen(
            [sys.executable, "-m", "policyengine", "serve", "--data", str(data), "--port", "0"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def _log(data: Path) -> Path:
    return data.with_name(f"{data.name}.log")


def _ready(process: subprocess.Popen[str], data: Path) -> Running:
    while not (data / "server.json").is_file():
        assert process.poll() is None, _log(data).read_text()
        time.sleep(0.05)
    return Running(process=process, data=data, url=json.loads((data / "server.json").read_text())["url"])


def publish(site: DemoSite, server: Running, *, count: int) -> tuple[SimulatedDevice, ...]:
    """Put the starter pack in force, announce healthy devices, and return them with their keys."""
    now, draw = SystemClock().now(), SystemEntropy().draw
    vendors = {name: found_vendor(name, now=now, entropy=draw) for name in SERIALS}
    for ca in vendors.values():
        write_vendor(site, ca)
    write_policies(site, vendors, fresh="24h")
    compiled = compile_tree(read_tree(site.policies), now=now)
    assert compiled.bundle is not None
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=None, created_at=now)
    people = server.connection(token=server.token)
    expect(people.upload("/v1/bundles", encode_file(file), BUNDLE_TYPE), 201)
    expect(people.post(f"/v1/bundles/{compiled.digest}/activate", {"expected_generation": None}), 200)
    bundle = compiled.bundle
    plan = plan_fleet(bundle.fleet, bundle.reference_values, models=MODELS, serial_prefixes=SERIALS, count=30 + count)
    healthy = [planned for planned in plan if planned.scenario is Scenario.HEALTHY][:count]
    expect(people.post("/v1/devices", {"devices": [registry_entry(planned) for planned in healthy]}), 201)
    people.close()
    return manufacture(healthy, vendors, now=now, entropy=draw)


def expect(answer: Answer, status: int) -> Answer:
    """Return `answer`; fails with its document unless it has `status`."""
    assert answer.status == status, answer.document
    return answer


IN_FORCE_WITHIN = 20.0  # seconds; a server asks every second which bundle is in force, and a busy machine is late


def put_in_force(site: DemoSite, server: Running, *, old: bytes, new: bytes, generation: int) -> None:
    """Put the site's policies in force again with `new` for `old` in every file, after `generation`."""
    now = SystemClock().now()
    compiled = compile_tree({path: text.replace(old, new) for path, text in read_tree(site.policies).items()}, now=now)
    assert compiled.bundle is not None, compiled.diagnostics
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=None, created_at=now)
    people = server.connection(token=server.token)
    expect(people.upload("/v1/bundles", encode_file(file), BUNDLE_TYPE), 201)
    expect(people.post(f"/v1/bundles/{compiled.digest}/activate", {"expected_generation": generation}), 200)
    deadline = time.monotonic() + IN_FORCE_WITHIN
    while people.get("/readyz").document["generation"] == generation:
        assert time.monotonic() < deadline, "the server still decides by the bundle before"
        time.sleep(0.02)
    people.close()


def enrolled(server: Running, device: SimulatedDevice) -> bytes:
    """Return the certificate (DER) of a device that enrols now."""
    return plain(str(_enrolment(server, device)["certificate"]))


def enrolled_nonce(server: Running, device: SimulatedDevice) -> bytes:
    """Return the nonce for the next check-in of a device that enrols now."""
    return plain(str(_enrolment(server, device)["next_nonce"]))


def _enrolment(server: Running, device: SimulatedDevice) -> Mapping[str, object]:
    wire = server.connection()
    nonce = plain(str(expect(wire.post("/v1/challenges", {}), 200).document["nonce"]))
    answer = expect(wire.post("/v1/checkins", enrolment(device, nonce)), 200).document
    wire.close()
    return answer
