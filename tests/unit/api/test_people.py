"""Routes for people: lists, conditional reads, acts, idempotent creation."""

from __future__ import annotations

import json

import pytest

from policyengine.model.decision import Tier
from policyengine.services.catalogue import Services
from tests.unit.api import fakes

DEVICES = {"devices": [{"id": "gw-9", "vendor": "v", "model": "gw-200", "serial": "s", "class": "gateway"}]}


def test_a_list_links_to_its_next_page(client: fakes.Client) -> None:
    """RFC 8288."""
    answer = client.get("/v1/devices?tier=quarantine&limit=1", role="auditor")
    assert answer.headers["link"] == '</v1/devices?tier=quarantine&limit=1&cursor=after-0666>; rel="next"'
    assert "link" not in client.get("/v1/devices?cursor=after-0666", role="auditor").headers


def test_filters_reach_the_use_case(client: fakes.Client, services: Services) -> None:
    client.get("/v1/devices?model=a&model=b&tier=limited&lifecycle=pending&site=s&zone=z&prefix=gw", role="admin")
    (where, page) = services.devices.asked[0]
    assert (where.models, where.tier, where.lifecycle.value) == ({"a", "b"}, Tier.LIMITED, "pending")
    assert (where.site, where.zone, where.text, page.limit) == ("s", "z", "gw", 100)


@pytest.mark.parametrize(
    "query", ["tier=best", "lifecycle=x", "limit=0", "limit=501", "limit=x", "cursor=" + "x" * 600]
)
def test_a_query_member_out_of_bounds_is_a_problem(client: fakes.Client, query: str) -> None:
    answer = client.get(f"/v1/devices?{query}", role="admin")
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("/v1/devices?teir=quarantine", "teir"),
        ("/v1/tokens?as_of=2026-01-01T00:00:00Z", "as_of"),
        ("/v1/security-events?as_of=2026-01-01T00:00:00Z", "as_of"),
        ("/v1/controls?frameworks=etsi", "frameworks"),
        ("/v1/bundles/active?limit=1", "limit"),
    ],
)
def test_a_query_member_that_nobody_reads_is_refused(client: fakes.Client, path: str, member: str) -> None:
    """It would be answered as if it were not there: another question than was asked."""
    answer = client.get(path, role="admin")
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "request.invalid", member)
    assert f"takes no `{member}`" in answer.json()["detail"]


def test_a_device_is_shown_with_its_state_and_certificate(client: fakes.Client) -> None:
    shown = client.get("/v1/devices/gw-0001", role="auditor").json()
    assert (shown["state"]["tier"], shown["certificate"]["status"], shown["class"]) == ("quarantine", "good", None)
    assert shown["certificate"]["pem"].startswith("-----BEGIN CERTIFICATE-----")


def test_no_answer_carries_a_key_or_the_hash_of_a_token(client: fakes.Client) -> None:
    assert "spki" not in client.get("/v1/devices/gw-0001", role="admin").json()["state"]
    assert "hash" not in client.get("/v1/tokens", role="admin").text


