"""`policyengine serve` as people run it: first start, devices, revocation on an open connection, stop, start again."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from policyengine.adapters.demo_site import DemoSite
from policyengine.adapters.device_client import Answer, Connection
from policyengine.simulation.device import PSA_TYPE, SimulatedDevice, check_in, enrolment
from tests.integration.real_site import Running, expect, publish, running


class Fleet:
    """A running server and the devices it knows."""

    def __init__(self, server: Running, devices: tuple[SimulatedDevice, ...]) -> None:
        self.server = server
        self.devices = devices
        self.people = server.connection(token=server.token)

    def enrolled(self, at: int) -> tuple[SimulatedDevice, dict[str, object]]:
        """Return a device of its own for a test, enrolled with a certificate."""
        wire = self.server.connection()
        nonce = _bytes(expect(wire.post("/v1/challenges", {}), 200).document["nonce"])
        reply = expect(wire.post("/v1/checkins", enrolment(self.devices[at], nonce)), 200).document
        wire.close()
        return self.devices[at], dict(reply)


def _bytes(text: object) -> bytes:
    return base64.urlsafe_b64decode(str(text) + "=" * (-len(str(text)) % 4))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    site = DemoSite(directory=tmp_path_factory.mktemp("site"))
    with running(site.data) as server:
        found = Fleet(server, publish(site, server, count=7))
        yield found
        found.people.close()


def test_the_first_start_leaves_secrets_that_only_their_owner_can_read(fleet: Fleet) -> None:
    data = fleet.server.data
    private = [data / "admin.token", *(path for path in (data / "keys").rglob("*") if path.suffix != ".pem")]
    files = [path for path in private if path.is_file()]
    assert len(files) >= 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in files if path.suffix != ".jsonl"} == {0o600}
    assert stat.S_IMODE((data / "keys").stat().st_mode) == 0o700


def test_a_ready_server_says_so(fleet: Fleet) -> None:
    assert expect(fleet.people.get("/readyz"), 200).document["status"] == "ready"


def test_an_enrolled_device_gets_tier_certificate_and_the_nonce_for_next_time(fleet: Fleet) -> None:
    device, reply = fleet.enrolled(0)
    assert reply["tier"] == "full"
    assert x509.load_der_x509_certificate(_bytes(reply["certificate"]))
    again = fleet.server.connection()
    second = expect(again.post("/v1/checkins", check_in(device, _bytes(reply["next_nonce"]))), 200).document
    again.close()
    assert second["tier"] == "full"


def test_an_auditor_reads_why_in_json(fleet: Fleet) -> None:
    device, reply = fleet.enrolled(1)
    shown = expect(fleet.people.get(f"/v1/devices/{device.planned.device_id}"), 200).document
    assert shown["state"]["tier"] == "full"
    decision = expect(fleet.people.get(f"/v1/decisions/{reply['decision_id']}"), 200).document
    assert {"rule", "result", "source", "facts"} <= decision["findings"][0].keys()
    assert expect(fleet.people.get(f"/v1/decisions/{reply['decision_id']}/explanation"), 200).document["text"]


def test_a_person_sees_the_device_on_a_page(fleet: Fleet) -> None:
    device, _ = fleet.enrolled(2)
    context = ssl.create_default_context(cadata=fleet.server.ca_pem)
    connection = http.client.HTTPSConnection("localhost", fleet.server.port, context=context, timeout=20)
    for path in ("/", "/fleet/devices", f"/fleet/devices/{device.planned.device_id}"):
        connection.request("GET", path, headers={"Cookie": f"policyengine_session={fleet.server.token}"})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert (answer.status, text.rstrip()[-7:]) == (200, "</html>"), path
        assert "<script" not in text
    connection.close()
    assert device.planned.device_id in text


def test_policies_in_force_are_listed_with_their_places(fleet: Fleet) -> None:
    policies = expect(fleet.people.get("/v1/policies"), 200).document["items"]
    assert len(policies) > 5
    assert all(rule["file"].endswith(".yaml") and rule["line"] > 0 for found in policies for rule in found["rules"])


def test_a_device_is_shown_on_the_command_line_as_json(fleet: Fleet) -> None:
    device, reply = fleet.enrolled(6)
    shown = _told(fleet, "device", "show", device.planned.device_id, "--output", "json")
    assert (shown["tier"], shown["decision_id"]) == ("full", reply["decision_id"])
    assert device.planned.device_id in shown["explanation"]


def test_a_report_filed_on_the_command_line_is_read_over_http(fleet: Fleet, tmp_path: Path) -> None:
    """Issue 6 item 5: network and configuration reports."""
    device, _ = fleet.enrolled(4)
    name, scan = device.planned.device_id, tmp_path / "scan.json"
    devices = [{"device_id": name, "net": {"open_ports": [443]}, "complete": True}]
    scan.write_text(json.dumps({"observed_at": "2026-01-01T00:00:00Z", "devices": devices}))
    filed = _told(fleet, "report", "add", str(scan))
    (row,) = expect(fleet.people.get(f"/v1/reports?device={name}"), 200).document["items"]
    assert (row["facts"], row["complete"], row["observed_at"]) == ({"open_ports": [443]}, True, "2026-01-01T00:00:00Z")
    assert row["report"] == filed["report"]
    (listed,) = _told(fleet, "report", "list", "--device", name, "--output", "json")
    assert {member: listed[member] for member in ("facts", "report", "observed_at")} == {
        member: row[member] for member in ("facts", "report", "observed_at")
    }


def _told(fleet: Fleet, *arguments: str) -> Any:
    command = [sys.executable, "-m", "policyengine", *arguments, "--data", str(fleet.server.data)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_revocation_reaches_a_device_on_the_connection_it_holds_open(fleet: Fleet, tmp_path: Path) -> None:
    """Device state is looked up on every request: the handshake was long ago."""
    device, reply = fleet.enrolled(3)
    wire = _as_device(fleet, device, reply, tmp_path)
    before = expect(wire.get("/v1/self"), 200).document["device_id"]
    found = expect(fleet.people.get(f"/v1/certificates?device={device.planned.device_id}"), 200).document["items"]
    expect(fleet.people.post(f"/v1/certificates/{found[0]['serial']}/revoke", {"reason": "keyCompromise"}), 204)
    after = wire.get("/v1/self")
    wire.close()
    assert (before, after.status) == (device.planned.device_id, 403)


def test_a_quarantined_device_is_shut_out_and_may_still_check_in(fleet: Fleet, tmp_path: Path) -> None:
    device, reply = fleet.enrolled(4)
    name = device.planned.device_id
    wire = _as_device(fleet, device, reply, tmp_path)
    expect(fleet.people.post(f"/v1/devices/{name}/quarantine", {"reason": "odd traffic"}), 204)
    shut_out = wire.get("/v1/self").status
    held = expect(wire.post("/v1/checkins", check_in(device, _bytes(reply["next_nonce"]))), 200).document
    expect(fleet.people.post(f"/v1/devices/{name}/release", {"reason": "explained"}), 204)
    let_in = wire.get("/v1/self").status
    wire.close()
    assert (shut_out, held["tier"], let_in) == (403, "quarantine", 200)


def _as_device(fleet: Fleet, device: SimulatedDevice, reply: dict[str, object], folder: Path) -> Connection:
    """Return a connection made with the device's new certificate."""
    leaf = x509.load_der_x509_certificate(_bytes(reply["certificate"]))
    (folder / "ldevid.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    key = device.operational_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "ldevid.key").write_bytes(key)
    wire = fleet.server.connection()
    wire.present(str(folder / "ldevid.pem"), str(folder / "ldevid.key"))
    return wire


def test_a_token_is_made_listed_and_ended_beside_the_running_server(fleet: Fleet) -> None:
    made = _command(fleet, "create", "ci", "--role", "auditor")
    auditor = fleet.server.connection(token=made.strip())
    assert auditor.get("/v1/devices").status == 200
    assert auditor.post("/v1/tokens", {"name": "more", "role": "admin"}).status == 403
    rows = json.loads(_command(fleet, "list", "--output", "json"))
    token_id = next(row["id"] for row in rows if row["name"] == "ci")
    _command(fleet, "revoke", token_id)
    ended = auditor.get("/v1/devices").status
    auditor.close()
    assert ended == 401


def _command(fleet: Fleet, *arguments: str) -> str:
    command = [sys.executable, "-m", "policyengine", "token", *arguments, "--data", str(fleet.server.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_second_start_keeps_authority_and_admin_token(tmp_path: Path) -> None:
    with running(tmp_path / "data") as first:
        before = (first.ca_pem, first.token)
    assert not (tmp_path / "data" / "server.json").exists(), "a stopped server is announced nowhere"
    with running(tmp_path / "data") as second:
        people = second.connection(token=second.token)
        status = people.get("/v1/tokens").status
        people.close()
        assert (second.ca_pem, second.token, status) == (*before, 200)


def test_floors_are_reset_only_while_no_server_runs(tmp_path: Path) -> None:
    """A running server keeps its epoch in memory: under it, a nonce above a lowered floor could be spent again."""
    command = [sys.executable, "-m", "policyengine", "device", "reset-floors", "--reason", "clock", "--data"]
    data = tmp_path / "data"
    with running(data):
        key = (data / "keys" / "nonce.json").read_bytes()
        refused = subprocess.run([*command, str(data)], capture_output=True, text=True, check=False)
        assert (refused.returncode, (data / "keys" / "nonce.json").read_bytes()) == (2, key)
        assert refused.stderr.startswith("error[serve.running]")
    done = subprocess.run([*command, str(data)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0 devices may check in again, with a new challenge\n")
    before, after = json.loads(key), json.loads((data / "keys" / "nonce.json").read_bytes())
    assert after == {"epoch": before["epoch"] + 1, "secret": before["secret"]}
    with running(data):
        pass  # it opens what the command left


def test_a_second_start_on_a_port_in_use_leaves_the_running_server_alone(fleet: Fleet) -> None:
    where = (fleet.server.data / "server.json").read_bytes()
    command = [sys.executable, "-m", "policyengine", "serve", "--data", str(fleet.server.data)]
    done = subprocess.run([*command, "--port", str(fleet.server.port)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error[serve.address]: cannot listen on")
    assert (fleet.server.data / "server.json").read_bytes() == where


@pytest.mark.parametrize("command", [["db", "status"], ["db", "upgrade"], ["device", "list"], ["replay"]])
def test_a_directory_named_by_mistake_is_told_as_such(command: list[str], tmp_path: Path) -> None:
    full = [sys.executable, "-m", "policyengine", *command, "--data", str(tmp_path / "dtaa")]
    done = subprocess.run(full, capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / "dtaa").exists()) == (2, False)
    assert done.stderr.startswith("error[data.missing]")


def test_a_command_before_the_first_start_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "policyengine", "token", "list", "--data", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error[data.missing]") and done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_hostile_cbor_is_refused_as_malformed_and_the_server_stays_up(fleet: Fleet, vectors: Path) -> None:
    """The cbor2 defaults that hang or crash a worker (research: class 17), through the real route."""
    folder = vectors / "attestation"
    cases = json.loads((folder / "index.json").read_text())
    hostile = [case for case in cases if case["format"] == "cbor-hardening"]
    device, _ = fleet.enrolled(5)
    wire = fleet.server.connection()
    name = device.planned.device_id
    answers = {case["id"]: _sent(wire, name, (folder / case["id"] / case["files"][0]).read_bytes()) for case in hostile}
    alive = wire.get("/livez").status
    wire.close()
    assert len(answers) >= 10
    assert {answer.status for answer in answers.values()} == {400}, answers
    assert alive == 200


def _sent(wire: Connection, name: str, evidence: bytes) -> Answer:
    nonce = wire.post("/v1/challenges", {"device_id": name}).document["nonce"]
    item = {"type": PSA_TYPE, "value": base64.urlsafe_b64encode(evidence).rstrip(b"=").decode()}
    return wire.post("/v1/checkins", {"nonce": nonce, "evidence": [item]})
