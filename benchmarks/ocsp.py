"""OCSP answers a second and core: read, made and signed; beside bare P-256 signing in the same run.

python -m benchmarks.ocsp [--rounds 5] [--seconds 0.4]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from benchmarks.issuance import Ledger, Serials, founded, rate
from pki.authority import Order, issue
from pki.builtin import ocsp_signer_terms
from pki.ocsp_request import parse_ocsp_request
from pki.ocsp_response import Answered, OcspSigner, Status
from pki.request import held_key
from pki.reservation import Registrar
from pki.software import SoftwareSigner

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.4)
    options = parser.parse_args()
    registrar, serials = Registrar(), Serials()
    hierarchy = founded(registrar, serials)
    private = ec.generate_private_key(ec.SECP256R1())
    key, ecdsa, message = SoftwareSigner(private), ec.ECDSA(hashes.SHA256()), bytes(300)
    order = Order(
        terms=ocsp_signer_terms(), key=held_key(key), fields={"fleet.name": "Plant A"}, authorization="ceremony:bench"
    )
    responder = issue(hierarchy.authority, Ledger(registrar), order, now=NOW, entropy=serials(16)).certificate
    signer = OcspSigner(certificate=responder, issuer=hierarchy.issuing.certificate, signer=key)
    builder = ocsp.OCSPRequestBuilder().add_certificate(responder, hierarchy.issuing.certificate, hashes.SHA1())
    request = builder.build().public_bytes(Encoding.DER)
    when = Answered(at=NOW, until=NOW + timedelta(hours=1))

    def answer() -> bytes:
        return signer.answer(parse_ocsp_request(request), [Status()], when)

    actions: dict[str, Callable[[], object]] = {
        "bare P-256 signatures": lambda: private.sign(message, ecdsa),
        "answers (read, made, signed)": answer,
        "requests read": lambda: parse_ocsp_request(request),
    }
    rates: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(options.rounds):
        for name, action in actions.items():
            rates[name].append(rate(action, options.seconds))
    bare = statistics.median(rates["bare P-256 signatures"])
    for name, seen in rates.items():
        median = statistics.median(seen)
        print(f"{median:9,.0f}/s  {median / bare:5.2f} of bare signing  {name}")


if __name__ == "__main__":
    main()