def test_an_unchanged_device_answers_304(client: fakes.Client) -> None:
    """RFC 9110 section 15.4.5."""
    tag = client.get("/v1/devices/gw-0001", role="auditor").headers["etag"]
    again = client.get("/v1/devices/gw-0001", role="auditor", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_an_act_on_a_device_that_changed_since_is_refused(client: fakes.Client, services: Services) -> None:
    """RFC 9110 section 13.1.1."""
    options = {"role": "security", "json": {"reason": "odd traffic"}}
    answer = client.post("/v1/devices/gw-0001/quarantine", headers={"If-Match": '"old"'}, **options)
    assert (answer.status_code, services.devices.acts) == (412, [])


def test_an_act_on_the_device_as_seen_is_done(client: fakes.Client, services: Services) -> None:
    tag = client.get("/v1/devices/gw-0001", role="security").headers["etag"]
    options = {"role": "security", "json": {"reason": "odd traffic"}, "headers": {"If-Match": tag}}
    assert client.post("/v1/devices/gw-0001/quarantine", **options).status_code == 204
    assert services.devices.acts == [("quarantine", "gw-0001", "odd traffic")]


@pytest.mark.parametrize("reason", ["", "a\nb", "\x1b[2J", "x" * 300, None, 7])
def test_a_reason_that_is_no_line_is_refused(client: fakes.Client, reason: object) -> None:
    answer = client.post("/v1/devices/gw-0001/retire", role="operations", json={"reason": reason})
    assert (answer.status_code, answer.json()["code"]) == (422, "http.schema")


def test_all_misshapen_places_are_told_at_once(client: fakes.Client) -> None:
    answer = client.post("/v1/devices", role="admin", json={"devices": [{"id": "!"}], "more": 1})
    assert {item["path"] for item in answer.json()["errors"]} >= {
        "body.devices.0.id",
        "body.devices.0.serial",
        "body.more",
    }


def test_announced_devices_reach_the_use_case(client: fakes.Client, services: Services) -> None:
    assert client.post("/v1/devices", role="operations", json=DEVICES).json() == {"added": 1}
    assert services.devices.announced[0].device_class == "gateway"


def test_a_retry_under_one_key_creates_once(client: fakes.Client) -> None:
    options = {"role": "admin", "json": {"name": "ci", "role": "auditor"}, "headers": {"Idempotency-Key": "k1"}}
    first, second = client.post("/v1/tokens", **options), client.post("/v1/tokens", **options)
    assert (first.status_code, first.json()["secret"]) == (201, "pe_secret_1")
    assert second.json() == first.json()


def test_another_request_under_one_key_is_refused(client: fakes.Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    client.post("/v1/tokens", role="admin", json={"name": "ci", "role": "auditor"}, headers=headers)
    again = client.post("/v1/tokens", role="admin", json={"name": "ci", "role": "admin"}, headers=headers)
    assert (again.status_code, again.json()["code"]) == (422, "http.idempotency-key")


def test_an_act_under_one_key_is_done_once_and_answered_twice(client: fakes.Client, services: Services) -> None:
    """draft-ietf-httpapi-idempotency-key-header section 2.6: a revocation whose answer was lost is no conflict."""
    options = {"role": "security", "json": {"reason": "superseded"}, "headers": {"Idempotency-Key": "k1"}}
    answers = [client.post("/v1/certificates/1f/revoke", **options) for _ in range(2)]
    assert [each.status_code for each in answers] == [204, 204]
    assert services.certificates.acts == [("revoke", "superseded")]


def test_an_act_without_a_body_takes_a_key(client: fakes.Client) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert client.post("/v1/devices/gw-0001/admit", role="operations", headers=headers).status_code == 204


def test_a_key_of_one_caller_says_nothing_to_another(client: fakes.Client, services: Services) -> None:
    headers = {"Idempotency-Key": "k1"}
    client.post("/v1/devices", role="operations", json=DEVICES, headers=headers)
    client.post("/v1/devices", role="security", json=DEVICES, headers=headers)
    assert len(services.devices.announced) == 2


def test_a_decision_is_served_byte_for_byte(client: fakes.Client) -> None:
    assert client.get(f"/v1/decisions/{fakes.DIGEST}", role="auditor").content == fakes.DECISION


def test_an_explanation_has_a_text_for_people(client: fakes.Client) -> None:
    assert client.get(f"/v1/decisions/{fakes.DIGEST}/explanation", role="auditor").json()["text"] == "because <b>"


def test_facts_are_read_as_of_a_moment(client: fakes.Client) -> None:
    shown = client.get("/v1/devices/gw-0001/facts?as_of=2026-11-01T00:00:00Z", role="auditor").json()
    assert shown["as_of"] == "2026-11-01T00:00:00+00:00"


READS = (
    "devices devices/gw-0001 devices/gw-0001/facts devices/gw-0001/decisions devices/gw-0001/timeline controls "
    "devices/gw-0001/explanation certificates certificates/1f bundles bundles/active policies compliance exposure "
    "audit-events models/gw-200/releases compliance/etsi:5.7-1/devices"
)


@pytest.mark.parametrize("read", READS.split())
def test_a_moment_that_is_not_over_is_refused_on_every_read(client: fakes.Client, read: str) -> None:
    """Its answer would be another one later."""
    answer = client.get(f"/v1/{read}?as_of=2026-11-23T12:00:00.000001Z", role="auditor")
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "request.as-of", "as_of")


def test_devices_are_read_as_of_a_moment(client: fakes.Client) -> None:
    listed = client.get("/v1/devices?as_of=2026-11-23T12:00:00Z", role="auditor").json()
    shown = client.get("/v1/devices/gw-0001?as_of=2026-11-23T12:00:00Z", role="auditor").json()
    assert (listed[0]["site"], shown["site"], shown["state"]) == ("then", "then", None)


@pytest.mark.parametrize("query", ["as_of=2026-11-01T00:00:00Z&as_of=2026-11-02T00:00:00Z", "limit=1&limit=2"])
def test_a_query_member_that_is_there_twice_is_refused(client: fakes.Client, query: str) -> None:
    """Of two moments one would be left unanswered without a word."""
    answer = client.get(f"/v1/devices?{query}", role="auditor")
    assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")
    assert answer.json()["detail"] == f"`{query.partition('=')[0]}` is there more than once"


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-01", "2026-11-01T00:00:00", "2026-13-01T00:00:00Z"])
def test_a_moment_without_a_zone_or_that_never_was_is_refused(client: fakes.Client, moment: str) -> None:
    assert client.get(f"/v1/controls?as_of={moment}", role="auditor").json()["code"] == "time.invalid"


def test_activation_over_somebody_elses_is_a_conflict(client: fakes.Client) -> None:
    path = f"/v1/bundles/{fakes.DIGEST}/activate"
    stale = client.post(path, role="security", json={"expected_generation": 6})
    fresh = client.post(path, role="security", json={"expected_generation": 7})
    assert (stale.status_code, stale.json()["generation"], fresh.json()["generation"]) == (409, 7, 8)


def test_a_bundle_is_its_own_entity_tag(client: fakes.Client) -> None:
    assert client.get(f"/v1/bundles/{fakes.DIGEST}", role="auditor").headers["etag"] == f'"{fakes.DIGEST}"'


def test_an_uploaded_bundle_reaches_the_use_case_byte_for_byte(client: fakes.Client, services: Services) -> None:
    headers = {"Content-Type": "application/vnd.policyengine.bundle+json"}
    answer = client.post("/v1/bundles", role="engineering", content=b'{"x": 1}', headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/bundles/{fakes.DIGEST}")
    assert services.bundles.published == [b'{"x": 1}']


def test_a_revocation_that_takes_two_parties_is_told_with_202(client: fakes.Client) -> None:
    """RFC 9110 section 15.3.3: accepted, and not done yet."""
    body = {"reason": "cessationOfOperation"}
    answer = client.post("/v1/certificates/1f/revoke", role="security", json=body)
    waits = client.get("/v1/certificates/revocations", role="auditor").json()
    assert (answer.status_code, answer.json()["id"], waits) == (202, fakes.PROPOSAL.id, [answer.json()])


def test_a_confirmation_names_the_proposal_that_was_seen(client: fakes.Client, services: Services) -> None:
    bare = client.post("/v1/certificates/1f/revoke/confirm", role="engineering", json={})
    body = {"proposal": fakes.PROPOSAL.id}
    named = client.post("/v1/certificates/1f/revoke/confirm", role="engineering", json=body)
    assert (bare.status_code, named.status_code) == (422, 204)
    assert services.revocations.acts == [("confirm", "1f", fakes.PROPOSAL.id)]


def test_only_a_crl_reason_revokes(client: fakes.Client, services: Services) -> None:
    """RFC 5280 section 5.3.1."""
    bad = client.post("/v1/certificates/1f/revoke", role="security", json={"reason": "because"})
    good = client.post("/v1/certificates/1f/revoke", role="security", json={"reason": "keyCompromise"})
    assert (bad.status_code, good.status_code, services.certificates.acts) == (422, 204, [("revoke", "keyCompromise")])


def test_a_refused_value_is_told_what_it_may_be_as_it_is_written(client: fakes.Client) -> None:
    answer = client.post("/v1/certificates/1f/revoke", role="security", json={"reason": "because"}).json()
    assert "'keyCompromise'" in answer["detail"]
    assert answer["detail"].startswith("body.reason: input should be ")


def test_openapi_describes_every_guarded_route(client: fakes.Client) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert {"/v1/devices/{name}", "/v1/bundles/{name}/activate", "/v1/tokens"} <= described["paths"].keys()


def test_a_server_that_is_not_ready_says_why(services: Services) -> None:
    services.health.problems = ("bundle.none",)
    answer = fakes.Client(fakes.application(services)).get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (503, ["bundle.none"])


def test_metrics_count_routes_by_name_and_never_by_path(client: fakes.Client) -> None:
    client.get("/v1/devices/gw-0001", role="auditor")
    client.get("/hostile/path/" + "x" * 100)
    text = client.get("/metrics", role="auditor").text
    assert 'policyengine_http_requests_total{route="show_device",method="GET",status="2xx"} 1' in text
    assert 'policyengine_http_requests_total{route="none",method="GET",status="4xx"} 1' in text
    assert 'policyengine_devices{model="gw-200",tier="quarantine"} 1' in text
    assert "hostile" not in text


def test_a_methods_label_is_bounded_too(client: fakes.Client) -> None:
    client.request("X" * 50, "/livez")
    assert "XXX" not in client.get("/metrics", role="auditor").text


def test_the_histogram_ends_in_the_count(client: fakes.Client) -> None:
    client.get("/livez")
    lines = client.get("/metrics", role="auditor").text.splitlines()
    assert 'policyengine_http_request_duration_seconds_bucket{route="livez",le="+Inf"} 1' in lines
    assert 'policyengine_http_request_duration_seconds_count{route="livez"} 1' in lines


def test_controls_are_shown_with_the_state_of_the_fleet(client: fakes.Client) -> None:
    assert json.loads(client.get("/v1/controls", role="vendor").content)[0]["results"] == {"fail": 1}


def test_compliance_counts_each_result_on_its_own(client: fakes.Client) -> None:
    shown = client.get("/v1/compliance?framework=etsi&scope=model:gw-200&scope=site:a", role="auditor").json()
    control = shown["controls"][0]
    assert shown["scope"] == {"model": ["gw-200"], "site": ["a"]}
    assert [control[result] for result in ("pass", "fail", "unknown", "waived", "uncovered")] == [0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("query", "code", "path"),
    [
        ("scope=gw-200", "request.scope", "scope"),
        ("scope=vendor:acme", "request.scope", "scope"),
        ("from=2026-01-01T00:00:00Z", "request.period", "from"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "request.period", "from"),
    ],
)
def test_a_question_about_no_part_of_the_fleet_or_of_time_is_refused(
    client: fakes.Client, query: str, code: str, path: str
) -> None:
    answer = client.get(f"/v1/compliance?{query}", role="auditor")
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, code, path)
