"""Webhooks over real databases: what is told, in which order, and what becomes of it without an answer or a process."""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import delete
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pki.revocation import Reason
from policyengine.adapters.guarded_https import SECONDS
from policyengine.adapters.sql import tables
from policyengine.adapters.webhook_courier import WebhookCourier
from policyengine.errors import PolicyEngineError
from policyengine.model.ids import DeviceId
from policyengine.model.times import parse_timestamp
from policyengine.services.actors import SYSTEM, PersonRole, Principal
from policyengine.services.changes import MoveJobs
from policyengine.services.errors import ConflictError, ForbiddenError, MissingError
from policyengine.services.events.delivering import GIVE_UP, LEASE, LONGEST_PAUSE, REFUSALS
from policyengine.services.events.occurrences import (
    ACTIVATED,
    CHANGED,
    ENROLLED,
    ISSUED,
    PENDING,
    RETIRED,
    STATUS,
    TYPES,
)
from policyengine.services.events.ports import Courier, UndeliveredError
from policyengine.services.events.webhooks import Webhook
from policyengine.services.ports import DeviceFilter, PageRequest
from policyengine.services.records import Lifecycle
from tests.integration.tls_server import Ca, Trusting, leaf, new_ca, serving
from tests.support.site import FakeClock, Site, announced, next_nonce, open_site, put_in_force

ROOT = Path(__file__).resolve().parents[2]
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
HOOK = Webhook(
    name="soc",
    url="https://soc.example/hook",
    secret_file="soc.secret",
    types=TYPES,
    models=None,
    ca_file=None,
    private_network=False,
)


@dataclass
class Receiver:
    """A fake way to a receiver that answers as it is told, then 204; None: not at all."""

    answers: deque[int | None] = field(default_factory=deque)
    sent: list[dict[str, object]] = field(default_factory=list)
    taken: list[dict[str, object]] = field(default_factory=list)

    def send(self, webhook: Webhook, body: bytes, *, message: str, at: datetime) -> int:
        self.sent.append(json.loads(body))
        status = self.answers.popleft() if self.answers else 204
        if status is None:
            raise UndeliveredError("no answer")
        if status == 204:
            self.taken.append(json.loads(body))
        return status


@dataclass
class Told:
    """A site, one webhook, and what it was told."""

    site: Site
    receiver: Receiver
    hook: Webhook = HOOK

    def run(self) -> int:
        return self.site.services.webhooks.deliveries.run(self.hook)

    def enrol(self, scenario: str = "healthy", at: int = 0) -> str:
        device = self.site.of(scenario)[at]
        asyncio.run(self.site.enrol(device))
        return device.planned.device_id


def told_site(database: str, hook: Webhook = HOOK, courier: Courier | None = None) -> Told:
    receiver = Receiver()
    site = open_site(database, webhooks=(hook,), courier=courier or receiver)
    put_in_force(site)
    site.services.devices.announce(SYSTEM, [announced(device.planned) for device in site.devices.values()])
    told = Told(site, receiver, hook)
    told.run()  # from here on it hears
    return told


@pytest.fixture
def told(database: str) -> Iterator[Told]:
    made = told_site(database)
    yield made
    made.site.store.close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """A database on which a webhook hears, and when that was: tests copy it."""
    path = tmp_path_factory.mktemp("webhooks") / "store.db"
    made = told_site(f"sqlite:///{path}")
    made.site.store.close()
    return path, made.site.clock.now()


@pytest.fixture
def quick(prepared: tuple[Path, datetime], tmp_path: Path) -> Iterator[Told]:
    """The same on SQLite only, for what no database could do otherwise."""
    path, now = prepared
    shutil.copy(path, tmp_path / "store.db")
    receiver, clock = Receiver(), FakeClock(now)
    site = open_site(f"sqlite:///{tmp_path / 'store.db'}", webhooks=(HOOK,), courier=receiver, clock=clock)
    clock.forward(timedelta(seconds=2))  # workers look once a second
    yield Told(site, receiver)
    site.store.close()


def test_an_enrolment_is_told_in_the_order_of_its_leaves(told: Told) -> None:
    device = told.enrol()
    told.run()
    assert [each["type"] for each in told.receiver.taken] == [ENROLLED, CHANGED, ISSUED]
    assert {each["subject"] for each in told.receiver.taken} == {device}


