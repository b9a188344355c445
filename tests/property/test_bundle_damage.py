"""A bundle file that was changed or cut anywhere is refused, whatever byte and bit it was."""

from __future__ import annotations

from functools import cache

import pytest

from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import BundleFile, decode_file, digest_of_bundle, encode_file
from tests.support import bundles, ir


@cache
def written() -> bytes:
    """Return a small bundle file with everything that stands beside a bundle."""
    made = bundles.bundle(bundles.policy(bundles.rule(ir.fact("boot.secure"))), bindings=(bundles.binding(),))
    return encode_file(
        BundleFile(
            bundle=made,
            digest=digest_of_bundle(made),
            commit="c0ffee" * 6 + "cafe",
            created_at=bundles.NOW,
            height=41,
        )
    )


def refusal(content: bytes) -> str:
    """Return the code by which `content` is refused, empty when it is accepted."""
    try:
        decode_file(content)
    except PolicyEngineError as error:
        return error.code
    return ""


def test_the_file_itself_is_accepted() -> None:
    assert refusal(written()) == ""


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_every_byte_is_refused(bit: int) -> None:
    content = written()
    accepted = []
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << bit
        if not refusal(bytes(changed)).startswith("bundle."):
            accepted.append(position)
    assert accepted == []


def test_every_shorter_file_is_refused() -> None:
    content = written()
    assert [length for length in range(len(content)) if not refusal(content[:length]).startswith("bundle.")] == []


@pytest.mark.parametrize("more", [b"\n", b" ", b"\0", b"{}\n"])
def test_every_longer_file_is_refused(more: bytes) -> None:
    assert refusal(written() + more).startswith("bundle.")


def test_a_file_that_is_one_half_of_each_of_two_is_refused() -> None:
    """What an interrupted copy over an older file leaves."""
    other = written().replace(b'"height":41', b'"height":42')
    half = len(other) // 2
    assert refusal(other[:half] + written()[half:]).startswith("bundle.") or other[:half] == written()[:half]
    assert refusal(other).startswith("bundle.")
