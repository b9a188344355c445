"""A rollover drilled over a simulated fleet: real certificates, real handshakes, part of the fleet away meanwhile.

Every device keeps what a careful client keeps: its certificate, the roots it trusts, the version of the trust bundle.
It is locked out when its TLS handshake fails, when the server does not know it, or when its renewal brings no
certificate.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.tls import LiveContext, ServerKeys, Trust
from pki.certificates import load_certificate, split_certificates, thumbprint
from pki.reservation import pem_of
from policyengine.adapters import rollover
from policyengine.adapters.authority import FleetNames, create_authority, renew_services
from policyengine.adapters.trust_bundle import read_trust_bundle
from policyengine.errors import PolicyEngineError
from policyengine.services.actors import SYSTEM
from policyengine.services.errors import ConflictError
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import PASSPHRASE, FakeClock, FakeEntropy, Site, announced, open_site, plain
from tests.support.site import put_in_force as activate

NAMES = FleetNames(fleet="kestrel", domains=("devices.kestrel.example", "example"))
AT_ONCE = 64  # devices that call at a time: their renewals share commits
SAID_EVERY = 1000
AWAY_EVERY = (0, 3, 6)  # of ten devices, the ones that are away: 30 %


@dataclass(slots=True, kw_only=True)
class Member:
    """One device and what it keeps."""

    device: SimulatedDevice
    roots: tuple[x509.Certificate, ...]
    certificate: bytes = b""
    nonce: bytes = b""
    seen: int = 0
    key: bytes = field(init=False)  # PEM, written once: each handshake shows it

    def __post_init__(self) -> None:
        self.key = self.device.operational_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(slots=True, kw_only=True)
class Report:
    """What the drill saw."""

    devices: int
    away: int = 0
    locked_out: dict[str, str] = field(default_factory=dict)  # device id -> the first thing that failed
    handshakes: int = 0
    retirement_refused_for: int = 0
    on_new_ca: int = 0


class Drill:
    """A fleet and its server in `folder`; the server is started again at every step, as an operator would."""

    def __init__(self, folder: Path, count: int, *, say: Callable[[str], None] = lambda _: None) -> None:
        self.say = say
        self.folder = folder
        self.count = count
        self.directory = folder / "keys" / "ca"
        self.starts = 100
        self.clock = FakeClock(time=datetime.now(UTC).replace(microsecond=0))  # OpenSSL looks at the real one
        self.entropy = FakeEntropy(seed=29).draw
        self._found()
        self.site = self._opened()
        activate(self.site)
        healthy = self.site.of("healthy")
        self.site.services.devices.announce(SYSTEM, [announced(device.planned) for device in healthy])
        root = load_certificate(split_certificates((self.directory / "root.pem").read_bytes())[0])
        self.fleet = [Member(device=device, roots=(root,)) for device in healthy]
        self.report = Report(devices=len(healthy))

    def _found(self) -> None:
        """Found the authority, and put its root's key where a person would."""
        create_authority(self.directory, passphrase=PASSPHRASE, names=NAMES, now=self.clock.now(), entropy=self.entropy)
        (self.directory / "root.key").rename(self.folder / "root.key")

    def _prepare(self) -> None:
        """Make the successor, below a new root."""
        root = rollover.RootKey(file=self.folder / "root.key", passphrase=PASSPHRASE)
        rollover.Rotation(
            self.directory, passphrase=PASSPHRASE, root=root, now=self.clock.now(), entropy=self.entropy
        ).root()

    def _opened(self) -> Site:
        renew_services(self.directory, passphrase=PASSPHRASE, names=NAMES, now=self.clock.now(), entropy=self.entropy)
        self.starts += 1  # a server that starts again draws other serial numbers
        url = f"sqlite:///{self.folder / 'fleet.db'}"
        return open_site(url, count=self.count, clock=self.clock, authority=self.directory, seed=self.starts)

    def restart(self) -> None:
        self.site.store.close()
        self.site = self._opened()

    async def enrol(self) -> None:
        async def one(member: Member) -> None:
            self._keep(member, (await self.site.enrol(member.device)).body)

        await self._at_once(self.fleet, one, "enrolled")

    @property
    def away(self) -> list[Member]:
        return [member for at, member in enumerate(self.fleet) if at % 10 in AWAY_EVERY]

    @property
    def present(self) -> list[Member]:
        return [member for at, member in enumerate(self.fleet) if at % 10 not in AWAY_EVERY]

    async def visit(self, members: Sequence[Member]) -> None:
        """Let each connect with its certificate, be known, renew, connect with the new one, and fetch the bundle."""
        context = self._server_context()

        async def one(member: Member) -> None:
            name = member.device.planned.device_id
            try:
                await self._connect(member, context)
                self._keep(member, (await self.site.renew(member.device, member.nonce)).body)
                await self._connect(member, context)
                self._learn(member)
            except (ssl.SSLError, PolicyEngineError, Locked) as failure:
                self.report.locked_out.setdefault(name, f"version {member.seen}: {failure}")

        await self._at_once(members, one, "visited")

    async def _at_once(self, members: Sequence[Member], one: Callable[[Member], Awaitable[None]], done: str) -> None:
        """Keep AT_ONCE members at it, as a server sees a fleet, and say how far it is now and then.

        The next begins as soon as any has finished: handshakes of some go on beside the renewals of others.
        """
        waiting, finished = iter(members), 0

        async def caller() -> None:
            nonlocal finished
            for member in waiting:
                await one(member)
                finished += 1
                if finished % SAID_EVERY == 0:
                    self.say(f"{done} {finished:,} of {len(members):,}")

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))

    async def _connect(self, member: Member, server: ssl.SSLContext) -> None:
        self.report.handshakes += 1
        presented = await asyncio.to_thread(self._shaken, member, server)  # OpenSSL works on the other core meanwhile
        if self.site.services.certificates.identify(presented) != member.device.planned.device_id:
            raise Locked("known as another device")

    def _shaken(self, member: Member, server: ssl.SSLContext) -> bytes:
        return handshake(server, self._client_context(member))

    def _keep(self, member: Member, body: bytes) -> None:
        reply = json.loads(body)
        if "certificate" not in reply:
            raise Locked(f"no certificate: {reply['tier']}")
        member.certificate = plain(reply["certificate"])
        member.nonce = plain(reply["next_nonce"])

    def _learn(self, member: Member) -> None:
        token = self.site.services.trust_bundle
        found = read_trust_bundle(token, anchors=member.roots, at=self.clock.now(), seen=member.seen)
        member.roots, member.seen = found.roots, found.version

    def _server_context(self) -> ssl.SSLContext:
        keys = ServerKeys(chain=self.directory / "tls.pem", key=self.directory / "tls.key", passphrase=PASSPHRASE)
        authorities: Callable[[], str] = self.site.services.ca_bundle.decode
        return LiveContext(keys, Trust(generation=lambda: 1, authorities=authorities)).context

    def _client_context(self, member: Member) -> ssl.SSLContext:
        file = self.folder / f"{member.device.planned.device_id}.pem"
        file.write_bytes(member.key + pem_of(member.certificate).encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata="".join(pem_of(root.public_bytes(Encoding.DER)) for root in member.roots))
        context.load_cert_chain(file)
        file.unlink()
        return context

    async def run(self) -> Report:
        """Return what a whole rollover to a new root did to the fleet."""
        report, old = self.report, self._issuing("")
        self.say(f"{len(self.fleet):,} devices made and announced")
        await self.enrol()
        await self.visit(self.fleet)
        self._prepare()
        rollover.publish(self.directory, now=self.clock.now())
        self.say(f"a new root is published; {len(self.away):,} devices are away from now on")
        self.restart()
        await self.visit(self.present)
        rollover.switch(self.directory, now=self.clock.now())
        self.say("the new CA issues")
        self.restart()
        await self.visit(self.present)
        report.away = len(self.away)
        report.retirement_refused_for = self._refused_for(old)
        self.say(f"retirement is refused for {report.retirement_refused_for:,}; they come back")
        await self.visit(self.away)  # they come back: the old root and a certificate of the old CA is all they have
        self.site.services.rollovers.demand_unused(old)
        rollover.retire(self.directory, now=self.clock.now())
        self.say("the old CA is retired")
        self.restart()
        await self.visit(self.fleet)
        new = self._issuing("g2")
        report.on_new_ca = self.site.services.rollovers.outstanding(new)
        return report

    def _issuing(self, name: str) -> str:
        return thumbprint(load_certificate(split_certificates((self.directory / name / "issuing.pem").read_bytes())[0]))

    def _refused_for(self, issuer: str) -> int:
        try:
            self.site.services.rollovers.demand_unused(issuer)
        except ConflictError as refusal:
            return int(str(refusal.fields["devices"]))
        return 0


class Locked(Exception):  # noqa: N818 - a finding, not an error of the drill
    """The device can no longer do its work."""


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Return the client's certificate as the server saw it in a handshake over memory; raises SSLError."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(down, up, server_hostname="localhost")
    far = server.wrap_bio(up, down, server_side=True)
    done = [False, False]
    while not all(done):
        for at, side in enumerate((near, far)):
            try:
                side.do_handshake()
                done[at] = True
            except ssl.SSLWantReadError:
                continue
    found = far.getpeercert(binary_form=True)
    if found is None:
        raise Locked("the server saw no certificate")
    return found
