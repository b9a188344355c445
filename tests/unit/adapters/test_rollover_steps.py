"""The steps of a rollover on disk: in their order, each whole, and none without the root's key."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from pki.chain import validate_path
from pki.errors import NameRefusedError
from pki.reservation import Registrar
from policyengine.adapters import rollover
from policyengine.adapters.authority import (
    CROSS,
    FORMER_CROSS,
    FleetNames,
    StoredAuthority,
    certificate_in,
    create_authority,
    open_authority,
    renew_services,
)
from policyengine.adapters.jws import ResultKey
from policyengine.adapters.keyfile import open_key
from policyengine.adapters.rollover import RootKey, Rotation
from policyengine.adapters.rollover_state import RolloverError, RolloverState, read_rollover
from policyengine.adapters.trust_bundle import TrustBundleError, make_trust_bundle, read_trust_bundle
from tests.support.site import FakeEntropy

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
PASSPHRASE = b"correct horse battery"
NAMES = FleetNames(fleet="Plant A", domains=("devices.example",))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority whose successor, under a new root, is prepared."""
    directory = tmp_path_factory.mktemp("keys") / "ca"
    create_authority(directory, passphrase=PASSPHRASE, names=NAMES, now=NOW, entropy=FakeEntropy(seed=31).draw)
    rotation(directory).root()
    return directory


@pytest.fixture
def prepared(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "ca"))


@pytest.fixture
def founded(made: Path, tmp_path: Path) -> Path:
    """The authority as it was before."""
    directory = Path(shutil.copytree(made, tmp_path / "founded"))
    shutil.rmtree(directory / "g2")
    (directory / "rollover.json").unlink()
    return directory


def rotation(directory: Path, key: str = "root.key") -> Rotation:
    return Rotation(
        directory,
        passphrase=PASSPHRASE,
        root=RootKey(file=directory / key, passphrase=PASSPHRASE),
        now=LATER,
        entropy=FakeEntropy(seed=37).draw,
    )


def opened(directory: Path) -> StoredAuthority:
    return open_authority(directory, passphrase=PASSPHRASE, registrar=Registrar())


def renewed(directory: Path) -> tuple[str, ...]:
    entropy = FakeEntropy(seed=41).draw
    return renew_services(directory, passphrase=PASSPHRASE, names=NAMES, now=LATER, entropy=entropy)


def bundle_of(directory: Path) -> bytes:
    stored = opened(directory)
    return make_trust_bundle(stored, ResultKey(stored.results_key), issuer="policyengine")  # type: ignore[arg-type]


def test_the_old_root_vouches_for_the_new_issuing_ca(prepared: Path) -> None:
    """RFC 4210 section 4.4.1, newWithOld; for the issuing CA, because the old root's path length is 1."""
    path = validate_path(
        certificate_in(prepared / "g2" / "ocsp.pem"),
        intermediates=[certificate_in(prepared / "g2" / CROSS)],
        anchors=[certificate_in(prepared / "root.pem")],
        at=LATER,
    )
    assert len(path.chain) == 3


def test_the_new_root_vouches_for_the_old_issuing_ca(prepared: Path) -> None:
    """RFC 4210 section 4.4.1, oldWithNew."""
    path = validate_path(
        certificate_in(prepared / "tls.pem"),
        intermediates=[certificate_in(prepared / "g2" / FORMER_CROSS)],
        anchors=[certificate_in(prepared / "g2" / "root.pem")],
        at=LATER,
    )
    assert len(path.chain) == 3


def test_the_successor_is_bound_to_the_names_of_the_old_ca(prepared: Path) -> None:
    """RFC 5280 section 4.2.1.10."""
    old, new = (certificate_in(prepared / name) for name in ("issuing.pem", "g2/issuing.pem"))
    constraints = x509.NameConstraints
    assert new.extensions.get_extension_for_class(constraints) == old.extensions.get_extension_for_class(constraints)


def test_a_prepared_successor_is_told_to_nobody(prepared: Path) -> None:
    assert opened(prepared).trust == (certificate_in(prepared / "issuing.pem"), certificate_in(prepared / "root.pem"))


def test_a_published_successor_is_told_of_and_issues_nothing(prepared: Path) -> None:
    rollover.publish(prepared, now=LATER)
    stored = opened(prepared)
    assert stored.issuing == certificate_in(prepared / "issuing.pem")
    assert certificate_in(prepared / "g2" / "root.pem") in stored.trust


def test_after_the_switch_the_successor_issues_and_the_old_one_is_answered_for(prepared: Path) -> None:
    rollover.publish(prepared, now=LATER)
    rollover.switch(prepared, now=LATER)
    stored = opened(prepared)
    assert stored.issuing == certificate_in(prepared / "g2" / "issuing.pem")
    assert [other.issuing for other in stored.others] == [certificate_in(prepared / "issuing.pem")]


def test_the_first_start_after_the_switch_certifies_our_own_servers_again(prepared: Path) -> None:
    rollover.publish(prepared, now=LATER)
    rollover.switch(prepared, now=LATER)
    assert renewed(prepared) == ("results", "tls")
    assert renewed(prepared) == ()


def test_a_retired_ca_is_told_of_no_more(prepared: Path) -> None:
    rollover.publish(prepared, now=LATER)
    rollover.switch(prepared, now=LATER)
    rollover.retire(prepared, now=LATER)
    stored = opened(prepared)
    assert stored.others == ()
    assert certificate_in(prepared / "root.pem") not in stored.trust


