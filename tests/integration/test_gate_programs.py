"""Programs that ask the gate, with the files of `deploy/`: a quarantine over the API closes what they guard."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from policyengine.adapters.demo_site import DemoSite
from policyengine.simulation.device import SimulatedDevice
from tests.integration.radius_server import SECRET, STOCK, write_server, write_supplicant
from tests.integration.real_site import Running, enrolled, expect, publish, running
from tests.integration.tls_server import leaf, new_ca
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
ETC = "/etc/policyengine"
PATIENCE = 20.0  # for a program to start, or to feel what changed, on a loaded machine; it ends at once when it did
PLUGIN = Path("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A running server, a folder that stands for /etc/policyengine, and two devices that enrolled."""

    server: Running
    etc: Path
    good: str
    bad: str

    def act(self, device: str, action: str) -> None:
        people = self.server.connection(token=self.server.token)
        expect(people.post(f"/v1/devices/{device}/{action}", {"reason": "a test"}), 204)
        people.close()

    def files(self, device: str) -> tuple[str, str]:
        return str(self.etc / f"{device}.pem"), str(self.etc / f"{device}.key")

    def written(self, source: str, **changes: str) -> Path:
        """Return a file of `deploy/` with the paths and ports of this test in it."""
        text = (ROOT / "deploy" / source).read_text().replace(ETC, str(self.etc))
        for old, new in changes.items():
            assert old in text, f"{source} no longer says {old!r}"
            text = text.replace(old, new)
        target = self.etc / Path(source).name
        target.write_text(text)
        return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixture]:
    root = tmp_path_factory.mktemp("gate")
    demo, etc = DemoSite(directory=root), root / "etc"
    etc.mkdir()
    with running(demo.data) as server:
        devices = publish(demo, server, count=2)
        for device in devices:
            _keep(etc, device, enrolled(server, device))
        people = server.connection(token=server.token)
        made = expect(people.post("/v1/tokens", {"name": "edge", "role": "gate"}), 201).document
        people.close()
        _configure(etc, server, str(made["secret"]))
        good, bad = (device.planned.device_id for device in devices)
        yield Fixture(server=server, etc=etc, good=good, bad=bad)


def _keep(etc: Path, device: SimulatedDevice, certificate: bytes) -> None:
    name = device.planned.device_id
    (etc / f"{name}.pem").write_text(ssl.DER_cert_to_PEM_cert(certificate))
    private = device.operational_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (etc / f"{name}.key").write_bytes(private)


def _configure(etc: Path, server: Running, token: str) -> None:
    (etc / "ca.pem").write_text(server.ca_pem)
    (etc / "devices-ca.pem").write_text(server.ca_pem)
    (etc / "token.conf").write_text(f'proxy_set_header Authorization "Bearer {token}";\n')
    (etc / "gate.token").write_text(token + "\n")
    ca = new_ca("edge")
    (etc / "edge-ca.pem").write_text(ca.pem)
    for name in ("proxy", "broker", "radius"):
        leaf(ca, etc, name)


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if found is None:
        pytest.skip(f"{name} is not installed (tests/system-packages.txt)")
    return found


