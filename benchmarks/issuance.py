"""Certificates issued per second and core, beside bare P-256 signing and verifying in the same run.

    python -m benchmarks.issuance [--rounds 7] [--seconds 0.4]

Rounds are interleaved, so that a busy machine slows all of them alike; the medians and their ratios are printed. As in
service, AT_ONCE devices at hand go through one step after the other (docs/adr/0039), and what was there at the start is
never looked at by the collector. With `--at-once 1` each goes through all steps alone.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pki.authority import Authority, Order
from pki.hierarchy import Founding, Hierarchy, found
from pki.keys import KeyType
from pki.names import subject_template
from pki.profile import Terms, Use
from pki.request import ProvenKey, parse_request
from pki.reservation import IssuedCertificate, Registrar, Reservation, Reserved
from pki.software import SoftwareSigner
from policyengine.cli.server import COLLECT_AFTER

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AT_ONCE = 32  # as check-ins and enrolments over 32 connections come
KEYS = 200  # more than anything remembers: every certificate is for another device, as in life
TERMS = Terms(
    profile="gateway",
    digest="sha256:" + "0" * 64,
    keys=frozenset({KeyType.P256}),
    lifetime=timedelta(days=14),
    renew_at=0.5,
    subject=subject_template("CN={device.id}"),
    dns=("{device.id}.devices.example",),
    uses=(Use.CLIENT_AUTH,),
)


class Ledger:
    """Commits nothing: storage has its own benchmark."""

    def __init__(self, registrar: Registrar) -> None:
        self.registrar = registrar

    def reserve(self, reservation: Reservation) -> Reserved:
        return self.registrar.committed(reservation)

    def complete(self, issued: IssuedCertificate) -> None: ...

    def abort(self, reservation: Reservation, *, reason: str) -> None: ...


class Serials:
    """Cheap entropy that never repeats."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self, size: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(size, "big")


def founded(registrar: Registrar, serials: Serials) -> Hierarchy:
    return found(
        Founding(fleet_name="Plant A", domains=("devices.example",), addresses=(), now=NOW),
        root=SoftwareSigner(ec.generate_private_key(ec.SECP256R1())),
        issuing=SoftwareSigner(ec.generate_private_key(ec.SECP256R1())),
        ledger=Ledger(registrar),
        registrar=registrar,
        entropy=serials,
    )


def request(key: ec.EllipticCurvePrivateKey) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gw-0001")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def issuer(
    authority: Authority, registrar: Registrar, serials: Serials, keys: Sequence[ProvenKey], *, at_once: int
) -> Callable[[], object]:
    devices = itertools.cycle([(f"gw-{at:04}", key) for at, key in enumerate(keys)])

    def together() -> object:
        prepared = []
        for name, key in itertools.islice(devices, at_once):
            order = Order(terms=TERMS, key=key, fields={"device.id": name}, authorization="sha256:decision")
            prepared.append(authority.prepare(order, now=NOW, entropy=serials(16)))
        return [authority.sign(linted, registrar.committed(linted.reservation)) for linted in prepared]

    return together


def rate(action: Callable[[], object], seconds: float, *, at_once: int) -> float:
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        action()
        done += at_once
    return done / spent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    options = parser.parse_args()
    at_once: int = options.at_once
    registrar, serials, device = Registrar(), Serials(), ec.generate_private_key(ec.SECP256R1())
    encoded, ecdsa = request(device), ec.ECDSA(hashes.SHA256())
    keys = [parse_request(request(ec.generate_private_key(ec.SECP256R1()))) for _ in range(KEYS)]
    issue = issuer(founded(registrar, serials).authority, registrar, serials, keys, at_once=at_once)
    message, public = bytes(500), device.public_key()
    signature = device.sign(message, ecdsa)

    def each(action: Callable[[], object]) -> Callable[[], object]:
        return lambda: [action() for _ in range(at_once)]

    def prove_and_issue() -> None:
        for _ in range(at_once):
            parse_request(encoded)
        issue()

    actions: dict[str, Callable[[], object]] = {
        "bare P-256 signatures": each(lambda: device.sign(message, ecdsa)),
        "bare P-256 sign + verify": each(
            lambda: (device.sign(message, ecdsa), public.verify(signature, message, ecdsa))
        ),
        "certificates (prepare, lint, sign, verify)": issue,
        "requests proven and certificates": prove_and_issue,
    }
    gc.collect()  # then as the server does after its start (policyengine.cli.server)
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    rates: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(options.rounds):
        for name, action in actions.items():
            rates[name].append(rate(action, options.seconds, at_once=at_once))
    base = statistics.median(rates["bare P-256 signatures"])
    for name, seen in rates.items():
        print(f"{name:45} {statistics.median(seen):10,.0f} /s/core   {statistics.median(seen) / base:6.1%} of signing")


if __name__ == "__main__":
    main()
