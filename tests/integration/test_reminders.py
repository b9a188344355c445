"""What only time brings is told of once: of certificates, exceptions, feeds; over real databases (issue 6, item 7)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policyengine.model.times import format_timestamp
from policyengine.services.actors import SYSTEM
from policyengine.services.events.occurrences import (
    EXPIRING,
    FEED_STALE,
    REMINDERS,
    WAIVER_EXPIRED,
    WAIVER_EXPIRING,
    Occurrence,
)
from policyengine.services.events.reminding import (
    CERTIFICATE_NOTICE,
    CERTIFICATE_REMINDER,
    KEPT,
    LIFE_SHARE,
    REMINDER,
    WAIVER_NOTICE,
    Reminders,
)
from policyengine.services.records import CertificateRecord, Job
from policyengine.services.supply.terms import DEFAULT_AGE, FeedTerms
from policyengine.simulation.device import SimulatedDevice
from policyengine.supply.pack import pack_content, signed_pack
from tests.support.site import Site, put_in_force, ready_site

KEY = Ed25519PrivateKey.from_private_bytes(b"f" * 32)
ENDS = datetime.fromisoformat("2026-12-04T00:00:00Z")
PROLONGED = ENDS + timedelta(days=2)
INSTANT = timedelta(microseconds=1)
WAIVER = b"""apiVersion: policyengine/v1
kind: Waiver
metadata: {name: bench}
spec:
  policy: engineering/boot-integrity
  rules: [secure-boot]
  where: {device: {in: [gw2-0001]}}
  reason: On the bench
  ticket: OPS-1
  compensatingControl: Not on the plant network
  approvals: [it, engineering, operations]
  expires: "%s"
