"""Certificates on requests that a person carries to the server: the policies decide, and the key speaks for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import BundleFile, encode_file
from policyengine.language.compiler import Compilation, compile_tree
from policyengine.model.ids import DeviceId
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.checkins.settling import Issued, Pending
from policyengine.services.ports import PageRequest
from policyengine.services.registry.devices import NewDevice
from tests.support.site import START, Site, open_site
from tests.unit.pki.making import KEYS, csr

OPERATOR = Principal(name="Olga", role=PersonRole.OPERATIONS)
BROKER = DeviceId("broker-1")

FILES = {
    "fleet.yaml": """
kind: Fleet
metadata: {name: kestrel}
spec:
  enforcement: enforce
  enrollment: {unknown: refuse}
  sites: [plant-a]
  zones: [line-1]
  models: {broker: {vendor: vendor-acme, class: service, versionScheme: semver}}
""",
    "parties.yaml": """
kind: Party
metadata: {name: it}
spec:
  role: it
  keys: [{id: it-1, ed25519: "UuuPBv8P8j8J0SGBfvq5SBIkmXEFSe+oXhO+E1P8LHk="}]
  may: [tighten, loosen, enforce, waive, trust-anchors]
---
apiVersion: policyengine/v1
kind: Party
metadata: {name: vendor-acme}
spec:
  role: vendor
  keys: [{id: acme-1, ed25519: "UuuPBv8P8j8J0SGBfvq5SBIkmXEFSe+oXhO+E1P8LHk="}]
  scope: {model: {in: [broker]}}
  may: [tighten]
""",
    "profiles/broker.yaml": """
kind: CertificateProfile
metadata: {name: broker, owner: it}
spec:
  for: [broker]
  key: [p256]
  lifetime: 30d
  subject: "CN={device.id}"
  san: {dns: ["{device.id}.devices.kestrel.example"]}
  eku: [server-auth]
  tiers: {full: {}}
""",
    "it/services.yaml": """
kind: Policy
metadata: {name: services, version: 1.0.0, owner: it, title: A service has a place}
spec:
  severity: high
  controls: []
  select: {model: {in: [broker]}}
  rules:
    - id: has-place
      require: device.site == "plant-a"
      message: it stands at {device.site}
      remediation: Say where it stands.
    - id: inspected
      require: device.labels["inspected"] == "yes"
      message: nobody inspected it
      remediation: Inspect it.
  ceiling: deny
