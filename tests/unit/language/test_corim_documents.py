"""CoRIMs of the policy repository: read when it is checked, in their signer's scope, never older than another one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policyengine.attestation.corim.states import read_endorsed
from policyengine.attestation.reference import Match, compare
from policyengine.language.compiler import Compilation, compile_tree
from policyengine.model.endorsements import ReferenceValues
from policyengine.simulation import corim
from tests.unit.language.repository import NOW, base

FOLDER = "reference-values/vendor-acme"
DOCUMENT = f"{FOLDER}/gw-200.yaml"
VENDOR = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0x81] * 32))
STRANGER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([0x82] * 32))
APP = "11" * 32
ENVIRONMENT = corim.environment(vendor="vendor-acme", model="gw-200")
TEXT = """\
apiVersion: policyengine/v1
kind: ReferenceValues
metadata: {name: gw-200, owner: vendor-acme}
spec:
  models: [gw-200]
  releases:
    - {version: 4.2.1, corim: one.corim}
"""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A vendor's CoRIMs by name, the text of the document, and what parties.yaml says the vendor endorses."""

    files: dict[str, bytes]
    text: str = TEXT
    endorses: str = ""


def states(*claims: object, environment: object = ENVIRONMENT, version: int = 0, **parts: object) -> bytes:
    tag = corim.comid({0: [[environment, [claim]] for claim in claims]}, version=version)
    return corim.signed(VENDOR, corim.corim([tag], **parts))


def measured(digest: str = APP, **values: object) -> object:
    return corim.measurement(bytes.fromhex(digest), mkey="app", **values)


def compiled(given: Given, *, now: datetime = NOW) -> Compilation:
    tree = dict(base())
    raw = VENDOR.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = f'keys: [{{id: acme-2026, ed25519: "{base64_of(raw)}"}}]'
    old = "  scope: {model: {in: [gw-200]}}\n"
    new = f"{old}  {key}\n" + (f"  endorses: {given.endorses}\n" if given.endorses else "")
    assert tree["parties.yaml"].decode().count(old) == 1
    tree["parties.yaml"] = tree["parties.yaml"].decode().replace(old, new).encode()
    tree[DOCUMENT] = given.text.encode()
    tree |= {f"{FOLDER}/{name}": content for name, content in given.files.items()}
    return compile_tree(tree, now=now, corims=read_endorsed)


def base64_of(raw: bytes) -> str:
    import base64

    return base64.b64encode(raw).decode()


def values(given: Given) -> ReferenceValues:
    found = compiled(given)
    assert [one for one in found.diagnostics if one.code.startswith("reference.")] == []
    assert found.bundle is not None
    return found.bundle.reference_values[0]


def problem(given: Given) -> tuple[str, int, int]:
    found = [one for one in compiled(given).diagnostics if one.code.startswith("reference.")]
    assert [one.file for one in found] == [DOCUMENT] * len(found)
    return found[0].code, found[0].line, found[0].column


PLACE = (7, 31)


def test_a_vendors_corim_endorses_what_it_measures() -> None:
    found = compare([("app", APP)], endorsements=values(Given(files={"one.corim": states(measured())})), now=NOW)
    assert (found.matches, found.version) == ((Match.ENDORSED,), "4.2.1")


def test_facts_say_which_corim_endorsed_and_who_signed_it() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    given = Given(files={"one.corim": states(measured(v1=cbor2.CBORTag(553, 5)), p4=corim.validity(until))})
    found = compare([("app", APP)], endorsements=values(given), now=NOW)
    said = {"corim_id": "acme.rim", "signer": "vendor-acme", "valid_until": until, "min_svn": 5}
    assert found.endorsement == {"matched": True, **said}


def test_an_endorsement_ends_with_its_corim() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)
    known = values(Given(files={"one.corim": states(measured(), p4=corim.validity(until))}))
    late = compare([("app", APP)], endorsements=known, now=datetime(2027, 1, 2, tzinfo=UTC))
    assert late.matches == (Match.REVOKED,)


def test_the_corims_svn_is_the_releases() -> None:
    known = values(Given(files={"one.corim": states(measured(v1=8))}))
    assert compare([("app", APP)], endorsements=known, now=NOW).svn == 8


def test_an_svn_endorsed_apart_belongs_to_the_state_it_names() -> None:
    """draft-ietf-rats-corim section 5.1.9: the first of a series whose condition holds adds its values."""
    series = [[ENVIRONMENT, []], [[[measured("22" * 32)], [{1: {1: 3}}]], [[measured()], [{1: {1: 9}}]]]]
    tag = corim.comid({0: [[ENVIRONMENT, [measured()]]], 8: [series]})
    known = values(Given(files={"one.corim": corim.signed(VENDOR, corim.corim([tag]))}))
    assert compare([("app", APP)], endorsements=known, now=NOW).svn == 9


def test_alternative_states_are_alternative_releases() -> None:
    known = values(Given(files={"one.corim": states(measured(), measured("22" * 32))}))
    both = compare([("app", APP), ("app", "22" * 32)], endorsements=known, now=NOW)
    alone = compare([("app", "22" * 32)], endorsements=known, now=NOW)
    assert (len(known.releases), alone.version, both.version) == (2, "4.2.1", None)


