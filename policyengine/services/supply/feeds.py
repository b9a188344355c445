"""Feeds of vulnerabilities: a signed pack is imported offline, and says of every release on file what is known of it.

A pack is believed by its publisher's key (terms.py), not by who carries it. Each feed is only replaced by a newer one:
an old pack, signed as well, would make what became known since unknown again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.model.canonical import canonical
from policyengine.model.ids import Digest, digest_of
from policyengine.model.times import format_timestamp, parse_timestamp
from policyengine.services.actors import Principal, Right, demand, demand_whole_fleet
from policyengine.services.changes import Document
from policyengine.services.errors import ConflictError, InvalidRequestError
from policyengine.services.filed import Filed, Filing
from policyengine.services.findings import Finding, warning
from policyengine.services.ports import Clock, Store
from policyengine.services.supply.cabinet import Cabinet, Draft
from policyengine.services.supply.shelf import Documents, content_of
from policyengine.services.supply.terms import FeedTerms
from policyengine.supply.errors import SupplyError
from policyengine.supply.pack import Feed, read_pack

AHEAD = timedelta(minutes=5)  # by which a publisher's clock may be ahead of ours

_LISTS = {"osv": "advisories", "kev": "exploited", "epss": "scores"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedInUse:
    """A feed on file: whose it is, when its source was like that, until when that counts, and how much it lists."""

    name: str
    publisher: str
    observed_at: datetime
    stale_at: datetime
    entries: int
    pack: Digest
    imported_by: str
    imported_at: datetime
    is_stale: bool


class Feeds:
    """The use cases."""

    def __init__(self, store: Store, clock: Clock, cabinet: Cabinet, terms: FeedTerms) -> None:
        self._store = store
        self._clock = clock
        self._cabinet = cabinet
        self._terms = terms

    def import_pack(self, actor: Principal, file: bytes) -> tuple[FeedInUse, ...]:
        """Return the feeds in use once those of a pack are among them; what is known of each release follows.

        Raises ForbiddenError; InvalidRequestError (`feeds.*`); ConflictError (`feeds.older`) if one in use is newer;
        UnavailableError when other documents come in without pause.
        """
        demand(actor, Right.PUBLISH)
        demand_whole_fleet(actor)
        try:
            publisher, feeds = read_pack(file, self._terms.publishers)
        except SupplyError as cause:
            raise InvalidRequestError(cause.message, code=cause.code, path=cause.path) from cause
        pack = digest_of(file)

        def draft(now: datetime) -> Draft:
            self._demand_newer(feeds, now)
            heads = [_head(feed, publisher) for feed in feeds]
            return Draft(
                filed=tuple(
                    Filed(
                        kind=Filing.FEED,
                        model="",
                        release="",
                        name=feed.name,
                        original=pack,
                        content=head.digest,
                        by=actor.name,
                        party=actor.party,
                        filed_at=now,
                    )
                    for feed, (head, _) in zip(feeds, heads, strict=True)
                ),
                documents=(
                    Document(digest=pack, kind="feeds", body=file),
                    *(document for pair in heads for document in pair),
                ),
                action="feeds.import",
                subject=publisher,
                detail={"pack": pack} | {feed.name: format_timestamp(feed.observed_at) for feed in feeds},
                releases=tuple((each.model, each.release) for each in self._store.filed(Filing.SBOM)),
            )

        self._cabinet.file(actor, draft)
        return self._in_use()

    def list(self, viewer: Principal) -> tuple[FeedInUse, ...]:
        """Return the feeds in use. Raises ForbiddenError."""
        demand(viewer, Right.READ)
        return self._in_use()

    def _in_use(self) -> tuple[FeedInUse, ...]:
        return feeds_in_use(self._store, self._terms, self._clock.now())

    def _demand_newer(self, feeds: Sequence[Feed], now: datetime) -> None:
        current = {each.name: each.observed_at for each in self._in_use()}
        for feed in feeds:
            if feed.observed_at > now + AHEAD:
                raise InvalidRequestError(
                    f"feed `{feed.name}` is of the future: {format_timestamp(feed.observed_at)}", code="feeds.future"
                )
            if feed.name in current and feed.observed_at < current[feed.name]:
                raise ConflictError(
                    f"feed `{feed.name}` is of {format_timestamp(feed.observed_at)}, the one in use of "
                    f"{format_timestamp(current[feed.name])}",
                    code="feeds.older",
                )


def feeds_in_use(reads: Documents, terms: FeedTerms, now: datetime) -> tuple[FeedInUse, ...]:
    """Return the feeds on file."""
    return tuple(_in_use(reads, terms, now))


def _in_use(reads: Documents, terms: FeedTerms, now: datetime) -> Iterator[FeedInUse]:
    for filed in reads.filed(Filing.FEED):
        head = content_of(reads, filed.content)
        observed_at = parse_timestamp(head["observed_at"])
        stale_at = observed_at + terms.max_age[filed.name]
        yield FeedInUse(
            name=filed.name,
            publisher=head["publisher"],
            observed_at=observed_at,
            stale_at=stale_at,
            entries=head["entries"],
            pack=filed.original,
            imported_by=filed.by,
            imported_at=filed.filed_at,
            is_stale=now >= stale_at,
        )


def stale_feeds(reads: Documents, terms: FeedTerms, now: datetime) -> Iterator[Finding]:
    """Yield each feed that is too old to count, for those who look through an installation."""
    for feed in feeds_in_use(reads, terms, now):
        if feed.is_stale:
            message = (
                f"feed `{feed.name}` is of {format_timestamp(feed.observed_at)}: facts that rest on it are unknown"
            )
            yield warning(
                "feeds.stale", message, "make a new pack where there is a network: `policyengine feeds import`"
            )


def _head(feed: Feed, publisher: str) -> tuple[Document, Document]:
    """Return what is kept of a feed: a small document about it, and its content."""
    body = canonical(dict(feed.content))
    content = Document(digest=digest_of(body), kind="feed-content", body=body)
    about = canonical(
        {
            "observed_at": format_timestamp(feed.observed_at),
            "publisher": publisher,
            "entries": len(feed.content.get(_LISTS[feed.name], ())),
            "content": content.digest,
        }
    )
    return Document(digest=digest_of(about), kind="feed", body=about), content
