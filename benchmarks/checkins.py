"""Check-ins per second of the service itself, without HTTP, durable, beside bare ECDSA verification.

`python -m benchmarks.checkins [ROUNDS] [sqlite|postgresql]` prints a table on stderr and one JSON document on stdout.
SQLite (FULL) unless said otherwise; PostgreSQL is a server of its own, whose CPU is counted apart. One process on one
CPU; 32 check-ins at a time, as 32 keep-alive connections would bring them. What devices do (signing tokens) is prepared
before the clock starts. CPU time stands beside the rate because a shared machine steals wall time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.services.checkins.checkin import CheckInReply, CheckInRequest
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from tests.support import postgres
from tests.support.site import Site, next_nonce, ready_site, request

AT_ONCE = 32
DEVICES = 128
SETTLING = 2  # rounds after which a healthy device's check-ins change nothing any more
TARGET = 1500

Nonces = dict[str, bytes]
Make = Callable[[SimulatedDevice, bytes], CheckInRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round over all devices."""

    per_second: float
    cpu_us: float
    database_us: float
    verifications: float


@contextmanager
def storage(kind: str) -> Iterator[str]:
    """Yield the address of an empty database of this kind."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder) / 'store.db'}"
        return
    programs = postgres.programs()
    if kind != "postgresql" or programs is None:
        sys.exit("`sqlite`, or `postgresql` where that is installed")
    with postgres.server(programs) as address:
        yield postgres.new_database(address)


def database_seconds(site: Site) -> float:
    """Return the CPU that the processes of the site's PostgreSQL have used so far, in seconds; SQLite has none."""
    folder = site.store._engines.read.url.query.get("host")
    if not isinstance(folder, str):
        return 0.0
    parent = (Path(folder) / "cluster" / "postmaster.pid").read_text().split()[0]
    spent = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            fields = stat.read_text().rpartition(") ")[2].split()  # proc(5), from the third field on
            spent += sum(map(int, fields[11:13])) if fields[1] == parent else 0
    return spent / os.sysconf("SC_CLK_TCK")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    kind = sys.argv[2] if len(sys.argv) > 2 else "sqlite"
    with storage(kind) as address:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # of this process only: the database runs already
        site = ready_site(address, count=DEVICES + 8)
        rows = uvloop.run(measured(site, rounds))
        site.store.close()
    document = {
        "database": kind,
        "devices": DEVICES,
        "at_once": AT_ONCE,
        "target_per_second": TARGET,
        "rows": {name: summary(found) for name, found in rows.items()},
    }
    for name, row in document["rows"].items():
        cost = f"{row['cpu_us']:6.0f} us CPU + {row['database_us']:5.0f} of the database"
        out(f"{name:34} {row['per_second']:7.0f}/s  {cost}  {row['of_verify']:5.1%} of bare ECDSA")
    out(f"target {TARGET}/s for check-ins that change nothing")
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


async def measured(site: Site, rounds: int) -> dict[str, list[Round]]:
    devices = site.of("healthy")[:DEVICES]
    nonces: Nonces = {}
    enrolling = await one_round(site, devices, nonces, enrolment(site))
    for _ in range(SETTLING):
        await one_round(site, devices, nonces, check_in)
    gc.collect()
    gc.freeze()  # as the server does after its start
    steady = [await one_round(site, devices, nonces, check_in) for _ in range(rounds)]
    renewing = [await one_round(site, devices, nonces, renewal) for _ in range(max(1, rounds // 3))]
    return {
        "check-ins, nothing changed": steady,
        "check-ins with a new certificate": renewing,
        "enrolments with a certificate": [enrolling],
    }


def check_in(device: SimulatedDevice, nonce: bytes) -> CheckInRequest:
    return request(simulated.check_in(device, nonce))


def renewal(device: SimulatedDevice, nonce: bytes) -> CheckInRequest:
    return request(simulated.renewal(device, nonce))


def enrolment(site: Site) -> Make:
    return lambda device, _nonce: request(simulated.enrolment(device, site.challenge()))


async def one_round(site: Site, devices: list[SimulatedDevice], nonces: Nonces, make: Make) -> Round:
    prepared = [(device, make(device, nonces.get(device.planned.device_id, b""))) for device in devices]
    done: list[tuple[SimulatedDevice, CheckInReply]] = []

    async def worker() -> None:
        while prepared:
            device, asked = prepared.pop()
            done.append((device, await site.services.checkins.check_in(asked)))

    database = database_seconds(site)
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    database = database_seconds(site) - database
    nonces |= {device.planned.device_id: next_nonce(reply) for device, reply in done}
    return Round(
        per_second=len(done) / wall,
        cpu_us=cpu / len(done) * 1e6,
        database_us=database / len(done) * 1e6,
        verifications=bare_verifications(),
    )


def bare_verifications(count: int = 400) -> float:
    """Return ECDSA P-256 verifications per second of CPU, now."""
    key = ec.generate_private_key(ec.SECP256R1())
    content = bytes(500)
    signature, public = key.sign(content, ec.ECDSA(hashes.SHA256())), key.public_key()
    start = time.process_time()
    for _ in range(count):
        public.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    return count / (time.process_time() - start)


def summary(found: list[Round]) -> dict[str, float]:
    return {
        "per_second": statistics.median(one.per_second for one in found),
        "cpu_us": statistics.median(one.cpu_us for one in found),
        "database_us": statistics.mean(one.database_us for one in found),  # counted in ticks of 10 ms: no median
        "of_verify": statistics.median(one.per_second / one.verifications for one in found),
    }


def out(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
