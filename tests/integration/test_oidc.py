"""Issuers for real: a little OpenID Connect provider over TLS, whose keys this server finds, keeps and fetches anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from policyengine.adapters.clock import SystemClock
from policyengine.adapters.guarded_https import MAX_ANSWER, FetchError, GuardedHttps
from policyengine.adapters.oidc_keys import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, OidcKeys
from policyengine.services.access.issuers import Issuer, read_issuers
from policyengine.services.access.workloads import Workloads
from policyengine.services.actors import PersonRole
from policyengine.services.errors import UnauthenticatedError, UnavailableError
from tests.integration.tls_server import Trusting, new_ca, serving


@dataclass
class Provider:
    """An identity provider; a test changes what it publishes."""

    keys: dict[str, ECKey] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    issuer: str = ""
    claimed: str | None = None
    broken: bool = False
    asked: int = 0

    def rotate(self, name: str) -> None:
        self.keys[name] = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()), {"kid": name})
        self.published = [name]

    def token(self, name: str, **claims: object) -> str:
        now = int(SystemClock().now().timestamp())
        whole = {
            "iss": self.issuer,
            "aud": "policyengine",
            "sub": "repo:example",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        return jws.serialize_compact({"alg": "ES256", "kid": name}, json.dumps(whole), self.keys[name])

    def application(self) -> Starlette:
        async def description(_: Request) -> Response:
            return JSONResponse({"issuer": self.claimed or self.issuer, "jwks_uri": f"{self.issuer}/keys"})

        async def keys(_: Request) -> Response:
            self.asked += 1
            if self.broken:
                return Response(status_code=500)
            return JSONResponse({"keys": [self.keys[name].as_dict(private=False) for name in self.published]})

        async def elsewhere(_: Request) -> Response:
            return RedirectResponse(f"{self.issuer}/keys")

        async def endless(_: Request) -> Response:
            return Response(b" " * (MAX_ANSWER + 1))

        found = {"/.well-known/openid-configuration": description, "/keys": keys}
        found |= {"/elsewhere": elsewhere, "/endless": endless}
        return Starlette(routes=[Route(path, answer) for path, answer in found.items()])


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Path]]:
    folder, ca, provider = tmp_path_factory.mktemp("idp"), new_ca("idp"), Provider()
    (folder / "idp.pem").write_text(ca.pem)
    with serving(provider.application(), folder=folder, server_ca=ca, trust=Trusting(ca)) as port:
        provider.issuer = f"https://localhost:{port}"
        yield provider, folder


@pytest.fixture
def provider(running: tuple[Provider, Path]) -> Provider:
    found = running[0]
    found.claimed, found.broken, found.asked = None, False, 0
    found.rotate("one")
    return found


@pytest.fixture
def folder(running: tuple[Provider, Path]) -> Path:
    return running[1]


def issuer(provider: Provider, **changed: object) -> Issuer:
    described = {
        "issuer": provider.issuer,
        "audience": "policyengine",
        "algorithms": ["ES256"],
        "ca_file": "idp.pem",
        "private_network": True,
        "grants": [{"where": {"sub": "repo:*"}, "role": "engineering"}],
        **changed,
    }
    return read_issuers(json.dumps({"issuers": [described]}).encode())[0]


def workloads(provider: Provider, folder: Path, clock: Seconds | None = None, **changed: object) -> Workloads:
    source = OidcKeys(relative_to=folder, now=clock or Seconds())
    return Workloads((issuer(provider, **changed),), source, SystemClock())


def test_token_of_a_pipeline_is_believed_by_discovered_keys(provider: Provider, folder: Path) -> None:
    assert workloads(provider, folder).authenticate(provider.token("one")).role is PersonRole.ENGINEERING


def test_keys_are_fetched_once_for_many_tokens(provider: Provider, folder: Path) -> None:
    known = workloads(provider, folder)
    for _ in range(5):
        known.authenticate(provider.token("one"))
    assert provider.asked == 1


def test_new_key_is_found_when_a_token_names_it(provider: Provider, folder: Path) -> None:
    clock = Seconds()
    known = workloads(provider, folder, clock)
    known.authenticate(provider.token("one"))
    provider.rotate("two")
    clock.now += PAUSE_SECONDS
    assert known.authenticate(provider.token("two")).role is PersonRole.ENGINEERING


def test_invented_key_names_do_not_make_us_ask_each_time(provider: Provider, folder: Path) -> None:
    known = workloads(provider, folder)
    known.authenticate(provider.token("one"))
    provider.keys["invented"] = provider.keys["one"]
    for _ in range(20):
        with pytest.raises(UnauthenticatedError):
            known.authenticate(provider.token("invented"))
    assert provider.asked == 1


def test_withdrawn_key_ends_when_keys_are_no_longer_fresh(provider: Provider, folder: Path) -> None:
    clock = Seconds()
    known = workloads(provider, folder, clock)
    known.authenticate(provider.token("one"))
    provider.rotate("two")
    clock.now += FRESH_SECONDS
    with pytest.raises(UnauthenticatedError):
        known.authenticate(provider.token("one"))


def test_known_keys_serve_while_the_provider_is_away_and_not_for_ever(provider: Provider, folder: Path) -> None:
    clock = Seconds()
    known = workloads(provider, folder, clock)
    known.authenticate(provider.token("one"))
    provider.broken = True
    clock.now += FRESH_SECONDS
    assert known.authenticate(provider.token("one")).role is PersonRole.ENGINEERING
    clock.now += STALE_SECONDS
    with pytest.raises(UnavailableError):
        known.authenticate(provider.token("one"))


def test_description_of_another_issuer_is_not_believed(provider: Provider, folder: Path) -> None:
    """OpenID Connect Discovery section 4.3."""
    provider.claimed = "https://other.example"
    with pytest.raises(UnavailableError):
        workloads(provider, folder).authenticate(provider.token("one"))


def test_provider_with_another_ca_is_not_believed(provider: Provider, folder: Path) -> None:
    (folder / "other.pem").write_text(new_ca("other").pem)
    with pytest.raises(UnavailableError):
        workloads(provider, folder, ca_file="other.pem").authenticate(provider.token("one"))


def test_issuer_on_this_machine_is_not_reached_unless_the_operator_says_so(provider: Provider, folder: Path) -> None:
    with pytest.raises(UnavailableError):
        workloads(provider, folder, private_network=False).authenticate(provider.token("one"))
    assert provider.asked == 0


# Addresses (service ceilings section 7, lines 29 and 30).


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "file:///etc/passwd",
        "https://user:secret@localhost/",
        "https:///path",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://[::ffff:169.254.169.254]/",
        "https://224.0.0.1/",
        "https://localhost:99999/",
    ],
)
def test_address_that_nobody_should_be_sent_to_is_refused(url: str, private: bool) -> None:
    with pytest.raises(FetchError):
        GuardedHttps(ca_file=None, private_network=private).get(url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "[::1]", "[fd00::1]", "100.64.0.1"]
)
def test_private_network_is_not_entered(host: str) -> None:
    with pytest.raises(FetchError, match="may be reached"):
        GuardedHttps(ca_file=None, private_network=False).get(f"https://{host}/")


@pytest.mark.parametrize("path", ["/elsewhere", "/endless", "/missing"])
def test_redirects_and_endless_answers_are_refused(provider: Provider, folder: Path, path: str) -> None:
    with pytest.raises(FetchError):
        GuardedHttps(ca_file=folder / "idp.pem", private_network=True).get(provider.issuer + path)