def test_an_event_has_what_cloudevents_ask_for(quick: Told) -> None:
    """CloudEvents 1.0 section 3: id, source, specversion and type; time as RFC 3339."""
    quick.enrol()
    quick.run()
    event = quick.receiver.taken[0]
    assert (event["specversion"], event["source"]) == ("1.0", "https://log.example/kestrel")
    assert event["sequence"] == str(event["id"]).zfill(20)
    parse_timestamp(str(event["time"]))


def test_a_decision_tells_the_tier_and_each_verdict_that_is_new(quick: Told) -> None:
    quick.enrol("tampered")
    quick.run()
    data = next(each["data"] for each in quick.receiver.taken if each["type"] == CHANGED)
    assert isinstance(data, dict)
    assert (data["tier"] != "full", data["previous_tier"]) == (True, None)
    assert "fail" in {verdict["result"] for verdict in data["verdicts"]}


def test_an_unchanged_check_in_is_not_told(told: Told) -> None:
    device = told.site.of("healthy")[0]
    nonce = next_nonce(asyncio.run(told.site.enrol(device)))
    nonce = next_nonce(asyncio.run(told.site.check_in(device, nonce)))  # rules of operation judge it now
    while told.run():
        pass
    before = len(told.receiver.sent)
    told.site.clock.forward(timedelta(minutes=5))
    asyncio.run(told.site.check_in(device, nonce))
    told.run()
    assert len(told.receiver.sent) == before


def test_a_check_in_writes_no_row_for_events(quick: Told) -> None:
    """The log is the outbox: with a webhook a decision writes what it writes without one."""
    before = quick.site.store.jobs("webhook")
    quick.enrol()
    assert quick.site.store.jobs("webhook") == before
    assert quick.site.store.jobs("dead-letter") == ()


def test_a_revocation_is_told_with_its_reason(told: Told) -> None:
    device = told.enrol()
    told.run()
    issued = told.receiver.taken[-1]["data"]
    assert isinstance(issued, dict)
    told.site.services.revocations.revoke(SYSTEM, issued["serial"], reason=Reason.KEY_COMPROMISE)
    told.run()
    event = told.receiver.taken[-1]
    assert (event["type"], event["subject"]) == (STATUS, device)
    assert isinstance(event["data"], dict)
    assert event["data"]["status"] == "revoked"


def last(told: Told) -> tuple[object, object, object]:
    """Return type, subject and data of what is told last now."""
    told.run()
    event = told.receiver.taken[-1]
    return event["type"], event["subject"], event["data"]


def test_a_retirement_is_told_with_its_reason(quick: Told) -> None:
    device = quick.enrol()
    quick.site.services.devices.retire(SYSTEM, DeviceId(device), reason="scrapped")
    model = quick.site.devices[device].planned.model
    while quick.run():  # the certificate's end is told as well
        pass
    data = {"device_id": device, "model": model, "reason": "scrapped"}
    told_of = [(each["type"], each["subject"], each["data"]) for each in quick.receiver.taken]
    assert (RETIRED, device, data) in told_of


def test_a_device_that_waits_to_be_admitted_is_told(quick: Told) -> None:
    put_in_force(quick.site, fleet=(b"unknown: refuse", b"unknown: pending"))
    quick.run()
    stranger = next(iter(quick.site.of("healthy")))
    forget(quick.site, stranger.planned.device_id)
    with pytest.raises(PolicyEngineError) as caught:
        asyncio.run(quick.site.enrol(stranger))
    assert caught.value.code == "enrolment.pending"
    waiting = quick.site.services.devices.list(SYSTEM, DeviceFilter(lifecycle=Lifecycle.PENDING), PageRequest())
    assert last(quick)[:2] == (PENDING, waiting.items[0][0].id)


def forget(site: Site, device: str) -> None:
    """Take a device that never came in out of the registry again."""
    with site.store._engines.write.begin() as connection:
        connection.execute(delete(tables.device).where(tables.device.c.id == device))


def test_policies_that_come_into_force_are_told_about_no_device(told: Told) -> None:
    digest = put_in_force(told.site, fleet=(b"unknown: refuse", b"unknown: pending"))
    active = told.site.services.bundles.active()
    assert active is not None
    assert last(told) == (ACTIVATED, digest, {"bundle": digest, "generation": active.generation})


def test_a_webhook_for_some_models_hears_of_no_policies(tmp_path: Path) -> None:
    told = told_site(f"sqlite:///{tmp_path / 'store.db'}", replace(HOOK, models=frozenset({"gw-200"})))
    put_in_force(told.site)
    told.run()
    assert told.receiver.taken == []
    told.site.store.close()


