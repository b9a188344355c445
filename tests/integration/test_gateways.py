"""Gateways on real databases: for whom they may speak, what their word is worth, and what is left when they fall."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from pki.revocation import Reason
from policyengine.model.ids import DeviceId, device_id
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.errors import ConflictError, InvalidRequestError, MissingError, RefusedError
from policyengine.services.gates.gate import Answer
from policyengine.services.gateways.reports import MAX_REPORTS, Equipment, GatewayReports, Recorded, Refused, Said
from policyengine.services.ports import PageRequest
from policyengine.simulation import device as simulated
from tests.integration.gateway_site import AUTO_UPDATE, PASSWORD, WELL, Gateway, GatewaySite, gateway_site
from tests.support.site import next_nonce, request


@pytest.fixture(scope="module")
def place(module_database: str) -> Iterator[GatewaySite]:
    """One site for all tests of an engine, whose clock only goes on; each test takes devices of its own."""
    made = gateway_site(module_database)
    yield made
    made.site.store.close()


def refused(outcome: Recorded | Refused) -> str:
    assert isinstance(outcome, Refused), outcome
    return outcome.refusal.code


def fallen(place: GatewaySite, gateway: Gateway) -> None:
    place.site.services.devices.quarantine(SYSTEM, gateway.name, reason="seen scanning")


# What a report is worth


def test_device_without_a_key_is_decided_on_by_its_gateways_word(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    outcome = gateway.reports(sensor)
    assert isinstance(outcome, Recorded)
    assert json.loads(outcome.body)["tier"] == "full"


def test_report_makes_the_device_operational(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    assert place.site.store.view(sensor).device.lifecycle.value == "operational"  # type: ignore[union-attr]


def test_reported_fact_names_the_gateway(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    seen = place.seen(sensor, PASSWORD)
    assert (seen["source"], seen["reporter"]) == ("reported", gateway.name)


def test_rule_that_wants_more_than_a_word_is_unknown(place: GatewaySite) -> None:
    """A reported fact is weaker than an observed one (DESIGN section 5)."""
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    assert place.results(sensor)[AUTO_UPDATE] == "unknown"


def test_identity_of_a_device_without_a_key_is_not_verified(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    facts = place.site.services.devices.facts(SYSTEM, sensor)["facts"]
    assert facts["identity"] == {"kind": "gateway", "verified": False}  # type: ignore[index]


def test_report_ages_from_when_it_was_observed(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor, observed_at=place.site.clock.now() - timedelta(hours=25))
    assert place.results(sensor)[PASSWORD] == "unknown"


# For whom a gateway may speak


def test_foreign_device_answers_like_a_missing_one(place: GatewaySite) -> None:
    gateway, other = place.gateway, place.own_gateway()
    foreign, missing = gateway.reports(place.sensor(other)), gateway.reports(device_id("th1-none"))
    assert isinstance(foreign, Refused)
    assert isinstance(missing, Refused)
    assert (foreign.refusal.code, foreign.refusal.message) == (missing.refusal.code, missing.refusal.message)


def test_refused_report_is_an_event_of_the_gateway(place: GatewaySite) -> None:
    gateway = place.own_gateway()
    gateway.reports(device_id("th1-none"))
    events = place.site.store.security_events(PageRequest(), device_id=gateway.name).items
    assert [event.code for event in events] == ["identity.unknown-device"]


def test_one_refused_report_leaves_the_others(place: GatewaySite) -> None:
    gateway = place.gateway
    known = place.sensor(gateway)
    said = [Said(device_id=name, reported=WELL) for name in (device_id("th1-none"), known)]
    outcomes = asyncio.run(place.site.services.gateway_reports.report(gateway.certificate, said))
    assert [type(each) for each in outcomes] == [Refused, Recorded]


def test_device_whose_model_has_a_key_is_not_reported_of(place: GatewaySite) -> None:
    gateway = place.gateway
    assert refused(gateway.reports(place.entrust(place.unused("sn-40"), gateway))) == "gateway.keyed"


def test_device_that_enrolled_with_a_key_is_not_reported_of(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    asyncio.run(place.site.enrol(device))
    assert refused(gateway.reports(place.entrust(device, gateway))) == "gateway.keyed"


def test_evidence_for_a_device_without_a_key_is_refused(place: GatewaySite) -> None:
    """Nobody who has some key becomes the sensor that has none."""
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    nonce = place.site.services.challenges.issue(sensor).nonce
    with pytest.raises(RefusedError) as caught:
        asyncio.run(place.site.check_in(place.unused("sn-40"), nonce))
    assert caught.value.code == "identity.keyless"


def test_retired_device_is_not_reported_of(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    place.site.services.devices.retire(SYSTEM, sensor, reason="scrapped")
    assert refused(gateway.reports(sensor)) == "device.retired"


@pytest.mark.parametrize(
    ("code", "said", "ahead"),
    [
        ("report.groups", {"device": {"site": "plant-a"}}, timedelta(0)),
        ("report.groups", {"identity": {"verified": True}}, timedelta(0)),
        ("facts.undeclared", {"config": {"default_pasword": False}}, timedelta(0)),
        ("facts.type", {"config": {"default_credentials": "no"}}, timedelta(0)),
        ("report.future", WELL, timedelta(minutes=5)),
    ],
)
def test_what_is_not_to_be_said_is_refused(
    place: GatewaySite, code: str, said: dict[str, object], ahead: timedelta
) -> None:
    gateway = place.gateway
    assert refused(gateway.reports(place.sensor(gateway), said, observed_at=place.site.clock.now() + ahead)) == code


def test_report_from_before_the_last_one_is_refused(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    before = place.site.clock.now() - timedelta(hours=1)
    assert refused(gateway.reports(sensor, observed_at=before)) == "report.superseded"


def test_same_report_again_is_no_refusal(place: GatewaySite) -> None:
    """A gateway that lost the answer says the same again."""
    gateway, at = place.gateway, place.site.clock.now()
    sensor = place.sensor(gateway)
    assert [type(gateway.reports(sensor, observed_at=at)) for _ in range(2)] == [Recorded, Recorded]


@pytest.mark.parametrize("count", [0, MAX_REPORTS + 1])
def test_reports_are_bounded(place: GatewaySite, count: int) -> None:
    gateway = place.gateway
    said = [Said(device_id=device_id(f"x-{number}"), reported=WELL) for number in range(count)]
    with pytest.raises(InvalidRequestError, match="reports are not"):
        asyncio.run(place.site.services.gateway_reports.report(gateway.certificate, said))


def test_device_is_reported_of_once_in_a_request(place: GatewaySite) -> None:
    gateway = place.gateway
    said = [Said(device_id=device_id("th1-x"), reported=WELL)] * 2
    with pytest.raises(InvalidRequestError, match="`th1-x` is reported of twice"):
        asyncio.run(place.site.services.gateway_reports.report(gateway.certificate, said))


# A gateway that falls

FALLS: dict[str, Callable[[GatewaySite, Gateway], None]] = {
    "quarantined": fallen,
    "retired": lambda place, gateway: place.site.services.devices.retire(SYSTEM, gateway.name, reason="scrapped"),
    "revoked": lambda place, gateway: place.site.services.certificates.revoke(
        SYSTEM, newest(place, gateway.name), reason=Reason.KEY_COMPROMISE
    ),
    "held": lambda place, gateway: place.site.services.certificates.hold(
        SYSTEM, newest(place, gateway.name), reason="lost"
    ),
    "rekeyed": lambda place, gateway: place.site.services.succession.rekey(
        SYSTEM, gateway.name, serial=None, reason="board swapped"
    ),
}


def newest(place: GatewaySite, name: DeviceId) -> str:
    return place.site.services.certificates.list(SYSTEM, PageRequest(), device_id=name).items[0].serial


@pytest.mark.parametrize("fall", FALLS)
def test_word_of_a_fallen_gateway_is_unknown(place: GatewaySite, fall: str) -> None:
    gateway = place.own_gateway()
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    before = place.results(sensor)[PASSWORD]
    FALLS[fall](place, gateway)
    assert (before, place.results(sensor)[PASSWORD]) == ("pass", "unknown")


@pytest.mark.parametrize("fall", FALLS)
def test_fallen_gateway_says_nothing_more(place: GatewaySite, fall: str) -> None:
    gateway = place.own_gateway()
    sensor = place.sensor(gateway)
    FALLS[fall](place, gateway)
    with pytest.raises(RefusedError) as caught:
        gateway.reports(sensor)
    assert caught.value.code.startswith("gate.")


def test_word_of_another_gateway_still_counts(place: GatewaySite) -> None:
    one, other = place.own_gateway(), place.own_gateway()
    sensor = place.sensor(one, other)
    one.reports(sensor)
    other.reports(sensor)
    fallen(place, one)
    assert place.results(sensor)[PASSWORD] == "pass"


def test_word_of_a_gateway_that_may_no_longer_speak_for_the_device_is_unknown(place: GatewaySite) -> None:
    gateway, other = place.gateway, place.own_gateway()
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    place.site.services.entrusting.entrust(SYSTEM, sensor, [other.name], reason="moved")
    place.site.services.sweep.run()
    assert place.results(sensor)[PASSWORD] == "unknown"


def test_gateway_that_recovers_is_heard_again(place: GatewaySite) -> None:
    gateway = place.own_gateway()
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    fallen(place, gateway)
    place.site.services.devices.release(SYSTEM, gateway.name, reason="was a test")
    gateway.reports(sensor)
    assert place.results(sensor)[PASSWORD] == "pass"


class FallingGate:
    """A gate after which the gateway falls before its word is recorded."""

    def __init__(self, place: GatewaySite, gateway: Gateway) -> None:
        self._place = place
        self._gateway = gateway

    async def demand_open_for_holder(self, certificate: bytes, purpose: str) -> Answer:
        answer = await self._place.site.services.gate.demand_open_for_holder(certificate, purpose)
        fallen(self._place, self._gateway)
        return answer


def test_word_of_a_gateway_that_falls_while_it_is_recorded_is_unknown(place: GatewaySite) -> None:
    """What was committed after the fall is not seen by the fall."""
    gateway = place.own_gateway()
    sensor = place.sensor(gateway)
    services = place.site.services
    with_falling = {name: getattr(services.gateway_reports._with, name) for name in Equipment.__dataclass_fields__}
    reports = GatewayReports(Equipment(**with_falling | {"gate": FallingGate(place, gateway)}))
    asyncio.run(reports.report(gateway.certificate, [Said(device_id=sensor, reported=WELL)]))
    assert place.results(sensor)[PASSWORD] == "unknown"


# Evidence that a gateway brings


def relayed(place: GatewaySite, gateway: Gateway, device: simulated.SimulatedDevice) -> dict[str, object]:
    nonce = place.site.services.challenges.issue(device_id(device.planned.device_id)).nonce
    brought = request(simulated.enrolment(device, nonce))
    return json.loads(asyncio.run(place.site.services.relaying.relay(gateway.certificate, brought)).body)  # type: ignore[no-any-return]


def test_device_enrols_through_its_gateway(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    place.entrust(device, gateway)
    reply = relayed(place, gateway, device)
    assert (reply["tier"], "certificate" in reply) == ("full", True)


def test_evidence_that_a_gateway_brings_is_worth_what_it_is_worth_directly(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    name = place.entrust(device, gateway)
    relayed(place, gateway, device)
    provenance = place.site.services.devices.facts(SYSTEM, name)["provenance"]
    assert provenance["boot"]["source"] == "attested"  # type: ignore[index]
    assert "reporter" not in provenance["boot"]  # type: ignore[index]


def test_what_nobody_signed_carries_the_gateways_name(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    name = place.entrust(device, gateway)
    relayed(place, gateway, device)
    provenance = place.site.services.devices.facts(SYSTEM, name)["provenance"]
    assert provenance["net"]["reporter"] == gateway.name  # type: ignore[index]


def test_evidence_outlives_the_gateway_that_brought_it(place: GatewaySite) -> None:
    gateway, device = place.own_gateway(), place.unused("sn-40")
    name = place.entrust(device, gateway)
    relayed(place, gateway, device)
    fallen(place, gateway)
    place.site.services.sweep.run()
    facts = place.site.services.devices.facts(SYSTEM, name)["facts"]
    assert ("boot" in facts, "net" in facts) == (True, False)  # type: ignore[operator]


def test_device_speaks_for_itself_again(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    name = place.entrust(device, gateway)
    relayed(place, gateway, device)
    asyncio.run(place.site.check_in(device, place.site.services.challenges.issue(name).nonce))
    assert place.site.store.view(name).state.reporter is None  # type: ignore[union-attr]


def test_evidence_of_a_foreign_device_is_answered_like_that_of_a_missing_one(place: GatewaySite) -> None:
    gateway = place.gateway
    with pytest.raises(RefusedError) as foreign:
        relayed(place, gateway, place.unused("sn-40"))
    nonce = place.site.services.challenges.issue(device_id("none")).nonce
    missing_one = request(simulated.enrolment(place.unused("sn-40"), nonce))
    with pytest.raises(RefusedError) as missing:
        asyncio.run(place.site.services.relaying.relay(gateway.certificate, missing_one))
    assert (foreign.value.code, foreign.value.message) == (missing.value.code, missing.value.message)


def test_evidence_over_a_nonce_for_nobody_is_not_brought(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    place.entrust(device, gateway)
    brought = request(simulated.enrolment(device, place.site.challenge()))
    with pytest.raises(RefusedError) as caught:
        asyncio.run(place.site.services.relaying.relay(gateway.certificate, brought))
    assert caught.value.code == "gateway.nonce"


def test_lost_answer_is_given_again_through_the_gateway(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    name = place.entrust(device, gateway)
    brought = request(simulated.enrolment(device, place.site.services.challenges.issue(name).nonce))
    replies = [asyncio.run(place.site.services.relaying.relay(gateway.certificate, brought)) for _ in range(2)]
    assert replies[0].body == replies[1].body


def test_fallen_gateway_brings_nothing(place: GatewaySite) -> None:
    gateway, device = place.own_gateway(), place.unused("sn-40")
    place.entrust(device, gateway)
    fallen(place, gateway)
    with pytest.raises(RefusedError) as caught:
        relayed(place, gateway, device)
    assert caught.value.code == "gate.tier"


def test_next_nonce_serves_through_the_gateway(place: GatewaySite) -> None:
    gateway, device = place.gateway, place.unused("sn-40")
    name = place.entrust(device, gateway)
    first = request(simulated.enrolment(device, place.site.services.challenges.issue(name).nonce))
    reply = asyncio.run(place.site.services.relaying.relay(gateway.certificate, first))
    later = request(simulated.check_in(device, next_nonce(reply)))
    assert asyncio.run(place.site.services.relaying.relay(gateway.certificate, later)).tier.name == "FULL"


# Who says which gateway speaks


def test_operator_who_may_not_see_the_gateway_is_told_that_there_is_none(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    scoped = Principal(name="borealis", role=PersonRole.OPERATIONS, models=frozenset({"th-1"}))
    told = []
    for named in (gateway.name, device_id("none")):
        with pytest.raises(InvalidRequestError) as caught:
            place.site.services.entrusting.entrust(scoped, sensor, [named], reason="mine now")
        told.append(caught.value.message.replace(named, "X"))
    assert told[0] == told[1]


def test_operator_who_may_not_see_the_device_entrusts_nothing(place: GatewaySite) -> None:
    gateway = place.gateway
    scoped = Principal(name="acme", role=PersonRole.OPERATIONS, models=frozenset({"gw-200"}))
    with pytest.raises(MissingError):
        place.site.services.entrusting.entrust(scoped, place.sensor(gateway), [gateway.name], reason="mine now")


def test_device_is_no_gateway_of_its_own(place: GatewaySite) -> None:
    gateway = place.gateway
    with pytest.raises(InvalidRequestError, match="no gateway of its own"):
        place.site.services.entrusting.entrust(SYSTEM, gateway.name, [gateway.name], reason="a loop")


def test_entrusting_is_an_act_in_the_log(place: GatewaySite) -> None:
    one, other = place.own_gateway(), place.own_gateway()
    sensor = place.sensor(one)
    place.site.services.entrusting.entrust(SYSTEM, sensor, [other.name], reason="moved")
    act = place.site.store.audit_events(PageRequest()).items[0]
    assert (act.action, act.subject, act.detail["to"]) == ("device.gateways", sensor, [other.name])


def test_entrusting_what_is_so_already_is_a_conflict(place: GatewaySite) -> None:
    gateway = place.gateway
    with pytest.raises(ConflictError, match="has these gateways already"):
        place.site.services.entrusting.entrust(SYSTEM, place.sensor(gateway), [gateway.name], reason="again")


def test_device_without_a_key_has_none_to_end(place: GatewaySite) -> None:
    gateway = place.gateway
    sensor = place.sensor(gateway)
    gateway.reports(sensor)
    with pytest.raises(ConflictError, match="no key to end"):
        place.site.services.succession.rekey(SYSTEM, sensor, serial=None, reason="board swapped")


def test_every_decision_of_these_tests_is_made_again_from_its_inputs(place: GatewaySite) -> None:
    report = place.site.services.audit.replay()
    assert report.differences == ()
