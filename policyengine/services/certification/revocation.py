"""What the CA says of its certificates to everybody: revocation lists (whole, shards, deltas) and OCSP answers.

Both are made from the store when they are asked for and kept while nothing changed, so a revocation is in the next
answer. Numbers are microseconds since 1970: they grow in every process without a table to share.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pki.crl_encoding import EntryReason, ListPlan, encode_entry
from pki.crl_issuing import ListAuthority
from pki.ocsp_request import CertId, OcspRequest, OcspRequestError, parse_ocsp_request
from pki.ocsp_response import Answered, OcspSigner, Refusal, Status
from pki.publication import SHARDS, Publication, serials_of
from pki.revocation import Reason
from policyengine.services.errors import MissingError
from policyengine.services.moments import micros
from policyengine.services.ports import Clock
from policyengine.services.records import CertificateStatus
from policyengine.services.revocation_reads import RevocationReads

LIST_LIFETIME = timedelta(hours=24)  # a relying party that cannot reach us believes its list a day
LIST_REFRESH = timedelta(hours=1)  # an unchanged list is made again, so that a fetched one holds 23 hours at least
DELTA_LIFETIME = timedelta(hours=1)
DELTA_REFRESH = timedelta(minutes=5)
DELTA_SPAN = timedelta(hours=24)  # a delta goes with every list of the last day
COMMIT_MARGIN = timedelta(minutes=10)  # a change is dated before it commits; listing one twice does no harm
ANSWER_LIFETIME = timedelta(hours=1)
ANSWER_REFRESH = timedelta(minutes=30)
MAX_KEPT_ANSWERS = 65_536  # 700 bytes each; a larger fleet signs again
EVERYTHING = ("0", "g")  # bounds of all serials in hex
NO_SHARD = "there is no such list: shards are `00` to `3f`, where the server has a POLICYENGINE_PKI_URL"

_REASONS = {reason.value: EntryReason[reason.name] for reason in Reason}


def entry_reason(status: CertificateStatus, reason: str | None) -> EntryReason:
    """Return the CRLReason of a status as the store holds it; a hold is `certificateHold` whoever placed it."""
    if status is CertificateStatus.HOLD:
        return EntryReason.CERTIFICATE_HOLD
    return _REASONS.get(reason or "", EntryReason.UNSPECIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Bytes for everybody, with the moments they hold from and to."""

    content: bytes
    made: datetime
    until: datetime


class RevocationLists:
    """The lists of our issuing CAs; one caller at a time, so that numbers follow each other."""

    def __init__(self, reads: RevocationReads, clock: Clock, *lists: ListAuthority) -> None:
        """`lists` are one authority, or both while one CA follows another."""
        self._reads = reads
        self._clock = clock
        self._lists = {each.issuer.key_identifier.hex(): each for each in lists}
        self._kept: dict[tuple[str, str], tuple[Hashable, Published]] = {}
        self._last_number = 0

    def tells_of(self, issuer: str) -> bool:
        """Tell whether the lists of a CA (by the thumbprint of its key) are served: not of one that was retired."""
        return any(each.issuer.thumbprint == issuer for each in self._lists.values())

    def complete(self, issuer: str) -> Published:
        """Return the list of everything that is revoked or on hold. Raises MissingError for another issuer."""
        return self._current(self._of(issuer), "complete", EVERYTHING, url=None, freshest=None)

    def shard(self, issuer: str, shard: int) -> Published:
        """Return one shard's complete list. Raises MissingError for another issuer, or where nothing is published."""
        authority, where = self._sharded(issuer, shard)
        url, delta = where.shard_url(shard), where.delta_url(shard)
        return self._current(authority, f"shard {shard}", serials_of(shard), url=url, freshest=delta)

    def delta(self, issuer: str, shard: int) -> Published:
        """Return what changed in a shard during the last day. Raises MissingError as `shard` does."""
        authority, where = self._sharded(issuer, shard)
        return self._changes(authority, f"delta {shard}", serials_of(shard), url=where.shard_url(shard))

    def _sharded(self, issuer: str, shard: int) -> tuple[ListAuthority, Publication]:
        authority = self._of(issuer)
        where = authority.issuer.publication
        if where is None or not 0 <= shard < SHARDS:
            raise MissingError(NO_SHARD, code="pki.list")
        return authority, where

    def _of(self, issuer: str) -> ListAuthority:
        if issuer not in self._lists:
            raise MissingError("no CA of that key identifier is served here", code="pki.issuer")
        return self._lists[issuer]

    def _current(
        self, authority: ListAuthority, name: str, bounds: tuple[str, str], *, url: str | None, freshest: str | None
    ) -> Published:
        issuer = authority.issuer
        state = self._reads.revocation_state(issuer.thumbprint, *bounds)
        now = self._now()
        kept = self._kept.get((issuer.thumbprint, name))
        if kept is not None and kept[0] == state and now < kept[1].made + LIST_REFRESH:
            return kept[1]
        entries = self._reads.revocation_entries(issuer.thumbprint, *bounds, alive_at=now)
        plan = ListPlan(
            issuer=issuer,
            number=self._number(),
            this_update=now,
            next_update=now + LIST_LIFETIME,
            url=url,
            freshest=freshest,
        )
        return self._keep(authority, name, state, plan, entries)

    def _changes(self, authority: ListAuthority, name: str, bounds: tuple[str, str], *, url: str) -> Published:
        issuer = authority.issuer
        state = self._reads.revocation_state(issuer.thumbprint, *bounds)
        now = self._now()
        kept = self._kept.get((issuer.thumbprint, name))
        if kept is not None and kept[0] == state and now < kept[1].made + DELTA_REFRESH:
            return kept[1]
        number = self._number()
        base = now - DELTA_SPAN
        changed = self._reads.revocation_changes(issuer.thumbprint, *bounds, since=base - COMMIT_MARGIN)
        entries = [
            entry or encode_entry(int(serial, 16), since=at.replace(microsecond=0), reason=EntryReason.REMOVE_FROM_CRL)
            for serial, entry, at in changed
        ]
        plan = ListPlan(
            issuer=issuer,
            number=number,
            this_update=now,
            next_update=now + DELTA_LIFETIME,
            url=url,
            base=micros(base),
        )
        return self._keep(authority, name, state, plan, entries)

    def _keep(
        self, authority: ListAuthority, name: str, state: Hashable, plan: ListPlan, entries: list[bytes]
    ) -> Published:
        content = authority.sign_list(plan, entries, now=plan.this_update)
        made = Published(content=content, made=plan.this_update, until=plan.next_update)
        self._kept[plan.issuer.thumbprint, name] = (state, made)
        return made

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)

    def _number(self) -> int:
        self._last_number = max(self._last_number + 1, micros(self._clock.now()))
        return self._last_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Who answers for the certificates of one issuing CA, named by its key's thumbprint; a signer of None does not."""

    issuer: str
    signer: OcspSigner | None


