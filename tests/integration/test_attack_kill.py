"""kill -9 of a real server among 500 concurrent check-ins, then a second start on what it left (issue: faults).

A server in its own process, over TLS, on a SQLite file and on a PostgreSQL server. What was acknowledged is there, and
nothing is there by half: every first request is sent again byte for byte, and every nonce once more in another request.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from cryptography import x509
from sqlalchemy import create_engine, text

from policyengine.adapters.demo_site import DemoSite
from policyengine.simulation.device import enrolment
from tests.integration.real_site import Running, doomed, expect, publish, running
from tests.support import postgres

DEVICES = 500
WORKERS = 50
KILL_AFTER = 150  # acknowledgements; some hundred more check-ins are then sent, queued or being committed

Answers = list[tuple[int, bytes] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wreck:
    """What a killed server left, and what its devices had sent and heard (None: nothing) until then."""

    site: DemoSite
    environment: Mapping[str, str]
    bodies: Sequence[bytes]
    heard: Answers


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def wreck(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Wreck:
    environment = {}
    if request.param == "postgresql":
        address = postgres.new_database(request.getfixturevalue("postgres_server"))
        environment["POLICYENGINE_DATABASE_URL"] = address
    site = DemoSite(directory=tmp_path_factory.mktemp("killed"))
    with doomed(site.data, **environment) as server:
        devices = publish(site, server, count=DEVICES)
        nonces = _nonces(server, len(devices))
        bodies = [json.dumps(enrolment(one, nonce)).encode() for one, nonce in zip(devices, nonces, strict=True)]
        heard = _all_at_once(server, bodies, kill_after=KILL_AFTER)
    return Wreck(site=site, environment=environment, bodies=bodies, heard=heard)


def _nonces(server: Running, count: int) -> list[bytes]:
    wire = server.connection()
    texts = [str(expect(wire.post("/v1/challenges", {}), 200).document["nonce"]) for _ in range(count)]
    wire.close()
    return [base64.urlsafe_b64decode(found + "=" * (-len(found) % 4)) for found in texts]


def _all_at_once(server: Running, bodies: Sequence[bytes], *, kill_after: int | None = None) -> Answers:
    """Return the answers by body; with `kill_after`, the server gets SIGKILL after so many."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    answers: Answers = [None] * len(bodies)
    answered = threading.Semaphore(0)

    def work(first: int) -> None:
        connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
        for at in range(first, len(bodies), WORKERS):
            try:
                connection.request("POST", "/v1/checkins", bodies[at], {"Content-Type": "application/json"})
                response = connection.getresponse()
                answers[at] = (response.status, response.read())
            except (OSError, http.client.HTTPException):
                break
            answered.release()
        connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        for first in range(WORKERS):
            pool.submit(work, first)
        if kill_after is not None:
            for _ in range(kill_after):
                answered.acquire()
            server.process.kill()
    return answers


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What the second start answered, and what is stored then."""

    wreck: Wreck
    retried: Answers
    reused: Answers
    rows: Mapping[str, list[tuple[object, ...]]]
    replay: Mapping[str, object]


@pytest.fixture(scope="module")
def after(wreck: Wreck) -> Iterator[After]:
    with running(wreck.site.data, **wreck.environment) as server:
        closed = _rows(wreck, "SELECT serial FROM certificate WHERE state = 'reserved'")
        retried = _all_at_once(server, wreck.bodies)
        reused = _all_at_once(server, [_in_another_request(body) for body in wreck.bodies])
        rows = {"open at start": closed} | {name: _rows(wreck, query) for name, query in QUERIES.items()}
        replay = _command(wreck, "replay", "--output", "json")
        yield After(wreck=wreck, retried=retried, reused=reused, rows=rows, replay=replay)


def _in_another_request(body: bytes) -> bytes:
    return json.dumps({**json.loads(body), "reported": {}}).encode()


QUERIES = {
    "issued": "SELECT serial, device_id FROM certificate WHERE state = 'issued'",
    "without decision": "SELECT serial FROM certificate WHERE state = 'issued' "
    "AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.decision_id = certificate.decision_id "
    "AND decision.device_id = certificate.device_id)",
    "without reservation": "SELECT serial FROM certificate WHERE reserved_at IS NULL",
    "twice": "SELECT serial FROM certificate GROUP BY serial HAVING count(*) > 1",
    "states": "SELECT device_id, version FROM device_state",
    "leaves": "SELECT count(*), min(log_index), max(log_index) FROM log_leaf",
    "head": "SELECT size FROM log_head",
}


def _rows(wreck: Wreck, query: str) -> list[tuple[object, ...]]:
    address = wreck.environment.get("POLICYENGINE_DATABASE_URL", f"sqlite:///{wreck.site.data / 'policyengine.db'}")
    engine = create_engine(address)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def _command(wreck: Wreck, *arguments: str) -> Mapping[str, object]:
    command = [sys.executable, "-m", "policyengine", *arguments, "--data", str(wreck.site.data)]
    environment = {**os.environ, **wreck.environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def _acknowledged(found: After) -> dict[int, bytes]:
    return {at: answer[1] for at, answer in enumerate(found.wreck.heard) if answer is not None and answer[0] == 200}


def test_the_kill_came_in_the_middle(after: After) -> None:
    assert KILL_AFTER <= len(_acknowledged(after)) < DEVICES
    assert {answer[0] for answer in after.wreck.heard if answer is not None} == {200}


def test_acknowledged_check_in_gets_its_stored_reply_again(after: After) -> None:
    """DESIGN section 12: a byte-identical retry returns the stored reply, so a lost answer loses nothing."""
    again = {at: after.retried[at] for at in _acknowledged(after)}
    assert again == {at: (200, body) for at, body in _acknowledged(after).items()}


def test_check_in_cut_off_by_the_kill_succeeds_when_it_is_sent_again(after: After) -> None:
    assert Counter(answer[0] for answer in after.retried if answer is not None) == Counter({200: DEVICES})


def test_no_spent_nonce_works_in_another_request(after: After) -> None:
    found = Counter((answer[0], json.loads(answer[1])["code"]) for answer in after.reused if answer is not None)
    assert found == Counter({(403, "nonce.spent"): DEVICES})


def test_no_certificate_is_without_its_decision_or_reservation(after: After) -> None:
    assert (after.rows["without decision"], after.rows["without reservation"]) == ([], [])


def test_reservations_left_open_are_closed_at_the_start(after: After) -> None:
    assert after.rows["open at start"] == []


def test_every_certificate_that_left_is_stored_and_no_serial_twice(after: After) -> None:
    replies = [json.loads(answer[1]) for answer in after.retried if answer is not None]
    left = [
        x509.load_der_x509_certificate(urlsafe_b64decode(reply["certificate"] + "==")).serial_number
        for reply in replies
    ]
    stored = {int(str(row[0]), 16) for row in after.rows["issued"]}
    assert (len(set(left)), set(left) - stored, after.rows["twice"]) == (DEVICES, set(), [])


def test_every_device_is_enrolled_once(after: After) -> None:
    devices = Counter(row[1] for row in after.rows["issued"])
    assert Counter(devices.values()) == Counter({1: DEVICES})
    assert {row[1] for row in after.rows["states"]} == {1}


def test_the_log_has_no_gap(after: After) -> None:
    ((size,),) = after.rows["head"]
    assert after.rows["leaves"] == [(size, 0, int(str(size)) - 1)]


def test_replay_of_every_stored_decision_is_identical(after: After) -> None:
    assert (after.replay["checked"], after.replay["differences"]) == (2 * DEVICES, []), "history and current state"
