"""Renewal by the old key against a running server: TLS without a client certificate lets it in (docs/device.md)."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from policyengine.adapters.demo_site import DemoSite
from policyengine.simulation.device import certificate_request
from policyengine.simulation.renewing import late_renewal
from tests.integration.real_site import enrolled, expect, publish, put_in_force, running
from tests.support.site import plain

LATER = b"renew_at: 0.5\n  late_renewal: 30d"


def test_a_device_renews_by_its_key_without_a_client_certificate(tmp_path: Path) -> None:
    site = DemoSite(directory=tmp_path)
    with running(site.data) as server:
        device = publish(site, server, count=1)[0]
        put_in_force(site, server, old=b"renew_at: 0.5", new=LATER, generation=1)
        certificate = enrolled(server, device)
        wire = server.connection()
        challenge = expect(wire.post("/v1/challenges", {"device_id": device.planned.device_id}), 200).document
        body = late_renewal(
            device.operational_key,
            plain(str(challenge["nonce"])),
            certificate=certificate,
            csr=certificate_request(device, device.stray_key),
        )
        answer = expect(wire.post("/v1/renewals", body), 200).document
        wire.close()
    renewed = x509.load_der_x509_certificate(plain(str(answer["certificate"])))
    assert renewed.public_key() == device.stray_key.public_key()
    assert "renew_at" in answer
