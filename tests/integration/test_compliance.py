"""Compliance over a real history: what was recorded stays the answer, whatever changes afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from policyengine.model.ids import DeviceId
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.compliance.report import RESULTS, ComplianceReport, ControlStanding, Period
from policyengine.services.errors import InvalidRequestError, MissingError
from policyengine.services.fleet_scope import WHOLE_FLEET, FleetScope
from policyengine.services.ports import PageRequest
from policyengine.services.publication.waivers import WaiverFilter, WaiverState
from policyengine.simulation.device import SimulatedDevice
from tests.support.site import Site, put_in_force, ready_site

AUDITOR = Principal(name="Ada", role=PersonRole.AUDITOR)
ACME = Principal(name="acme", role=PersonRole.VENDOR, models=frozenset({"gw-200"}))
PORTS = "etsi:5.6-4"  # of engineering/boot-integrity
LATER = "etsi:5.12-1"  # of the same policy in the bundle that comes second
DAY = timedelta(days=1)
SEED = 20261127
ANY = WaiverFilter()
WAIVER = b"""apiVersion: policyengine/v1
kind: Waiver
metadata: {name: bench}
spec:
  policy: engineering/boot-integrity
  rules: [secure-boot, debug-ports-closed, lifecycle-secured]
  where: {device: {in: [%s]}}
  reason: On the bench
  ticket: OPS-1
  compensatingControl: Not on the plant network
  approvals: [it, engineering, operations]
  expires: "2026-12-04T00:00:00Z"
