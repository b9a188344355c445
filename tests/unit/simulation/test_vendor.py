"""A vendor's test CA makes IDevIDs that path validation accepts and that say who the device is."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pki.chain import validate_path
from policyengine.simulation.vendor import HardwareModule, issue_idevid, make_vendor_ca

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
CA = make_vendor_ca("vendor-acme", root_key=KEYS[0], issuing_key=KEYS[1], now=NOW, entropy=bytes(range(32)))
IDEVID = issue_idevid(
    CA,
    KEYS[2].public_key(),
    serial_number="AC-00000001",
    model="gw-200",
    hardware=HardwareModule(type="1.3.6.1.4.1.99999.1", serial=b"AC-00000001"),
    now=NOW,
    entropy=bytes(16),
)


def test_an_idevid_reaches_its_vendors_root() -> None:
    path = validate_path(IDEVID, intermediates=[CA.issuing], anchors=[CA.root], at=NOW)
    assert len(path.chain) == 3


def test_an_idevid_says_vendor_model_and_serial() -> None:
    """IEEE 802.1AR-2018 section 8.6: the subject holds the serial number."""
    said = {attribute.oid: attribute.value for attribute in IDEVID.subject}
    assert said[NameOID.ORGANIZATION_NAME] == "vendor-acme"
    assert said[NameOID.ORGANIZATIONAL_UNIT_NAME] == "gw-200"
    assert said[NameOID.SERIAL_NUMBER] == "AC-00000001"


def test_an_idevid_never_expires() -> None:
    """IEEE 802.1AR-2018 section 8.7."""
    assert IDEVID.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_an_idevid_names_its_hardware_module() -> None:
    """RFC 4108 section 5."""
    san = IDEVID.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.type_id.dotted_string for name in san] == ["1.3.6.1.5.5.7.8.4"]
