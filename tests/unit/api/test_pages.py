"""The pages: signed in or sent away, hostile text visible but harmless, nothing from elsewhere (class 37, 39)."""

from __future__ import annotations

import re

import pytest

from api.rendering import shares, shown
from policyengine.services.catalogue import Services
from tests.unit.api import fakes

SESSION = {"Cookie": "policyengine_session=auditor"}
PAGES = ["/", "/fleet/devices", "/fleet/devices/gw-0001", "/fleet/devices/gw-0666", f"/fleet/decisions/{fakes.DIGEST}"]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_signing_in(client: fakes.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", [*PAGES, "/login"])
def test_a_page_has_no_script_no_inline_style_and_nothing_from_elsewhere(client: fakes.Client, path: str) -> None:
    text = client.get(path, headers=SESSION).text
    assert not re.search(r"<script|<img|<iframe|<[^>]*\s(on\w+|style)=|javascript:|https?://", text)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole(client: fakes.Client, path: str) -> None:
    answer = client.get(path, headers=SESSION)
    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")


def test_hostile_text_is_escaped_and_made_visible(client: fakes.Client) -> None:
    text = client.get("/fleet/devices/gw-0666", headers=SESSION).text
    assert "&lt;img src=x" in text
    assert "\x1b" not in text
    assert "U+001B" in text
    assert "U+202E" in text


def test_a_device_page_says_why(client: fakes.Client) -> None:
    text = client.get("/fleet/devices/gw-0001", headers=SESSION).text
    for part in (
        "engineering/x#secure-boot",
        "engineering/x.yaml:23",
        "c0ffee",
        "boot.secure",
        "re-flash",
        "etsi:5.7-1",
    ):
        assert part in text


def test_the_overview_counts_tiers_and_shows_what_needs_attention(client: fakes.Client) -> None:
    text = client.get("/", headers=SESSION).text
    assert "<strong>3</strong>" in text
    assert "Need attention" in text
    assert "gw-0001" in text


def test_a_vendor_sees_no_audit_events_on_the_overview(client: fakes.Client) -> None:
    text = client.get("/", headers={"Cookie": "policyengine_session=vendor:gw-200"}).text
    assert "Recent changes" not in text
    assert "Not believed" not in text


def test_a_missing_device_is_a_page_too(client: fakes.Client) -> None:
    answer = client.get("/fleet/devices/gw-4040", headers=SESSION)
    assert (answer.status_code, "<h1>Nothing here</h1>" in answer.text) == (404, True)


def sign_in(client: fakes.Client, token: str, **headers: str) -> object:
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return client.post("/login", content=f"token={token}", headers=form)


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(client: fakes.Client) -> None:
    answer = sign_in(client, "auditor")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("policyengine_session=auditor", "httponly", "secure", "samesite=strict"))


def test_a_wrong_token_signs_nobody_in(client: fakes.Client) -> None:
    answer = sign_in(client, "nobody")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "header", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_form_from_another_site_is_refused(client: fakes.Client, header: dict[str, str]) -> None:
    assert sign_in(client, "auditor", **header).status_code == 403


def test_a_form_of_this_site_is_taken(client: fakes.Client) -> None:
    assert sign_in(client, "auditor", Origin="https://server").status_code == 303


def test_signing_out_removes_the_cookie(client: fakes.Client) -> None:
    assert "max-age=0" in client.post("/logout", headers=SESSION).headers["set-cookie"].lower()


@pytest.mark.parametrize("value", ["x" * 5000, "a=b&" * 2000, "%00", "token=a&token=b&c=d&e=f&g=h"])
def test_a_hostile_form_is_answered(client: fakes.Client, value: str) -> None:
    assert sign_in(client, value).status_code in {400, 401}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("nonce.spent", "was used already"),
        ("psa.nonce", "RFC 9783 section 4.1.1"),
        ("tpm.container", "evidence-tpm.md"),
    ],
)
def test_the_page_of_a_refusal_says_what_it_means_and_where_to_read_on(
    client: fakes.Client, code: str, said: str
) -> None:
    text = client.get(f"/problems/{code}").text
    assert said in text
    assert "The server failed" not in text


def test_a_problem_code_has_a_page_and_nothing_is_reflected(client: fakes.Client) -> None:
    assert "The evidence is not well-formed" in client.get("/problems/tpm.container").text
    assert client.get("/problems/<b>x").status_code == 404
    assert "<b>" not in client.get("/problems/<b>x").text


def test_the_filter_of_the_device_list_keeps_what_was_asked(client: fakes.Client, services: Services) -> None:
    text = client.get('/fleet/devices?tier=quarantine&prefix="><script>', headers=SESSION).text
    assert "<option selected>quarantine</option>" in text
    assert "<script>" not in text


def test_every_invisible_character_is_shown() -> None:
    assert shown("a\u202eb\x00\u200d") == "aU+202EbU+0000U+200D"


def test_the_shares_of_a_bar_follow_each_other() -> None:
    assert shares({"full": 3, "deny": 1}) == [
        {"tier": "full", "start": 0, "width": 750},
        {"tier": "deny", "start": 750, "width": 250},
    ]