"""


@dataclass(slots=True)
class History:
    """A site, and at each moment that somebody asked, what the answer was."""

    site: Site
    asked: dict[str, tuple[datetime, ComplianceReport]] = field(default_factory=dict)
    debug: str = ""
    healthy: str = ""

    def ask(self, name: str) -> None:
        found = report(self.site)
        self.asked[name] = (self.site.clock.now(), found)
        self.site.clock.forward(timedelta(hours=1))

    def then(self, name: str, scope: FleetScope = WHOLE_FLEET) -> ComplianceReport:
        return report(self.site, self.asked[name][0], scope)


def report(site: Site, at: datetime | None = None, scope: FleetScope = WHOLE_FLEET) -> ComplianceReport:
    return site.services.compliance.report(AUDITOR, scope, as_of=at)


def standing(found: ComplianceReport, control: str = PORTS) -> ControlStanding:
    return next(each for each in found.controls if each.id == control)


def results(found: ComplianceReport, control: str = PORTS) -> dict[str, int]:
    return {result: count for result, count in standing(found, control).results.items() if count}


def play(site: Site) -> History:
    """Enrol, transfer, activate, waive, sweep and retire; the answer is asked for after each."""
    history = History(site)
    history.ask("empty")
    devices = [site.of(scenario)[0] for scenario in ("healthy", "debug", "tampered", "silent")]
    for device in devices:
        asyncio.run(site.enrol(device))
    history.healthy, history.debug = (DeviceId(device.planned.device_id) for device in devices[:2])
    history.ask("enrolled")
    site.clock.forward(DAY)
    elsewhere = "lab-berlin" if devices[0].planned.site != "lab-berlin" else "plant-b"
    site.services.succession.transfer(SYSTEM, history.healthy, site=elsewhere, zone=None, reason="moved")
    history.ask("transferred")
    another = (b'"etsi:5.6-4", "nist', b'"etsi:5.12-1", "nist')
    put_in_force(site, engineering__boot_integrity=another)
    _check_in(site, devices[1])
    history.ask("other control")
    waiver = (b"", WAIVER % history.debug.encode())
    put_in_force(site, engineering__boot_integrity=another, waivers__bench=waiver)
    _check_in(site, devices[1])
    history.ask("waived")
    site.clock.forward(20 * DAY)
    while site.services.sweep.run():
        pass
    history.ask("swept")
    site.services.devices.retire(SYSTEM, history.debug, reason="sold")
    history.ask("retired")
    return history


def _check_in(site: Site, device: SimulatedDevice) -> None:
    nonce = site.services.challenges.issue(device.planned.device_id).nonce
    asyncio.run(site.check_in(device, nonce))


@pytest.fixture(scope="module")
def history(module_database: str) -> Iterator[History]:
    site = ready_site(module_database)
    try:
        yield play(site)
    finally:
        site.store.close()


def test_an_answer_for_then_is_what_was_answered_then(history: History) -> None:
    """Issue 6, proof: after policies, waivers and devices changed."""
    answers = {name: said for name, (_, said) in history.asked.items()}
    again = {name: history.then(name) for name in answers}
    for name, said in answers.items():
        assert (again[name].bundle, again[name].devices) == (said.bundle, said.devices), name
        assert again[name].controls == said.controls, name


def test_every_change_of_the_history_changed_the_answer(history: History) -> None:
    """Without it the test above could not fail."""
    answers = [(said.bundle, said.devices, said.controls) for _, said in history.asked.values()]
    steps = zip(list(history.asked)[1:], answers, answers[1:], strict=False)
    unchanged = [name for name, before, after in steps if before == after]
    assert unchanged == ["transferred"], "a transfer moves a device from one place to another; the whole stays"


def test_before_the_first_device_nothing_is_counted(history: History) -> None:
    found = history.then("empty")
    assert (found.devices, {each.coverage for each in found.controls}) == (0, {None})


def test_a_device_counts_once_for_each_control(history: History) -> None:
    found = history.then("enrolled")
    assert all(sum(each.results.values()) + each.uncovered == found.devices == 4 for each in found.controls)


def test_a_waived_failure_is_counted_as_waived(history: History) -> None:
    assert results(history.then("other control"), LATER) == {"fail": 1}
    assert results(history.then("waived"), LATER) == {"waived": 1}


def test_a_control_of_a_later_bundle_counts_from_the_decisions_by_it(history: History) -> None:
    assert results(history.then("transferred"), LATER) == {}
    assert results(history.then("other control"), LATER) == {"fail": 1}


def test_silence_makes_a_control_unknown(history: History) -> None:
    assert results(history.then("swept"), LATER) == {"unknown": 4}


def test_a_retired_device_leaves_the_count_and_stays_in_the_past(history: History) -> None:
    assert (history.then("swept").devices, history.then("retired").devices) == (4, 3)


def test_a_transferred_device_counts_where_it_stands(history: History) -> None:
    after = history.site.store.view(history.healthy).device
    here = FleetScope(models=frozenset({after.model}), sites=frozenset({str(after.site)}))
    assert history.then("transferred", here).devices - history.then("enrolled", here).devices == 1


def test_a_control_names_the_weakest_source_that_its_rules_used(history: History) -> None:
    """Issue 6 item 3: the weakest source used per control is shown."""
    found = history.then("enrolled")
    assert (standing(found).weakest_source, standing(found).sources) == ("attested", {"attested": 4})
    assert {each.weakest_source for each in found.controls} >= {"attested", "certified", "reported"}


def test_a_vendor_is_told_of_its_own_models_alone(history: History) -> None:
    """Service ceilings section 7, line 32."""
    at, _ = history.asked["enrolled"]
    compliance = history.site.services.compliance
    everything = compliance.report(ACME, WHOLE_FLEET, as_of=at)
    foreign = compliance.report(ACME, FleetScope(models=frozenset({"sn-40", "plc-9"})), as_of=at)
    assert everything.devices == history.then("enrolled", FleetScope(models=frozenset({"gw-200"}))).devices
    assert foreign.devices == 0


def test_the_devices_behind_a_number_are_listed(history: History) -> None:
    at, _ = history.asked["enrolled"]
    page = history.site.services.compliance.devices(
        AUDITOR, WHOLE_FLEET, control=PORTS, result="fail", as_of=at, page=PageRequest()
    )
    assert [each.device_id for each in page.items] == [history.debug]


def test_shares_of_a_period_are_of_device_time(history: History) -> None:
    """Four devices from the moment they enrolled, one of which failed all the time."""
    period = Period(start=history.asked["empty"][0], end=history.asked["transferred"][0])
    found = history.site.services.compliance.report(AUDITOR, WHOLE_FLEET, framework="etsi", period=period)
    shares = standing(found).shares
    assert shares is not None
    assert (shares.failing, shares.passing) == pytest.approx((0.25, 0.75), abs=1e-4)


def test_a_framework_nobody_heard_of_is_refused(history: History) -> None:
    with pytest.raises(InvalidRequestError, match="there are cra, etsi"):
        history.site.services.compliance.report(AUDITOR, WHOLE_FLEET, framework="iso")


def test_sums_equal_a_count_of_the_devices_at_any_moment(history: History) -> None:
    """The aggregates against the obvious: at moments of every distance, count the devices one by one."""
    source = random.Random(SEED)
    start, end = history.asked["empty"][0], history.asked["retired"][0]
    moments = [start + (end - start) * source.random() for _ in range(6)]
    moments += [at + timedelta(seconds=source.uniform(-300, 300)) for at, _ in history.asked.values()]
    for moment in moments:
        counted = {
            each.id: each.results for each in report(history.site, moment).controls if any(each.results.values())
        }
        assert {control: listed(history.site, control, moment) for control in counted} == counted, f"{SEED}: {moment}"


def test_a_place_is_counted_as_the_fleet_is(history: History) -> None:
    """The fleet is counted from sums and a place from intervals: all places together are the fleet, times included."""
    everywhere = FleetScope(sites=frozenset({"plant-a", "plant-b", "lab-berlin"}))
    store, moments = history.site.store, [None, *(at for at, _ in history.asked.values())]
    for moment in moments:
        fleet, places = (
            {
                (each.control, each.result, each.source): (each.devices, round(each.device_time / 1e6))
                for each in store.control_counts(scope, framework=None, at=moment)
                if each.devices or each.device_time > 1e6
            }
            for scope in (WHOLE_FLEET, everywhere)
        )
        assert places.keys() == fleet.keys()
        assert all(places[cell] == pytest.approx(fleet[cell], abs=1) for cell in fleet), moment


def listed(site: Site, control: str, moment: datetime) -> dict[str, int]:
    page = site.services.compliance.devices(
        AUDITOR, WHOLE_FLEET, control=control, result=None, as_of=moment, page=PageRequest()
    )
    seen = Counter(each.result for each in page.items)
    return {result: seen[result] for result in RESULTS}


# Waivers, of the same history: the debug device is on the bench from "waived" on, for a while.


def waivers(history: History, name: str, where: WaiverFilter = ANY, viewer: Principal = AUDITOR) -> list[str]:
    at = history.asked[name][0]
    found = history.site.services.waivers.list(viewer, where, PageRequest(), as_of=at)
    return [f"{each.waiver.name} {each.state.value}" for each in found.items]


def test_a_waiver_is_shown_from_the_bundle_that_has_it_and_expires_on_its_day(history: History) -> None:
    """Issue 6 item 1: as_of, by the policies of then."""
    shown = {name: waivers(history, name) for name in ("other control", "waived", "swept")}
    assert shown == {"other control": [], "waived": ["bench in-force"], "swept": ["bench expired"]}


def test_a_waiver_names_the_devices_and_rules_it_covers_while_it_runs(history: History) -> None:
    """The function that decides coverage in decisions says so here as well."""
    read, rules = history.site.services.waivers.show, ("debug-ports-closed", "lifecycle-secured", "secure-boot")
    standing, covered = read(AUDITOR, "bench", as_of=history.asked["waived"][0])
    _, afterwards = read(AUDITOR, "bench", as_of=history.asked["swept"][0])
    assert (standing.owner, standing.waiver.approvals) == ("engineering", ("engineering", "it", "operations"))
    assert [(each.device_id, each.rules) for each in covered] == [
        (history.debug, tuple(f"engineering/boot-integrity#{rule}" for rule in rules))
    ]
    assert afterwards == ()


def test_waivers_are_found_by_device_rule_state_and_owner(history: History) -> None:
    rule = "engineering/boot-integrity#secure-boot"
    wanted = (
        WaiverFilter(device=DeviceId(history.debug), rule=rule, state=WaiverState.IN_FORCE, owner="engineering"),
        WaiverFilter(device=DeviceId(history.healthy)),
        WaiverFilter(rule=f"{rule}s"),
        WaiverFilter(state=WaiverState.EXPIRED),
        WaiverFilter(owner="it"),
    )
    assert [waivers(history, "waived", each) for each in wanted] == [["bench in-force"], [], [], [], []]


def test_a_vendor_sees_waivers_that_may_cover_its_devices_and_no_others(history: History) -> None:
    """Service ceilings section 7, line 32: a foreign waiver answers like a missing one."""
    model = history.site.store.view(DeviceId(history.debug)).device.model
    theirs, foreign = (
        Principal(name="v", role=PersonRole.VENDOR, models=frozenset({name}))
        for name in (model, "sn-40" if model != "sn-40" else "plc-9")
    )
    assert waivers(history, "waived", viewer=theirs) == ["bench in-force"]
    assert waivers(history, "waived", viewer=foreign) == []
    refusals = []
    for name in ("bench", "no-such-waiver"):
        with pytest.raises(MissingError) as refused:
            history.site.services.waivers.show(foreign, name)
        refusals.append(refused.value.code)
    assert refusals == ["waiver.missing", "waiver.missing"]


def test_a_cursor_that_is_none_is_refused_by_the_list_of_waivers(history: History) -> None:
    for cursor in ("%", "AAA=", "\u202e", "gA"):
        with pytest.raises(InvalidRequestError):
            history.site.services.waivers.list(AUDITOR, ANY, PageRequest(cursor=cursor))