class OcspResponder:
    """Answers for the certificates of our issuing CAs; one request is about certificates of one of them."""

    def __init__(self, reads: RevocationReads, clock: Clock, *answering: Answering) -> None:
        self._reads = reads
        self._clock = clock
        self._answering = answering
        self._kept: OrderedDict[Hashable, Published] = OrderedDict()

    def answer(self, data: bytes) -> Published | Refusal:
        """Return the signed answer to a DER request, or why there is none (RFC 6960 section 2.3).

        An issuer we do not answer for is `unauthorized`, a serial it never issued is `unknown`.
        """
        try:
            request = parse_ocsp_request(data)
        except OcspRequestError:
            return Refusal.MALFORMED_REQUEST
        found = self._answerer(request)
        if found is None:
            return Refusal.UNAUTHORIZED
        issuer, signer = found
        now = self._clock.now().replace(microsecond=0)
        if now >= signer.not_after:
            return Refusal.TRY_LATER
        statuses = [self._status(issuer, asked) for asked in request.asked]
        if request.nonce is not None:
            return self._made(signer, request, statuses, now)
        return self._kept_or_made(signer, request, statuses, now)

    def _answerer(self, request: OcspRequest) -> tuple[str, OcspSigner] | None:
        for each in self._answering:
            if each.signer is not None and all(map(each.signer.speaks_for, request.asked)):
                return each.issuer, each.signer
        return None

    def _status(self, issuer: str, asked: CertId) -> Status | None:
        if asked.serial <= 0:
            return None
        found = self._reads.certificate_status(issuer, f"{asked.serial:x}")
        if found is None:
            return None
        status, reason, at = found
        if status is CertificateStatus.GOOD:
            return Status()
        return Status(revoked_at=at.replace(microsecond=0), reason=entry_reason(status, reason))

    def _kept_or_made(
        self, signer: OcspSigner, request: OcspRequest, statuses: list[Status | None], now: datetime
    ) -> Published:
        key = (tuple(asked.encoded for asked in request.asked), tuple(statuses))
        kept = self._kept.get(key)
        if kept is not None and kept.made <= now < kept.made + ANSWER_REFRESH:
            return kept
        made = self._made(signer, request, statuses, now)
        if all(statuses):  # unknown serials are anybody's to invent: they do not push real answers out
            self._kept[key] = made
            if len(self._kept) > MAX_KEPT_ANSWERS:
                self._kept.popitem(last=False)
        return made

    @staticmethod
    def _made(signer: OcspSigner, request: OcspRequest, statuses: list[Status | None], now: datetime) -> Published:
        until = min(now + ANSWER_LIFETIME, signer.not_after)
        content = signer.answer(request, statuses, Answered(at=now, until=until))
        return Published(content=content, made=now, until=until)
