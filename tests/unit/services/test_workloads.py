"""Tokens of issuers, each with one defect: none is believed, and all are refused alike (RFC 8725; research: 15, 40)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey

from policyengine.attestation.jwk import JwkSet, read_jwk_set
from policyengine.services.access.issuers import Issuer, IssuersError, read_issuers
from policyengine.services.access.workloads import MAX_TOKEN_BYTES, Workloads
from policyengine.services.actors import PersonRole, Principal
from policyengine.services.errors import UnauthenticatedError
from tests.support.site import START, FakeClock

SECOND = int(START.timestamp())
GRANTS: list[dict[str, object]] = [
    {"where": {"sub": "repo:example/policies:*"}, "role": "engineering", "party": "engineering"},
    {"where": {"groups": "acme", "email_verified": "yes"}, "role": "vendor", "models": ["gw-200"]},
]
IDP: dict[str, object] = {
    "issuer": "https://idp.example/realm",
    "audience": "policyengine",
    "algorithms": ["ES256"],
    "grants": GRANTS,
}
CLAIMS: Mapping[str, object] = {
    "iss": "https://idp.example/realm",
    "aud": "policyengine",
    "sub": "repo:example/policies:ref:main",
    "iat": SECOND,
    "exp": SECOND + 600,
}


@cache
def key(name: str = "one") -> ECKey:
    return ECKey.import_key(ec.generate_private_key(ec.SECP256R1()), {"kid": name})


def published(*names: str) -> JwkSet:
    return read_jwk_set(json.dumps({"keys": [key(name).as_dict(private=False) for name in names]}).encode())


class FakeKeys:
    """Keys that are published, and those that come when a missing one is asked for."""

    def __init__(self, *names: str, later: tuple[str, ...] = ()) -> None:
        self.now, self.later = published(*names), published(*names, *later)
        self.asked: list[str | None] = []

    def keys(self, issuer: Issuer, *, missing: str | None = None) -> JwkSet:
        self.asked.append(missing)
        return self.now if missing is None else self.later


def issuers(**changed: object) -> tuple[Issuer, ...]:
    return read_issuers(json.dumps({"issuers": [{**IDP, **changed}]}).encode())


def token(header: Mapping[str, object] | None = None, without: str = "", signer: str = "one", **changed: object) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if name != without}
    return jws.serialize_compact({"alg": "ES256", "kid": signer, **(header or {})}, json.dumps(claims), key(signer))


def believed(text: str, keys: FakeKeys | None = None, **changed: object) -> Principal | None:
    workloads = Workloads(issuers(**changed), keys or FakeKeys("one"), FakeClock())
    try:
        return workloads.authenticate(text)
    except UnauthenticatedError:
        return None


def test_pipeline_that_a_grant_covers_has_its_role() -> None:
    assert believed(token()) == Principal(name=str(CLAIMS["sub"]), role=PersonRole.ENGINEERING, party="engineering")  # type: ignore[arg-type]


def test_vendor_s_people_see_the_models_of_their_grant() -> None:
    found = believed(token(sub="anna", groups=["staff", "acme"], email_verified="yes"))
    assert found == Principal(name="anna", role=PersonRole.VENDOR, models=frozenset({"gw-200"}))


@pytest.mark.parametrize("changed", [{"aud": ["policyengine"]}, {"aud": ["x", "policyengine"], "azp": "policyengine"}])
def test_audience_may_be_a_list(changed: dict[str, object]) -> None:
    """OpenID Connect Core section 3.1.3.7 (3) to (5)."""
    assert believed(token(**changed)) is not None  # type: ignore[arg-type]


DEFECTS: list[dict[str, object]] = [
    {"iss": "https://other.example"},
    {"iss": "https://idp.example/realm/"},
    {"iss": ["https://idp.example/realm"]},
    {"without": "iss"},
    {"aud": "others"},
    {"aud": ["x", "policyengine"]},
    {"aud": ["x", "policyengine"], "azp": "x"},
    {"aud": []},
    {"without": "aud"},
    {"exp": SECOND},
    {"exp": SECOND + 24 * 3600 + 1},
    {"exp": "never"},
    {"exp": True},
    {"exp": 1e300},
    {"without": "exp"},
    {"iat": SECOND + 31},
    {"without": "iat"},
    {"nbf": SECOND + 31},
    {"nbf": None},
    {"sub": "repo:example/other:ref:main"},
    {"sub": "repo:example/policies"},
    {"sub": ""},
    {"sub": 7},
    {"sub": "repo:example/policies:" + "x" * 100},
    {"sub": "repo:example/policies:\n{}"},
    {"groups": "acme", "sub": "anna"},
    {"header": {"alg": "none"}},
    {"header": {"typ": "policyengine-posture+jwt"}},
    {"header": {"kid": "other"}},
]


@pytest.mark.parametrize("changed", DEFECTS, ids=str)
def test_token_with_a_defect_is_nobody_s(changed: dict[str, object]) -> None:
    if changed.get("header") == {"alg": "none"}:
        _, body, signature = token().split(".")
        assert believed(f"eyJhbGciOiJub25lIn0.{body}.{signature}") is None
        return
    if changed.get("header") == {"kid": "other"}:
        assert believed(token(signer="two", header={"kid": "one"})) is None
        return
    assert believed(token(**changed)) is None  # type: ignore[arg-type]


def test_algorithm_that_the_issuer_may_not_use_is_refused() -> None:
    """RFC 8725 section 3.1."""
    assert believed(token(), algorithms=["RS256"]) is None


@pytest.mark.parametrize("text", ["..", "a.b.c", "e30.e30.e30", "x" * (MAX_TOKEN_BYTES + 1), "\u00e9.b.c"])
def test_what_is_no_token_is_nobody_s(text: str) -> None:
    assert believed(text) is None


def test_key_that_came_later_is_asked_for_once() -> None:
    keys = FakeKeys("one", later=("two",))
    assert believed(token(signer="two"), keys) is not None
    assert keys.asked == [None, "two"]


def test_known_key_is_not_asked_for_again() -> None:
    keys = FakeKeys("one")
    believed(token(), keys)
    assert keys.asked == [None]


WRONG = [
    {"issuer": "http://idp.example"},
    {"issuer": "https://user@idp.example"},
    {"issuer": "https://idp.example?x=1"},
    {"algorithms": []},
    {"algorithms": ["HS256"]},
    {"algorithms": ["none"]},
    {"algorithms": ["ES256", "HS256"]},
    {"audience": ""},
    {"private_network": "yes"},
    {"colour": "red"},
    {"grants": [{"where": {}, "role": "auditor"}]},
    {"grants": [{"role": "auditor"}]},
    {"grants": [{"where": {"sub": ""}, "role": "auditor"}]},
    {"grants": [{"where": {"sub": "x"}, "role": "root"}]},
    {"grants": [{"where": {"sub": "x"}, "role": "vendor"}]},
    {"grants": [{"where": {"sub": "x"}, "role": "admin", "models": ["gw-200"]}]},
    {"login": {"client_id": "x"}},
]


@pytest.mark.parametrize("changed", WRONG, ids=str)
def test_document_of_issuers_that_would_let_too_many_in_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(IssuersError):
        issuers(**changed)
