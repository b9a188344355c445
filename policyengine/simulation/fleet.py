"""The factory: keys and IDevIDs for every planned device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from policyengine.simulation.device import Entropy, SimulatedDevice, new_key
from policyengine.simulation.plan import PlannedDevice, Scenario
from policyengine.simulation.vendor import HardwareModule, VendorCa, issue_idevid, make_vendor_ca

MODULE_TYPE = "1.3.6.1.4.1.32473.1"  # RFC 5612: the enterprise number for examples


def found_vendor(vendor: str, *, now: datetime, entropy: Entropy) -> VendorCa:
    """Return the test CA of `vendor`, valid from `now`."""
    return make_vendor_ca(vendor, root_key=new_key(entropy), issuing_key=new_key(entropy), now=now, entropy=entropy(32))


def manufacture(
    plan: Sequence[PlannedDevice], vendors: Mapping[str, VendorCa], *, now: datetime, entropy: Entropy
) -> tuple[SimulatedDevice, ...]:
    """Return the planned devices with keys and IDevIDs; those of SHARED_KEY leave the factory with one key."""
    shared = new_key(entropy)
    return tuple(
        _manufactured(
            planned,
            vendors[planned.vendor],
            shared if planned.scenario is Scenario.SHARED_KEY else new_key(entropy),
            now=now,
            entropy=entropy,
        )
        for planned in plan
    )


def _manufactured(
    planned: PlannedDevice, ca: VendorCa, key: ec.EllipticCurvePrivateKey, *, now: datetime, entropy: Entropy
) -> SimulatedDevice:
    leaf = issue_idevid(
        ca,
        key.public_key(),
        serial_number=planned.serial,
        model=planned.model,
        hardware=HardwareModule(type=MODULE_TYPE, serial=planned.serial.encode()),
        now=now,
        entropy=entropy(16),
    )
    return SimulatedDevice(
        planned=planned,
        identity_key=key,
        operational_key=new_key(entropy),
        stray_key=new_key(entropy),
        chain=(leaf.public_bytes(Encoding.DER), ca.issuing.public_bytes(Encoding.DER)),
    )