def until(holds: Callable[[], bool], *, within: float) -> bool:
    """Tell whether `holds` became true in time."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def process(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        running_program = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield running_program
    finally:
        running_program.terminate()
        running_program.wait(timeout=10)


# nginx.


class Upstream(BaseHTTPRequestHandler):
    """What devices use behind the proxy: says whom the proxy let in."""

    def do_GET(self) -> None:
        body = f"{self.headers['X-Device']} {self.headers['X-Device-Tier']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def proxy(site: Fixture) -> Iterator[int]:
    """The port of an nginx with deploy/nginx/gate.conf before an upstream of ours."""
    nginx, port = program("nginx"), free_port()
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    included = site.written(
        "nginx/gate.conf",
        **{
            "127.0.0.1:8443": f"127.0.0.1:{site.server.port}",
            "listen 8444": f"listen 127.0.0.1:{port}",
            "127.0.0.1:8080": f"127.0.0.1:{upstream.server_port}",
        },
    )
    whole = site.etc / "nginx.conf"
    paths = "".join(
        f"{kind}_temp_path {site.etc}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole.write_text(
        f"daemon off; user root; pid {site.etc}/nginx.pid; error_log {site.etc}/nginx.log;"
        f" events {{}} http {{ access_log off; {paths} include {included}; }}"
    )
    with process(nginx, "-c", str(whole), "-p", str(site.etc), log=site.etc / "nginx.out"):
        assert until(lambda: _answers(port), within=PATIENCE), (site.etc / "nginx.log").read_text()
        yield port
    upstream.shutdown()
    upstream.server_close()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def through(site: Fixture, port: int, device: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    context = ssl.create_default_context(cafile=str(site.etc / "edge-ca.pem"))
    context.load_cert_chain(*site.files(device))
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    connection.request("GET", "/data", headers=headers or {})
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, content


def test_nginx_lets_a_healthy_device_in_and_says_who_it_is(site: Fixture, proxy: int) -> None:
    assert through(site, proxy, site.good) == (200, f"{site.good} full")


def test_nginx_does_not_believe_what_a_device_says_of_itself(site: Fixture, proxy: int) -> None:
    claims = {"X-Device": "another", "X-Device-Tier": "none", "X-SSL-Client-Cert": "x", "Authorization": "Bearer x"}
    assert through(site, proxy, site.good, claims) == (200, f"{site.good} full")


def test_nginx_shuts_a_quarantined_device_out_until_it_is_released(site: Fixture, proxy: int) -> None:
    site.act(site.bad, "quarantine")
    shut = through(site, proxy, site.bad)[0]
    site.act(site.bad, "release")
    assert (shut, through(site, proxy, site.bad)[0]) == (403, 200)


# Mosquitto.


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A Mosquitto with deploy/mosquitto, its bridge, and where devices connect."""

    port: int


@pytest.fixture(scope="module")
def broker(site: Fixture) -> Iterator[Broker]:
    mosquitto, port, control = program("mosquitto"), free_port(), free_port()
    if not PLUGIN.exists():
        pytest.skip("mosquitto has no dynamic-security plug-in here (tests/system-packages.txt)")
    stored = site.etc / "dynamic-security.json"
    initialise = [program("mosquitto_ctrl"), "dynsec", "init", str(stored), "bridge", "secret"]
    subprocess.run(initialise, check=True, capture_output=True)
    (site.etc / "bridge.password").write_text("secret\n")
    changes = {"listener 8883": f"listener {port} 127.0.0.1", "listener 1883": f"listener {control}"}
    whole = site.written("mosquitto/mosquitto.conf", **changes)
    whole.write_text(f"user root\n{whole.read_text()}")
    bridge = [
        sys.executable,
        str(ROOT / "deploy/mosquitto/bridge.py"),
        "--server",
        f"https://localhost:{site.server.port}",
    ]
    bridge += ["--ca", str(site.etc / "ca.pem"), "--token", str(site.etc / "gate.token")]
    bridge += ["--password", str(site.etc / "bridge.password"), "--broker", f"127.0.0.1:{control}"]
    with process(mosquitto, "-c", str(whole), log=site.etc / "mosquitto.out"):
        assert until(lambda: _answers(control), within=PATIENCE), (site.etc / "mosquitto.out").read_text()
        with process(*bridge, log=site.etc / "bridge.out"):
            found = Broker(port=port)
            told = until(lambda: echoes(site, found, site.good), within=PATIENCE)
            assert told, (site.etc / "bridge.out").read_text() + (site.etc / "mosquitto.out").read_text()
            yield found


def options(site: Fixture, broker: Broker, device: str) -> list[str]:
    certificate, key = site.files(device)
    trust = ["--cafile", str(site.etc / "edge-ca.pem"), "--cert", certificate, "--key", key]
    return ["-h", "localhost", "-p", str(broker.port), *trust, "-q", "1", "-t", f"devices/{device}/state"]


def echoes(site: Fixture, broker: Broker, device: str) -> bool:
    """Tell whether the device can leave a message under its topic and read it again."""
    say = [program("mosquitto_pub"), *options(site, broker, device), "-m", "alive", "-r"]
    read = [program("mosquitto_sub"), *options(site, broker, device), "-C", "1", "-W", "1"]
    subprocess.run(say, capture_output=True, check=False, timeout=10)
    return subprocess.run(read, capture_output=True, check=False, timeout=10).stdout == b"alive\n"


