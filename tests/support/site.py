"""A whole installation in one process: policies, vendors' CAs, our CA, storage, services, devices with real keys."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki.reservation import Registrar
from policyengine.adapters.authority import FleetNames, create_authority, open_authority
from policyengine.adapters.export_folder import ExportFiles
from policyengine.adapters.groups import Group
from policyengine.adapters.jws import ResultKey
from policyengine.adapters.log_files import LogKeyFile
from policyengine.adapters.rollover import issuers_ever
from policyengine.adapters.sql.ledger import SqlLedger
from policyengine.adapters.sql.migration import upgrade
from policyengine.adapters.sql.store import SqlStore, open_store
from policyengine.adapters.trust_bundle import make_trust_bundle
from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import Compilation, compile_tree
from policyengine.model.ids import digest_of
from policyengine.services.actors import SYSTEM
from policyengine.services.assembling import assemble
from policyengine.services.catalogue import OtherIssuer, Outside, Services
from policyengine.services.checkins.attestation_result import Audience
from policyengine.services.checkins.checkin import CheckInReply, CheckInRequest, EvidenceItem
from policyengine.services.events.ports import NOBODY, Courier
from policyengine.services.events.webhooks import Webhook
from policyengine.services.nonces import NonceKey
from policyengine.services.registry.devices import NewDevice
from policyengine.services.supply.terms import NO_FEEDS, FeedTerms
from policyengine.simulation import device as simulated
from policyengine.simulation.device import SimulatedDevice
from policyengine.simulation.fleet import found_vendor, manufacture
from policyengine.simulation.plan import PlannedDevice, plan_fleet
from policyengine.simulation.vendor import VendorCa
from policyengine.transparency.notes import VerifierKey

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = b"only for tests, known to everyone"
NONCE_KEY = NonceKey(secret=b"n" * 32, epoch=1)
PREFIXES = {"vendor-acme": "AC-", "vendor-borealis": "BO-"}
ROOT_FILES = {
    "vendor-acme": "trust-anchors/acme-idevid-root.pem",
    "vendor-borealis": "trust-anchors/borealis-idevid-root.pem",
}


@dataclass(slots=True)
class FakeClock:
    """A clock that stands until it is told to go on."""

    time: datetime = START

    def now(self) -> datetime:
        self.time += timedelta(microseconds=1)  # as on a real machine, no two readings are the same
        return self.time

    def forward(self, span: timedelta) -> None:
        self.time += span


@dataclass(slots=True)
class FakeEntropy:
    """Bytes from a seed, so that a failure can be seen again."""

    seed: int = 7
    source: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.source = random.Random(self.seed)

    def draw(self, size: int) -> bytes:
        return self.source.randbytes(size)


@dataclass(slots=True)
class Site:
    """The installation and its devices, by id."""

    store: SqlStore
    services: Services
    clock: FakeClock
    devices: Mapping[str, SimulatedDevice]
    registrar: Registrar

    def of(self, scenario: str) -> list[SimulatedDevice]:
        return [device for device in self.devices.values() if device.planned.scenario.value == scenario]

    def challenge(self) -> bytes:
        return self.services.challenges.issue(None).nonce

    async def enrol(self, device: SimulatedDevice) -> CheckInReply:
        return await self.services.checkins.check_in(request(simulated.enrolment(device, self.challenge())))

    async def check_in(self, device: SimulatedDevice, nonce: bytes) -> CheckInReply:
        return await self.services.checkins.check_in(request(simulated.check_in(device, nonce)))

    async def renew(self, device: SimulatedDevice, nonce: bytes) -> CheckInReply:
        return await self.services.checkins.check_in(request(simulated.renewal(device, nonce)))


def plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def request(body: Mapping[str, object]) -> CheckInRequest:
    """Return the check-in that the API would make of `body`."""
    raw = json.dumps(body).encode()
    items: Iterable[Mapping[str, str]] = body["evidence"]  # type: ignore[assignment]
    csr = body.get("csr")
    return CheckInRequest(
        nonce=plain(str(body["nonce"])),
        evidence=tuple(EvidenceItem(media_type=item["type"], value=plain(item["value"])) for item in items),
        digest=hashlib.sha256(raw).digest(),
        csr=plain(csr) if isinstance(csr, str) else None,
        reported=body.get("reported"),  # type: ignore[arg-type]
        token=body.get("token"),  # type: ignore[arg-type]
        key=_plain_or_none(body.get("key")),
        activation=_plain_or_none(body.get("activation")),
    )


def _plain_or_none(text: object) -> bytes | None:
    return plain(text) if isinstance(text, str) else None


def next_nonce(reply: CheckInReply) -> bytes:
    return plain(json.loads(reply.body)["next_nonce"])


@lru_cache(maxsize=1)
def vendors() -> Mapping[str, VendorCa]:
    entropy = FakeEntropy(seed=11).draw
    return {name: found_vendor(name, now=START, entropy=entropy) for name in PREFIXES}


@lru_cache(maxsize=8)
def policies(**changes: tuple[bytes, bytes]) -> tuple[Mapping[str, bytes], Compilation]:
    """Return the starter pack under the test vendors; each change replaces text in the file of that (mangled) name.

    A file that the pack does not have is made by replacing nothing.
    """
    root = ROOT / "policies"
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for name, ca in vendors().items():
        files[ROOT_FILES[name]] = ca.root.public_bytes(Encoding.PEM)
    for mangled, (old, new) in changes.items():
        path = mangled.replace("__", "/").replace("_", "-") + ".yaml"
        assert old in files.get(path, b""), f"{path} no longer holds {old!r}"
        files[path] = files.get(path, b"").replace(old, new)
    compiled = compile_tree(files, now=START)
    assert compiled.bundle is not None, compiled.diagnostics
    return files, compiled


@lru_cache(maxsize=1)
def authority_directory() -> Path:
    """Return the folder of a CA made once for all tests of this process."""
    directory = Path(tempfile.mkdtemp(prefix="policyengine-ca-")) / "ca"
    names = FleetNames(fleet="kestrel", domains=("devices.kestrel.example", "example"))
    create_authority(directory, passphrase=PASSPHRASE, names=names, now=START, entropy=FakeEntropy(seed=13).draw)
    return directory


@lru_cache(maxsize=4)
def factory(count: int) -> tuple[SimulatedDevice, ...]:
    """Return manufactured devices: healthy ones and one or two of every scenario."""
    _, compiled = policies()
    assert compiled.bundle is not None
    plan = plan_fleet(
        compiled.bundle.fleet,
        compiled.bundle.reference_values,
        models=("gw-200", "plc-9", "sn-40"),
        serial_prefixes=PREFIXES,
        count=count,
    )
    return manufacture(plan, vendors(), now=START, entropy=FakeEntropy(seed=17).draw)


def announced(planned: PlannedDevice) -> NewDevice:
    return NewDevice(
        id=planned.device_id,
        vendor=planned.vendor,
        model=planned.model,
        serial=planned.serial,
        site=planned.site,
        zone=planned.zone,
        labels={},
        criticality="medium",
    )


@dataclass(slots=True)
class FakeLogMemory:
    """What the log signed last, in this process."""

    last: bytes | None = None

    def advance(self, following: Callable[[bytes | None], bytes]) -> bytes:
        self.last = following(self.last)
        return self.last


@cache
def memory_of(url: str) -> FakeLogMemory:
    """Return the memory of the log in the database at `url`; it outlives whoever has it open."""
    return FakeLogMemory()


def log_key(seed: bytes, name: str) -> LogKeyFile:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return LogKeyFile(verifier=VerifierKey(name=name, public=public), private=private)


LOG_KEY = log_key(b"l" * 32, "log.example/kestrel")


def open_site(
    url: str,
    *,
    count: int = 30,
    clock: FakeClock | None = None,
    seed: int = 7,
    nonce_key: NonceKey = NONCE_KEY,
    authority: Path | None = None,
    webhooks: tuple[Webhook, ...] = (),
    courier: Courier = NOBODY,
    feeds: FeedTerms = NO_FEEDS,
) -> Site:
    """Return the site on the database at `url`, migrated; nothing is published or announced yet."""
    clock = clock or FakeClock()
    registrar = Registrar()
    stored = open_authority(authority or authority_directory(), passphrase=PASSPHRASE, registrar=registrar)
    upgrade(url)
    store, results = open_store(url), ResultKey(stored.results_key)
    services = assemble(
        Outside(
            store=store,
            clock=clock,
            door=Group(),
            entropy=FakeEntropy(seed=seed),
            nonce_key=nonce_key,
            authority=stored.authority,
            ledger=SqlLedger(store, registrar),
            chain=stored.chain,
            results=results,
            audience=Audience(issuer="policyengine", audience="kestrel"),
            log_key=LOG_KEY,
            log_memory=memory_of(url),
            export_folder=ExportFiles(Path(tempfile.gettempdir()) / f"exports-{digest_of(url.encode())[7:23]}", clock),
            lists=stored.lists,
            ocsp=stored.ocsp,
            others=tuple(OtherIssuer(lists=other.lists, ocsp=other.ocsp) for other in stored.others),
            trust=stored.trust,
            issuers_ever=issuers_ever(authority or authority_directory()),
            trust_bundle=make_trust_bundle(stored, results, issuer="policyengine"),
            webhooks=webhooks,
            courier=courier,
            feeds=feeds,
        )
    )
    devices = {device.planned.device_id: device for device in factory(count)}
    return Site(store=store, services=services, clock=clock, devices=devices, registrar=registrar)


def ready_site(url: str, *, count: int = 30, feeds: FeedTerms = NO_FEEDS, **changes: tuple[bytes, bytes]) -> Site:
    """Return a site whose policies are in force and whose devices are announced."""
    site = open_site(url, count=count, feeds=feeds)
    put_in_force(site, **changes)
    site.services.devices.announce(SYSTEM, [announced(device.planned) for device in site.devices.values()])
    return site


def put_in_force(site: Site, **changes: tuple[bytes, bytes]) -> str:
    files, _ = policies(**changes)
    now = site.clock.now()
    compiled = compile_tree(files, now=now)
    assert compiled.bundle is not None
    assert compiled.digest is not None
    file = BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit="c0ffee", created_at=now)
    digest = site.services.bundles.publish_file(SYSTEM, encode_file(file))
    active = site.services.bundles.active()
    site.services.bundles.activate(SYSTEM, digest, expected_generation=active.generation if active else None)
    site.clock.forward(timedelta(seconds=2))  # workers look once a second
    return digest
