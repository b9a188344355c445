"""Hostile repositories are refused with diagnostics, in time that grows no faster than they do."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.language.kinds.catalog import TYPES
from tests.unit.language.repository import base, certificate, compiled, replaced


def codes(changes: dict[str, bytes | str | None]) -> set[str]:
    return {one.code for one in compiled(changes).diagnostics}


def test_a_list_of_a_hundred_thousand_mixed_items_is_not_compared_pair_by_pair() -> None:
    items = ", ".join(f"{n}, s{n}" for n in range(50_000))
    assert "schema.unquoted-number" in codes({"fleet.yaml": replaced("fleet.yaml", "[line-1]", f"[{items}]")})


def test_ten_thousand_unknown_words_get_their_diagnostics() -> None:
    many = ", ".join(f'"etsi:{n}"' for n in range(10_000))
    found = compiled({"engineering/boot.yaml": replaced("engineering/boot.yaml", '["etsi:5.7-1"]', f"[{many}]")})
    assert sum(one.code == "controls.unknown" for one in found.diagnostics) == 10_000


def test_a_long_chain_of_test_devices_is_refused() -> None:
    chain = "".join(f"    d{n}: {{from: d{n + 1}}}\n" for n in range(5_000))
    text = replaced("engineering/boot_test.yaml", "  expect:\n", chain + "  expect:\n")
    assert "test.chain-too-long" in codes({"engineering/boot_test.yaml": text})


@pytest.mark.parametrize("length", ["36526d", "999999999999d", "9999999999999d"])
def test_an_endless_duration_is_refused(length: str) -> None:
    found = codes({"profiles/all.yaml": replaced("profiles/all.yaml", "lifetime: 14d", f"lifetime: {length}")})
    assert found & {"value.time", "schema.pattern"}


@pytest.mark.parametrize("kind", [*TYPES, *(f"[{name}]" for name in TYPES)])
def test_facts_of_every_type_can_be_declared(kind: str) -> None:
    assert codes({"facts/own.yaml": replaced("facts/own.yaml", "type: string", f"type: {kind}")}) == set()


@given(st.integers(0, 100_000), st.integers(1, 255))
def test_a_changed_certificate_gives_diagnostics_only(position: int, change: int) -> None:
    content = bytearray(base()["trust-anchors/acme.pem"])
    content[position % len(content)] ^= change
    compiled({"trust-anchors/acme.pem": bytes(content)})


def test_a_certificate_of_a_version_that_does_not_exist_is_a_diagnostic() -> None:
    """RFC 5280 section 4.1.2.1; the version's value is the third byte of its field `a0 03 02 01 02`."""
    der = ssl.PEM_cert_to_DER_cert(certificate().decode())
    changed = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020101"), 1)
    assert codes({"trust-anchors/acme.pem": ssl.DER_cert_to_PEM_cert(changed).encode()}) == {"trust.not-a-certificate"}


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 10_000,
        "a" * 1_000_000,
        '"\\ud800" == "x"',
        "boot.secure ? 1 : 2 : 3",
        "\U0001f600",
    ],
    ids=["parentheses", "length", "surrogate", "ternary", "emoji"],
)
def test_a_hostile_condition_is_refused(condition: str) -> None:
    quoted = "'" + condition.replace("'", "''") + "'"
    text = replaced("engineering/boot.yaml", "require: identity.verified", f"require: {quoted}")
    found = compiled({"engineering/boot.yaml": text})
    assert found.bundle is None
    assert all(one.code.startswith(("cel.", "schema.", "yaml.")) for one in found.diagnostics)