def test_mosquitto_closes_the_session_of_a_quarantined_device(site: Fixture, broker: Broker) -> None:
    assert until(lambda: echoes(site, broker, site.bad), within=PATIENCE)
    listening = [program("mosquitto_sub"), *options(site, broker, site.bad), "-d"]
    with process(*listening, log=site.etc / "session.out"):
        log = site.etc / "session.out"
        assert until(lambda: b"Subscribed" in log.read_bytes(), within=PATIENCE), log.read_bytes()
        before = log.read_bytes().count(b"sending CONNECT")
        site.act(site.bad, "quarantine")
        closed = until(lambda: log.read_bytes().count(b"sending CONNECT") > before, within=PATIENCE)
    shut = not echoes(site, broker, site.bad)
    site.act(site.bad, "release")
    assert (closed, shut) == (True, True), log.read_text()
    assert until(lambda: echoes(site, broker, site.bad), within=PATIENCE)


def test_mosquitto_keeps_the_sessions_of_other_devices(site: Fixture, broker: Broker) -> None:
    site.act(site.bad, "quarantine")
    kept = until(lambda: echoes(site, broker, site.good), within=PATIENCE)
    site.act(site.bad, "release")
    assert kept


def test_device_has_no_part_in_another_device_s_topics(site: Fixture, broker: Broker) -> None:
    own = options(site, broker, site.good)
    foreign = [*own[:-1], f"devices/{site.bad}/state"]
    subprocess.run([program("mosquitto_pub"), *foreign, "-m", "forged", "-r"], capture_output=True, check=False)
    read = [program("mosquitto_sub"), *foreign, "-C", "1", "-W", "1"]
    assert subprocess.run(read, capture_output=True, check=False, timeout=10).stdout == b""


# FreeRADIUS.


@pytest.fixture(scope="module")
def radius(site: Fixture) -> Iterator[int]:
    """The port of a FreeRADIUS with deploy/freeradius behind EAP-TLS."""
    freeradius, port = program("freeradius"), free_port()
    if not STOCK.is_dir():
        pytest.skip("FreeRADIUS has no stock configuration here (tests/system-packages.txt)")
    program("eapol_test")
    module = site.written(
        "freeradius/mods-available-policyengine", **{"localhost:8443": f"localhost:{site.server.port}"}
    )
    write_server(site.etc, module=module, site=site.written("freeradius/site-post-auth"), port=port)
    token = (site.etc / "gate.token").read_text().strip()
    log = site.etc / "radius.out"
    command = ("env", f"POLICYENGINE_GATE_TOKEN={token}", freeradius, "-d", str(site.etc), "-n", "radiusd")
    with process(*command, "-f", "-l", "stdout", "-xx", log=log):
        assert until(lambda: b"Ready to process requests" in log.read_bytes(), within=PATIENCE), log.read_text()
        yield port


def joins(site: Fixture, port: int, device: str) -> tuple[bool, str]:
    """Tell whether a device with its certificate is let into the network, and what the switch was told."""
    command = [program("eapol_test"), "-c", str(write_supplicant(site.etc, device)), "-a", "127.0.0.1", "-p", str(port)]
    done = subprocess.run(
        [*command, "-s", SECRET, "-t", "20"], capture_output=True, text=True, check=False, timeout=60, cwd=site.etc
    )
    return done.returncode == 0, done.stdout


def test_freeradius_puts_a_healthy_device_into_the_network_of_its_tier(site: Fixture, radius: int) -> None:
    let_in, told = joins(site, radius, site.good)
    assert let_in, told[-2000:] + (site.etc / "radius.out").read_text()[-4000:]
    assert re.search(r"Tunnel-Private-Group-Id\) length=4\s+Value: 3130", told), told  # VLAN "10"
    assert re.search(r"Session-Timeout\) length=6\s+Value: [1-9]", told), told


def test_freeradius_shuts_a_quarantined_device_out_until_it_is_released(site: Fixture, radius: int) -> None:
    site.act(site.bad, "quarantine")
    shut = not joins(site, radius, site.bad)[0]
    site.act(site.bad, "release")
    assert (shut, joins(site, radius, site.bad)[0]) == (True, True)
