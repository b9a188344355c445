"""Who asks or fails too often waits, and nobody else does (RFC 6585 section 4; research: classes 40, 42)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import pytest

from api import limits
from api.errors import ThrottledError
from api.limits import FREE_FAILURES, MAX_KEPT, Limits, claimed_by, source_of
from tests.unit.api import fakes

ATTACKER, HONEST = "192.0.2.66", "192.0.2.1"
TOKEN, OTHER = "00112233aabbccdd", "ffeeddccbbaa9988"


@dataclass
class Steady:
    """A clock that a test sets."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def failed(counted: Limits, times: int, *, source: str = ATTACKER, claimed: str = TOKEN) -> None:
    for _ in range(times):
        counted.failed(source, claimed)


def is_locked(counted: Limits, source: str, claimed: str) -> bool:
    try:
        counted.demand_unlocked(source, claimed)
    except ThrottledError:
        return True
    return False


def test_a_few_failures_lock_nobody() -> None:
    counted = Limits(rate=0)
    failed(counted, FREE_FAILURES - 1)
    assert not is_locked(counted, ATTACKER, TOKEN)


def test_too_many_failures_lock() -> None:
    counted = Limits(rate=0)
    failed(counted, FREE_FAILURES)
    assert is_locked(counted, ATTACKER, TOKEN)


@pytest.mark.parametrize(("source", "claimed"), [(HONEST, TOKEN), (ATTACKER, OTHER), (HONEST, OTHER), (ATTACKER, "")])
def test_failures_of_one_lock_out_nobody_else(source: str, claimed: str) -> None:
    counted = Limits(rate=0)
    failed(counted, 1000)
    assert not is_locked(counted, source, claimed)


def test_lock_grows_and_has_an_end() -> None:
    clock = Steady()
    counted = Limits(rate=0, now=clock)
    failed(counted, 1000)
    clock.seconds += limits.LONGEST_LOCK
    assert not is_locked(counted, ATTACKER, TOKEN)


def test_proof_of_identity_forgives() -> None:
    counted = Limits(rate=0)
    failed(counted, FREE_FAILURES - 1)
    counted.passed(ATTACKER, TOKEN)
    failed(counted, FREE_FAILURES - 1)
    assert not is_locked(counted, ATTACKER, TOKEN)


def test_memory_is_bounded() -> None:
    counted = Limits(rate=1)
    for number in range(MAX_KEPT + 100):
        counted.failed(f"source-{number}", TOKEN)
        counted.spend(f"token-{number}")
    assert (len(counted._failures._values), len(counted._buckets._values)) == (MAX_KEPT, MAX_KEPT)


def test_rate_is_a_burst_and_then_a_rate() -> None:
    clock = Steady()
    counted = Limits(rate=2, now=clock)
    for _ in range(10):
        counted.spend("a")
    with pytest.raises(ThrottledError) as caught:
        counted.spend("a")
    clock.seconds += 0.5
    counted.spend("a")
    assert dict(caught.value.headers) == {"Retry-After": "1"}


def test_rate_of_one_identity_is_not_another_s() -> None:
    counted = Limits(rate=1, now=Steady())
    for _ in range(5):
        counted.spend("a")
    counted.spend("b")


def test_clock_that_stands_still_or_goes_back_gives_nothing_away() -> None:
    clock = Steady()
    counted = Limits(rate=1, now=clock)
    for _ in range(5):
        counted.spend("a")
    clock.seconds -= 100
    with pytest.raises(ThrottledError):
        counted.spend("a")


@pytest.mark.parametrize("text", ["", "pe_", "Basic", f"pe_{TOKEN}", "admin", "a.b.c"])
def test_what_is_no_token_of_ours_claims_nobody(text: str) -> None:
    assert claimed_by(text) == ""


PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "headers", "source"),
    [
        ("192.0.2.1", [(b"x-forwarded-for", b"203.0.113.9")], "192.0.2.1"),
        ("10.0.0.1", [(b"x-forwarded-for", b"203.0.113.9, 198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [(b"x-forwarded-for", b"garbage")], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
    ],
)
def test_only_a_configured_proxy_says_who_its_peer_was(
    peer: str, headers: list[tuple[bytes, bytes]], source: str
) -> None:
    assert source_of({"client": (peer, 1), "headers": headers}, PROXIES) == source


def wrong(client: fakes.Client, times: int, path: str = "/v1/devices") -> list[int]:
    return [client.get(path, role=f"pe_{TOKEN}_wrong").status_code for _ in range(times)]


def test_api_answers_429_and_when_to_come_back(client: fakes.Client) -> None:
    wrong(client, FREE_FAILURES)
    answer = client.get("/v1/devices", role=f"pe_{TOKEN}_wrong")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "http.throttled", "1")


def test_known_and_unknown_tokens_are_locked_alike(client: fakes.Client) -> None:
    """Nobody learns from a lock whether a token exists."""
    assert wrong(client, FREE_FAILURES + 1)[-1] == 429
    assert [client.get("/v1/devices", role=f"pe_{OTHER}_wrong").status_code for _ in range(FREE_FAILURES + 1)][
        -1
    ] == 429


def test_locked_address_still_serves_its_honest_callers(client: fakes.Client) -> None:
    wrong(client, FREE_FAILURES + 5)
    assert client.get("/v1/devices", role="auditor").status_code == 200


def test_devices_check_in_whatever_others_failed_at(client: fakes.Client) -> None:
    wrong(client, FREE_FAILURES + 5)
    assert client.post("/v1/challenges").status_code == 200


def test_gate_counts_failures_too(client: fakes.Client) -> None:
    assert wrong(client, FREE_FAILURES + 1, "/v1/gate?for=network&device=gw-0001")[-1] == 429


def test_login_page_counts_failures_too(client: fakes.Client) -> None:
    form = f"token=pe_{TOKEN}_wrong".encode()
    answers = [client.post("/login", content=form).status_code for _ in range(FREE_FAILURES + 1)]
    assert (answers[0], answers[-1]) == (401, 429)


def test_token_beyond_its_rate_waits() -> None:
    client = fakes.Client(fakes.application(fakes.services(), rate_per_second=1))
    answers = [client.get("/v1/devices", role="auditor").status_code for _ in range(8)]
    assert (answers[:5], answers[-1]) == ([200] * 5, 429)
