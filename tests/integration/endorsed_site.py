"""An installation whose vendor has no CA: its signed CoRIM lists the keys of its devices (attest-key triples)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.attestation.corim.states import read_endorsed
from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import Compilation, compile_tree
from policyengine.model.base64url import base64url
from policyengine.services.actors import SYSTEM
from policyengine.simulation import corim, tpm, tpm_log
from policyengine.simulation.eat import coswid_evidence, make_jwt
from tests.parity.presented import (
    TPM_TYPE,
    CcaDevice,
    DiceDevice,
    EatDevice,
    Evidence,
    Firmware,
    Presented,
    PsaDevice,
    measured_boot,
)
from tests.parity.site import MODEL, announced, policy_files
from tests.support.site import START, Site, open_site
from tests.unit.attestation import tpm_device

SIGNER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0x91] * 32))
STRANGER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0x92] * 32))
FOLDER = "reference-values/vendor-acme"
IMPLEMENTATION = cbor2.CBORTag(560, bytes(32))  # what PsaDevice says it is
DOCUMENT = """\
apiVersion: policyengine/v1
kind: ReferenceValues
metadata: {name: keys, owner: vendor-acme}
spec:
  models: [edge-7]
"""


class Sensor(PsaDevice):
    """A microcontroller that is announced by its instance id."""

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        return {}


class Module(EatDevice):
    """A module that speaks EAT and is announced by its UEID."""

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        return {}


class WebModule(Module):
    """A module that speaks EAT as JWT, where its UEID is text."""

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        measured = coswid_evidence(name="edge", version="1.2.3", files=firmware.digests)
        claims = {"eat_nonce": base64url(challenge), "ueid": base64url(self.instance), "oemboot": True, "bootcount": 7}
        stated = {"dbgstat": "disabled-permanently", "measurements": [[258, base64url(measured)]]}
        return "application/eat+jwt", make_jwt(self.key, claims | stated)


class Realm(CcaDevice, Sensor):
    """A server with realms that is announced by its platform's instance id."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway whose vendor read out its TPM's AK: no EK certificate, no activation."""

    id: str
    serial: str = "00" * 7

    @property
    def instance(self) -> bytes:
        return bytes.fromhex(self.serial)

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        private = tpm_device.AK.private
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return private

    @property
    def shown(self) -> Mapping[str, Any]:
        """What the quote shows beside the AK."""
        return {}

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        records = measured_boot(firmware)
        parts = tpm.tpm_evidence(
            tpm_device.AK,
            nonce=challenge,
            values={"sha256": tpm_log.pcrs(records)},
            eventlog=tpm_log.eventlog(records),
            **self.shown,
        )
        return TPM_TYPE, tpm.make_tpm_evidence(parts)

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        return {}


class Certified(Gateway):
    """A gateway whose TPM shows the certificate of its EK all the same."""

    @property
    def shown(self) -> Mapping[str, Any]:
        return {"ek": tpm_device.EK, "ek_chain": tpm_device.CHAIN}


class Layered(DiceDevice):
    """A sensor whose vendor lists the key that its chain stands below, and runs no CA."""

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        made = self.layers(firmware=Firmware(boot=b"", app=b"")).device_key
        assert isinstance(made, ec.EllipticCurvePrivateKey)
        return made


SENSOR = Sensor("edge-psa", "", ec.derive_private_key(0xE1, ec.SECP256R1()))
MODULE = Module("edge-eat", "AC-7", ec.derive_private_key(0xE2, ec.SECP256R1()))
GATEWAY = Gateway("edge-tpm")
WEB = WebModule("edge-web", "AC-8", ec.derive_private_key(0xE4, ec.SECP256R1()))
SERVER = Realm("edge-cca", "", ec.derive_private_key(0xE5, ec.SECP256R1()))
OTHER = Sensor("edge-two", "", ec.derive_private_key(0xE3, ec.SECP256R1()))


def triple(
    instance: bytes, *keys: Any, class_id: Any = None, model: str = MODEL, vendor: str = "vendor-acme"
) -> list[object]:
    about = corim.environment(vendor=vendor, model=model, class_id=class_id, instance=cbor2.CBORTag(550, instance))
    return corim.key_triple(about, *keys)


def batch(
    *attest: list[object],
    identity: Sequence[list[object]] = (),
    signer: Any = SIGNER,
    tag_id: str = "acme.keys",
    not_after: datetime | None = None,
) -> bytes:
    """Return a signed CoRIM with attest-key triples (3) and identity triples (2)."""
    triples: dict[int, object] = {number: list(found) for number, found in ((2, identity), (3, attest)) if found}
    parts = {} if not_after is None else {"p4": corim.validity(not_after)}
    return corim.signed(signer, corim.corim([corim.comid(triples, tag_id=tag_id)], corim_id=tag_id, **parts))


def compiled(
    *batches: bytes, quotes: bytes = b"", until: str = "", entry: str = "", endorses: str = "", now: datetime = START
) -> Compilation:
    """Return the repository with `batches` of keys beside the reference values of engineering, compiled.

    `quotes` is a batch of attestation keys of TPMs.
    """
    files = policy_files()
    raw = SIGNER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    parties = files["parties.yaml"].replace(b"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=", base64.b64encode(raw))
    scope = b"  scope: {model: {in: [edge-7]}}\n  may: [tighten"
    assert parties.count(scope) == 1
    allowed = f"  endorses: {endorses}\n".encode() if endorses else b""
    files["parties.yaml"] = parties.replace(scope, allowed + scope + b", reference-values")
    ends = f", until: {until}" if until else ""
    entries = "".join(f"    - {{corim: batch-{place}.corim{ends}}}\n" for place, _ in enumerate(batches))
    if quotes:
        entries += "    - {corim: quotes.corim, signs: quotes}\n"
        files[f"{FOLDER}/quotes.corim"] = quotes
    files[f"{FOLDER}/keys.yaml"] = (DOCUMENT + (entry or ("  attest_keys:\n" if entries else "") + entries)).encode()
    files |= {f"{FOLDER}/batch-{place}.corim": content for place, content in enumerate(batches)}
    return compile_tree(files, now=now, corims=read_endorsed)


def bundle_file(compilation: Compilation) -> BundleFile:
    assert compilation.bundle is not None, compilation.diagnostics
    assert compilation.digest is not None
    return BundleFile(bundle=compilation.bundle, digest=compilation.digest, commit=None, created_at=START)


def serial_of(device: Presented) -> str:
    return device.instance.hex() if isinstance(device, Sensor | Module) else device.serial


def endorsed_site(url: str, compilation: Compilation, *devices: Presented) -> Site:
    """Return a site on the database at `url` with the bundle in force and `devices` announced by their instance ids."""
    site = open_site(url)
    digest = site.services.bundles.publish_file(SYSTEM, encode_file(bundle_file(compilation)))
    site.services.bundles.activate(SYSTEM, digest, expected_generation=None)
    site.services.devices.announce(SYSTEM, [announced(each.id, serial_of(each)) for each in devices])
    return site
