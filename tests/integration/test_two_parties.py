"""Revocation by two parties over a real database: one proposes, another confirms, and nobody is both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from pki.revocation import Reason
from policyengine.errors import PolicyEngineError
from policyengine.model.ids import DeviceId, PartyName
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.ports import PageRequest
from policyengine.services.records import CertificateRecord, CertificateStatus, RevocationProposal
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, put_in_force, ready_site

PROPOSER = Principal(name="Sven", role=PersonRole.SECURITY, party=PartyName("it"))
CONFIRMER = Principal(name="Olga", role=PersonRole.OPERATIONS, party=PartyName("operations"))

WRITTEN = b"  renew_at: 0.5\n"
ASKS = (WRITTEN, WRITTEN + b"  revocation: {approvals: [it, operations], expires: 24h}\n")
HOLDS = (WRITTEN, WRITTEN + b"  revocation: {approvals: [it, operations], expires: 24h, hold: true}\n")


@dataclass(frozen=True, slots=True)
class Case:
    """A site whose profiles ask for two parties, and one certificate of it."""

    site: Site
    serial: str
    device_id: DeviceId

    @property
    def certificate(self) -> CertificateRecord:
        return self.site.services.certificates.show(SYSTEM, self.serial)

    def propose(self, actor: Principal = PROPOSER) -> RevocationProposal:
        made = self.site.services.revocations.revoke(actor, self.serial, reason=Reason.KEY_COMPROMISE)
        assert made is not None
        return made

    def confirm(self, proposal: RevocationProposal, actor: Principal = CONFIRMER) -> None:
        self.site.services.revocations.confirm(actor, self.serial, proposal=proposal.id)

    def withdraw(self, proposal: RevocationProposal, actor: Principal = CONFIRMER) -> None:
        self.site.services.revocations.withdraw(actor, self.serial, proposal=proposal.id, reason="explained")


@dataclass(frozen=True, slots=True)
class Shared:
    """One site for all tests of an engine, and the healthy devices that no test has taken yet."""

    site: Site
    unused: list[SimulatedDevice]

    def take(self, models: frozenset[str]) -> Case:
        device = next(each for each in self.unused if each.planned.model in models)
        self.unused.remove(device)
        asyncio.run(self.site.enrol(device))
        view = self.site.store.view(DeviceId(device.planned.device_id))
        assert view is not None and view.certificate is not None
        return Case(self.site, view.certificate.serial, view.device.id)


def opened(url: str) -> Iterator[Shared]:
    site = ready_site(url, count=150, profiles__gateway=ASKS, profiles__field_device=HOLDS)
    yield Shared(site, site.of("healthy"))
    site.store.close()


@pytest.fixture(scope="module")
def shared(module_database: str) -> Iterator[Shared]:
    yield from opened(module_database)


@pytest.fixture
def case(shared: Shared) -> Case:
    return shared.take(frozenset({"gw-200"}))


@pytest.fixture
def holding(shared: Shared) -> Case:
    return shared.take(frozenset({"plc-9", "sn-40"}))


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(PolicyEngineError) as refused:
        act()
    return refused.value.code


def test_a_proposal_alone_revokes_nothing(case: Case) -> None:
    proposal = case.propose()
    assert (case.certificate.status, proposal in case.site.services.revocations.list(SYSTEM)) == (
        CertificateStatus.GOOD,
        True,
    )


def test_what_the_second_party_confirms_is_revoked_as_the_first_proposed_it(case: Case) -> None:
    proposal = case.propose()
    case.confirm(proposal)
    waits = proposal in case.site.services.revocations.list(SYSTEM)
    found = case.certificate.status, case.certificate.status_reason, waits
    assert found == (CertificateStatus.REVOKED, "keyCompromise", False)


def test_a_hold_for_a_reason_that_says_nothing_is_refused(case: Case) -> None:
    assert code_of(lambda: case.site.services.certificates.hold(SYSTEM, case.serial, reason=" ")) == "request.reason"


def test_who_comes_with_a_certificate_on_hold_is_told_so(case: Case) -> None:
    case.site.services.certificates.hold(SYSTEM, case.serial, reason="odd traffic")
    with pytest.raises(PolicyEngineError, match="the certificate is on hold"):
        case.site.services.certificates.identify(case.certificate.certificate)


def test_the_log_names_both_people_and_both_parties(case: Case) -> None:
    case.confirm(case.propose())
    event = case.site.services.audit.events(SYSTEM, PageRequest()).items[0]
    detail = event.detail
    named = event.actor, detail["party"], detail["proposed_by"], detail["proposed_party"]
    assert named == ("Olga", "operations", "Sven", "it")


def principal(name: str, role: str, party: str | None) -> Principal:
    return Principal(name=name, role=PersonRole(role), party=None if party is None else PartyName(party))


@pytest.mark.parametrize(
    ("name", "role", "party", "code"),
    [
        ("Sven", "security", "it", "revocation.same-party"),
        ("Ines", "security", "it", "revocation.same-party"),
        ("Sven", "operations", "operations", "revocation.same-actor"),
        ("Emil", "engineering", "engineering", "revocation.party"),
        ("Ada", "admin", None, "revocation.party"),
        ("Victor", "vendor", "operations", "actor.forbidden"),
        ("Anna", "auditor", "operations", "actor.forbidden"),
    ],
)
def test_nobody_confirms_who_is_not_the_other_party(
    case: Case, name: str, role: str, party: str | None, code: str
) -> None:
    proposal = case.propose()
    refused = code_of(lambda: case.confirm(proposal, principal(name, role, party)))
    assert (refused, case.certificate.status) == (code, CertificateStatus.GOOD)


@pytest.mark.parametrize(
    ("role", "party", "code"),
    [
        ("admin", None, "revocation.party"),  # as is whoever sits at the server
        ("security", "engineering", "revocation.party"),
        ("operations", "operations", "actor.forbidden"),  # what cannot be taken back begins with those who may
    ],
)
def test_nobody_proposes_who_speaks_for_neither_party_or_may_not_revoke(
    case: Case, role: str, party: str | None, code: str
) -> None:
    assert code_of(lambda: case.propose(principal("Somebody", role, party))) == code


def test_a_proposal_ends_at_its_very_time(case: Case) -> None:
    """DESIGN section 6: every limit is half-open."""
    proposal = case.propose()
    case.site.clock.time = proposal.expires_at - timedelta(microseconds=1)  # the next reading is the limit itself
    assert code_of(lambda: case.confirm(proposal)) == "revocation.expired"


def test_a_proposal_that_ended_makes_room_for_another(case: Case) -> None:
    case.propose()
    case.site.clock.forward(timedelta(hours=24))
    case.confirm(case.propose())
    assert case.certificate.status is CertificateStatus.REVOKED


def test_a_second_proposal_for_one_certificate_is_a_conflict(case: Case) -> None:
    case.propose()
    assert code_of(case.propose) == "revocation.proposed"


def test_a_confirmation_of_another_proposal_than_the_one_that_stands_is_refused(case: Case) -> None:
    first = case.propose()
    case.withdraw(first)
    case.propose()
    assert code_of(lambda: case.confirm(first)) == "revocation.missing"


def test_what_is_confirmed_is_not_confirmed_twice(case: Case) -> None:
    proposal = case.propose()
    case.confirm(proposal)
    assert code_of(lambda: case.confirm(proposal)) == "revocation.missing"


def test_while_a_proposal_waits_the_certificate_is_on_hold_if_the_profile_says_so(holding: Case) -> None:
    holding.propose()
    assert holding.certificate.status is CertificateStatus.HOLD


def test_a_person_does_not_end_the_hold_of_a_proposal_that_waits(holding: Case) -> None:
    holding.propose()
    release = holding.site.services.certificates.release
    assert code_of(lambda: release(SYSTEM, holding.serial, reason="in a hurry")) == "revocation.proposed"


def test_a_withdrawn_proposal_takes_its_hold_with_it(holding: Case) -> None:
    holding.withdraw(holding.propose())
    assert holding.certificate.status is CertificateStatus.GOOD


def test_a_withdrawn_proposal_leaves_the_hold_of_a_person(holding: Case) -> None:
    holding.site.services.certificates.hold(SYSTEM, holding.serial, reason="odd traffic")
    holding.withdraw(holding.propose())
    assert (holding.certificate.status, holding.certificate.status_reason) == (
        CertificateStatus.HOLD,
        "person: odd traffic",
    )


def test_a_hold_outlives_a_proposal_that_nobody_confirmed(holding: Case) -> None:
    """Nothing comes back because nobody acted; then a person releases it."""
    holding.propose()
    holding.site.clock.forward(timedelta(hours=24))
    before = holding.certificate.status
    holding.site.services.certificates.release(SYSTEM, holding.serial, reason="nobody agreed")
    assert (before, holding.certificate.status) == (CertificateStatus.HOLD, CertificateStatus.GOOD)


@pytest.mark.parametrize("way", ["alone", "rekey", "replace"])
def test_no_other_way_revokes_with_one_party(case: Case, way: str) -> None:
    """Rekeying and replacing revoke as well: where that takes two parties, these revoke first."""
    services = case.site.services
    model = case.site.store.view(case.device_id).device.model
    same = [each for each in case.site.devices.values() if each.planned.model == model]
    spare = next(each.planned.device_id for each in same if each.planned.device_id != case.device_id)
    ways: dict[str, Callable[[], object]] = {
        "alone": lambda: services.certificates.revoke(SYSTEM, case.serial, reason=Reason.SUPERSEDED),
        "rekey": lambda: services.succession.rekey(SYSTEM, case.device_id, serial=None, reason="board swapped"),
        "replace": lambda: services.succession.replace(SYSTEM, case.device_id, DeviceId(spare), reason="broken"),
    }
    assert code_of(ways[way]) == "revocation.two-parties"


def test_a_device_whose_certificates_two_parties_revoked_is_rekeyed(case: Case) -> None:
    case.confirm(case.propose())
    case.site.services.succession.rekey(SYSTEM, case.device_id, serial=None, reason="board swapped")
    assert case.site.store.view(case.device_id).state is None


def test_a_proposal_under_another_profile_is_confirmed_by_nobody(case: Case) -> None:
    """The policies in force at the second step decide: they may have changed who must agree."""
    proposal = case.propose()
    others = WRITTEN, WRITTEN + b"  revocation: {approvals: [engineering, operations]}\n"
    put_in_force(case.site, profiles__gateway=others, profiles__field_device=HOLDS)
    refused = code_of(lambda: case.confirm(proposal))
    put_in_force(case.site, profiles__gateway=ASKS, profiles__field_device=HOLDS)
    assert refused == "revocation.terms"
