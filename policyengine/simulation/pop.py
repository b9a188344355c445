"""IDevID proof of possession as a device makes it: its signature over the challenge, its certificates beside it."""

from __future__ import annotations

from collections.abc import Sequence

from policyengine.simulation.cose import DeviceKey, cose_sign1

_X5CHAIN = 33  # RFC 9360 section 2


def make_pop(key: DeviceKey, chain_der: Sequence[bytes], challenge: bytes) -> bytes:
    """Return the proof over `challenge`; `chain_der` is leaf first, and one certificate stands without an array."""
    x5chain = chain_der[0] if len(chain_der) == 1 else list(chain_der)
    return cose_sign1(key, challenge, protected={_X5CHAIN: x5chain})
