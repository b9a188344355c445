"""What a believed DICE device says: layers as software, flags as boot state, and which key names it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pki import der
from policyengine.attestation.anchors import TrustAnchors, thumbprint
from policyengine.attestation.dice import layers
from policyengine.attestation.dice.appraisal import MEDIA_TYPE
from policyengine.attestation.formats import Freshness, Verified
from policyengine.attestation.verifier import verify
from policyengine.model.endorsements import ReferenceComponent, ReferenceValues, Release
from policyengine.simulation import dice

CA = ec.derive_private_key(0x6101, ec.SECP256R1())
NONCE = bytes(range(32))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
BOOT = {"digests": [bytes([1] * 32)], "svn": 7, "version": "2.1"}
APP = {"digests": [bytes([2] * 32)], "svn": 12, "version": "1.4.2"}


def device(*firmware: dict[str, object], ueid: bytes | None = None) -> dice.DiceDevice:
    return dice.tcg_device("acme", ca_key=CA, secret=b"\x07" * 32, firmware=firmware or (BOOT, APP), ueid=ueid)


def judged(
    made: dice.DiceDevice, *, endorsements: ReferenceValues | None = None, anchors: TrustAnchors | None = None
) -> Verified:
    found = verify(
        dice.make_dice_evidence(made.leaf_key, made.chain(), NONCE),
        media_type=MEDIA_TYPE,
        nonce=NONCE,
        anchors=anchors or TrustAnchors(certificates=(made.root(),)),
        endorsements=endorsements,
        now=NOW,
    )
    assert found.failed == ()
    return found


def with_flags(*positions: int) -> dict[str, object]:
    return {"digests": [bytes([2] * 32)], "flags": frozenset(positions)}


def boot(made: dice.DiceDevice) -> object:
    return judged(made).facts.get("boot")


def test_each_layer_is_a_component_with_its_digest_svn_and_version() -> None:
    software = judged(device()).facts["software"]
    assert isinstance(software, list)
    assert software[1] == {
        "name": "layer-1",
        "layer": "1",
        "digest": "02" * 32,
        "digest_alg": "sha-256",
        "match": "none",
        "type": "tcb-info",
        "version": "1.4.2",
        "svn": 12,
    }


def test_two_digests_in_one_algorithm_are_two_components() -> None:
    software = judged(device(BOOT, {"digests": [bytes(32), bytes([1] * 32)]})).facts["software"]
    assert isinstance(software, list)
    assert [each["name"] for each in software] == ["layer-0", "layer-1", "layer-1/2"]


def test_a_known_release_endorses_every_layer() -> None:
    parts = (("layer-0", "01" * 32), ("layer-1", "02" * 32))
    components = tuple(ReferenceComponent(name=name, sha256=digest) for name, digest in parts)
    release = Release(version="9", svn=3, components=components)
    found = judged(device(), endorsements=ReferenceValues(models=("gw",), releases=(release,)))
    software = found.facts["software"]
    assert isinstance(software, list)
    assert [each["match"] for each in software] == ["endorsed", "endorsed"]


def test_the_last_layers_svn_is_the_devices() -> None:
    assert judged(device()).facts["boot"] == {
        "secure": True,
        "mode": "production",
        "debug": "disabled",
        "lifecycle": "secured",
        "svn": 12,
    }


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((3,), {"secure": False, "mode": "debug", "debug": "enabled", "lifecycle": "debug"}),
        ((0,), {"secure": False, "mode": "unknown", "debug": "disabled", "lifecycle": "provisioning"}),
        ((1,), {"secure": False, "mode": "unknown", "debug": "disabled"}),
        ((2,), {"secure": False, "mode": "unknown", "debug": "disabled"}),
    ],
)
def test_one_worrying_flag_of_any_layer_is_enough(flags: tuple[int, ...], expected: dict[str, object]) -> None:
    """TCG DICE Attestation Architecture section 6.1.1: debug, notConfigured, notSecure, recovery."""
    assert boot(device({"digests": [bytes(32)]}, with_flags(*flags))) == expected


def test_a_layer_without_flags_leaves_the_boot_state_open() -> None:
    assert boot(device(BOOT | {"svn": None}, {"digests": [bytes(32)], "flags": None})) is None


def test_evidence_over_our_challenge_is_fresh_and_lists_all_software() -> None:
    found = judged(device())
    assert (found.freshness, found.complete) == (Freshness.NONCE, ("software",))


def identity(found: Verified) -> object:
    facts = found.facts["identity"]
    assert isinstance(facts, dict)
    return facts["key_thumbprint"]


def test_a_ueid_names_the_device_by_the_key_of_its_certificate() -> None:
    made = device(ueid=b"\x01" + bytes(32))
    assert identity(judged(made)) == thumbprint(made.device_key.public_key())


def test_new_application_firmware_leaves_the_devices_key_and_changes_the_signing_one() -> None:
    updated = device(BOOT, APP | {"digests": [bytes([3] * 32)]})
    before, after = judged(device()), judged(updated)
    assert before.key_binding is not None
    assert after.key_binding is not None
    assert identity(before) == identity(after)
    assert before.key_binding.thumbprint != after.key_binding.thumbprint


def test_the_vendors_authority_never_names_a_device() -> None:
    """A DeviceID certificate that states measurements itself: the key above it is shared by all of the vendor's."""
    root, device_id, *_ = device().plans
    info = dice.tcb_info(digests=[bytes(32)], layer=0)
    alias = dice.LayerPlan(
        name="alias",
        key=dice.derived_key(b"alias"),
        ca=False,
        usage=frozenset({0}),
        extensions=device().plans[3].extensions,
    )
    plan = dice.LayerPlan(name="id", key=device_id.key, ca=True, extensions=((dice.TCB_INFO, True, info),))
    made = dice.DiceDevice(plans=(root, plan, alias))
    assert identity(judged(made)) == thumbprint(device_id.key.public_key())


