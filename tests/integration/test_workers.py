"""Two servers on one PostgreSQL behind nginx: one policy at a time, one log, nothing acknowledged twice or lost.

Each is a process with a data directory of its own that holds the same key files, as on two machines.
"""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from policyengine.adapters.demo_site import DemoSite
from policyengine.adapters.examination import reading
from policyengine.adapters.sql.migration import upgrade
from policyengine.adapters.sql.presence import join
from policyengine.services.history.examining import examine_log
from policyengine.simulation.device import SimulatedDevice, check_in, enrolment
from tests.integration.real_site import Running, expect, publish, put_in_force, running
from tests.integration.test_gate_programs import process, program, until
from tests.support import postgres
from tests.support.ports import free_port
from tests.support.site import plain

PATIENCE = 20.0
SEVERITY = b"severity: high"
NGINX = """
daemon off; error_log stderr warn; pid {folder}/nginx.pid; worker_processes 1;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream workers {{ server 127.0.0.1:{first} max_fails=0; server 127.0.0.1:{second} max_fails=0; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass https://workers;
            proxy_ssl_trusted_certificate {ca}; proxy_ssl_verify on; proxy_ssl_verify_depth 2; proxy_ssl_name localhost;
            # A check-in sent again byte for byte gets the stored answer, so a POST may be tried at the other worker.
            proxy_next_upstream error timeout http_503 non_idempotent;
        }}
    }}
}}
"""