@pytest.mark.parametrize(("algorithm", "size"), [(7, 48), (8, 64)])
def test_longer_digests_are_compared_too(algorithm: int, size: int) -> None:
    claim = corim.measurement(bytes(size), mkey="app", algorithm=algorithm)
    known = values(Given(files={"one.corim": states(claim)}))
    assert compare([("app", "00" * size)], endorsements=known, now=NOW).version == "4.2.1"


def test_an_endorsement_of_one_device_is_not_widened_to_its_model() -> None:
    one = corim.environment(vendor="vendor-acme", model="gw-200", instance=cbor2.CBORTag(560, b"\x01"))
    assert problem(Given(files={"one.corim": states(measured(), environment=one)}))[0] == "reference.corim-refused"


def test_what_cannot_be_compared_endorses_nothing() -> None:
    """Section 8.3.4.4: without a comparison for one attribute, the whole does not match."""
    given = Given(files={"one.corim": states(measured(v3={3: False}))})
    assert problem(given)[0] == "reference.corim-refused"


def test_what_is_measured_of_one_serial_number_is_not_widened_to_its_model() -> None:
    given = Given(files={"one.corim": states(measured(v8="S-1"))})
    assert problem(given)[0] == "reference.corim-refused"


OTHER = corim.measurement(bytes.fromhex(APP), mkey="other")


@pytest.mark.parametrize(
    "triples",
    [
        {1: [[ENVIRONMENT, [{0: "other", 1: {1: 9}}]]]},
        {10: [[[[ENVIRONMENT, [OTHER]]], [[ENVIRONMENT, [{1: {1: 9}}]]]]]},
    ],
    ids=["endorsed", "condition"],
)
def test_a_measurement_of_another_name_says_nothing_of_a_component(triples: dict[int, object]) -> None:
    """draft-ietf-rats-corim section 5.1.6.1: the mkey tells the measured elements of one environment apart."""
    tag = corim.comid({0: [[ENVIRONMENT, [measured()]]], **triples})
    known = values(Given(files={"one.corim": corim.signed(VENDOR, corim.corim([tag]))}))
    assert compare([("app", APP)], endorsements=known, now=NOW).svn is None


def test_an_svn_that_no_fact_can_hold_is_none() -> None:
    known = values(Given(files={"one.corim": states(measured(v1=2**53))}))
    assert compare([("app", APP)], endorsements=known, now=NOW).svn is None


def test_a_tag_that_another_replaces_endorses_nothing() -> None:
    old = corim.comid({0: [[ENVIRONMENT, [measured("22" * 32)]]]}, tag_id="old")
    new = corim.comid({0: [[ENVIRONMENT, [measured()]]]}, tag_id="new", linked=[{0: "old", 1: 1}])
    known = values(Given(files={"one.corim": corim.signed(VENDOR, corim.corim([old, new]))}))
    assert compare([("app", "22" * 32)], endorsements=known, now=NOW).matches == (Match.UNKNOWN,)


def test_the_digest_of_the_file_is_in_the_bundle() -> None:
    content = states(measured())
    endorser = values(Given(files={"one.corim": content})).releases[0].endorser
    assert endorser is not None
    assert endorser.corim_digest is not None
    assert endorser.corim_digest.startswith("sha256:")


def test_another_partys_signature_is_refused() -> None:
    tag = corim.comid({0: [[ENVIRONMENT, [measured()]]]})
    forged = corim.signed(STRANGER, corim.corim([tag]))
    assert problem(Given(files={"one.corim": forged})) == ("reference.corim-refused", *PLACE)


def test_an_unsigned_corim_is_refused() -> None:
    tag = corim.comid({0: [[ENVIRONMENT, [measured()]]]})
    assert problem(Given(files={"one.corim": corim.corim([tag])})) == ("reference.corim-refused", *PLACE)


def test_an_expired_corim_is_refused() -> None:
    past = corim.validity(datetime(2026, 1, 1, tzinfo=UTC))
    assert problem(Given(files={"one.corim": states(measured(), p4=past)})) == ("reference.corim-refused", *PLACE)


def test_bytes_that_are_no_corim_are_refused() -> None:
    assert problem(Given(files={"one.corim": b"hello"})) == ("reference.corim-refused", *PLACE)


FOREIGN = corim.environment(vendor="ACME", model="RoadRunner", class_id=cbor2.CBORTag(560, bytes(32)))


def test_names_that_are_not_the_signers_are_refused() -> None:
    given = Given(files={"one.corim": states(measured(), environment=FOREIGN)})
    assert problem(given) == ("reference.corim-scope", *PLACE)


def test_names_that_the_quorum_gave_the_party_are_its_own() -> None:
    endorses = f'[ACME, RoadRunner, "{"00" * 32}"]'
    assert values(Given(files={"one.corim": states(measured(), environment=FOREIGN)}, endorses=endorses)).releases


def test_a_tag_that_went_back_is_found() -> None:
    """Section 5.1.1.2: the version of a tag only rises."""
    text = TEXT + "    - {version: 4.2.2, corim: two.corim}\n"
    older = {"one.corim": states(measured(), version=3), "two.corim": states(measured("22" * 32), version=4)}
    assert problem(Given(files=older, text=text)) == ("reference.corim-older", *PLACE)