@pytest.mark.parametrize(("infos", "refused"), [(4, False), (5, True)])
def test_a_certificate_states_no_more_digests_than_are_kept(infos: int, *, refused: bool) -> None:
    """Each within its own limits: 32 digests of an environment, 32 environments."""
    info = dice.tcb_info(digests=[bytes([at] * 32) for at in range(32)])
    content = der.sequence(*[info] * infos)
    if refused:
        with pytest.raises(der.DerError, match="more than 128 digests"):
            layers.read_multi_tcb_info(content)
    else:
        assert sum(len(layer.fwids) for layer in layers.read_multi_tcb_info(content)) == layers.MAX_DIGESTS


def test_integrity_registers_count_as_digests() -> None:
    fwid = der.sequence(der.oid(dice.SHA256), der.octet_string(bytes(32)))
    registers = [
        der.sequence(der.context_primitive(1, bytes((number,))), der.context(2, fwid * 32)) for number in range(5)
    ]
    with pytest.raises(der.DerError, match="more than 128 digests"):
        layers.read_tcb_info(der.sequence(der.context(11, b"".join(registers))))


def test_the_pinned_device_key_is_anchor_enough() -> None:
    made = device()
    anchors = TrustAnchors(keys=(made.device_key.public_key(),))
    assert identity(judged(made, anchors=anchors)) == thumbprint(made.device_key.public_key())


def test_a_chain_seen_before_is_not_believed_for_another_device_key() -> None:
    """What is kept of verified chains must not depend on who asked."""
    made = device()
    judged(made)
    stranger = TrustAnchors(keys=(ec.derive_private_key(5, ec.SECP256R1()).public_key(),))
    evidence = dice.make_dice_evidence(made.leaf_key, made.chain(), NONCE)
    found = verify(evidence, media_type=MEDIA_TYPE, nonce=NONCE, anchors=stranger, endorsements=None, now=NOW)
    assert found.failed == ("dice.chain",)


def test_a_certificate_with_a_name_that_cannot_be_read_is_refused_and_shown_all_the_same() -> None:
    """Found by tests/fuzz: showing what refused evidence claims must not fail."""
    made = device()
    leaf, *above = made.chain()
    outer = der.children(der.whole(leaf, der.SEQUENCE).content)
    fields = [each.encoded for each in der.children(outer[0].content)]
    fields[3] = der.sequence(b"\x00\x00")  # the issuer
    broken = der.sequence(der.sequence(*fields), outer[1].encoded, outer[2].encoded)
    found = verify(
        dice.make_dice_evidence(made.leaf_key, (broken, *above), NONCE),
        media_type=MEDIA_TYPE,
        nonce=NONCE,
        anchors=TrustAnchors(certificates=(made.root(),)),
        endorsements=None,
        now=NOW,
    )
    assert not found.accepted
    assert found.claims["subjects"][0] == "a name that cannot be read"