def test_commands_go_on_after_a_forced_retirement_before_any_start(prepared: Path) -> None:
    """The key of results is certified by the retired CA until then, and each command makes the bundle."""
    rollover.publish(prepared, now=LATER)
    rollover.switch(prepared, now=LATER)
    rollover.retire(prepared, now=LATER)
    made = bundle_of(prepared)
    with pytest.raises(TrustBundleError) as refused:
        read_trust_bundle(made, anchors=opened(prepared).trust, at=LATER)
    assert refused.value.code == "trust.signer"
    renewed(prepared)
    assert read_trust_bundle(bundle_of(prepared), anchors=opened(prepared).trust, at=LATER).version == 4


@pytest.mark.parametrize("step", [rollover.switch, rollover.retire])
def test_a_step_out_of_order_is_refused(prepared: Path, step: object) -> None:
    with pytest.raises(RolloverError, match="`prepared`"):
        step(prepared, now=LATER)  # type: ignore[operator]
    assert read_rollover(prepared).state is RolloverState.PREPARED


def test_a_second_successor_is_refused(prepared: Path) -> None:
    with pytest.raises(RolloverError):
        rotation(prepared)


def test_an_abandoned_successor_leaves_the_old_ca_alone(prepared: Path) -> None:
    rollover.publish(prepared, now=LATER)
    rollover.abandon(prepared, now=LATER)
    assert len(opened(prepared).trust) == 2


def test_another_key_than_the_roots_makes_no_successor(founded: Path) -> None:
    with pytest.raises(RolloverError, match=r"issuing\.key") as refused:
        rotation(founded, key="issuing.key")
    assert refused.value.code == "rotate.root-key"


def test_a_successor_that_fails_leaves_nothing(founded: Path) -> None:
    with pytest.raises(NameRefusedError):
        rotation(founded).issuing(("*.devices.example",))
    assert list(founded.glob("g*")) == []
    assert read_rollover(founded).state is RolloverState.STEADY


def test_a_new_issuing_ca_below_the_same_root_needs_no_cross_certificate(founded: Path) -> None:
    rotation(founded).issuing()
    assert sorted(file.name for file in (founded / "g2").iterdir()) == [
        "issuing.key",
        "issuing.pem",
        "ocsp.key",
        "ocsp.pem",
        "root.pem",
    ]


def test_a_state_that_cannot_be_read_is_no_steady_one(prepared: Path) -> None:
    (prepared / "rollover.json").write_text('{"version": 2, "state": "published", "current": "../x", "other": null}')
    with pytest.raises(RolloverError) as refused:
        opened(prepared)
    assert refused.value.code == "rotate.unreadable"


def test_a_device_that_knows_the_old_root_only_believes_the_bundle_after_the_switch(prepared: Path) -> None:
    rollover.publish(prepared, now=LATER)
    rollover.switch(prepared, now=LATER)
    renewed(prepared)
    found = read_trust_bundle(bundle_of(prepared), anchors=[certificate_in(prepared / "root.pem")], at=LATER)
    assert found.version == 3
    assert set(found.roots) == {certificate_in(prepared / "root.pem"), certificate_in(prepared / "g2" / "root.pem")}


def test_a_bundle_older_than_the_one_seen_is_refused(prepared: Path) -> None:
    """A rollback would bring a retired root back."""
    with pytest.raises(TrustBundleError) as refused:
        read_trust_bundle(bundle_of(prepared), anchors=opened(prepared).trust, at=LATER, seen=2)
    assert refused.value.code == "trust.older"


def test_a_bundle_signed_below_another_root_is_refused(prepared: Path) -> None:
    with pytest.raises(TrustBundleError) as refused:
        read_trust_bundle(bundle_of(prepared), anchors=[certificate_in(prepared / "g2" / "root.pem")], at=LATER)
    assert refused.value.code == "trust.signer"


def test_a_bundle_that_was_changed_is_refused(prepared: Path) -> None:
    header, payload, signature = bundle_of(prepared).split(b".")
    other = bundle_payload_of_version_nine(prepared)
    assert other != payload
    with pytest.raises(TrustBundleError) as refused:
        read_trust_bundle(b".".join([header, other, signature]), anchors=opened(prepared).trust, at=LATER)
    assert refused.value.code == "trust.signature"


def bundle_payload_of_version_nine(directory: Path) -> bytes:
    stored = opened(directory)
    later = replace(stored, rollover=replace(stored.rollover, version=9))
    return make_trust_bundle(later, ResultKey(stored.results_key), issuer="policyengine").split(b".")[1]  # type: ignore[arg-type]


def test_a_servers_key_signs_no_trust(prepared: Path) -> None:
    """A certificate with an extended key usage, as every device's has, is no result signer's."""
    key = open_key(prepared / "tls.key", passphrase=PASSPHRASE)
    stored = replace(opened(prepared), results_certificate=certificate_in(prepared / "tls.pem"))
    forged = make_trust_bundle(stored, ResultKey(key), issuer="policyengine")  # type: ignore[arg-type]
    with pytest.raises(TrustBundleError) as refused:
        read_trust_bundle(forged, anchors=stored.trust, at=LATER)
    assert refused.value.code == "trust.signer"


def test_a_result_is_no_trust_bundle(prepared: Path) -> None:
    """The same key signs both; the type tells them apart (RFC 8725 section 3.11)."""
    stored = opened(prepared)
    result = ResultKey(stored.results_key).sign({"version": 9}).encode()  # type: ignore[arg-type]
    with pytest.raises(TrustBundleError) as refused:
        read_trust_bundle(result, anchors=stored.trust, at=LATER)
    assert refused.value.code == "trust.malformed"
