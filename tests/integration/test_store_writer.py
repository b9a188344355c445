"""The group-committing writer on a real database: shared commits, isolated failures, bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from policyengine.adapters.sql.writer import ENOUGH, MAX_QUEUE, GroupWriter
from policyengine.model.ids import Digest, digest_of
from policyengine.services.changes import (
    Act,
    ActivateBundle,
    Document,
    RecordSecurityEvent,
    ReserveCertificate,
    StoreBundle,
)
from policyengine.services.errors import ConflictError, UnavailableError
from policyengine.services.records import Activation, BundleRecord, SecurityEvent
from tests.support.site import START, Site, open_site


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    made = open_site(database)
    yield made
    made.store.close()


def reservation(serial: str) -> ReserveCertificate:
    return ReserveCertificate(
        issuer="sha256:" + "1" * 64,
        serial=serial,
        device_id="gw-1",
        decision_id=digest_of(b"decision"),
        tbs_sha256=bytes(32),
        profile="gateway",
        key_thumbprint=f"sha256:{serial:0>64}",
        at=START,
        salt=b"salt",
    )


def seen(code: str, minute: int = 0) -> RecordSecurityEvent:
    at = START + timedelta(minutes=minute)
    found = SecurityEvent(
        id=code, code=code, device_id=None, check=None, detail="detail", first_at=at, last_at=at, count=1
    )
    return RecordSecurityEvent(event=found, salt=b"salt")


def scalar(site: Site, statement: str) -> object:
    with site.store._engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one()


def test_changes_that_wait_together_share_commits(site: Site) -> None:
    """Service ceilings section 0, line 1: group commit is the largest gain."""
    commits = []
    event.listen(site.store._engines.write, "commit", commits.append)
    site.store.apply_all([reservation(f"{number:x}") for number in range(100)])
    assert scalar(site, "SELECT count(*) FROM certificate") == 100
    assert len(commits) < 20


def test_changes_of_successive_turns_of_the_loop_share_a_commit(site: Site) -> None:
    """What becomes ready while the loop is busy goes into the batch that has not started yet."""
    commits: list[object] = []
    event.listen(site.store._engines.write, "commit", commits.append)

    async def arrive() -> None:
        waiting = []
        for number in range(30):
            waiting.append(asyncio.create_task(site.store.submit(reservation(f"{number:x}"))))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)

    asyncio.run(arrive())
    assert (scalar(site, "SELECT count(*) FROM certificate"), len(commits)) == (30, 1)


def test_loop_that_is_never_quiet_does_not_keep_its_changes_waiting(site: Site) -> None:
    commits: list[object] = []
    event.listen(site.store._engines.write, "commit", commits.append)

    async def arrive() -> None:
        waiting = []
        for number in range(2 * ENOUGH):
            waiting.append(asyncio.create_task(site.store.submit(reservation(f"{number:x}"))))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)

    asyncio.run(arrive())
    assert len(commits) > 1


def test_serial_used_twice_refuses_only_the_second(site: Site) -> None:
    """A poison change is isolated: its batch is repeated one by one."""
    failures = site.store.apply_all([reservation("a"), reservation("b"), reservation("a"), reservation("c")])
    assert [type(failure) for failure in failures] == [type(None), type(None), ConflictError, type(None)]
    assert scalar(site, "SELECT count(*) FROM certificate") == 3


def test_failed_batch_leaves_no_gap_in_the_log(site: Site) -> None:
    site.store.apply_all([reservation("a"), reservation("a"), reservation("b")])
    assert scalar(site, "SELECT count(*) FROM log_leaf") == scalar(site, "SELECT size FROM log_head")


def test_change_that_storage_cannot_take_is_unavailable_not_lost(tmp_path: Path) -> None:
    """Service ceilings section 8: disk full or read-only: no acknowledgement, existing data readable."""
    site = open_site(f"sqlite:///{tmp_path / 'store.db'}")
    with site.store._engines.write.connect() as connection:
        connection.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(UnavailableError) as failure:
        site.store.apply(reservation("a"))
    assert (failure.value.code, scalar(site, "SELECT count(*) FROM certificate")) == ("store.unavailable", 0)
    with site.store._engines.write.connect() as connection:
        connection.connection.execute("PRAGMA query_only = OFF")
    site.store.apply(reservation("a"))
    found = scalar(site, "SELECT count(*) FROM certificate")
    site.store.close()
    assert found == 1


def test_queue_beyond_its_bound_is_refused_at_once(site: Site) -> None:
    """Shed load instead of letting every reply wait."""
    writer = GroupWriter(site.store._engines.write)

    async def flood() -> list[object]:
        changes = (writer.submit(reservation(f"{number:x}")) for number in range(MAX_QUEUE + 600))
        return list(await asyncio.gather(*changes, return_exceptions=True))

    found = asyncio.run(flood())
    writer.close()
    codes = {failure.code for failure in found if isinstance(failure, UnavailableError)}
    stored = sum(one is None for one in found)
    assert (codes, scalar(site, "SELECT count(*) FROM certificate")) == ({"store.overloaded"}, stored)


def test_change_whose_caller_went_away_is_carried_out_and_the_writer_goes_on(site: Site) -> None:
    async def leave() -> None:
        gone = asyncio.create_task(site.store.submit(reservation("a")))
        await asyncio.sleep(0)
        gone.cancel()
        await site.store.submit(reservation("b"))

    asyncio.run(leave())
    assert scalar(site, "SELECT count(*) FROM certificate") == 2


def test_repeated_security_event_of_an_hour_is_counted(site: Site) -> None:
    """What a stranger can make us write is bounded."""
    for minute in range(5):
        site.store.apply(seen("nonce.spent", minute))
    assert scalar(site, "SELECT count FROM security_event") == 5
    assert scalar(site, "SELECT count(*) FROM log_leaf") == 1


def activation(digest: Digest, generation: int) -> ActivateBundle:
    act = Act(actor="tester", at=START, action="bundle.activate", subject=digest, detail={}, salt=b"salt")
    return ActivateBundle(
        activation=Activation(generation=generation, digest=digest, activated_at=START, actor="tester"), act=act
    )


def test_of_two_activations_at_once_one_is_refused(site: Site) -> None:
    """Compare-and-swap on the generation."""
    content = b"bundle"
    digest = digest_of(content)
    act = Act(actor="tester", at=START, action="bundle.publish", subject=digest, detail={}, salt=b"salt")
    record = BundleRecord(digest=digest, commit=None, published_at=START, published_by="tester")
    document = Document(digest=digest, kind="bundle", body=content)
    site.store.apply(StoreBundle(record=record, document=document, act=act))
    failures = site.store.apply_all([activation(digest, 1), activation(digest, 1)])
    assert sorted(type(failure).__name__ for failure in failures) == ["ConflictError", "NoneType"]
    assert scalar(site, "SELECT max(generation) FROM activation") == 1
