"""One simulated device as five products: the same firmware and keys of its own, as PSA, EAT, CCA, TPM and DICE.

Each has what its hardware has: a token's key that a one-time token admits, a TPM with an EK certificate, a DICE chain
below the vendor's CA. `Firmware` is what the makers measured; everything else is real keys and real signatures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.attestation.anchors import thumbprint
from policyengine.attestation.dice.appraisal import MEDIA_TYPE as DICE_TYPE
from policyengine.attestation.tpm.appraisal import MEDIA_TYPE as TPM_TYPE
from policyengine.model.base64url import base64url
from policyengine.services.actors import SYSTEM
from policyengine.services.identification.activation import ActivationRequest
from policyengine.simulation import dice, tpm, tpm_log
from policyengine.simulation.device import PSA_TYPE
from policyengine.simulation.eat import coswid_evidence, eat_claims, make_cwt
from policyengine.simulation.psa import SECURED, MeasuredComponent, instance_id_of, make_psa_token
from tests.support.site import Site
from tests.unit.attestation import tpm_device
from tests.vectors import cca_cases

CCA_TYPE = "application/eat-collection"
EAT_TYPE = "application/eat+cwt"
VERSION, SVN = "1.2.3", 4
DICE_CA = ec.derive_private_key(0xD1CE, ec.SECP256R1())

Evidence = tuple[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """What is measured: a boot loader and an application."""

    boot: bytes
    app: bytes

    @property
    def digests(self) -> dict[str, bytes]:
        return {"boot": hashlib.sha256(self.boot).digest(), "app": hashlib.sha256(self.app).digest()}


RELEASED = Firmware(boot=b"boot loader 1.2.3", app=b"application 1.2.3")
TAMPERED = replace(RELEASED, app=b"application 1.2.3 with an implant")


class Presented(Protocol):
    """A device in one format."""

    @property
    def id(self) -> str: ...

    @property
    def serial(self) -> str: ...

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        """Return what its hardware signs over `challenge`."""
        ...

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        """Return what a first check-in holds beside evidence."""
        ...


@dataclass(frozen=True, slots=True)
class _WithToken:
    """A device whose attestation key a one-time token admits."""

    id: str
    serial: str
    key: ec.EllipticCurvePrivateKey

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        token = site.services.devices.create_token(SYSTEM, self.id, lifetime=timedelta(days=1))
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"token": token.token, "key": base64url(spki)}


class PsaDevice(_WithToken):
    """A microcontroller with PSA firmware (RFC 9783)."""

    @property
    def instance(self) -> bytes:
        return instance_id_of(self.key)

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        software = [
            MeasuredComponent(type=name, digest=digest, signer=bytes(32), version=VERSION)
            for name, digest in firmware.digests.items()
        ]
        token = make_psa_token(
            self.key,
            nonce=challenge,
            implementation_id=bytes(32),
            instance_id=self.instance,
            lifecycle=SECURED,
            software=software,
        )
        return PSA_TYPE, token


class CcaDevice(PsaDevice):
    """A server whose platform attests to a realm (Arm CCA): the challenge binds the one, a key both."""

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        components = [
            {1: name, 2: digest, 4: VERSION, 5: bytes(32), 6: "sha-256"} for name, digest in firmware.digests.items()
        ]
        platform = cca_cases.PLATFORM | {256: self.instance, 2396: bytes(32), 2399: components}
        realm = cca_cases.REALM | {10: challenge.ljust(64, b"\x00")}
        return CCA_TYPE, cca_cases.token(platform, realm, key=self.key)


class EatDevice(_WithToken):
    """A module that speaks EAT (RFC 9711), its software measured as CoSWID evidence."""

    @property
    def instance(self) -> bytes:
        return b"\x01" + hashlib.sha256(self.serial.encode()).digest()

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        claims = eat_claims(nonce=challenge, ueid=self.instance, software="edge", version=VERSION, boot_count=7)
        measured = coswid_evidence(name="edge", version=VERSION, files=firmware.digests)
        return EAT_TYPE, make_cwt(self.key, claims | {273: [[258, measured]]})


@dataclass(frozen=True, slots=True)
class TpmDevice:
    """A gateway whose TPM has an EK certificate; its serial number is the thumbprint of the EK."""

    id: str

    @property
    def serial(self) -> str:
        return thumbprint(tpm_device.EK.private.public_key())

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        records = measured_boot(firmware)
        parts = tpm.tpm_evidence(
            tpm_device.AK,
            nonce=challenge,
            values={"sha256": tpm_log.pcrs(records)},
            ek=tpm_device.EK,
            ek_chain=tpm_device.CHAIN,
            eventlog=tpm_log.eventlog(records),
        )
        return TPM_TYPE, tpm.make_tpm_evidence(parts)

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        asked = ActivationRequest(
            nonce=nonce, ek=tpm_device.EK.public, ak=tpm_device.AK.public, ek_chain=tpm_device.CHAIN
        )
        wrapped = site.services.activations.activate(asked)
        secret = tpm.activate_credential(
            tpm_device.EK,
            name=tpm_device.AK.name,
            id_object=wrapped.id_object,
            encrypted_secret=wrapped.encrypted_secret,
        )
        assert secret is not None
        return {"activation": base64url(secret)}


def measured_boot(firmware: Firmware) -> tuple[tpm_log.Record, ...]:
    """Return what a PC's firmware logs when it starts `firmware`."""
    *before, application = tpm_log.boot(version=VERSION)
    return (*before, replace(application, measured=firmware.boot), replace(application, measured=firmware.app))


@dataclass(frozen=True, slots=True)
class DiceDevice:
    """A sensor that derives its keys from a secret; its vendor's CA certified the first, by a UEID."""

    id: str
    secret: bytes

    @property
    def ueid(self) -> bytes:
        return b"\x01" + hashlib.sha256(self.secret).digest()[:16]

    @property
    def serial(self) -> str:
        return self.ueid.hex()

    def layers(self, firmware: Firmware) -> dice.DiceDevice:
        return dice_layers(self.secret, firmware, self.ueid)

    def evidence(self, challenge: bytes, firmware: Firmware) -> Evidence:
        made = self.layers(firmware)
        return DICE_TYPE, dice.make_dice_evidence(made.leaf_key, made.chain(), challenge)

    def introduction(self, site: Site, nonce: bytes) -> Mapping[str, object]:
        return {}


@cache
def dice_layers(secret: bytes, firmware: Firmware, ueid: bytes | None) -> dice.DiceDevice:
    measured = [{"digests": [digest], "version": VERSION} for digest in firmware.digests.values()]
    return dice.tcg_device("acme", ca_key=DICE_CA, secret=secret, firmware=measured, ueid=ueid)


PRESENTED: Mapping[str, Presented] = {
    "PSA": PsaDevice("edge-psa", "AC-00000001", ec.derive_private_key(0xA1, ec.SECP256R1())),
    "EAT": EatDevice("edge-eat", "AC-00000002", ec.derive_private_key(0xA2, ec.SECP256R1())),
    "CCA": CcaDevice("edge-cca", "AC-00000003", ec.derive_private_key(0xA3, ec.SECP256R1())),
    "TPM": TpmDevice("edge-tpm"),
    "DICE": DiceDevice("edge-dice", b"\x51" * 32),
}