def test_a_webhook_for_some_models_hears_of_no_other(tmp_path: Path) -> None:
    hook = replace(HOOK, models=frozenset({"gw-200"}))
    told = told_site(f"sqlite:///{tmp_path / 'store.db'}", hook)
    for at in range(6):
        told.enrol(at=at)
    told.run()
    models = {each["data"]["model"] for each in told.receiver.taken if isinstance(each["data"], dict)}
    assert models == {"gw-200"}
    told.site.store.close()


def test_nothing_overtakes_an_event_that_was_not_taken(told: Told) -> None:
    told.receiver.answers.extend([204, None])
    told.enrol()
    told.run()
    told.enrol(at=1)
    told.run()
    assert len(told.receiver.sent) == 2
    told.site.clock.forward(timedelta(seconds=2))
    told.run()
    ids = [int(str(each["id"])) for each in told.receiver.taken]
    assert ids == sorted(set(ids))
    assert len(ids) == 6


def test_pauses_double_up_to_the_longest(quick: Told) -> None:
    quick.receiver.answers.extend([503] * 14)
    quick.enrol()
    pauses = []
    for _ in range(14):
        quick.run()
        (job,) = quick.site.store.jobs("webhook")
        pauses.append(job.run_at - quick.site.clock.now())
        quick.site.clock.forward(LONGEST_PAUSE)
    assert all(before / 2 < after * 1.001 for before, after in pairwise(pauses))
    assert timedelta(seconds=0.4) < pauses[0] <= timedelta(seconds=1)
    assert LONGEST_PAUSE * 0.49 < pauses[-1] <= LONGEST_PAUSE


def refuse(told: Told, status: int = 422) -> int:
    """Have the first event of an enrolment refused until it is given up; return its index."""
    told.receiver.answers.extend([status] * REFUSALS)
    told.enrol()
    for _ in range(REFUSALS):
        told.run()
        told.site.clock.forward(LONGEST_PAUSE)
    return int(str(told.receiver.sent[0]["id"]))


def test_what_is_refused_for_what_it_is_becomes_a_dead_letter_and_the_rest_follows(told: Told) -> None:
    index = refuse(told)
    told.run()
    (letter,) = told.site.services.webhooks.dead_letters(SYSTEM, "soc")
    assert (letter.index, letter.attempts, letter.error) == (index, REFUSALS, "the receiver answers 422")
    assert [each["type"] for each in told.receiver.taken] == [CHANGED, ISSUED]


@pytest.mark.parametrize("status", [301, 404, 503])
def test_a_receiver_that_is_not_itself_loses_nothing_in_an_hour(quick: Told, status: int) -> None:
    quick.receiver.answers.extend([status] * 12)
    quick.enrol()
    for _ in range(13):
        quick.run()
        quick.site.clock.forward(LONGEST_PAUSE)
    quick.run()
    assert quick.site.services.webhooks.dead_letters(SYSTEM, "soc") == ()
    assert len(quick.receiver.taken) == 3


def test_what_is_not_taken_for_a_day_becomes_a_dead_letter(quick: Told) -> None:
    quick.receiver.answers.extend([None, None])
    quick.enrol()
    quick.run()
    quick.site.clock.forward(GIVE_UP)
    quick.run()
    assert [each.type for each in quick.site.services.webhooks.dead_letters(SYSTEM, "soc")] == [ENROLLED]


def test_a_dead_letter_that_is_asked_for_is_sent_again_and_gone(told: Told) -> None:
    index = refuse(told)
    told.run()
    told.site.services.webhooks.retry(SYSTEM, "soc", index)
    told.run()
    assert told.receiver.taken[-1] == told.receiver.sent[0]
    assert told.site.services.webhooks.dead_letters(SYSTEM, "soc") == ()


def test_a_dead_letter_that_is_refused_again_stays(quick: Told) -> None:
    index = refuse(quick)
    quick.run()
    quick.receiver.answers.append(400)
    quick.site.services.webhooks.retry(SYSTEM, "soc", index)
    quick.run()
    (letter,) = quick.site.services.webhooks.dead_letters(SYSTEM, "soc")
    assert (letter.attempts, letter.asked, letter.error) == (REFUSALS + 1, False, "the receiver answers 400")


def test_asking_twice_is_a_conflict(quick: Told) -> None:
    index = refuse(quick)
    quick.site.services.webhooks.retry(SYSTEM, "soc", index)
    with pytest.raises(ConflictError):
        quick.site.services.webhooks.retry(SYSTEM, "soc", index)


