"""Check-ins per second end to end, durable (SQLite FULL), plain and over TLS keep-alive, beside the bare server's rate.

`python -m benchmarks.checkins_http [SECONDS [ROUNDS]]` prints a table on stderr and one JSON document on stdout.

The server has one CPU, devices and this program the other. What stands beside it in the same round: the same requests
to an ASGI application that reads the body and answers the same number of bytes in the same server (the ceiling HTTP
sets), and bare ECDSA P-256 verification on the server's CPU (the ceiling cryptography sets). Rounds are interleaved;
figures are medians. Each measure begins with fresh nonces and ends with an error if any check-in was refused.

Wall time says little on a shared machine: what a core gives that nobody else uses is one second over the server's CPU
time (`free_core_per_second`), and CPU time beside that of a verification (`verifications`) is what two machines can be
compared by.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from statistics import median

from benchmarks.appraisal import prepared
from benchmarks.http_load import Caller, Load, run
from policyengine.adapters.clock import SystemClock
from policyengine.adapters.demo_site import DemoSite, write_policies, write_vendor
from policyengine.adapters.device_client import Connection
from policyengine.adapters.entropy import SystemEntropy
from policyengine.adapters.tree import read_tree
from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.simulation.device import SimulatedDevice, check_in, enrolment
from policyengine.simulation.documents import registry_entry
from policyengine.simulation.fleet import found_vendor, manufacture
from policyengine.simulation.plan import PlannedDevice, Scenario, plan_fleet

DEVICES = 128
CONNECTIONS = 32  # as in research: saturates one core without a queue of its own
SERVER_CPU, CLIENT_CPU = 0, 1
WARM_UP = 1.5  # seconds: the first request compiles the bundle
WARM = 2 * DEVICES  # answers: on a busy machine the seconds alone do not warm a server up
TARGET = 1000
BUNDLE_TYPE = "application/vnd.policyengine.bundle+json"
MODELS = ("gw-200", "plc-9", "sn-40")
SERIALS = {"vendor-acme": "AC-", "vendor-borealis": "BO-"}
ROWS = ("check-ins, plain", "bare server, plain", "check-ins, TLS", "bare server, TLS")


@dataclass(slots=True)
class Seat:
    """A device and the nonce of its next check-in."""

    device: SimulatedDevice
    nonce: bytes = b""
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A running server process."""

    port: int
    pid: int


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="policyengine-bench-") as folder:
        site = DemoSite(directory=Path(folder))
        with serving(site, tls=True) as server:
            seats = enrolled(site, server)
        runs: dict[str, list[tuple[Load, float]]] = {row: [] for row in ROWS}
        bare_ecdsa: list[float] = []
        for _ in range(rounds):
            bare_ecdsa.append(verification())
            for tls, name in ((False, "plain"), (True, "TLS")):
                with serving(site, tls=tls) as server:
                    runs[f"check-ins, {name}"].append(measured(site, server, seats, "/v1/checkins", seconds, tls=tls))
                with bare(site, tls=tls) as server:
                    runs[f"bare server, {name}"].append(measured(site, server, seats, "/bare", seconds, tls=tls))
        report(runs, median(bare_ecdsa))


@contextmanager
def serving(site: DemoSite, *, tls: bool) -> Iterator[Serving]:
    """Run `policyengine serve` on the server's CPU."""
    environment = {**os.environ, "POLICYENGINE_TLS": "1" if tls else "0", "POLICYENGINE_LOG_LEVEL": "warning"}
    arguments = ["-m", "policyengine", "serve", "--data", str(site.data), "--port", "0"]
    with process(arguments, environment, site.data / "server.json") as found:
        yield found


@contextmanager
def bare(site: DemoSite, *, tls: bool) -> Iterator[Serving]:
    """Run the bare application in the same kind of server on the server's CPU."""
    announced = site.data / "bare.json"
    arguments = ["-m", "benchmarks.bare_server", str(site.data), str(announced), "1" if tls else "0"]
    with process(arguments, dict(os.environ), announced) as found:
        yield found


@contextmanager
def process(
    arguments: list[str], environment: dict[str, str], announced: Path, *, cpus: str = str(SERVER_CPU)
) -> Iterator[Serving]:
    """Run a program of ours on `cpus`, as taskset(1) writes them, until the block ends."""
    announced.unlink(missing_ok=True)
    started = subprocess.Popen(
        ["taskset", "-c", cpus, sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while not announced.is_file():
            if started.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.05)
        yield Serving(port=json.loads(announced.read_text())["port"], pid=started.pid)
    finally:
        started.terminate()
        started.wait(timeout=30)


def enrolled(site: DemoSite, server: Serving) -> list[Seat]:
    """Publish the starter pack, announce healthy devices, enrol them with certificates, and return their seats."""
    now, draw = SystemClock().now(), SystemEntropy().draw
    vendors = {name: found_vendor(name, now=now, entropy=draw) for name in SERIALS}
    for ca in vendors.values():
        write_vendor(site, ca)
    write_policies(site, vendors, fresh="24h")
    url, ca_pem = f"https://localhost:{server.port}", (site.data / "ca.pem").read_text()
    people = Connection(url, ca_pem=ca_pem, token=(site.data / "admin.token").read_text().strip())
    plan = publish(site, people)
    people.post("/v1/devices", {"devices": [registry_entry(planned) for planned in plan]})
    devices = manufacture(plan, vendors, now=now, entropy=draw)
    seats = [enrol(Seat(device), people) for device in devices]
    people.close()
    return seats


def enrol(seat: Seat, wire: Connection) -> Seat:
    nonce = decoded(wire.post("/v1/challenges", {}).document["nonce"])
    reply = wire.post("/v1/checkins", enrolment(seat.device, nonce))
    if reply.status != 200 or reply.document["tier"] != "full":
        raise SystemExit(f"{seat.device.planned.device_id} did not get tier full: {reply}")
    seat.nonce = decoded(reply.document["next_nonce"])
    return seat


def decoded(text: object) -> bytes:
    return urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4))


