"""What a shut gate says: every code, for who looks it up."""

from __future__ import annotations

from collections.abc import Mapping

PAGE = "docs/gate.md#what-a-refusal-names"

MEANINGS: Mapping[str, str] = {
    "gate.certificate": "the certificate is revoked, or a person put it on hold",
    "gate.expired": "the certificate that was shown is not valid now",
    "gate.foreign": "the certificate that was shown is not one that this server issued, byte for byte",
    "gate.lifecycle": "the device is not in service: not enrolled yet, waiting for a person, or retired",
    "gate.nobody": "the gate named neither a device nor a certificate",
    "gate.tier": "the device's tier does not pass for this purpose",
    "gate.undecided": "the device's decision has ended and could not be made again",
    "gate.unknown": "no device answers to the name or the certificate, or none that this asker may ask about",
}