---
apiVersion: policyengine/v1
kind: Binding
metadata: {name: services, owner: it}
spec: {policy: it/services, mode: enforce, action: deny}
""",
}


@lru_cache(maxsize=1)
def compiled() -> Compilation:
    made = compile_tree(
        {path: f"apiVersion: policyengine/v1{text}".encode() for path, text in FILES.items()}, now=START
    )
    assert made.bundle is not None, made.diagnostics
    return made


@pytest.fixture
def site(tmp_path: object) -> Iterator[Site]:
    made, policies = open_site(f"sqlite:///{tmp_path}/store.db"), compiled()
    assert policies.bundle is not None and policies.digest is not None
    file = BundleFile(bundle=policies.bundle, digest=policies.digest, commit="c0ffee", created_at=START)
    digest = made.services.bundles.publish_file(SYSTEM, encode_file(file))
    made.services.bundles.activate(SYSTEM, digest, expected_generation=None)
    made.clock.forward(timedelta(seconds=2))
    announce(made, BROKER, {"inspected": "yes"})
    yield made
    made.store.close()


def announce(site: Site, device_id: DeviceId, labels: dict[str, str]) -> None:
    device = NewDevice(
        id=device_id, vendor="vendor-acme", model="broker", serial=device_id, site="plant-a", labels=labels
    )
    site.services.devices.announce(SYSTEM, [device])


def issue(site: Site, device_id: DeviceId = BROKER, *, key: ec.EllipticCurvePrivateKey = KEYS[0]) -> Issued:
    found = asyncio.run(site.services.by_hand.issue(OPERATOR, device_id, csr(key)))
    assert isinstance(found, Issued)
    return found


def renew(site: Site, *, key: ec.EllipticCurvePrivateKey = KEYS[0], actor: Principal = OPERATOR) -> Issued | Pending:
    return asyncio.run(site.services.by_hand.renew(actor, BROKER, csr(key)))


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(PolicyEngineError) as refused:
        act()
    return refused.value.code


def test_a_service_gets_what_its_profile_says_and_not_what_the_request_asks(site: Site) -> None:
    certificate = x509.load_der_x509_certificate(issue(site).certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    found = (
        certificate.subject.rfc4514_string(),
        names.get_values_for_type(x509.DNSName),
        [each._name for each in usage],
    )
    assert found == ("CN=broker-1", ["broker-1.devices.kestrel.example"], ["serverAuth"])


def test_a_rule_that_fails_refuses_the_service(site: Site) -> None:
    announce(site, DeviceId("broker-2"), {"inspected": "no"})
    assert code_of(lambda: issue(site, DeviceId("broker-2"), key=KEYS[1])) == "est.denied"


def test_a_rule_that_cannot_be_decided_leaves_the_service_waiting(site: Site) -> None:
    announce(site, DeviceId("broker-2"), {})
    found = asyncio.run(site.services.by_hand.issue(OPERATOR, DeviceId("broker-2"), csr(KEYS[1])))
    assert isinstance(found, Pending) and found.missing == ("it/services#inspected",)


def test_the_certificate_stands_in_the_records_with_the_person_and_the_decision(site: Site) -> None:
    issue(site)
    record = site.services.certificates.list(SYSTEM, PageRequest(), device_id=BROKER).items[0]
    acts = [(each.actor, each.action) for each in site.services.audit.events(SYSTEM, PageRequest()).items]
    assert ("Olga", "certificate.issue-by-hand") in acts
    assert site.services.audit.decision(SYSTEM, record.decision_id)


def test_a_device_that_has_a_key_gets_no_first_certificate_for_another(site: Site) -> None:
    """An id already held by another key is never taken over (DESIGN section 11)."""
    issue(site)
    assert code_of(lambda: issue(site, key=KEYS[1])) == "device.lifecycle"


def test_a_renewal_by_the_key_of_the_certificate_is_next_in_the_lineage(site: Site) -> None:
    issue(site)
    renew(site)
    lineage = site.services.certificates.list(SYSTEM, PageRequest(), device_id=BROKER).items
    assert sorted(each.lineage for each in lineage) == [1, 2]


def test_a_renewal_by_hand_stands_in_the_audit_log(site: Site) -> None:
    issue(site)
    renew(site)
    event = site.services.audit.events(SYSTEM, PageRequest()).items[0]
    assert (event.actor, event.action, event.subject) == ("Olga", "certificate.renew-by-hand", BROKER)


def test_nobody_brings_another_key_into_a_lineage_by_hand(site: Site) -> None:
    issue(site)
    assert code_of(lambda: renew(site, key=KEYS[1])) == "renewal.key"


def test_a_certificate_on_a_persons_hold_is_not_renewed_around_it(site: Site) -> None:
    issue(site)
    serial = site.services.certificates.list(SYSTEM, PageRequest(), device_id=BROKER).items[0].serial
    site.services.certificates.hold(SYSTEM, serial, reason="odd traffic")
    assert code_of(lambda: renew(site)) == "certificate.status"


def test_a_certificate_that_ended_is_not_renewed_where_the_profile_has_no_window(site: Site) -> None:
    issue(site)
    site.clock.forward(timedelta(days=31))
    assert code_of(lambda: renew(site)) == "renewal.window"


def test_a_policy_that_turned_against_the_service_refuses_its_renewal(site: Site) -> None:
    issue(site)
    site.services.devices.quarantine(SYSTEM, BROKER, reason="odd traffic")
    assert code_of(lambda: renew(site)) == "certificate.denied"


def test_who_may_not_certify_issues_and_renews_nothing(site: Site) -> None:
    auditor = Principal(name="Anna", role=PersonRole.AUDITOR)
    first = code_of(lambda: asyncio.run(site.services.by_hand.issue(auditor, BROKER, csr(KEYS[0]))))
    issue(site)
    assert (first, code_of(lambda: renew(site, actor=auditor))) == ("actor.forbidden", "actor.forbidden")
