"""Reports on devices: what a scanner, a sensor or a person saw of their network and configuration.

A report is `observed`, so it counts more than the device's own word and less than what its evidence attests. The last
one on a group of facts counts, whoever made it; how old it may be is for rules to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from policyengine.decision.ingest import FactError, read_groups
from policyengine.model.canonical import canonical
from policyengine.model.ids import DeviceId, Digest, digest_of
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.times import format_timestamp, parse_timestamp
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, Document, FileDocuments
from policyengine.services.errors import ConflictError, InvalidRequestError
from policyengine.services.filed import Filed, Filing
from policyengine.services.ports import Clock, Entropy, PageRequest, Store
from policyengine.services.records import Page
from policyengine.services.scope import missing, visible_view
from policyengine.services.supply.shelf import SupplyShelf, content_of
from policyengine.services.supply.supplied import REPORTED

MAX_DEVICES = 500  # of one report, as of an import
AHEAD = timedelta(minutes=5)  # by which a sensor's clock may be ahead of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one device, by groups of facts. `complete`: everything of these groups was looked at."""

    device_id: DeviceId
    groups: Mapping[str, object]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What the last report on a group of facts says of a device, when that was seen, and who said so."""

    filed: Filed
    device_id: DeviceId
    facts: Mapping[str, object]
    observed_at: datetime
    complete: bool


class Reports:
    """The use cases."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, supplies: SupplyShelf) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._supplies = supplies

    def file(self, actor: Principal, observed_at: datetime, seen: Sequence[Seen]) -> Digest:
        """Return the digest of a report once it is on file, whole; its devices are decided again.

        Raises ForbiddenError, MissingError (a device that is not there for `actor`), InvalidRequestError, FactError,
        ConflictError (`report.older`: what is on file of a device was seen later).
        """
        demand(actor, Right.OPERATE)
        now = self._clock.now()
        if observed_at > now + AHEAD:
            seen_at, here = format_timestamp(observed_at), format_timestamp(now)
            message = f"the report is of the future: `observed_at` is {seen_at}, and here it is {here}"
            raise InvalidRequestError(message, code="report.future", path="observed_at")
        _demand_form(seen)
        self._demand_visible(actor, seen)
        self._demand_newest(observed_at, seen)
        at = format_timestamp(observed_at)
        whole = canonical({"observed_at": at, "devices": [_row(each) for each in seen]})
        original = digest_of(whole)
        filed: list[Filed] = []
        documents = {original: Document(digest=original, kind="report", body=whole)}
        for each in seen:
            for group, facts in each.groups.items():
                body = canonical({"facts": facts, "observed_at": at, "complete": each.complete})
                content = digest_of(body)
                documents[content] = Document(digest=content, kind="report-facts", body=body)
                filed.append(
                    Filed(
                        kind=Filing.REPORT,
                        model="",
                        release=each.device_id,
                        name=group,
                        original=original,
                        content=content,
                        by=actor.name,
                        party=actor.party,
                        filed_at=now,
                    )
                )
        self._store.apply(
            FileDocuments(
                filed=tuple(filed),
                documents=tuple(documents.values()),
                seen=None,
                models=frozenset(),
                act=self._act(actor, original, seen, now),
                devices=frozenset(each.device_id for each in seen),
            )
        )
        self._supplies.forget()
        return original

    def list(self, viewer: Principal, page: PageRequest) -> Page[Reported]:
        """Return what was last reported of the devices that `viewer` may see, by device. Raises ForbiddenError."""
        demand(viewer, Right.READ)
        found = self._store.report_page(page.cursor, page.limit, models=viewer.models)
        return Page(items=tuple(map(self._reported, found.items)), next=found.next)

    def of(self, viewer: Principal, device_id: DeviceId) -> tuple[Reported, ...]:
        """Return what was last reported of one device, by group. Raises ForbiddenError, MissingError."""
        demand(viewer, Right.READ)
        visible_view(self._store, viewer, device_id)
        return tuple(map(self._reported, self._store.reports(device_id)))

    def _reported(self, filed: Filed) -> Reported:
        found = content_of(self._store, filed.content)
        return Reported(
            filed=filed,
            device_id=DeviceId(filed.release),
            facts=found["facts"],
            observed_at=parse_timestamp(found["observed_at"]),
            complete=found["complete"],
        )

    def _demand_visible(self, actor: Principal, seen: Sequence[Seen]) -> None:
        known = self._store.registered([each.device_id for each in seen])
        for each in seen:
            device = known.get(each.device_id)
            if device is None or (actor.models is not None and device.model not in actor.models):
                raise missing(f"no device is called `{each.device_id}`", "device.missing")

    def _demand_newest(self, observed_at: datetime, seen: Sequence[Seen]) -> None:
        if not self._store.has_reports():
            return
        for each in seen:
            for filed in self._store.reports(each.device_id):
                last = parse_timestamp(content_of(self._store, filed.content)["observed_at"])
                if filed.name in each.groups and last > observed_at:
                    raise ConflictError(
                        f"`{filed.name}` of `{each.device_id}` was seen at {format_timestamp(last)} already",
                        code="report.older",
                    )

    def _act(self, actor: Principal, report: Digest, seen: Sequence[Seen], now: datetime) -> Act:
        return Act(
            actor=actor.name,
            at=now,
            action="report.file",
            subject=seen[0].device_id if len(seen) == 1 else report,
            detail={"report": report, "devices": len(seen)},
            salt=self._entropy.draw(SALT_SIZE),
        )


def _demand_form(seen: Sequence[Seen]) -> None:
    """Raise InvalidRequestError or FactError unless it is of some devices, each once, and of groups it may be."""
    if not 1 <= len(seen) <= MAX_DEVICES:
        raise InvalidRequestError(f"devices are not 1 to {MAX_DEVICES}", code="report.devices", path="devices")
    if len({each.device_id for each in seen}) != len(seen):
        raise InvalidRequestError("a device stands there twice", code="report.devices", path="devices")
    for at, each in enumerate(seen):
        if not each.groups or not each.groups.keys() <= REPORTED:
            groups = " and ".join(f"`{name}`" for name in sorted(REPORTED))
            message = f"device `{each.device_id}` needs facts of {groups}, or of one of them, and of no others"
            raise InvalidRequestError(message, code="report.groups", path=f"devices[{at}]")
        try:
            read_groups(dict(each.groups), schema=CORE_SCHEMA)
        except FactError as cause:
            message = f"device `{each.device_id}`: {cause.path}: {cause.message}"
            raise FactError(message, code=cause.code, path=f"devices[{at}].{cause.path}") from cause


def _row(seen: Seen) -> dict[str, object]:
    return {"device_id": seen.device_id, "complete": seen.complete, **seen.groups}
