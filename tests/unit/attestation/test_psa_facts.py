"""What a believed token says as facts, and how its software compares with reference values."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from policyengine.attestation.anchors import TrustAnchors, thumbprint
from policyengine.attestation.verifier import verify
from policyengine.model.endorsements import Endorser
from policyengine.model.ids import digest_of
from policyengine.simulation.psa import MeasuredComponent
from tests.unit.attestation.psa_device import (
    KEY,
    NONCE,
    NOW,
    NSPE,
    PSA,
    SPE,
    facts,
    known,
    release,
    token,
    verified,
)


def software(evidence: bytes, *releases: Any) -> list[dict[str, Any]]:
    found: Any = facts(evidence, endorsements=known(*releases))["software"]
    return list(found)


def boot(evidence: bytes, *releases: Any) -> dict[str, Any]:
    found: Any = facts(evidence, endorsements=known(*releases)).get("boot", {})
    return dict(found)


def matches(evidence: bytes, *releases: Any) -> list[str]:
    return [component["match"] for component in software(evidence, *releases)]


def test_the_envelope_gives_evidence_and_identity() -> None:
    evidence = token()
    found = facts(evidence)
    assert found["evidence"] == {
        "format": "psa",
        "profile": "tag:psacertified.org,2023:psa#tfm",
        "verified": True,
        "algorithm": "ES256",
        "digest": digest_of(evidence),
    }
    assert found["identity"] == {"kind": "iak", "key_thumbprint": thumbprint(KEY.public_key()), "verified": True}


def test_believed_evidence_binds_the_key_that_signed() -> None:
    binding = verified(token()).key_binding
    assert binding is not None
    assert (binding.key, binding.thumbprint, binding.proof, binding.chain) == (
        KEY.public_key(),
        thumbprint(KEY.public_key()),
        "psa.iak-signature",
        (),
    )


@pytest.mark.parametrize(
    ("lifecycle", "expected"),
    [
        (0x0000, {}),
        (0x1000, {"secure": False, "mode": "unknown", "lifecycle": "provisioning"}),
        (0x20FF, {"secure": False, "mode": "unknown", "lifecycle": "provisioning"}),
        (0x3000, {"secure": True, "mode": "production", "debug": "disabled", "lifecycle": "secured"}),
        (0x4000, {"secure": False, "mode": "debug", "debug": "enabled", "lifecycle": "debug"}),
        (0x5001, {"secure": False, "mode": "debug", "debug": "enabled", "lifecycle": "debug"}),
        (0x6000, {"secure": False, "mode": "unknown", "lifecycle": "decommissioned"}),
    ],
)
def test_each_lifecycle_state_has_its_boot_facts(lifecycle: int, expected: dict[str, object]) -> None:
    """RFC 9783 section 4.3.1."""
    assert boot(token(lifecycle=lifecycle)) == expected


def test_an_unknown_lifecycle_leaves_the_boot_group_absent() -> None:
    assert "boot" not in facts(token(lifecycle=0))


def test_a_boot_seed_is_hex() -> None:
    assert boot(token(boot_seed=b"\xab" * 8))["seed"] == "ab" * 8


def test_a_component_that_leaves_its_attributes_out_leaves_its_facts_absent() -> None:
    bare = MeasuredComponent(type=None, digest=bytes(48), signer=bytes(64))
    assert software(token(bare)) == [{"digest": "00" * 48, "signer": "00" * 64, "match": "unknown"}]


@pytest.mark.parametrize(
    ("described", "size", "fact"),
    [("SHA256", 32, "sha-256"), ("sha-384", 48, "sha-384"), ("sha-256", 64, None), ("sha3-256", 32, None)],
)
def test_a_digest_algorithm_is_a_fact_only_where_name_and_length_agree(
    described: str, size: int, fact: str | None
) -> None:
    component = MeasuredComponent(type="SPE", digest=bytes(size), signer=bytes(32), description=described)
    assert software(token(component))[0].get("digest_alg") == fact


def test_the_software_list_is_complete() -> None:
    assert verified(token()).complete == ("software",)


def test_without_reference_values_nothing_is_compared() -> None:
    found: Any = facts(token())["software"]
    assert [component["match"] for component in found] == ["none", "none"]


def test_the_components_of_one_current_release_give_its_svn_and_missing_versions() -> None:
    current = release("4.2.1", SPE, NSPE, svn=8)
    assert boot(token(), current)["svn"] == 8
    assert [(each["match"], each["svn"], each["version"]) for each in software(token(), current)] == [
        ("endorsed", 8, "1.6.0"),
        ("endorsed", 8, "4.2.1"),
    ]


def test_components_of_two_releases_are_endorsed_but_identify_neither() -> None:
    old, new = (
        release("1", SPE, replace(NSPE, digest=bytes(32)), svn=1),
        release("2", replace(SPE, digest=bytes(32)), NSPE, svn=2),
    )
    assert matches(token(), old, new) == ["endorsed", "endorsed"]
    assert "svn" not in boot(token(), old, new)


def test_a_release_with_a_component_that_did_not_run_is_not_identified() -> None:
    larger = release("1", SPE, NSPE, MeasuredComponent(type="App", digest=bytes(32), signer=bytes(32)), svn=1)
    assert "svn" not in boot(token(), larger)


def test_two_releases_with_the_same_components_and_other_svns_are_ambiguous() -> None:
    assert "svn" not in boot(token(), release("1", SPE, NSPE, svn=1), release("2", SPE, NSPE, svn=2))


def test_two_releases_that_agree_on_the_svn_give_it() -> None:
    twins = (release("1", SPE, NSPE, svn=3), release("1-rebuilt", SPE, NSPE, svn=3))
    assert boot(token(), *twins)["svn"] == 3
    assert "version" not in software(token(), *twins)[1]


def test_a_changed_component_is_unknown() -> None:
    assert matches(token(SPE, replace(NSPE, digest=bytes(32))), release("1", SPE, NSPE, svn=1)) == [
        "endorsed",
        "unknown",
    ]


def test_the_digest_of_another_component_is_unknown() -> None:
    """A digest is endorsed for the component of its name, not for any."""
    assert matches(token(replace(SPE, type="NSPE")), release("1", SPE)) == ["unknown"]


def test_a_digest_of_another_hash_never_matches() -> None:
    assert matches(token(replace(SPE, description="sha3-256")), release("1", SPE)) == ["unknown"]


@pytest.mark.parametrize(("before", "match"), [(timedelta(microseconds=1), "endorsed"), (timedelta(0), "revoked")])
def test_a_release_is_revoked_from_its_until_on(before: timedelta, match: str) -> None:
    """Half-open: at that instant it has ended."""
    assert matches(token(SPE), release("1", SPE, svn=1, until=NOW + before)) == [match]


def test_a_revoked_release_gives_no_svn() -> None:
    assert "svn" not in boot(token(), release("1", SPE, NSPE, svn=1, until=NOW))


def test_a_component_that_a_current_release_still_has_is_endorsed() -> None:
    assert matches(token(SPE), release("1", SPE, until=NOW), release("2", SPE, NSPE)) == ["endorsed"]


def test_the_same_evidence_gives_an_equal_result() -> None:
    """`verify` is pure."""
    assert verified(token()) == verified(token())


def test_refused_evidence_gives_no_facts_and_binds_no_key() -> None:
    refused = verified(token(), nonce=bytes(32))
    assert (refused.accepted, refused.facts, refused.complete, refused.key_binding) == (False, {}, (), None)


def test_refused_evidence_still_names_the_trusted_key_that_signed_it() -> None:
    """A replay is a security event about somebody."""
    refused = verified(token(), nonce=bytes(32))
    assert (refused.failed, refused.signer) == (("psa.nonce",), thumbprint(KEY.public_key()))


def test_evidence_of_an_untrusted_key_names_nobody() -> None:
    refused = verify(token(), media_type=PSA, nonce=NONCE, anchors=TrustAnchors(), endorsements=None, now=NOW)
    assert refused.signer is None


def test_each_check_is_listed_once_whatever_the_evidence() -> None:
    good, bad = verified(token()), verified(token(lifecycle=0x7000), nonce=bytes(32))
    assert [check.id for check in good.checks] == [check.id for check in bad.checks]
    assert len({check.id for check in good.checks}) == len(good.checks)


@pytest.mark.parametrize(
    ("class_id", "match"), [("00" * 32, "endorsed"), ("11" * 32, "unknown"), ("1.2.3", "endorsed")]
)
def test_a_release_for_an_implementation_counts_for_tokens_that_state_it(class_id: str, match: str) -> None:
    """RFC 9783 section 4.2.2: the class id of a PSA CoRIM is an implementation id; another name says nothing of it."""
    endorsed = replace(release("1", SPE), endorser=Endorser(party="acme", class_id=class_id))
    assert matches(token(SPE), endorsed) == [match]
