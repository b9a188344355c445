"""Signing in at a provider, as a browser sees it: cookies that other sites cannot use, no session without a proof."""

from __future__ import annotations

import pytest

from api.limits import FREE_FAILURES
from policyengine.services.catalogue import Services
from tests.unit.api import fakes

BACK = "/login/callback?code=c&state=s"
BEGUN = {"Cookie": "__Host-policyengine_login=0.s.v"}


def cookies(client: fakes.Client, path: str, headers: dict[str, str] | None = None) -> dict[str, str]:
    answer = client.get(path, headers=headers or {})
    return {each.partition("=")[0]: each.lower() for each in answer.headers.get_list("set-cookie")}


def test_browser_is_sent_to_the_provider(client: fakes.Client) -> None:
    answer = client.get("/login/oidc/0")
    assert (answer.status_code, answer.headers["location"]) == (303, "https://idp.example/authorize?state=s")


def test_what_the_browser_brings_back_is_of_no_use_to_scripts_and_other_hosts(client: fakes.Client) -> None:
    """RFC 6265bis section 4.1.3.2: the prefix demands Secure, no Domain and the root path."""
    cookie = cookies(client, "/login/oidc/0")["__Host-policyengine_login"]
    assert all(part in cookie for part in ("httponly", "secure", "samesite=lax", "path=/"))
    assert "domain" not in cookie


def test_session_is_of_no_use_to_scripts_and_other_sites(client: fakes.Client) -> None:
    cookie = cookies(client, BACK, BEGUN)["policyengine_session"]
    assert all(part in cookie for part in ("httponly", "secure", "samesite=strict"))


def test_way_back_ends_in_a_page_of_ours_and_not_in_a_redirect(client: fakes.Client) -> None:
    """A redirect would still be the provider's request, with which no strict cookie goes."""
    answer = client.get(BACK, headers=BEGUN)
    assert (answer.status_code, answer.headers["refresh"]) == (200, "0; url=/")


@pytest.mark.parametrize("headers", [{}, {"Cookie": "__Host-policyengine_login=0.other.v"}])
def test_link_that_this_browser_did_not_begin_signs_nobody_in(client: fakes.Client, headers: dict[str, str]) -> None:
    """RFC 6749 section 10.12."""
    answer = client.get(BACK, headers=headers)
    assert answer.status_code == 401
    assert "policyengine_session" not in cookies(client, BACK, headers)


def test_guessing_at_the_way_back_is_slowed(client: fakes.Client) -> None:
    assert [client.get(BACK).status_code for _ in range(FREE_FAILURES + 1)][-1] == 429


def test_provider_that_nobody_named_is_not_there(client: fakes.Client) -> None:
    assert client.get("/login/oidc/7").status_code == 404


def test_label_of_a_provider_is_text(client: fakes.Client) -> None:
    assert "Sign in with Example &lt;Corp&gt;" in client.get("/login").text


def test_signing_out_ends_the_session(client: fakes.Client, services: Services) -> None:
    client.post("/logout", headers={"Cookie": "policyengine_session=auditor"})
    assert services.logins.ended == ["auditor"]  # type: ignore[attr-defined]
