"""Reading with conditions: some members only, only what has changed; and waivers, with their filters."""

from __future__ import annotations

import pytest

from api.selection import PART
from policyengine.services.catalogue import Services
from policyengine.services.publication.waivers import WaiverState
from tests.unit.api import fakes


def test_a_list_is_cut_down_to_the_fields_asked_for(client: fakes.Client) -> None:
    answer = client.get("/v1/devices?fields=id,class", role="auditor")
    assert answer.json()[0] == {"id": "gw-0001", "class": None}
    assert (answer.headers["content-type"], "next" in answer.links) == (PART, True)


def test_a_detail_is_cut_down_to_the_fields_asked_for(client: fakes.Client) -> None:
    assert client.get("/v1/certificates/1f?fields=serial", role="auditor").json() == {"serial": "1f"}


@pytest.mark.parametrize("field", ["", "ids", "id,", "device_class", "id\x00", "\u202e", "state.tier", "x" * 600])
@pytest.mark.parametrize("path", ["/v1/devices", "/v1/devices/gw-0001"])
def test_a_field_that_there_is_not_is_refused(client: fakes.Client, path: str, field: str) -> None:
    answer = client.get(path, params={"fields": field}, role="auditor")
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "request.fields", "fields")


def test_fields_are_not_taken_where_answers_are_not_cut_down(client: fakes.Client) -> None:
    assert client.get("/v1/devices/gw-0001/facts?fields=facts", role="auditor").json()["code"] == "request.invalid"


@pytest.mark.parametrize("read", ["compliance", "controls", "waivers", "waivers/bench", "devices", "certificates"])
def test_what_has_not_changed_is_not_sent_again(client: fakes.Client, read: str) -> None:
    """RFC 9110 section 15.4.5."""
    tag = client.get(f"/v1/{read}", role="auditor").headers["etag"]
    again = client.get(f"/v1/{read}", role="auditor", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_the_same_standing_at_another_moment_has_the_same_tag(client: fakes.Client) -> None:
    """Without `as_of` the moment is now, and never the same (RFC 9110 section 8.8.1)."""
    then = client.get("/v1/compliance?as_of=2026-11-01T00:00:00Z", role="auditor")
    now = client.get("/v1/compliance", role="auditor")
    assert then.json()["as_of"] != now.json()["as_of"]
    assert then.headers["etag"] == now.headers["etag"]


def test_an_answer_cut_down_otherwise_has_another_tag(client: fakes.Client) -> None:
    tags = {client.get(f"/v1/devices?fields={name}", role="auditor").headers["etag"] for name in ("id", "serial")}
    assert len(tags) == 2


def test_a_refusal_has_no_tag(client: fakes.Client) -> None:
    assert "etag" not in client.get("/v1/devices/none", role="auditor").headers


def test_waiver_filters_reach_the_use_case(client: fakes.Client, services: Services) -> None:
    query = "device=gw-0001&rule=engineering/x%23secure-boot&state=expired&owner=engineering"
    listed = client.get(f"/v1/waivers?{query}", role="vendor:gw-200")
    (asked,) = services.waivers.asked
    assert listed.json()[0]["where"] == [{"key": "device", "matches": "in", "values": ["gw-0001"]}]
    assert (asked.device, asked.rule, asked.owner) == ("gw-0001", "engineering/x#secure-boot", "engineering")
    assert asked.state is WaiverState.EXPIRED


@pytest.mark.parametrize(
    "query", ["state=gone", "device=%00", "owner=" + "x" * 200, "rule=" + "x" * 300, "stat=expired", "rule=a&rule=b"]
)
def test_a_waiver_filter_that_is_none_is_refused(client: fakes.Client, query: str) -> None:
    answer = client.get(f"/v1/waivers?{query}", role="auditor")
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_waiver_is_shown_with_what_it_covers(client: fakes.Client) -> None:
    shown = client.get("/v1/waivers/bench", role="auditor").json()
    assert (shown["approvals"], shown["state"], shown["expires"]) == (["it"], "in-force", "2026-11-30T12:00:00Z")
    assert [each["device_id"] for each in shown["covers"]] == ["gw-0001"]


@pytest.mark.parametrize(
    "read", ["devices", "devices/gw-0001", "devices/gw-0001/facts", "devices/gw-0001/timeline", "exposure"]
)
def test_a_moment_whose_decisions_were_archived_is_refused(client: fakes.Client, read: str) -> None:
    """What is left of them here would be half an answer."""
    answer = client.get(f"/v1/{read}?as_of=2026-03-31T23:59:59Z", role="auditor")
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "request.archived", "as_of")


def test_what_is_kept_for_good_is_answered_for_archived_moments_too(client: fakes.Client) -> None:
    assert client.get("/v1/compliance?as_of=2026-03-31T23:59:59Z", role="auditor").status_code == 200


def test_a_list_that_comes_whole_has_pages_too(client: fakes.Client) -> None:
    """RFC 8288: whoever asks for two at a time sees each once, and is told where the list ends."""
    whole = client.get("/v1/tokens", role="admin")
    first = client.get("/v1/tokens?limit=2", role="admin")
    last = client.get(first.links["next"]["url"], role="admin")
    assert (len(whole.json()), "next" in whole.links, "next" in last.links) == (3, False, False)
    assert first.json() + last.json() == whole.json()


WHOLE = "controls tokens certificates/revocations models/gw-200/releases models/gw-200/unmatched webhooks"


@pytest.mark.parametrize("read", WHOLE.split())
def test_a_cursor_that_names_nothing_in_a_list_is_refused(client: fakes.Client, read: str) -> None:
    answer = client.get(f"/v1/{read}?cursor=bm90aGluZw", role="admin")
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "request.cursor", "cursor")
