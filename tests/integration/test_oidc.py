"""Issuers for real: a little OpenID Connect provider over TLS, whose keys this server finds, keeps and fetches anew."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from policyengine.adapters.clock import SystemClock
from policyengine.adapters.entropy import SystemEntropy
from policyengine.adapters.guarded_https import MAX_ANSWER, FetchError, GuardedHttps
from policyengine.adapters.oidc_keys import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, OidcKeys
from policyengine.model.base64url import base64url
from policyengine.services.access.issuers import Issuer, read_issuers
from policyengine.services.access.logins import Logins
from policyengine.services.access.workloads import Workloads
from policyengine.services.actors import SYSTEM, PersonRole
from policyengine.services.errors import UnauthenticatedError, UnavailableError
from policyengine.services.tokens import Tokens
from tests.integration.tls_server import Trusting, new_ca, serving
from tests.unit.services.test_tokens import FakeStore


@dataclass
class Provider:
    """An identity provider; a test changes what it publishes."""

    keys: dict[str, ECKey] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    issuer: str = ""
    claimed: str | None = None
    broken: bool = False
    asked: int = 0
    nonce: str | None = None  # said instead of the one that was asked for
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

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
            places = {"jwks_uri": "keys", "authorization_endpoint": "authorize", "token_endpoint": "token"}
            said = {name: f"{self.issuer}/{place}" for name, place in places.items()}
            return JSONResponse({"issuer": self.claimed or self.issuer, **said})

        async def authorize(request: Request) -> Response:
            """Sign Anna in without asking her."""
            asked = dict(request.query_params)
            code = f"code-{len(self.codes)}"
            self.codes[code] = asked
            back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
            return RedirectResponse(f"{asked['redirect_uri']}?{back}")

        async def exchange(request: Request) -> Response:
            """RFC 6749 section 4.1.3 and RFC 7636 section 4.6: each code once, to the client with the verifier."""
            form = dict(parse_qsl((await request.body()).decode()))
            begun = self.codes.pop(form["code"], None)
            made = base64url(hashlib.sha256(form["code_verifier"].encode()).digest())
            authorization = f"Basic {base64.b64encode(b'policyengine:open+sesame').decode()}"
            known = request.headers.get("authorization") == authorization
            if (
                begun is None
                or not known
                or (begun["code_challenge"], begun["redirect_uri"]) != (made, form["redirect_uri"])
            ):
                return JSONResponse({"error": "invalid_grant"}, status_code=400)
            claims = {"sub": "anna", "groups": ["security"], "nonce": self.nonce or begun["nonce"]}
            return JSONResponse({"id_token": self.token(self.published[0], **claims)})

        async def keys(_: Request) -> Response:
            self.asked += 1
            if self.broken:
                return Response(status_code=500)
            return JSONResponse({"keys": [self.keys[name].as_dict(private=False) for name in self.published]})

        async def elsewhere(_: Request) -> Response:
            return RedirectResponse(f"{self.issuer}/keys")

        async def endless(_: Request) -> Response:
            return Response(b" " * (MAX_ANSWER + 1))

        found = {"/.well-known/openid-configuration": description, "/keys": keys, "/authorize": authorize}
        found |= {"/elsewhere": elsewhere, "/endless": endless}
        routes = [Route(path, answer) for path, answer in found.items()]
        return Starlette(routes=[*routes, Route("/token", exchange, methods=["POST"])])


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Path]]:
    folder, ca, provider = tmp_path_factory.mktemp("idp"), new_ca("idp"), Provider()
    (folder / "idp.pem").write_text(ca.pem)
    (folder / "oidc.secret").write_text("open sesame\n")
    with serving(provider.application(), folder=folder, server_ca=ca, trust=Trusting(ca)) as port:
        provider.issuer = f"https://localhost:{port}"
        yield provider, folder


@pytest.fixture
def provider(running: tuple[Provider, Path]) -> Provider:
    found = running[0]
    found.claimed, found.broken, found.asked, found.nonce = None, False, 0, None
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


# People (RFC 6749, RFC 7636, RFC 9700).

PERSON = [{"where": {"groups": "security"}, "role": "security", "party": "it"}]


@dataclass
class Desk:
    """Where a person signs in, and the browser with which it is done."""

    logins: Logins
    tokens: Tokens
    store: FakeStore
    folder: Path

    def there(self) -> tuple[str, dict[str, str]]:
        """Return the cookie, and what the provider sends the browser back with."""
        begun = self.logins.begin("0")
        parts = urlsplit(begun.address)
        context = ssl.create_default_context(cafile=str(self.folder / "idp.pem"))
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=10)
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return begun.cookie, dict(parse_qsl(urlsplit(str(answer.getheader("location"))).query))

    def back(self, cookie: str, said: dict[str, str]) -> str:
        return self.logins.finish(cookie, code=said["code"], state=said["state"], issuer=said.get("iss")).secret


@pytest.fixture
def desk(provider: Provider, folder: Path) -> Desk:
    login = {"client_id": "policyengine", "client_secret_file": "oidc.secret", "label": "Example Corp"}
    login |= {"redirect_uri": "https://policy.example/login/callback"}
    found, source, clock = issuer(provider, grants=PERSON, login=login), OidcKeys(relative_to=folder), SystemClock()
    store = FakeStore()
    tokens = Tokens(store, clock, SystemEntropy())  # type: ignore[arg-type]  # a fake of the part that is used
    known = Workloads((found,), source, clock)
    logins = Logins((found,), source, workloads=known, tokens=tokens, entropy=SystemEntropy())
    return Desk(logins=logins, tokens=tokens, store=store, folder=folder)


def test_person_whom_the_provider_vouches_for_has_a_session_of_its_role(desk: Desk) -> None:
    found = desk.tokens.authenticate(desk.back(*desk.there()))
    assert (found.name, found.role, found.party) == ("anna", PersonRole.SECURITY, "it")


def test_session_stands_in_the_log_under_the_person_s_name(desk: Desk) -> None:
    desk.back(*desk.there())
    act = desk.store.written[0].act  # type: ignore[union-attr]
    assert (act.actor, act.action) == ("anna", "token.login")  # type: ignore[union-attr]


def test_session_ends_when_the_person_signs_out(desk: Desk) -> None:
    secret = desk.back(*desk.there())
    desk.logins.end(secret)
    with pytest.raises(UnauthenticatedError):
        desk.tokens.authenticate(secret)


def test_token_that_was_made_otherwise_outlives_signing_out(desk: Desk) -> None:
    made = desk.tokens.create(SYSTEM, name="ci", role=PersonRole.AUDITOR, lifetime=timedelta(days=1)).secret
    desk.logins.end(made)
    assert desk.tokens.authenticate(made).name == "ci"


def refused(desk: Desk, cookie: str, said: dict[str, str]) -> None:
    with pytest.raises(UnauthenticatedError):
        desk.back(cookie, said)
    assert desk.store.kept == {}


def test_answer_to_another_browser_s_sign_in_is_refused(desk: Desk) -> None:
    """RFC 6749 section 10.12."""
    (own, _), (_, other) = desk.there(), desk.there()
    refused(desk, own, other)


def test_stolen_code_is_of_no_use_without_its_verifier(desk: Desk) -> None:
    """RFC 7636 section 1."""
    (own, mine), (_, stolen) = desk.there(), desk.there()
    refused(desk, own, {**mine, "code": stolen["code"]})


def test_code_works_once(desk: Desk) -> None:
    cookie, said = desk.there()
    desk.back(cookie, said)
    desk.store.kept.clear()
    refused(desk, cookie, said)


def test_token_for_another_sign_in_is_refused(desk: Desk, provider: Provider) -> None:
    """OpenID Connect Core section 3.1.3.7 (11)."""
    provider.nonce = "another"
    refused(desk, *desk.there())


def test_answer_of_another_provider_is_refused(desk: Desk) -> None:
    """RFC 9207 section 2.4."""
    cookie, said = desk.there()
    refused(desk, cookie, {**said, "iss": "https://other.example"})


@pytest.mark.parametrize("cookie", ["", "0", "0..", "0.AAAA.AAAA", "7" * 5000, "0.\u00e9.x"])
def test_cookie_that_is_none_of_ours_is_refused(desk: Desk, cookie: str) -> None:
    refused(desk, cookie, {"code": "x", "state": ""})


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