"""


@dataclass(slots=True)
class Story:
    """Two weeks of a site, and what had been told of by its moments."""

    site: Site
    told: dict[str, list[Occurrence]] = field(default_factory=dict)
    rows: dict[str, tuple[Job, ...]] = field(default_factory=dict)
    silent: str = ""
    race: tuple[int, int] = (0, 0)

    def at(self, moment: datetime, name: str) -> None:
        """Let time go on to `moment`, notice all that is due then, as the server does, and keep what was told."""
        self.site.clock.time = moment - INSTANT  # the clock goes on by this at each reading
        while self.site.services.reminders.run():
            pass
        found = self.site.store.occurrences(0, 10_000).occurrences
        self.told[name] = [each for each in found if each.type in REMINDERS]

    def types(self, name: str) -> list[str]:
        return [each.type for each in self.told[name]]

    def new(self, name: str, after: str) -> Occurrence:
        """Return the one thing that was told of between two moments."""
        (found,) = self.told[name][len(self.told[after]) :]
        return found

    def waive(self, ends: datetime) -> None:
        put_in_force(self.site, waivers__bench=(b"", WAIVER % format_timestamp(ends).encode()))

    def import_feed(self) -> datetime:
        """Import a pack of now; return when it is too old."""
        now = self.site.clock.now()
        content = pack_content({"kev": (now, {"exploited": []})})
        self.site.services.feeds.import_pack(SYSTEM, signed_pack(content, "security-team", KEY.sign))
        return now + DEFAULT_AGE

    def enrol(self, device: SimulatedDevice) -> CertificateRecord:
        asyncio.run(self.site.enrol(device))
        view = self.site.store.view(device.planned.device_id)
        assert view is not None
        assert view.certificate is not None
        return view.certificate

    def renew(self, device: SimulatedDevice) -> None:
        nonce = self.site.services.challenges.issue(device.planned.device_id).nonce
        asyncio.run(self.site.renew(device, nonce))


@pytest.fixture(scope="module")
def story(module_database: str) -> Iterator[Story]:
    site = ready_site(module_database, feeds=FeedTerms(publishers={"security-team": KEY.public_key()}))
    told = Story(site)
    silent, renewing = site.of("healthy")[:2]
    told.silent = silent.planned.device_id
    certificate = told.enrol(silent)
    told.enrol(renewing)
    told.waive(ENDS)
    stale_at = told.import_feed()
    told.at(ENDS - WAIVER_NOTICE - INSTANT, "nothing due")
    told.at(ENDS - WAIVER_NOTICE, "waiver noticed")
    told.at(stale_at - INSTANT, "feed good")
    told.at(stale_at, "feed stale")
    stale_again = told.import_feed()
    told.waive(PROLONGED)
    told.at(site.clock.time, "waiver prolonged")
    told.renew(renewing)
    ends = certificate.not_after
    notice = min(CERTIFICATE_NOTICE, (ends - certificate.not_before) / LIFE_SHARE)
    told.at(ends - notice - INSTANT, "certificate good")
    told.at(ends - notice, "certificate ending")
    told.at(PROLONGED - INSTANT, "waiver ends")
    site.clock.time = PROLONGED - INSTANT
    told.race = (site.services.reminders.run(), _LateReader(site.services.reminders).run())
    told.at(PROLONGED, "waiver ended")
    told.at(stale_again, "feed stale again")
    told.rows["told"] = site.store.jobs(REMINDER) + site.store.jobs(CERTIFICATE_REMINDER)
    put_in_force(site)
    told.import_feed()
    told.at(ends + KEPT, "over")
    told.at(ends + 2 * KEPT, "a day later")
    told.rows["over"] = site.store.jobs(REMINDER) + site.store.jobs(CERTIFICATE_REMINDER)
    yield told
    site.store.close()


def test_nothing_is_told_while_nothing_is_due(story: Story) -> None:
    assert story.types("nothing due") == []


def test_an_exception_is_told_of_days_before_it_ends(story: Story) -> None:
    notice = story.new("waiver noticed", after="nothing due")
    assert (notice.type, notice.device_id, notice.subject) == (WAIVER_EXPIRING, None, "bench")
    said = {name: notice.data[name] for name in ("waiver", "policy", "rules", "expires")}
    assert said == {
        "waiver": "bench",
        "policy": "engineering/boot-integrity",
        "rules": ["engineering/boot-integrity#secure-boot"],
        "expires": format_timestamp(ENDS),
    }


def test_an_exception_that_was_prolonged_is_told_of_again_with_its_new_end(story: Story) -> None:
    again = story.new("waiver prolonged", after="feed stale")
    assert (again.type, again.data["expires"]) == (WAIVER_EXPIRING, format_timestamp(PROLONGED))


def test_an_exception_is_told_of_when_it_has_ended(story: Story) -> None:
    """Half-open, as every limit (DESIGN section 6): at the very moment of `expires` it has ended."""
    assert story.types("waiver ends") == story.types("certificate ending")
    assert story.new("waiver ended", after="waiver ends").type == WAIVER_EXPIRED


def test_a_feed_is_told_of_when_it_becomes_too_old(story: Story) -> None:
    assert story.types("feed good") == story.types("waiver noticed")
    stale = story.new("feed stale", after="feed good")
    assert (stale.type, stale.data["feed"], stale.data["publisher"]) == (FEED_STALE, "kev", "security-team")


def test_the_feed_that_took_its_place_is_told_of_as_well(story: Story) -> None:
    assert story.new("feed stale again", after="waiver ended").type == FEED_STALE


def test_a_certificate_that_its_device_does_not_renew_is_told_of_and_one_that_was_renewed_is_not(story: Story) -> None:
    assert story.types("certificate good") == story.types("waiver prolonged")
    notice = story.new("certificate ending", after="certificate good")
    assert (notice.type, notice.device_id, notice.subject) == (EXPIRING, story.silent, story.silent)


def test_everything_is_told_of_once(story: Story) -> None:
    found = [(each.type, each.subject, str(each.data)) for each in story.told["a day later"]]
    assert len(found) == len(set(found)) == 6


def test_what_is_no_longer_so_is_forgotten_so_that_rows_do_not_pile_up(story: Story) -> None:
    assert (len(story.rows["told"]) >= 3, story.rows["over"]) == (True, ())


def test_of_two_workers_that_notice_the_same_one_tells_it(story: Story) -> None:
    """Both have read that nobody told yet: the row, made in the leaf's transaction, lets one of them."""
    assert story.race == (1, 0)


class _LateReader(Reminders):
    """A worker that read what was told before another one told it."""

    def __init__(self, like: Reminders) -> None:
        super().__init__(_Earlier(like._store), like._clock, like._entropy, shelf=like._shelf, terms=like._terms)  # type: ignore[arg-type]


class _Earlier:
    """A store whose rows of work are those of a moment ago: none."""

    def __init__(self, store: object) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def jobs(self, _kind: str) -> tuple[()]:
        return ()
