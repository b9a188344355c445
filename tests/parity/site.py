"""An installation that knows one model in five formats: twenty rules, the vendor's CAs and the released firmware."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import compile_tree
from policyengine.model.base64url import base64url
from policyengine.model.challenge import bound_nonce
from policyengine.services.actors import SYSTEM
from policyengine.services.registry.devices import NewDevice
from policyengine.simulation import tpm_log
from tests.parity.presented import PRESENTED, RELEASED, SVN, VERSION, Firmware, Presented, dice_layers, measured_boot
from tests.support.site import START, Site, open_site, request
from tests.unit.attestation import tpm_device

MODEL, VENDOR = "edge-7", "vendor-acme"
OPERATIONAL = ec.derive_private_key(0x0B, ec.SECP256R1())
REPORTED = {
    "net": {"tls_min": "1.2", "mud_conformant": True},
    "config": {"default_credentials": False, "auto_update": True},
}
_HERE = Path(__file__).parent / "policies"


def policy_files() -> dict[str, bytes]:
    """Return the policy repository, with the vendor's CAs and the digests of RELEASED as each format measures it."""
    files = {str(path.relative_to(_HERE)): path.read_bytes() for path in _HERE.rglob("*.yaml")}
    values = tpm_log.pcrs(measured_boot(RELEASED))
    by_format = {
        "tokens": RELEASED.digests,
        "pcrs": {f"sha256:{pcr}": values[pcr] for pcr in (0, 4, 7)},
        "layers": {f"layer-{place}": digest for place, digest in enumerate(RELEASED.digests.values())},
    }
    for name, digests in by_format.items():
        files[f"reference-values/engineering/{name}.yaml"] = _reference(name, digests)
    files["trust-anchors/tpm-root.pem"] = tpm_device.vendor_ca().public_bytes(Encoding.PEM)
    files["trust-anchors/dice-root.pem"] = dice_layers(bytes(32), RELEASED, None).root().public_bytes(Encoding.PEM)
    return files


def _reference(name: str, digests: Mapping[str, bytes]) -> bytes:
    components = [{"name": each, "sha256": digest.hex()} for each, digest in digests.items()]
    release = {"version": VERSION, "svn": SVN, "components": components}
    return json.dumps(
        {
            "apiVersion": "policyengine/v1",
            "kind": "ReferenceValues",
            "metadata": {"name": name},
            "spec": {"models": [MODEL], "releases": [release]},
        }
    ).encode()


def bundle_file() -> BundleFile:
    """Return the compiled repository."""
    compiled = compile_tree(policy_files(), now=START)
    assert compiled.bundle is not None, compiled.diagnostics
    assert compiled.digest is not None
    return BundleFile(bundle=compiled.bundle, digest=compiled.digest, commit=None, created_at=START)


def parity_site(url: str, *devices: Presented) -> Site:
    """Return a site on the database at `url` with the policies in force and `devices` announced, by default all."""
    site = open_site(url)
    digest = site.services.bundles.publish_file(SYSTEM, encode_file(bundle_file()))
    site.services.bundles.activate(SYSTEM, digest, expected_generation=None)
    site.services.devices.announce(SYSTEM, [announced(each.id, each.serial) for each in devices or PRESENTED.values()])
    return site


def announced(device_id: str, serial: str) -> NewDevice:
    return NewDevice(
        id=device_id,
        vendor=VENDOR,
        model=MODEL,
        serial=serial,
        site=None,
        zone=None,
        labels={},
        criticality="medium",
    )


def enrol(site: Site, device: Presented, firmware: Firmware = RELEASED, **members: object) -> Mapping[str, Any]:
    """Return the reply to a first check-in with a certificate request, after a challenge for nobody in particular."""
    nonce, key = site.services.challenges.issue(None).nonce, operational_key(device)
    claimed = bound_nonce(nonce, spki_of(key))
    body = body_of(nonce, device.evidence(claimed, firmware)) | device.introduction(site, nonce)
    return send(site, body | {"csr": certificate_request(key)} | members)


def check_in(site: Site, device: Presented, firmware: Firmware = RELEASED) -> Mapping[str, Any]:
    """Return the reply to a later check-in: evidence alone, over a challenge for this device."""
    nonce = site.services.challenges.issue(device.id).nonce
    return send(site, body_of(nonce, device.evidence(nonce, firmware)))


def body_of(nonce: bytes, *evidence: tuple[str, bytes]) -> dict[str, object]:
    items = [{"type": kind, "value": base64url(value)} for kind, value in evidence]
    return {"nonce": base64url(nonce), "evidence": items, "reported": REPORTED}


def send(site: Site, body: Mapping[str, object]) -> Mapping[str, Any]:
    reply = asyncio.run(site.services.checkins.check_in(request(body)))
    found: Mapping[str, Any] = json.loads(reply.body)
    return found


def operational_key(device: Presented) -> ec.EllipticCurvePrivateKey:
    """Return the key that is certified for `device` and for no other."""
    return ec.derive_private_key(int.from_bytes(device.id.encode()), ec.SECP256R1())


def certificate_request(key: ec.EllipticCurvePrivateKey = OPERATIONAL) -> str:
    request_ = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return base64url(request_.public_bytes(Encoding.DER))


def spki_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def results(site: Site, reply: Mapping[str, Any]) -> dict[str, str]:
    """Return the result of every rule by its id: the reply tells the device only what it has to mend."""
    decision = json.loads(site.services.audit.decision(SYSTEM, reply["decision_id"]))
    return {each["rule"].partition("#")[2]: each["result"] for each in decision["findings"]}
