"""EST enrolments of the use case itself, without HTTP, durable on SQLite (FULL), beside bare signing and verifying.

`python -m benchmarks.est [ROUNDS]` prints a line on stderr and one JSON document on stdout. One process on one CPU, 32
requests at a time, each a simpleenroll of a device that shows its IDevID, decided anew, ended in another certificate.
Between the rounds a P-256 signature with its verification is timed: CPU time beside that is what two machines, and a
busy and a quiet one, can be compared by.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.checkins import AT_ONCE, enrolment, one_round
from benchmarks.est_http import request
from policyengine.services.checkins.settling import Issued
from policyengine.services.identification.est_identity import Credentials
from tests.support.site import Site, ready_site

DEVICES = 64
REPEATS = 4  # requests of each device in a round
PAIRS = 1000  # bare signatures with their verifications between two rounds
TARGET = 500  # a second and core: 1,000 on two

Asked = tuple[bytes, Credentials]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        site = ready_site(f"sqlite:///{Path(folder) / 'store.db'}", count=DEVICES + 16)
        found = uvloop.run(measured(site, rounds))
        site.store.close()
    cpu = median(spent for spent, _ in found)
    ratios = [spent / pair for spent, pair in found]
    row = {
        "cpu_us": round(cpu),
        "per_second_and_core": round(1e6 / cpu),
        "signs_and_verifies": round(median(ratios), 1),
        "best_signs_and_verifies": round(min(ratios), 1),
        "target_per_second_and_core": TARGET,
    }
    print("".join(f"{name} {value}  " for name, value in row.items()), file=sys.stderr)
    print(json.dumps(row, indent=1))


async def measured(site: Site, rounds: int) -> list[tuple[float, float]]:
    """Return, for each round, the CPU microseconds of an enrolment and of a signature with its verification."""
    devices = site.of("healthy")[:DEVICES]
    await one_round(site, devices, {}, enrolment(site))
    asked = [(request(device), Credentials(certificates=device.chain)) for device in devices]
    await enrolments(site, asked)  # the first ones compile and fill what is kept
    gc.collect()
    gc.freeze()  # as the server does after its start
    return [(await enrolments(site, asked * REPEATS), pair()) for _ in range(rounds)]


async def enrolments(site: Site, asked: list[Asked]) -> float:
    """Return the CPU microseconds that each of `asked` took, AT_ONCE of them at a time."""
    waiting = list(asked)

    async def caller() -> None:
        while waiting:
            csr, given = waiting.pop()
            answer = await site.services.est.enrol(csr, given, label=None)
            if not isinstance(answer, Issued):
                raise SystemExit(f"no certificate: {answer}")

    start = time.process_time()
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    return (time.process_time() - start) / len(asked) * 1e6


def pair() -> float:
    """Return the CPU microseconds of one bare P-256 signature and its verification, now."""
    key, ecdsa, message = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(hashes.SHA256()), bytes(500)
    public, start = key.public_key(), time.process_time()
    for _ in range(PAIRS):
        public.verify(key.sign(message, ecdsa), message, ecdsa)
    return (time.process_time() - start) / PAIRS * 1e6


if __name__ == "__main__":
    main()