def test_a_retry_is_an_act_with_an_author(quick: Told) -> None:
    index = refuse(quick)
    actor = Principal(name="olga", role=PersonRole.OPERATIONS)
    quick.site.services.webhooks.retry(actor, "soc", index)
    leaves = quick.site.store.log_leaves(0, 1000)
    acts = [json.loads(each.record) for each in leaves if each.kind == "act"]
    assert (acts[-1]["actor"], acts[-1]["action"]) == ("olga", "webhook.retried")


def test_a_webhook_about_more_than_the_viewer_may_see_is_missing(quick: Told) -> None:
    viewer = Principal(name="v", role=PersonRole.AUDITOR, models=frozenset({"gw-200"}))
    assert quick.site.services.webhooks.list(viewer) == ()
    with pytest.raises(MissingError):
        quick.site.services.webhooks.dead_letters(viewer, "soc")


def test_an_auditor_has_nothing_sent_again(quick: Told) -> None:
    with pytest.raises(ForbiddenError):
        quick.site.services.webhooks.retry(Principal(name="a", role=PersonRole.AUDITOR), "soc", 1)


def test_two_processes_never_tell_one_webhook_at_once(told: Told, database: str) -> None:
    """The other one runs while the first waits for its answer."""
    other = open_site(database, webhooks=(HOOK,), courier=Receiver(), clock=told.site.clock)
    counts: list[int] = []
    send = told.receiver.send

    def meanwhile(webhook: Webhook, body: bytes, *, message: str, at: datetime) -> int:
        counts.append(other.services.webhooks.deliveries.run(HOOK))
        return send(webhook, body, message=message, at=at)

    told.receiver.send = meanwhile  # type: ignore[method-assign]  # a fake that looks aside while it is called
    told.enrol()
    assert told.run() == 3
    assert counts == [0, 0, 0]
    other.store.close()


@dataclass
class Server:
    """A receiver over TLS; `on_event` sees each event before it is answered."""

    url: str = ""
    events: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    on_event: Callable[[int], int] = lambda _count: 204

    def application(self) -> Starlette:
        async def hook(request: Request) -> Response:
            self.events.append((dict(request.headers), await request.body()))
            return Response(status_code=self.on_event(len(self.events)), headers={"location": self.url})

        return Starlette(routes=[Route("/hook", hook, methods=["POST"])])


@pytest.fixture(scope="module")
def authority() -> Ca:
    return new_ca("soc")


@pytest.fixture
def folder(authority: Ca, tmp_path: Path) -> Path:
    (tmp_path / "soc.secret").write_text(SECRET + "\n")
    (tmp_path / "soc.pem").write_text(authority.pem)
    return tmp_path


@pytest.fixture
def server(folder: Path, authority: Ca) -> Iterator[Server]:
    found = Server()
    with serving(found.application(), folder=folder, server_ca=authority, trust=Trusting(authority)) as port:
        found.url = f"https://localhost:{port}/hook"
        yield found


def near(server: Server) -> Webhook:
    return replace(HOOK, url=server.url, ca_file="soc.pem", private_network=True)