@dataclass(slots=True)
class Pair:
    """Two workers, the proxy's port, and devices that have not enrolled yet."""

    site: DemoSite
    address: str
    first: Running
    second: Running
    port: int
    devices: list[SimulatedDevice]
    generation: int = 1

    def post(self, path: str, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
        """Return status and document of a request to the proxy, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content)

    def enrol(self, device: SimulatedDevice) -> bytes:
        """Enrol through the proxy and return the next nonce."""
        nonce = plain(str(self.post("/v1/challenges", {})[1]["nonce"]))
        status, document = self.post("/v1/checkins", enrolment(device, nonce))
        assert status == 200, document
        return plain(str(document["next_nonce"]))

    def checked_in(self, device: SimulatedDevice, nonce: bytes) -> bytes:
        status, document = self.post("/v1/checkins", check_in(device, nonce))
        assert status == 200, document
        return plain(str(document["next_nonce"]))

    def activate(self) -> None:
        """Put changed policies in force at the first worker."""
        fresh = b"severity: high # %d" % self.generation
        put_in_force(self.site, self.first, old=SEVERITY, new=fresh, generation=self.generation)
        self.generation += 1


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("workers")
    address = postgres.new_database(postgres_server)
    environment = {"POLICYENGINE_DATABASE_URL": address}
    site = DemoSite(directory=root)
    other = root / "other"
    with running(site.data, **environment) as first:
        devices = list(publish(site, first, count=40))
        shutil.copytree(site.data / "keys", other / "keys")
        with running(other, **environment) as second, proxy(root, first, second) as port:
            yield Pair(site=site, address=address, first=first, second=second, port=port, devices=devices)


@contextmanager
def proxy(root: Path, first: Running, second: Running) -> Iterator[int]:
    """Run nginx before the two workers, and yield its port."""
    folder, port = root / "nginx", free_port()
    folder.mkdir()
    text_ = NGINX.format(folder=folder, first=first.port, second=second.port, port=port, ca=first.data / "ca.pem")
    (folder / "nginx.conf").write_text(text_)
    with process(program("nginx"), "-c", str(folder / "nginx.conf"), log=folder / "log"):
        assert until(lambda: listens(port), within=PATIENCE), (folder / "log").read_text()
        yield port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def generation_at(server: Running) -> object:
    with closing(server.connection()) as wire:
        return wire.get("/readyz").document["generation"]


def decided(pair: Pair, device: SimulatedDevice) -> tuple[int, int]:
    """Return the generation that the device was decided by last, and how often it was written."""
    engine = create_engine(pair.address)
    with engine.connect() as connection:
        query = text("SELECT generation, version FROM device_state WHERE device_id = :id")
        row = connection.execute(query, {"id": device.planned.device_id}).one()
    engine.dispose()
    return row[0], row[1]


def directly(server: Running, path: str, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    with closing(server.connection()) as wire:
        answer = wire.post(path, body)
    return answer.status, dict(answer.document)


def test_activation_at_one_worker_comes_into_force_at_the_other_by_itself(pair: Pair) -> None:
    """Issue 6, item 8: a polled generation row, no notification needed."""
    pair.activate()
    assert until(lambda: generation_at(pair.second) == pair.generation, within=PATIENCE)


def test_device_that_met_the_new_policies_never_meets_the_older_ones_again(pair: Pair) -> None:
    """DESIGN section 12: the worker that has not looked yet must look before it decides on such a device."""
    device = pair.devices.pop()
    nonce = pair.enrol(device)
    generation_at(pair.second)  # it has just looked, so that it need not look again for a second
    pair.activate()
    seen = []
    for server in [pair.first, pair.second] * 6:
        status, document = directly(server, "/v1/checkins", check_in(device, nonce))
        assert status == 200, document
        nonce = plain(str(document["next_nonce"]))
        seen.append(decided(pair, device)[0])
    assert (seen, seen[-1]) == (sorted(seen), pair.generation)


def test_one_nonce_at_two_workers_at_once_is_spent_once(pair: Pair) -> None:
    """Service ceilings section 8: two workers, one device: one winner."""
    device = pair.devices.pop()
    nonce = pair.enrol(device)
    version = decided(pair, device)[1]
    bodies = [{**check_in(device, nonce), "reported": {}}, dict(check_in(device, nonce))]
    with ThreadPoolExecutor(2) as pool:
        servers = (pair.first, pair.second)
        answers = list(
            pool.map(lambda each: directly(each[0], "/v1/checkins", each[1]), zip(servers, bodies, strict=True))
        )
    assert (sorted(status for status, _ in answers)[0], decided(pair, device)[1]) == (200, version + 1)


def test_answer_that_was_lost_at_one_worker_is_given_again_by_the_other(pair: Pair) -> None:
    device = pair.devices.pop()
    body = check_in(device, pair.enrol(device))
    assert directly(pair.first, "/v1/checkins", body) == directly(pair.second, "/v1/checkins", body)


def test_quarantine_put_at_one_worker_is_felt_at_the_other(pair: Pair) -> None:
    device = pair.devices.pop()
    nonce = pair.enrol(device)
    with closing(pair.first.connection(token=pair.first.token)) as people:
        expect(people.post(f"/v1/devices/{device.planned.device_id}/quarantine", {"reason": "a test"}), 204)
    assert directly(pair.second, "/v1/checkins", check_in(device, nonce))[1]["tier"] == "quarantine"


def test_log_that_two_workers_write_has_no_gap_and_one_root(pair: Pair) -> None:
    """Service ceilings section 8: a row lock makes the log's writers one after the other, in batches."""
    devices = [pair.devices.pop() for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        nonces = list(pool.map(pair.enrol, devices))
        list(pool.map(pair.checked_in, devices, nonces))
    with reading(pair.address) as store:
        assert list(examine_log(store)) == []


def test_worker_that_is_told_to_stop_loses_no_check_in(pair: Pair, tmp_path: Path) -> None:
    """Graceful drain: what it has begun it answers; the proxy sends the rest to the other one."""
    environment = {"POLICYENGINE_DATABASE_URL": pair.address}
    shutil.copytree(pair.first.data / "keys", tmp_path / "third" / "keys")
    devices = [pair.devices.pop() for _ in range(6)]
    with running(tmp_path / "third", **environment) as third, proxy(tmp_path, pair.first, third) as port:
        through = replace(pair, port=port)
        nonces = {at: through.enrol(device) for at, device in enumerate(devices)}

        def rounds(at: int) -> int:
            for _ in range(8):
                nonces[at] = through.checked_in(devices[at], nonces[at])
            return 8

        with ThreadPoolExecutor(len(devices)) as pool:
            working = [pool.submit(rounds, at) for at in nonces]
            third.process.send_signal(signal.SIGTERM)
            assert [work.result() for work in working] == [8] * len(devices)


def test_server_that_starts_beside_another_knows_that_it_is_not_alone(database: str) -> None:
    """What another server has begun is not a crash's remains."""
    upgrade(database)
    heard: list[str] = []
    first = join(database, alone=lambda: heard.append("alone"), in_company=lambda: heard.append("in company"))
    second = join(database, alone=lambda: heard.append("alone"), in_company=lambda: heard.append("in company"))
    first.close()
    second.close()
    third = join(database, alone=lambda: heard.append("alone"), in_company=lambda: heard.append("in company"))
    third.close()
    assert heard == ["alone", "in company", "alone"]
