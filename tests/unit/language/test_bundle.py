from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import (
    BundleDigestError,
    BundleFile,
    CorruptBundleError,
    decode,
    decode_file,
    digest_of_bundle,
    encode,
    encode_file,
)
from policyengine.language.value_codec import BundleShapeError
from policyengine.model.canonical import canonical
from policyengine.model.ids import digest_of
from policyengine.model.policy import Bundle, Fleet
from tests.unit.language.repository import compiled

BUILT = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    found = compiled().bundle
    assert found is not None
    return found


@pytest.fixture(scope="module")
def written(bundle: Bundle) -> bytes:
    return encode_file(BundleFile(bundle=bundle, digest=digest_of_bundle(bundle), commit="c0ffee", created_at=BUILT))


def test_a_bundle_reads_back_equal(bundle: Bundle) -> None:
    assert decode(encode(bundle)) == bundle


def test_a_bundle_read_back_has_the_same_bytes(bundle: Bundle) -> None:
    assert encode(decode(encode(bundle))) == encode(bundle)


def test_a_digest_names_the_bytes(bundle: Bundle) -> None:
    assert compiled().digest == digest_of(encode(bundle))


def test_a_double_stays_a_double(bundle: Bundle) -> None:
    profile = replace(bundle.profiles[0], renew_at=1.0)
    again = decode(encode(replace(bundle, profiles=(profile,))))
    assert type(again.profiles[0].renew_at) is float


def test_a_field_that_came_later_leaves_older_bundles_their_bytes(bundle: Bundle) -> None:
    """A bundle of before `late_renewal` keeps its digest, and so do the decisions that name it."""
    assert b"late_renewal" not in encode(bundle)


def test_a_field_that_came_later_is_kept_where_it_says_something(bundle: Bundle) -> None:
    changed = replace(bundle, profiles=(replace(bundle.profiles[0], late_renewal=timedelta(days=30)),))
    assert decode(encode(changed)) == changed


def test_a_later_field_that_says_nothing_has_one_spelling(bundle: Bundle) -> None:
    content = json.loads(encode(bundle))
    content["content"]["profiles"][0]["late_renewal"] = None
    with pytest.raises(BundleShapeError):
        decode(canonical(content))


def test_a_bundle_file_reads_back(bundle: Bundle, written: bytes) -> None:
    found = decode_file(written)
    assert (found.bundle, found.digest, found.commit, found.created_at) == (
        bundle,
        digest_of_bundle(bundle),
        "c0ffee",
        BUILT,
    )


def test_the_commit_is_outside_the_digest(bundle: Bundle, written: bytes) -> None:
    elsewhere = BundleFile(bundle=bundle, digest=digest_of_bundle(bundle), commit=None, created_at=BUILT)
    assert decode_file(encode_file(elsewhere)).digest == decode_file(written).digest


def test_a_changed_byte_anywhere_is_noticed(written: bytes) -> None:
    """Every 97th byte of the bundle and its digest: a flipped bit is never read as another bundle."""
    end = written.index(b'"commit"')
    for position in range(0, end, 97):
        changed = bytearray(written)
        changed[position] ^= 1
        with pytest.raises(PolicyEngineError) as refused:
            decode_file(bytes(changed))
        assert refused.value.code.startswith("bundle.")


def test_a_cut_file_is_refused(written: bytes) -> None:
    for length in (0, 1, len(written) // 2, len(written) - 1):
        with pytest.raises(CorruptBundleError):
            decode_file(written[:length])


def test_another_digest_in_the_file_is_refused(written: bytes) -> None:
    document = json.loads(written)
    document["digest"] = "sha256:" + "0" * 64
    with pytest.raises(BundleDigestError):
        decode_file(canonical(document) + b"\n")


def test_white_space_is_refused(bundle: Bundle) -> None:
    with pytest.raises(CorruptBundleError):
        decode(encode(bundle) + b"\n")


def test_a_duplicate_key_is_refused(bundle: Bundle) -> None:
    with pytest.raises(CorruptBundleError):
        decode(encode(bundle).replace(b'{"content":', b'{"content":1,"content":', 1))


def test_an_unknown_key_is_refused_with_its_path(bundle: Bundle) -> None:
    document = json.loads(encode(bundle))
    document["content"]["fleet"]["colour"] = "red"
    with pytest.raises(BundleShapeError) as refused:
        decode(canonical(document))
    assert refused.value.path == "fleet"


def test_a_missing_key_is_refused(bundle: Bundle) -> None:
    document = json.loads(encode(bundle))
    del document["content"]["fleet"]["sites"]
    with pytest.raises(BundleShapeError):
        decode(canonical(document))


def test_an_ill_typed_value_is_refused(bundle: Bundle) -> None:
    document = json.loads(encode(bundle))
    document["content"]["policies"]["engineering/boot"]["rules"][0]["place"]["line"] = True
    with pytest.raises(BundleShapeError) as refused:
        decode(canonical(document))
    assert refused.value.path == "policies.engineering/boot.rules.0.place.line"


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(CorruptBundleError):
        decode(b"[" * 100_000)


def test_a_fleet_of_another_fleet_changes_the_digest(bundle: Bundle) -> None:
    fleet: Fleet = replace(bundle.fleet, name="south")
    assert digest_of_bundle(replace(bundle, fleet=fleet)) != digest_of_bundle(bundle)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_an_error_of_ours(content: bytes) -> None:
    with pytest.raises((CorruptBundleError, BundleShapeError)):
        decode(content)
