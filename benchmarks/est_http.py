"""EST enrolments per second end to end, durable (SQLite FULL), over TLS keep-alive, beside bare signing and verifying.

`python -m benchmarks.est_http [SECONDS [ROUNDS]]` prints a table on stderr and one JSON document on stdout.

The server has one CPU, devices and this program the other; connections show the devices' IDevIDs. Every request is a
simpleenroll (RFC 7030 section 4.2.1) decided anew by the starter pack, and ends in another certificate, reserved,
signed, verified and committed. Rounds are interleaved with the same requests to a server without us, and with a bare
P-256 signature and verification on the server's CPU: CPU time beside that is what two machines can be compared by.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.checkins_http import (
    CLIENT_CPU,
    CONNECTIONS,
    SERVER_CPU,
    WARM_UP,
    Seat,
    Serving,
    bare,
    cpu_seconds,
    enrolled,
    serving,
)
from benchmarks.http_load import Caller, Load, run
from pki.reservation import pem_of
from policyengine.adapters.demo_site import DemoSite
from policyengine.simulation.device import SimulatedDevice

TARGET = 1000  # on two cores
PATH = "/.well-known/est/simpleenroll"
BATCH = 250  # bare operations between two looks at the clock


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="policyengine-bench-") as folder:
        site = DemoSite(directory=Path(folder))
        with serving(site, tls=True) as server:
            seats = enrolled(site, server)
        refused: list[int] = []
        callers = [caller(seat, site, refused) for seat in seats[:CONNECTIONS]]
        ours: list[tuple[Load, float]] = []
        without: list[tuple[Load, float]] = []
        both: list[float] = []
        for _ in range(rounds):
            both.append(signature_and_verification())
            with serving(site, tls=True) as server:
                ours.append(measured(server, callers, PATH, seconds))
            with bare(site, tls=True) as server:
                without.append(measured(server, callers, "/bare", seconds))
        report(ours, without, median(both), refused=len(refused))


def caller(seat: Seat, site: DemoSite, refused: list[int]) -> Caller:
    """Return a connection that shows a device's IDevID and asks for certificates of one key, again and again."""
    body = base64.encodebytes(request(seat.device))

    def reply(status: int, _content: bytes) -> None:
        if status != 200:
            refused.append(status)

    return Caller(request=lambda: body, reply=reply, content_type="application/pkcs10", tls=shown(seat.device, site))


def request(device: SimulatedDevice) -> bytes:
    """Return a certification request for the device's operational key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device.planned.device_id)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(device.operational_key, hashes.SHA256()).public_bytes(Encoding.DER)


def shown(device: SimulatedDevice, site: DemoSite) -> ssl.SSLContext:
    """Return a client's TLS settings that show the device's IDevID."""
    file = site.data / "idevid.pem"
    key = device.identity_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(key + "".join(map(pem_of, device.chain)).encode())
    context = ssl.create_default_context(cafile=str(site.data / "ca.pem"))
    context.load_cert_chain(file)
    file.unlink()
    return context


def measured(server: Serving, callers: list[Caller], path: str, seconds: float) -> tuple[Load, float]:
    """Return the load and the server's CPU microseconds per answered request."""
    run(callers, port=server.port, path=path, seconds=WARM_UP, tls=None)
    before = cpu_seconds(server.pid)
    load = run(callers, port=server.port, path=path, seconds=seconds, tls=None)
    return load, (cpu_seconds(server.pid) - before) / load.answered * 1e6


def signature_and_verification() -> float:
    """Return the CPU microseconds of one bare P-256 signature and its verification on the server's CPU."""
    key, ecdsa, message = ec.generate_private_key(ec.SECP256R1()), ec.ECDSA(hashes.SHA256()), bytes(500)
    public = key.public_key()
    os.sched_setaffinity(0, {SERVER_CPU})
    start = time.process_time()
    for _ in range(8 * BATCH):
        public.verify(key.sign(message, ecdsa), message, ecdsa)
    spent = time.process_time() - start
    os.sched_setaffinity(0, {CLIENT_CPU})
    return spent / (8 * BATCH) * 1e6


def report(ours: list[tuple[Load, float]], without: list[tuple[Load, float]], both: float, *, refused: int) -> None:
    rows = {name: row(found, both) for name, found in (("enrolments", ours), ("bare server", without))}
    for name, shown_row in rows.items():
        print(f"{name:12}" + "".join(f"{key} {value:>8}  " for key, value in shown_row.items()), file=sys.stderr)
    print(
        f"bare sign and verify {both:.1f} us CPU   refused {refused}   target {TARGET}/s on two cores", file=sys.stderr
    )
    print(json.dumps({"rows": rows, "sign_and_verify_cpu_us": round(both, 1), "refused": refused}, indent=1))
    if refused:
        raise SystemExit(1)


def row(found: list[tuple[Load, float]], both: float) -> dict[str, float]:
    cpu = median(spent for _, spent in found)
    return {
        "per_second": round(median(load.rate for load, _ in found)),
        "p50_ms": round(median(load.p50 for load, _ in found), 1),
        "p99_ms": round(median(load.p99 for load, _ in found), 1),
        "server_cpu_us": round(cpu),
        "free_core_per_second": round(1e6 / cpu),
        "signs_and_verifies": round(cpu / both, 1),
    }


if __name__ == "__main__":
    main()
