"""Lists of serial numbers by a key that a vendor's CA certified: believed of that CA's devices and no others."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from policyengine.errors import PolicyEngineError
from policyengine.model.base64url import base64url
from policyengine.model.policy import Anchor, Bundle
from policyengine.services.registry.serial_lists import SerialList, read_serial_list
from policyengine.services.registry.serial_signers import TYPE
from tests.support.site import policies
from tests.unit.pki.making import KEYS, NOW, Chain

CA, SIGNER, STRANGER = KEYS[1], KEYS[2], KEYS[3]  # as `Chain` has them: issuing CA and leaf
DEVICES = [{"serial": "AC-80000001", "model": "gw-200"}]


@cache
def bundle(use: frozenset[str] = frozenset({"serials"}), models: tuple[str, ...] = ("gw-200",)) -> Bundle:
    """The starter pack's, with the issuing CA of `Chain` among the trust anchors."""
    made = policies()[1].bundle
    assert made is not None
    anchor = Anchor(
        certificate=Chain().issuing().public_bytes(Encoding.PEM).decode(),
        use=use,
        vendor="vendor-acme",
        models=models,
        serial="^AC-8[0-9]{7}$",
        place=made.anchors[0].place,
    )
    return replace(made, anchors=(*made.anchors, anchor))


def x5c(*certificates: x509.Certificate) -> list[str]:
    return [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates]


def signed(
    devices: Sequence[object] = DEVICES,
    *,
    key: ec.EllipticCurvePrivateKey = SIGNER,
    chain: object = None,
    vendor: str = "vendor-acme",
) -> bytes:
    header = {"alg": "ES256", "typ": TYPE, "x5c": x5c(Chain().leaf()) if chain is None else chain}
    payload = {"vendor": vendor, "batch": "2026-11", "devices": list(devices)}
    text = ".".join(base64url(json.dumps(part).encode()) for part in (header, payload))
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{base64url(r.to_bytes(32) + s.to_bytes(32))}".encode()


def read(content: bytes, found: Bundle | None = None) -> SerialList:
    return read_serial_list(content, found or bundle(), now=NOW)


def refusal(content: bytes, found: Bundle | None = None) -> tuple[str, object]:
    with pytest.raises(PolicyEngineError) as refused:
        read(content, found)
    return refused.value.code, refused.value.fields.get("check")


def test_a_list_by_a_certified_key_is_believed() -> None:
    assert [device.serial for device in read(signed()).devices] == ["AC-80000001"]


def test_the_cas_above_may_stand_behind_the_certificate() -> None:
    """RFC 7515 section 4.1.6."""
    chain = Chain()
    assert read(signed(chain=x5c(chain.leaf(), chain.issuing(), chain.root()))).vendor == "vendor-acme"


def test_a_list_by_another_key_than_the_certificates_is_refused() -> None:
    assert refusal(signed(key=STRANGER)) == ("serials.signature", "jose.signature")


def test_a_certificate_that_ended_signs_nothing() -> None:
    ended = Chain(leaf_end=NOW - timedelta(seconds=1)).leaf()
    assert refusal(signed(chain=x5c(ended))) == ("serials.chain", "path.validity")


def test_a_certificate_of_another_ca_is_refused() -> None:
    other = Chain(leaf_signer=STRANGER).leaf()
    assert refusal(signed(chain=x5c(other)))[0] == "serials.chain"


def test_a_ca_between_is_not_followed() -> None:
    """Below the same root a vendor certifies its devices: only the CA that is named certifies keys for lists."""
    root = bundle()
    named = replace(root.anchors[-1], certificate=Chain().root().public_bytes(Encoding.PEM).decode())
    chain = Chain()
    content = signed(chain=x5c(chain.leaf(), chain.issuing()))
    assert refusal(content, replace(root, anchors=(*root.anchors[:-1], named)))[0] == "serials.chain"


@pytest.mark.parametrize("use", ["idevid", "ek", "dice", "legacy", "corim"])
def test_a_ca_for_another_use_signs_no_lists(use: str) -> None:
    assert refusal(signed(), bundle(frozenset({use})))[0] == "serials.chain"


def test_a_ca_that_certifies_devices_as_well_signs_no_lists() -> None:
    """Each of its devices could; what one document says counts in another (trust.serials-ca)."""
    found = bundle()
    twice = replace(found, anchors=(*found.anchors, replace(found.anchors[-1], use=frozenset({"idevid"}))))
    assert refusal(signed(), twice)[0] == "serials.chain"


def test_a_ca_of_one_vendor_signs_nothing_in_the_name_of_another() -> None:
    assert refusal(signed(vendor="vendor-borealis"))[0] == "serials.chain"


@pytest.mark.parametrize("serial", ["AC-10000001", "BC-80000001"])
def test_a_serial_number_that_the_ca_may_not_speak_for_refuses_the_list(serial: str) -> None:
    assert refusal(signed([*DEVICES, {"serial": serial, "model": "gw-200"}])) == ("serials.scope", "serials.entitled")


def test_a_model_that_the_ca_may_not_speak_for_refuses_the_list() -> None:
    assert refusal(signed(), bundle(models=("gw-210",))) == ("serials.scope", "serials.entitled")


@pytest.mark.parametrize("chain", [[], "MIIB", [1], ["%%%"], ["AAAA"], x5c(Chain().leaf()) * 9])
def test_what_is_no_chain_is_told_apart_from_a_bad_signature(chain: object) -> None:
    assert refusal(signed(chain=chain))[0] == "request.serials"
