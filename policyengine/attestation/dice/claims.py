"""What a DICE chain says, by name, for people and test vectors; and which of its keys names the device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from policyengine.attestation.anchors import EvidenceKey
from policyengine.attestation.dice.cdi import CdiCertificate
from policyengine.attestation.dice.certificate import DiceCertificate, public_key, read_certificate
from policyengine.attestation.dice.layers import Fwid, Layer
from policyengine.attestation.dice.path import DicePath
from policyengine.attestation.errors import MalformedEvidenceError

OPEN, RIOT, TCG = "open-dice", "riot", "tcg-dice"


def profile(certificates: Sequence[DiceCertificate]) -> str:
    """Return which family of DICE the certificates are of, by their extensions."""
    if any(each.extensions.open_dice for each in certificates):
        return OPEN
    return RIOT if any(each.extensions.composite for each in certificates) else TCG


def device_key(path: DicePath) -> bytes:
    """Return the SubjectPublicKeyInfo of the key that names the device and outlives updates of its last layers.

    * the anchor itself, when that is a bare key: it was registered for this device
    * RIoT and Open DICE: the issuer of the topmost measured certificate, by those profiles the DeviceID or UDS key
    * TCG: the topmost certificate with a UEID, which names one device; without one, the topmost measured certificate.
      Never the key above that, which may be a vendor's CA: then all its devices would look like one.
    """
    if path.authority is None:
        return path.authority_spki
    measured = max((place for place, each in enumerate(path.certificates) if each.extensions.layers), default=0)
    if path.certificates[measured].extensions.open_dice or path.certificates[measured].extensions.composite is not None:
        above = path.certificates[measured + 1 : measured + 2]
        return above[0].spki if above else path.authority_spki
    named = [each for each in path.certificates[measured:] if each.extensions.ueid is not None]
    return (named[-1] if named else path.certificates[measured]).spki


def names(chain: Sequence[x509.Certificate], device: EvidenceKey) -> tuple[str, ...]:
    """Return what the anchor itself calls the device of a believed path, leaf first and the anchor last.

    Only the certificate that the anchor issued counts: what stands below it, the device wrote. Its UEID in hex,
    and if it is for the `device` key, the serialNumber of its subject: all devices below a CA would share the CA's.
    Raises MalformedEvidenceError for a subject that cannot be read.
    """
    issued = read_certificate(chain[-2].public_bytes(Encoding.DER))
    ueid = issued.extensions.ueid
    found = () if ueid is None else (ueid.hex(),)
    if public_key(issued.spki) != device:
        return found
    try:
        serials = chain[-2].subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    except ValueError as cause:
        raise MalformedEvidenceError("dice.certificate", "the subject of a certificate cannot be read") from cause
    return (*found, *[str(each.value) for each in serials if len(serials) == 1])


def claims(chain: Sequence[DiceCertificate | CdiCertificate]) -> dict[str, object]:
    """Return what the certificates say, none of it believed; layers root first, subjects as they were sent."""
    x509_chain = [each for each in chain if isinstance(each, DiceCertificate)]
    layers = [layer for each in reversed(x509_chain) for layer in each.extensions.layers]
    layers += [layer for each in chain if isinstance(each, CdiCertificate) for layer in each.layers]
    found: dict[str, object] = {
        "subjects": [_subject(each) for each in chain],
        "layers": [_layer(layer) for layer in layers],
    }
    ueid = [each.extensions.ueid for each in x509_chain if each.extensions.ueid is not None]
    if ueid:
        found["ueid"] = ueid[-1]
    composite = next((each for each in x509_chain if each.extensions.composite is not None), None)
    if composite is not None and composite.extensions.composite is not None:
        found["device"] = _subject(composite)
        found["fwid_sha256"] = composite.extensions.composite.layer.fwids[0].digest.hex()
    conveyed = {oid: value for each in x509_chain for oid, value in each.extensions.conveyed.items()}
    return found | ({"conveyed": conveyed} if conveyed else {})


def _subject(certificate: DiceCertificate | CdiCertificate) -> str:
    return certificate.subject if isinstance(certificate, CdiCertificate) else _name(certificate.encoded)


@lru_cache(maxsize=64)  # for people: no check-in asks
def _name(encoded: bytes) -> str:
    try:
        return x509.load_der_x509_certificate(encoded).subject.rfc4514_string()
    except ValueError:  # read here by our own reader, which asks less of names: they decide nothing
        return "a name that cannot be read"


def _layer(layer: Layer) -> dict[str, object]:
    shown: dict[str, object | None] = {
        "kind": layer.kind,
        "vendor": layer.vendor,
        "model": layer.model,
        "version": layer.version,
        "svn": layer.svn,
        "layer": layer.layer,
        "index": layer.index,
        "type": layer.type,
    }
    return {
        **{name: value for name, value in shown.items() if value is not None},
        "flags": dict.fromkeys(sorted(layer.flags), True),
        "fwids": [_fwid(each) for each in layer.fwids],
    }


def _fwid(fwid: Fwid) -> dict[str, object]:
    return {"alg": fwid.oid, "digest": fwid.digest.hex()}