def documented() -> Callable[[str, Mapping[str, str], bytes], bytes]:
    """Return the receiver's check as docs/events.md prints it."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "events.md").read_text(), re.DOTALL)
    names: dict[str, Callable[[str, Mapping[str, str], bytes], bytes]] = {}
    exec(code, names)
    return names["verified"]


def sent(server: Server, folder: Path, *, at: float | None = None) -> int:
    moment = datetime.fromtimestamp(time.time() if at is None else at).astimezone()
    return WebhookCourier(relative_to=folder).send(near(server), b'{"a":1}', message="7", at=moment)


def test_what_arrives_verifies_as_the_documentation_says(server: Server, folder: Path) -> None:
    """Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`; CloudEvents structured mode."""
    assert sent(server, folder) == 204
    headers, body = server.events[0]
    assert documented()(SECRET, headers, body) == b'{"a":1}'
    assert headers["content-type"] == "application/cloudevents+json"


def test_both_secrets_sign_while_one_is_replaced(server: Server, folder: Path) -> None:
    following = "whsec_" + base64.b64encode(b"n" * 24).decode()
    (folder / "soc.secret").write_text(f"{SECRET}\n{following}\n")
    sent(server, folder)
    headers, body = server.events[0]
    assert [documented()(each, headers, body) for each in (SECRET, following)] == [body, body]


def test_a_changed_body_does_not_verify(server: Server, folder: Path) -> None:
    sent(server, folder)
    with pytest.raises(ValueError, match="not signed"):
        documented()(SECRET, server.events[0][0], b'{"a":2}')


def test_an_old_delivery_does_not_verify(server: Server, folder: Path) -> None:
    sent(server, folder, at=time.time() - 301)
    with pytest.raises(ValueError, match="too old"):
        documented()(SECRET, *server.events[0])


def test_a_redirect_is_not_followed(server: Server, folder: Path) -> None:
    server.on_event = lambda _count: 307
    assert sent(server, folder) == 307
    assert len(server.events) == 1


def test_a_receiver_in_this_network_is_not_reached_unless_allowed(server: Server, folder: Path) -> None:
    hook = replace(near(server), private_network=False)
    with pytest.raises(UndeliveredError, match="may be reached"):
        WebhookCourier(relative_to=folder).send(hook, b"{}", message="1", at=datetime.now().astimezone())
    assert server.events == []


def test_a_missing_secret_is_an_attempt_in_vain(server: Server, folder: Path) -> None:
    (folder / "soc.secret").unlink()
    with pytest.raises(UndeliveredError, match="cannot be read"):
        sent(server, folder)


def test_a_malformed_secret_is_not_shown(server: Server, folder: Path) -> None:
    (folder / "soc.secret").write_text("hunter2")
    with pytest.raises(UndeliveredError) as caught:
        sent(server, folder)
    assert "hunter2" not in repr(caught.value.__dict__) + str(caught.value)


def test_a_receiver_that_answers_a_byte_at_a_time_is_cut_off(folder: Path, authority: Ca) -> None:
    """Each byte comes before the timeout of a read; the exchange ends all the same."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf(authority, folder, "slow"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_trickle, args=(listener, context), daemon=True).start()
        hook = replace(
            HOOK, url=f"https://localhost:{listener.getsockname()[1]}/", ca_file="soc.pem", private_network=True
        )
        began = time.monotonic()
        with pytest.raises(UndeliveredError):
            WebhookCourier(relative_to=folder).send(hook, b"{}", message="1", at=datetime.now().astimezone())
        assert time.monotonic() - began < 2 * SECONDS


def _trickle(listener: socket.socket, context: ssl.SSLContext) -> None:
    plain, _ = listener.accept()
    try:
        with context.wrap_socket(plain, server_side=True) as wire:
            wire.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                wire.sendall(b"a")
                time.sleep(0.2)
    except OSError:
        return  # cut off, as it should be


def deliver(database: str, folder: Path, hook: Webhook, now: datetime) -> None:
    """Tell all there is to tell; a process of its own, which the receiver kills."""
    courier = WebhookCourier(relative_to=folder)
    site = open_site(database, webhooks=(hook,), courier=courier, clock=FakeClock(now))
    while site.services.webhooks.deliveries.run(hook):
        pass


def test_kill_9_while_an_event_is_told_loses_none(database: str, server: Server, folder: Path) -> None:
    """The process dies after the receiver has the second event and before it hears so."""
    hook = near(server)
    told = told_site(database, hook, WebhookCourier(relative_to=folder))
    for at in range(2):
        told.enrol(at=at)
    process = multiprocessing.get_context("spawn").Process(
        target=deliver, args=(database, folder, hook, told.site.clock.now())
    )

    def kill(count: int) -> int:
        if count == 2:
            os.kill(process.pid or 0, signal.SIGKILL)
            os.waitid(os.P_PID, process.pid or 0, os.WEXITED | os.WNOWAIT)
        return 204

    server.on_event = kill
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    told.site.clock.forward(LEASE + timedelta(seconds=1))
    told.run()
    ids = [headers["webhook-id"] for headers, _ in server.events]
    assert ids[1] == ids[2]
    assert len(set(ids)) == 6
    assert ids == sorted(ids, key=int)
    told.site.store.close()


def test_a_lease_that_stands_is_left_to_its_holder(quick: Told) -> None:
    """What a killed process claimed is taken over only when its time has ended."""
    (job,) = quick.site.store.jobs("webhook")
    now = quick.site.clock.now()
    quick.site.store.apply(MoveJobs(moves=((job, replace(job, locked_until=now + LEASE)),)))
    quick.enrol()
    assert quick.run() == 0
    quick.site.clock.forward(LEASE)
    assert quick.run() == 3
