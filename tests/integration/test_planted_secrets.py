"""Secrets that can be recognised, given to every route and to commands: none comes back, is logged, stored or exported.

Service ceilings section 7, attack 35. A real server in a process of its own, on a real PostgreSQL.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AttributeOID
from sqlalchemy import create_engine, select
from typer.testing import CliRunner

from policyengine.adapters.demo_site import DemoSite
from policyengine.adapters.sql.tables import metadata
from policyengine.cli.main import app
from policyengine.simulation.device import SimulatedDevice, enrolment
from tests.integration.real_site import Running, doomed, expect, publish
from tests.support import postgres
from tests.support.site import plain

pytestmark = pytest.mark.xdist_group("postgresql")

KEY = ec.generate_private_key(ec.SECP256R1())
KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
WEBHOOK = b"planted-webhook-secret-of-40-characters!"
GIVEN = {
    "database password": "planted-database-password",
    "key passphrase": "planted-key-passphrase",
    "webhook secret": base64.b64encode(WEBHOOK).decode(),
    "OIDC client secret": "planted-oidc-client-secret",
    "CSR challenge password": "planted-challenge-password",
    "bearer token": "pe_planted-bearer-token",
    "device token": "planted-device-token",
    "cookie": "planted-session-cookie",
    "private key": KEY_PEM.splitlines()[1],
}
MADE = ("admin token", "API token", "enrolment token")  # those the server makes itself
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(slots=True)
class Plants:
    """The secrets by name, and by place what was said there."""

    secrets: dict[str, str]
    said: dict[str, bytearray] = field(default_factory=dict)

    def hear(self, place: str, *said: bytes | str) -> None:
        heard = self.said.setdefault(place, bytearray())
        for each in said:
            heard += each if isinstance(each, bytes) else each.encode()

    def found(self, place: str) -> list[str]:
        """Return the names of the secrets that were said at a place, as they are or in another spelling."""
        said = self.said[place]
        return [name for name, secret in self.secrets.items() if any(each in said for each in spellings(secret))]


def spellings(secret: str) -> tuple[bytes, ...]:
    """Return a secret as it is, in hex, and inside base64, where what stands before it shifts it by 0 to 2 bytes."""
    raw = secret.encode()
    shifted = [base64.b64encode(bytes(shift) + raw)[4 * (shift > 0) :].rstrip(b"=")[:-1] for shift in range(3)]
    return (raw, raw.hex().encode(), *shifted, *(each.translate(bytes.maketrans(b"+/", b"-_")) for each in shifted))


class Caller:
    """One connection that keeps every answer, whatever it is."""

    def __init__(self, server: Running, plants: Plants) -> None:
        context = ssl.create_default_context(cadata=server.ca_pem)
        self._wire = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
        self._plants = plants

    def close(self) -> None:
        self._wire.close()

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._wire.request(method.upper(), path, body=body, headers=named)
        answer = self._wire.getresponse()
        head = "".join(f"{name}: {value}\n" for name, value in answer.getheaders())
        self._plants.hear("answers", head, answer.read())
        return answer.status


def settings(folder: Path, address: str) -> dict[str, str]:
    """Return the environment of a server that is given secrets in every way there is."""
    files = {
        "passphrase": GIVEN["key passphrase"],
        "soc.secret": f"whsec_{GIVEN['webhook secret']}",
        "oidc.secret": GIVEN["OIDC client secret"],
        "webhooks.json": json.dumps(
            {"webhooks": [{"name": "soc", "url": "https://127.0.0.1:9/x", "secret_file": "soc.secret"}]}
        ),
        "oidc.json": json.dumps({"issuers": [issuer()]}),
    }
    for name, content in files.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    return {
        "POLICYENGINE_DATABASE_URL": address.replace("tester@", f"tester:{GIVEN['database password']}@"),
        "POLICYENGINE_PASSPHRASE_FILE": str(folder / "passphrase"),
        "POLICYENGINE_WEBHOOKS_FILE": str(folder / "webhooks.json"),
        "POLICYENGINE_OIDC_FILE": str(folder / "oidc.json"),
    }


def issuer() -> Mapping[str, object]:
    login = {"client_id": "policyengine", "client_secret_file": "oidc.secret", "label": "Example Corp"}
    return {
        "issuer": "https://issuer.invalid",
        "audience": "policyengine",
        "algorithms": ["RS256"],
        "grants": [{"where": {"sub": "somebody"}, "role": "auditor"}],
        "login": {**login, "scope": "openid", "redirect_uri": "https://localhost:8443/login/callback"},
    }


def request_with_password() -> bytes:
    """Return a certificate request (DER) with a challenge password (RFC 2985 section 5.4.1)."""
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    password = GIVEN["CSR challenge password"].encode()
    return (
        builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, password).sign(KEY, SHA256()).public_bytes(Encoding.DER)
    )


@pytest.fixture(scope="module")
def plants(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Plants]:
    """Everything that a server and its commands said after each was given every secret."""
    folder = tmp_path_factory.mktemp("planted")
    site = DemoSite(directory=folder / "site")
    address = postgres.new_database(postgres_server)
    environment = settings(folder, address)
    plants = Plants(secrets=dict(GIVEN))
    with doomed(site.data, **environment) as server:
        devices = publish(site, server, count=1)
        plants.secrets["admin token"] = server.token
        make(server, plants, devices[0].planned.device_id)
        with closing(Caller(server, plants)) as caller:
            on_every_route(server, caller, plants.secrets)
            of_a_device(server, caller, plants.secrets, devices[0])
        on_commands(plants, site.data, folder, environment)
    plants.hear("log", site.data.with_name(f"{site.data.name}.log").read_bytes())
    plants.hear("records", *records(address))
    yield plants


def make(server: Running, plants: Plants, device: str) -> None:
    """Have the server make secrets, which it shows once."""
    people = server.connection(token=server.token)
    body = {"name": "planted", "role": "auditor", "lifetime_seconds": 3600}
    once = {"Idempotency-Key": "planted-once"}
    plants.secrets["API token"] = str(expect(people.post("/v1/tokens", body, once), 201).document["secret"])
    made = expect(people.post(f"/v1/devices/{device}/tokens", {"lifetime_seconds": 3600}, once), 201).document
    plants.secrets["enrolment token"] = str(made["token"])
    people.close()


def on_every_route(server: Running, caller: Caller, secrets: Mapping[str, str]) -> None:
    """Call each operation of the API as an admin and as nobody, with secrets wherever one could stand."""
    people = server.connection(token=server.token)
    paths = expect(people.get("/openapi.json"), 200).document["paths"]
    people.close()
    operations = [(method, path) for path, item in paths.items() for method in METHODS if method in item]  # type: ignore[attr-defined]
    assert len(operations) > 60
    texts = dict.fromkeys(("token", "secret", "nonce", "password"), secrets["device token"])
    body = json.dumps({**texts, "csr": KEY_PEM, "key": KEY_PEM, "evidence": [{"type": KEY_PEM, "value": 7}]}).encode()
    admin, nobody = f"Bearer {server.token}", f"Bearer {secrets['bearer token']}"
    cookie = f"policyengine_session={secrets['cookie']}"
    for method, template in operations:
        path = re.sub(r"\{[^}]*\}", "absent", template)
        query = f"{path}?token={secrets['device token']}&limit={secrets['cookie']}"
        caller.call(method, path, body, Authorization=admin, Content_Type="application/json", Cookie=cookie)
        caller.call(method, query, None, Authorization=admin)
        caller.call(method, path, KEY_PEM.encode(), Authorization=admin, Content_Type="text/plain")
        caller.call(method, path, body, Authorization=nobody, Content_Type="application/json", Cookie=cookie)


def of_a_device(server: Running, caller: Caller, secrets: Mapping[str, str], device: SimulatedDevice) -> None:
    """Enrol a device, and send what devices and people keep secret over the routes that are in no API description."""
    sent = request_with_password()
    wire = server.connection()
    nonce = plain(str(expect(wire.post("/v1/challenges", {}), 200).document["nonce"]))
    wire.close()
    asked = enrolment(device, nonce)
    csr = base64.urlsafe_b64encode(sent).rstrip(b"=").decode()
    for changed in ({"csr": csr}, {"token": secrets["enrolment token"]}, {}):
        caller.call("POST", "/v1/checkins", json.dumps({**asked, **changed}).encode(), Content_Type="application/json")
    password = base64.b64encode(f"x:{secrets['device token']}".encode()).decode()
    for path in ("cacerts", "simpleenroll", "simplereenroll", "serverkeygen", "csrattrs"):
        est = {"Content_Type": "application/pkcs10", "Authorization": f"Basic {password}"}
        caller.call("POST", f"/.well-known/est/{path}", base64.b64encode(sent), **est)
    form = f"token={secrets['bearer token']}".encode()
    caller.call("POST", "/login", form, Content_Type="application/x-www-form-urlencoded")
    caller.call("GET", f"/login/callback?code={secrets['cookie']}&state={secrets['bearer token']}")
    caller.call("GET", "/login/oidc/0")
    for path in ("/", "/metrics", "/readyz", "/v1/tokens", "/v1/webhooks", "/v1/audit-events", "/v1/nothing"):
        for token in (server.token, secrets["API token"], secrets["bearer token"]):
            caller.call("GET", path, Authorization=f"Bearer {token}")


def on_commands(plants: Plants, data: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Run what an operator runs beside the server, and once with an address and a passphrase that are wrong."""
    wrong = {"POLICYENGINE_DATABASE_URL": environment["POLICYENGINE_DATABASE_URL"].replace("?host=", "?host=/absent")}
    kind = {"POLICYENGINE_DATABASE_URL": f"mysql://tester:{GIVEN['database password']}@db/x"}
    (folder / "other").write_text("a passphrase of other keys")
    (folder / "other").chmod(0o600)
    locked = {"POLICYENGINE_PASSPHRASE_FILE": str(folder / "other")}
    export = ["audit", "export", "--from", "2020-01-01", "--file", str(folder / "export.zip")]
    commands = (
        *((["doctor"], {}), (["db", "status"], {}), (["token", "list"], {}), (["webhook", "list"], {}), (export, {})),
        *((["db", "status"], wrong), (["doctor"], wrong), (["db", "status"], kind), (["doctor"], locked)),
        (["device", "token", GIVEN["device token"]], {}),
    )
    for arguments, changed in commands:
        done = CliRunner().invoke(app, [*arguments, "--data", str(data)], env={**environment, **changed})
        plants.hear("commands", done.output, repr(done.exception))
    with zipfile.ZipFile(folder / "export.zip") as export:
        plants.hear("export", *map(export.read, export.namelist()))


def records(address: str) -> Iterator[str]:
    """Yield every row of the database, with bytes as they are."""
    engine = create_engine(address)
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                yield from (each.decode("latin-1") if isinstance(each, bytes) else str(each) for each in row)
    engine.dispose()


@pytest.mark.parametrize("place", ["answers", "log", "commands", "export", "records"])
def test_no_secret_is_found_at(place: str, plants: Plants) -> None:
    assert len(plants.said[place]) > 1000
    assert plants.found(place) == []


def test_a_secret_that_was_said_would_be_found(plants: Plants) -> None:
    """The search itself: in each spelling, in the middle of something."""
    secret = plants.secrets["key passphrase"].encode()
    for inside in (
        secret,
        secret.hex().encode(),
        *(base64.b64encode(bytes(shift) + secret + b"x") for shift in range(3)),
    ):
        plants.said["here"] = bytearray(b"before " + inside + b" after")
        assert plants.found("here") == ["key passphrase"]


def test_the_server_was_given_what_it_makes_too(plants: Plants) -> None:
    assert plants.secrets.keys() == {*GIVEN, *MADE}
