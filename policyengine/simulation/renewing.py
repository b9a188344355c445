"""Renewal by the old key as a device asks for it: its certificate ended while it was switched off."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.model.base64url import base64url
from policyengine.model.challenge import renewal_statement
from policyengine.simulation.cose import DeviceKey, cose_sign1

RENEWAL_TYPE = "application/vnd.policyengine.renewal+cose"


def late_renewal(key: DeviceKey, nonce: bytes, *, certificate: bytes, csr: bytes) -> Mapping[str, object]:
    """Return the body of `POST /v1/renewals`: `key` is that of `certificate`, `csr` asks for the key that follows."""
    statement = cose_sign1(key, renewal_statement(nonce, certificate, csr))
    return {
        "nonce": base64url(nonce),
        "certificate": base64url(certificate),
        "csr": base64url(csr),
        "statement": {"type": RENEWAL_TYPE, "value": base64url(statement)},
    }
