"""What one simulated device sends: real keys, real signatures; pure, so that a test can hold it still."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from policyengine.model.base64url import base64url
from policyengine.model.challenge import bound_nonce
from policyengine.simulation.csr_evidence import CHALLENGE_TYPE, bundle_of, with_evidence
from policyengine.simulation.plan import PlannedDevice, Scenario
from policyengine.simulation.pop import make_pop
from policyengine.simulation.psa import RECOVERABLE_DEBUG, SECURED, MeasuredComponent, instance_id_of, make_psa_token

POP_TYPE = "application/vnd.policyengine.pop+cose"
PSA_TYPE = 'application/eat+cwt; eat_profile="tag:psacertified.org,2023:psa#tfm"'

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDevice:
    """A planned device with its keys. `chain` is its IDevID, leaf first, DER."""

    planned: PlannedDevice
    identity_key: ec.EllipticCurvePrivateKey
    operational_key: ec.EllipticCurvePrivateKey
    stray_key: ec.EllipticCurvePrivateKey  # what `wrong-key` signs with and `foreign-csr` asks for
    chain: tuple[bytes, ...]


def new_key(entropy: Entropy) -> ec.EllipticCurvePrivateKey:
    """Return a P-256 key made of `entropy` (FIPS 186-5 appendix A.2.1, extra bits)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    scalar = int.from_bytes(entropy(40), "big") % (order - 1) + 1
    return ec.derive_private_key(scalar, ec.SECP256R1())


def enrolment(device: SimulatedDevice, nonce: bytes) -> Mapping[str, object]:
    """Return the body of a first check-in: proof of possession of the IDevID key, PSA token, certificate request."""
    asked = _requested_key(device)
    claimed = bound_nonce(nonce, _spki(device.operational_key))
    pop = make_pop(device.identity_key, device.chain, claimed)
    return _body(nonce, ((POP_TYPE, pop), (PSA_TYPE, _token(device, claimed))), csr=certificate_request(device, asked))


def check_in(device: SimulatedDevice, nonce: bytes) -> Mapping[str, object]:
    """Return the body of a later check-in: the PSA token alone, signed by the key the server has pinned."""
    return _body(nonce, ((PSA_TYPE, _token(device, nonce)),), csr=None)


def renewal(device: SimulatedDevice, nonce: bytes) -> Mapping[str, object]:
    """Return the body of a later check-in that also asks for a new certificate."""
    claimed = bound_nonce(nonce, _spki(device.operational_key))
    return _body(nonce, ((PSA_TYPE, _token(device, claimed)),), csr=certificate_request(device, device.operational_key))


def attested_request(device: SimulatedDevice, nonce: bytes) -> bytes:
    """Return the PKCS#10 (DER) that brings its evidence over EST: a PSA token and the challenge `nonce` it answers."""
    return with_evidence(
        certificate_request(device, _requested_key(device)),
        _requested_key(device),
        bundle_of(request_evidence(device, nonce)),
    )


def request_evidence(device: SimulatedDevice, nonce: bytes) -> list[tuple[str, bytes]]:
    """Return what a request for the device's operational key carries: media types and messages."""
    claimed = bound_nonce(nonce, _spki(device.operational_key))
    return [(CHALLENGE_TYPE, nonce), (PSA_TYPE, _token(device, claimed))]


def _requested_key(device: SimulatedDevice) -> ec.EllipticCurvePrivateKey:
    foreign = device.planned.scenario is Scenario.FOREIGN_CSR
    return device.stray_key if foreign else device.operational_key


def _token(device: SimulatedDevice, nonce: bytes) -> bytes:
    scenario = device.planned.scenario
    return make_psa_token(
        device.stray_key if scenario is Scenario.WRONG_KEY else device.identity_key,
        nonce=nonce,
        implementation_id=hashlib.sha256(device.planned.model.encode()).digest(),
        instance_id=instance_id_of(device.identity_key),
        lifecycle=RECOVERABLE_DEBUG if scenario is Scenario.DEBUG else SECURED,
        software=_software(device.planned),
        boot_seed=hashlib.sha256(b"boot" + _spki(device.identity_key)).digest(),
    )


def _software(planned: PlannedDevice) -> Sequence[MeasuredComponent]:
    signer = hashlib.sha256(planned.vendor.encode()).digest()
    digests = [(component.name, bytes.fromhex(component.sha256)) for component in planned.release.components]
    if planned.scenario is Scenario.TAMPERED:
        digests[-1] = (digests[-1][0], hashlib.sha256(b"implant").digest())
    return [
        MeasuredComponent(type=name, digest=digest, signer=signer, version=planned.release.version)
        for name, digest in digests
    ]


def certificate_request(device: SimulatedDevice, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the PKCS#10 (DER) by which `device` asks for a certificate of `key`."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device.planned.device_id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def _body(nonce: bytes, evidence: Sequence[tuple[str, bytes]], *, csr: bytes | None) -> Mapping[str, object]:
    body: dict[str, object] = {
        "nonce": base64url(nonce),
        "evidence": [{"type": kind, "value": base64url(value)} for kind, value in evidence],
        "reported": _REPORTED,
    }
    return body if csr is None else {**body, "csr": base64url(csr)}


_REPORTED = {
    "net": {"open_ports": [443, 8883], "protocols": ["https", "mqtts"], "tls_min": "1.2", "mud_conformant": True},
    "config": {"default_credentials": False, "debug_services": [], "auto_update": True, "log_enabled": True},
}


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