def publish(site: DemoSite, people: Connection) -> list[PlannedDevice]:
    now = SystemClock().now()
    compiled = compile_tree(read_tree(site.policies), now=now)
    if compiled.bundle is None or compiled.digest is None:
        raise SystemExit("the policies do not compile")
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=None, created_at=now)
    people.upload("/v1/bundles", encode_file(file), BUNDLE_TYPE)
    people.post(f"/v1/bundles/{compiled.digest}/activate", {"expected_generation": None})
    fleet, values = compiled.bundle.fleet, compiled.bundle.reference_values
    plan = plan_fleet(fleet, values, models=MODELS, serial_prefixes=SERIALS, count=DEVICES + 20)
    return [planned for planned in plan if planned.scenario is Scenario.HEALTHY][:DEVICES]


def measured(
    site: DemoSite, server: Serving, seats: list[Seat], path: str, seconds: float, *, tls: bool
) -> tuple[Load, float]:
    """Return the load and the server's CPU microseconds per answered request."""
    context = ssl.create_default_context(cafile=str(site.data / "ca.pem")) if tls else None
    spends = path != "/bare"
    if spends:
        ask_nonces(seats, server.port, context)
    callers = [caller(seats[at::CONNECTIONS], spends=spends) for at in range(CONNECTIONS)]
    warmed = 0
    while warmed < WARM:
        warmed += run(callers, port=server.port, path=path, seconds=WARM_UP, tls=context).answered
    before = cpu_seconds(server.pid)
    load = run(callers, port=server.port, path=path, seconds=seconds, tls=context)
    spent = cpu_seconds(server.pid) - before
    refused = sum(seat.refused for seat in seats)
    if refused:
        raise SystemExit(
            f"{refused} check-ins were refused: a refusal costs less than a check-in, so this is no measure"
        )
    return load, spent / load.answered * 1e6


def ask_nonces(seats: list[Seat], port: int, tls: ssl.SSLContext | None) -> None:
    """Give each seat a fresh nonce: the one it was left with may have ended while something else was measured."""
    wire = HTTPConnection("localhost", port) if tls is None else HTTPSConnection("localhost", port, context=tls)
    for seat in seats:
        body = json.dumps({"device_id": seat.device.planned.device_id})
        wire.request("POST", "/v1/challenges", body, {"content-type": "application/json"})
        seat.nonce = decoded(json.loads(wire.getresponse().read())["nonce"])
    wire.close()


def caller(seats: list[Seat], *, spends: bool) -> Caller:
    """Return a connection's devices as a caller: one device after the other, each with a fresh token."""
    current = [0]

    def request() -> bytes:
        seat = seats[current[0] % len(seats)]
        return json.dumps(check_in(seat.device, seat.nonce)).encode()

    def reply(status: int, content: bytes) -> None:
        seat = seats[current[0] % len(seats)]
        current[0] += 1
        if status != 200:
            seat.refused += 1
        elif spends:
            text = content.partition(b'"next_nonce":')[2].split(b'"', 2)[1]
            seat.nonce = decoded(text.decode())

    return Caller(request=request, reply=reply)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def verification(count: int = 2000) -> float:
    """Return the CPU microseconds of a bare ECDSA P-256 verification on the server's CPU."""
    os.sched_setaffinity(0, {SERVER_CPU})
    _, verify = prepared()
    start = time.process_time()
    for _ in range(count):
        verify()
    spent = time.process_time() - start
    os.sched_setaffinity(0, {CLIENT_CPU})
    return spent / count * 1e6


def report(runs: dict[str, list[tuple[Load, float]]], bare_ecdsa: float) -> None:
    rows = {
        name: {
            "per_second": round(median(load.rate for load, _ in found)),
            "p50_ms": round(median(load.p50 for load, _ in found), 1),
            "p99_ms": round(median(load.p99 for load, _ in found), 1),
            "server_cpu_us": round(median(cpu for _, cpu in found)),
            "free_core_per_second": round(1e6 / median(cpu for _, cpu in found)),
            "verifications": round(median(cpu for _, cpu in found) / bare_ecdsa, 1),
        }
        for name, found in runs.items()
    }
    ratio = rows["check-ins, plain"]["per_second"] / rows["bare server, plain"]["per_second"]
    for name, row in rows.items():
        print(f"{name:20}" + "".join(f"{key} {value:>8}  " for key, value in row.items()), file=sys.stderr)
    print(f"bare ECDSA verify   {bare_ecdsa:.1f} us CPU", file=sys.stderr)
    print(f"check-ins are {ratio:.2f} of the bare server; target {TARGET}/s", file=sys.stderr)
    document = {"rows": rows, "ecdsa_verify_cpu_us": round(bare_ecdsa, 1), "target": TARGET}
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
