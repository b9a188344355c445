"""OCSP answers per second over plain HTTP with keep-alive, by GET and POST, beside the server without us.

`python -m benchmarks.ocsp_http [SECONDS [ROUNDS]]` prints a table on stderr and one JSON document on stdout.

The server has one CPU, relying parties and this program the other. Questions go round the certificates of the fleet
without a nonce, as relying parties that may use a cached answer ask (RFC 5019); each answer looks up the status as it
is now, and is signed when nothing signed for that status is at hand. With a nonce every answer is signed anew.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import secrets
import sys
import tempfile
from pathlib import Path
from statistics import median
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from benchmarks.checkins_http import CLIENT_CPU, CONNECTIONS, WARM_UP, Serving, bare, cpu_seconds, enrolled, serving
from benchmarks.est_http import signature_and_verification
from benchmarks.http_load import Caller, Load, run
from pki.certificates import load_certificate, split_certificates
from policyengine.adapters.demo_site import DemoSite
from policyengine.adapters.device_client import Connection

TARGET = 5000
PATH = "/pki/ocsp"
TYPE = "application/ocsp-request"
NONCES = 512  # questions with a nonce made beforehand; each is new to the server's answers all the same
SIGNED = 100  # bytes; a refusal of RFC 6960 section 2.3 is unsigned and has five
ROWS = ("GET", "POST", "POST, nonce", "bare server")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="policyengine-bench-") as folder:
        site = DemoSite(directory=Path(folder))
        with serving(site, tls=True) as server:
            enrolled(site, server)
            serials = issued(site, server)
        issuer = load_certificate(split_certificates((site.data / "keys" / "ca" / "issuing.pem").read_bytes())[0])
        plain = [question(serial, issuer) for serial in serials]
        fresh = [question(next(turn), issuer, nonce=True) for turn in [itertools.cycle(serials)] for _ in range(NONCES)]
        refused: list[int] = []
        callers = {
            "GET": asking([quote(base64.b64encode(each).decode(), safe="").encode() for each in plain], "GET", refused),
            "POST": asking(plain, "POST", refused),
            "POST, nonce": asking(fresh, "POST", refused),
        }
        runs: dict[str, list[tuple[Load, float]]] = {row: [] for row in ROWS}
        both: list[float] = []
        for _ in range(rounds):
            both.append(signature_and_verification())
            with serving(site, tls=False) as server:
                for name, asked in callers.items():
                    runs[name].append(measured(server, asked, PATH, seconds))
            with bare(site, tls=False) as server:
                runs["bare server"].append(measured(server, callers["POST"], "/bare", seconds))
        report(runs, median(both), refused=len(refused))


def issued(site: DemoSite, server: Serving) -> list[int]:
    """Return the serial numbers of the fleet's certificates."""
    token = (site.data / "admin.token").read_text().strip()
    people = Connection(f"https://localhost:{server.port}", ca_pem=(site.data / "ca.pem").read_text(), token=token)
    found = people.get("/v1/certificates?limit=200").document["items"]
    people.close()
    return [int(each["serial"], 16) for each in found]


def question(serial: int, issuer: x509.Certificate, *, nonce: bool = False) -> bytes:
    """Return a DER request about one certificate (RFC 6960 section 4.1.1), as openssl's and most clients make it."""
    name = hashlib.sha1(issuer.subject.public_bytes(), usedforsecurity=False).digest()  # RFC 5019 section 2.1.1
    key = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, serial, hashes.SHA1())
    if nonce:
        builder = builder.add_extension(x509.OCSPNonce(secrets.token_bytes(32)), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def asking(questions: list[bytes], verb: str, refused: list[int]) -> list[Caller]:
    """Return connections that go round `questions`."""
    turn = itertools.cycle(questions)

    def reply(status: int, content: bytes) -> None:
        if status != 200 or len(content) < SIGNED:
            refused.append(status)

    return [Caller(request=lambda: next(turn), reply=reply, content_type=TYPE, verb=verb) for _ in range(CONNECTIONS)]


def measured(server: Serving, callers: list[Caller], path: str, seconds: float) -> tuple[Load, float]:
    """Return the load and the server's CPU microseconds per answer."""
    run(callers, port=server.port, path=path, seconds=WARM_UP, tls=None)
    before = cpu_seconds(server.pid)
    load = run(callers, port=server.port, path=path, seconds=seconds, tls=None)
    return load, (cpu_seconds(server.pid) - before) / load.answered * 1e6


def report(runs: dict[str, list[tuple[Load, float]]], both: float, *, refused: int) -> None:
    rows = {}
    for name, found in runs.items():
        cpu = median(spent for _, spent in found)
        rows[name] = {
            "per_second": round(median(load.rate for load, _ in found)),
            "p99_ms": round(median(load.p99 for load, _ in found), 1),
            "server_cpu_us": round(cpu),
            "free_core_per_second": round(1e6 / cpu),
        }
        print(f"{name:12}" + "".join(f"{key} {value:>8}  " for key, value in rows[name].items()), file=sys.stderr)
    print(f"bare sign and verify {both:.1f} us CPU   refused {refused}   target {TARGET}/s", file=sys.stderr)
    print(json.dumps({"rows": rows, "sign_and_verify_cpu_us": round(both, 1), "refused": refused}, indent=1))
    if refused:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
