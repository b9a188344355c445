"""A gateway against a running server: its own certificate in TLS, its device's evidence, and a sensor without a key."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from policyengine.adapters.demo_site import DemoSite
from policyengine.adapters.device_client import Connection
from policyengine.simulation.device import SimulatedDevice, enrolment
from tests.integration.gateway_site import KEYLESS, LAST_MODEL, WELL
from tests.integration.real_site import Running, enrolled, expect, publish, put_in_force, running
from tests.support.site import plain

SENSOR = {"id": "th1-0001", "vendor": "vendor-borealis", "model": "th-1", "serial": "TH-00000001"}


def files_of(gateway: SimulatedDevice, certificate: bytes, folder: Path) -> tuple[Path, Path]:
    """Return the PEM files with which a gateway connects: certificate and key."""
    shown, key = folder / "gateway.pem", folder / "gateway.key"
    shown.write_text(ssl.DER_cert_to_PEM_cert(certificate))
    key.write_bytes(gateway.operational_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return shown, key


def brought(wire: Connection, device: SimulatedDevice) -> Mapping[str, object]:
    """Return the reply to the enrolment of `device` that the gateway at `wire` brings."""
    challenge = expect(wire.post("/v1/challenges", {"device_id": device.planned.device_id}), 200).document
    body = enrolment(device, plain(str(challenge["nonce"])))
    return expect(wire.post("/v1/gateway/checkins", body), 200).document


def reported(server: Running, folder: Path, shown: Path, key: Path) -> subprocess.CompletedProcess[str]:
    """Return the run of `policyengine device report` about the sensor and one that does not exist."""
    said = folder / "reports.json"
    said.write_text(json.dumps([{"device_id": name, "reported": WELL} for name in (SENSOR["id"], "th1-none")]))
    options = {"--server": server.url, "--ca": server.data / "ca.pem", "--certificate": shown, "--key": key}
    command = [sys.executable, "-m", "policyengine", "device", "report", str(said)]
    command += [str(part) for option in options.items() for part in option]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_gateway_brings_evidence_and_reports_by_its_own_certificate(tmp_path: Path) -> None:
    """One server for the whole of it: starting one costs more than everything it is asked."""
    site = DemoSite(directory=tmp_path)
    with running(site.data) as server:
        found = {device.planned.model: device for device in publish(site, server, count=12)}
        put_in_force(site, server, old=LAST_MODEL, new=KEYLESS, generation=1)
        gateway, device = found["gw-200"], found["sn-40"]
        shown, key = files_of(gateway, enrolled(server, gateway), tmp_path)
        people = server.connection(token=server.token)
        mine = [gateway.planned.device_id]
        expect(people.post("/v1/devices", {"devices": [{**SENSOR, "gateways": mine}]}), 201)
        entrusted = {"gateways": mine, "reason": "behind it"}
        expect(people.post(f"/v1/devices/{device.planned.device_id}/gateways", entrusted), 204)
        wire = server.connection()
        wire.present(str(shown), str(key))
        reply, run = brought(wire, device), reported(server, tmp_path, shown, key)
        sensor = people.get(f"/v1/devices/{SENSOR['id']}").document
        expect(people.post(f"/v1/devices/{mine[0]}/quarantine", {"reason": "seen scanning"}), 204)
        after = wire.post("/v1/gateway/reports", {"reports": [{"device_id": SENSOR["id"], "reported": WELL}]})
        wire.close()
        people.close()
    assert (reply["tier"], "certificate" in reply) == ("full", True)
    outcomes = json.loads(run.stdout)["reports"]
    assert (run.returncode, outcomes[0]["tier"], outcomes[1]["problem"]["status"]) == (1, "deny", 403), run.stderr
    assert sensor["state"]["reporter"] == mine[0]  # type: ignore[index]
    assert (after.status, after.document["code"]) == (403, "gate.tier")
