"""The checks of `policyengine doctor`, in the order in which their findings help: the first may explain the rest."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from policyengine.adapters.clock import SystemClock
from policyengine.adapters.doctor_files import examine_certificates, examine_directory, examine_keys
from policyengine.adapters.examination import examine_checkpoint, examine_database, reading
from policyengine.adapters.sql.examining import (
    RESTORE,
    decisions_kept,
    examine_clock,
    examine_content,
    examine_engine,
    examine_ids,
    examine_pages,
    examine_schema,
)
from policyengine.errors import PolicyEngineError
from policyengine.services.certification.misfits import misfits
from policyengine.services.exports.retention import due_findings
from policyengine.services.findings import Finding, error, warning
from policyengine.services.policies import PolicyShelf
from policyengine.services.supply.feeds import stale_feeds
from policyengine.services.supply.muds import stale_muds
from policyengine.services.supply.terms import FeedTermsError
from policyengine.wiring import authority_directory, feed_terms, issuing_certificate

if TYPE_CHECKING:
    from datetime import datetime

    from policyengine.adapters.sql.store import SqlStore
    from policyengine.settings import Settings

MAX_DAMAGES = 20  # told of each kind; after so many the answer is the same
MIN_PROXY_PREFIX = 8  # bits; a wider network of proxies is everybody


def examined(settings: Settings) -> tuple[Finding, ...]:
    """Return everything that is wrong with the installation of `settings`; nothing is changed."""
    now = SystemClock().now()
    return (*_outside(settings, now), *_stored(settings, now))


def _outside(settings: Settings, now: datetime) -> Iterator[Finding]:
    yield from _unsafe(settings)
    yield from examine_directory(settings.data)
    yield from examine_keys(settings.layout.keys, settings.passphrase_file or settings.layout.keys / "passphrase")
    yield from examine_certificates(authority_directory(settings), now=now)


def _unsafe(settings: Settings) -> Iterator[Finding]:
    for network in settings.trusted_proxies:
        if network.prefixlen < MIN_PROXY_PREFIX:
            message = f"POLICYENGINE_TRUSTED_PROXIES holds `{network}`: anybody can say to be any device"
            yield error("settings.proxies", message, "name your proxies' own addresses")
    if not settings.tls and not _is_local(settings.host):
        message = f"POLICYENGINE_TLS is 0 and the server listens on `{settings.host}`: tokens travel in the clear"
        yield warning("settings.tls", message, "leave TLS on, or listen where only the proxy reaches")
    if settings.rate_per_second == 0:
        message = "POLICYENGINE_RATE_PER_SECOND is 0: one token can take all there is"
        yield warning("settings.rate", message, "leave the limit at its default")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _stored(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the database; a coarse fault is told alone, for the finer checks would only echo it."""
    address = settings.storage_url
    for coarse in (examine_pages, examine_schema, examine_engine):
        found = tuple(coarse(address))
        yield from found
        if any(finding.code != "store.not-durable" for finding in found):
            return
    try:
        yield from islice(examine_content(address), MAX_DAMAGES)
        with reading(address) as store:
            yield from examine_clock(address, now=now)
            yield from examine_ids(address)
            yield from _feeds(settings, store, now)
            yield from stale_muds(store, now)
            yield from _due(settings, store, now)
            yield from _history(settings, store)
    except PolicyEngineError as cause:
        yield error(cause.code, cause.message, RESTORE)


def _feeds(settings: Settings, store: SqlStore, now: datetime) -> Iterator[Finding]:
    try:
        terms = feed_terms(settings)
    except FeedTermsError as cause:
        yield error(cause.code, cause.message, "put POLICYENGINE_FEEDS_FILE right: docs/supplies.md")
    else:
        yield from stale_feeds(store, terms, now)


def _due(settings: Settings, store: SqlStore, now: datetime) -> Iterator[Finding]:
    if settings.archive_after_days:
        yield from due_findings(store, after=timedelta(days=settings.archive_after_days), now=now)


def _history(settings: Settings, store: SqlStore) -> Iterator[Finding]:
    try:
        shelf = PolicyShelf(store, SystemClock())
        yield from misfits(shelf.active().policies.profiles.values(), issuing_certificate(settings))
    except PolicyEngineError as cause:
        wrong = error if cause.code == "policy.unreadable" else warning
        yield wrong(cause.code, cause.message, "publish a bundle and put it in force")
    layout = settings.layout
    for damage in examine_checkpoint(store, layout.checkpoint, layout.keys / "log.vkey"):
        advice = "nothing is signed until a person has looked: docs/transparency-log.md, what the server refuses"
        yield error("log.fork", f"{damage.place}: {damage.message}", advice)
    for damage in islice(examine_database(store, decisions=decisions_kept(settings.storage_url)), MAX_DAMAGES):
        yield error("store.damaged", f"{damage.place}: {damage.message}", RESTORE)
