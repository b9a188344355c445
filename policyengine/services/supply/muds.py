"""MUD files: what a model's maker says that its devices need of the network, signed by whom the policies believe.

A file counts as long as it says itself after it was filed; then nothing is known of it until it is filed again. Whoever
files it, an authority that the policies name for the model (`use: [mud]`) must vouch for who signed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from policyengine.model.canonical import canonical
from policyengine.model.ids import digest_of
from policyengine.model.times import format_timestamp, parse_timestamp
from policyengine.services.actors import Principal
from policyengine.services.changes import Document
from policyengine.services.errors import ConflictError
from policyengine.services.filed import Filed, Filing
from policyengine.services.findings import Finding, warning
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Store
from policyengine.services.scope import missing
from policyengine.services.supply.cabinet import Cabinet, Draft
from policyengine.services.supply.entitled import demand_own, demand_own_model, demand_visible
from policyengine.services.supply.shelf import ALL_RELEASES, Documents, content_of
from policyengine.services.supply.supplied import usage_ends
from policyengine.supply.mud import MudFile, read_mud, verified_signer
from policyengine.supply.mud_flows import Flow

USE = "mud"  # of trust anchors


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """A MUD file and the detached signature beside it, as they were sent."""

    content: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledMud:
    """A MUD file on file: its facts by their names, until when it counts, and what facts cannot say of it."""

    filed: Filed
    facts: Mapping[str, Any]
    valid_until: datetime
    is_stale: bool
    left_out: tuple[str, ...]


class Muds:
    """The use cases. A release may have a file of its own; for all others that of their model counts."""

    def __init__(self, store: Store, policies: PolicyShelf, cabinet: Cabinet, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._cabinet = cabinet
        self._clock = clock

    def file(self, actor: Principal, model: str, release: str | None, sent: SignedFile) -> FiledMud:
        """Return a MUD file once it counts, for a release, or (None) for all of a model's without one of their own.

        Raises ForbiddenError (not the model's vendor), MissingError, InvalidRequestError (`mud.*`), ConflictError
        (`mud.older`: its maker changed the one on file later), UnavailableError.
        """
        if release is None:
            demand_own_model(self._policies, actor, model)
        else:
            demand_own(self._policies, actor, model, release)

        def draft(now: datetime) -> Draft:
            authorities = self._policies.active().policies.authorities(USE, model)
            signer = verified_signer(sent.content, sent.signature, authorities, at=now)
            found = read_mud(sent.content)
            self._demand_newer(model, release or ALL_RELEASES, found)
            return _draft(
                actor, now, about=(model, release or ALL_RELEASES), sent=sent, body=_kept(found, signer, sent)
            )

        return self._of(self._cabinet.file(actor, draft).filed[0])

    def list(self, viewer: Principal, model: str) -> tuple[FiledMud, ...]:
        """Return the MUD files of a model: its own first, then by release. Raises ForbiddenError, MissingError."""
        demand_visible(self._policies, viewer, model)
        return tuple(map(self._of, self._store.filed(Filing.MUD, model=model)))

    def original(self, viewer: Principal, model: str, release: str | None) -> tuple[Filed, SignedFile]:
        """Return a MUD file and its signature as they were sent. Raises ForbiddenError, MissingError."""
        demand_visible(self._policies, viewer, model)
        found = self._store.filed(Filing.MUD, model=model, release=release or ALL_RELEASES)
        kept = content_of(self._store, found[0].content) if found else {}
        content = self._store.document(found[0].original) if found else None
        signature = self._store.document(kept["signature"]) if found else None
        if content is None or signature is None:
            raise missing("no MUD file is on file there", "mud.missing")
        return found[0], SignedFile(content=content, signature=signature)

    def _of(self, filed: Filed) -> FiledMud:
        return _filed_mud(self._store, filed, self._clock.now())

    def _demand_newer(self, model: str, place: str, new: MudFile) -> None:
        """Raise ConflictError for what its maker has replaced: signed as it is, it would take back what was closed."""
        for filed in self._store.filed(Filing.MUD, model=model, release=place):
            last = parse_timestamp(content_of(self._store, filed.content)["mud"]["last_update"])
            if new.last_update < last:
                raise ConflictError(
                    f"the file is of {format_timestamp(new.last_update)}, the one on file of {format_timestamp(last)}",
                    code="mud.older",
                )


def stale_muds(reads: Documents, now: datetime) -> Iterator[Finding]:
    """Yield each MUD file that counts no more, for those who look through an installation."""
    for filed in reads.filed(Filing.MUD):
        found = _filed_mud(reads, filed, now)
        if found.is_stale:
            place = f"{filed.model}/{filed.release}" if filed.release else filed.model
            until = format_timestamp(found.valid_until)
            message = f"the MUD file of `{place}` counted until {until}: facts that rest on it are unknown"
            yield warning("mud.stale", message, "fetch it again, and file it: `policyengine mud add`")


def facts_of(found: MudFile) -> dict[str, Any]:
    """Return the facts that a MUD file gives, as JSON has them; all but who signed it and until when they hold."""
    said = {
        "present": True,
        "url": found.url,
        "last_update": format_timestamp(found.last_update),
        "is_supported": found.is_supported,
        "mfg_name": found.mfg_name,
        "model_name": found.model_name,
        "system_info": found.system_info,
        "inbound": list(map(_flow, found.inbound.found)),
        "outbound": list(map(_flow, found.outbound.found)),
    }
    return {name: value for name, value in said.items() if value is not None}


def _flow(flow: Flow) -> dict[str, object]:
    row: dict[str, object] = {"peer_kind": flow.peer_kind, "protocol": flow.protocol}
    if flow.peer is not None:
        row["peer"] = flow.peer
    if flow.ports is not None:
        row["port_from"], row["port_to"] = flow.ports
    return row


def _kept(found: MudFile, signer: str, sent: SignedFile) -> bytes:
    """Return, as canonical JSON, what is kept of a file; read by `supplied`."""
    return canonical(
        {
            "mud": {**facts_of(found), "signer": signer},
            "validity": found.validity // timedelta(hours=1),
            "left_out": {"inbound": list(found.inbound.left_out), "outbound": list(found.outbound.left_out)},
            "signature": digest_of(sent.signature),
        }
    )


def _draft(actor: Principal, now: datetime, *, about: tuple[str, str], sent: SignedFile, body: bytes) -> Draft:
    model, release = about
    original, signature, content = digest_of(sent.content), digest_of(sent.signature), digest_of(body)
    filed = Filed(
        kind=Filing.MUD,
        model=model,
        release=release,
        name="",
        original=original,
        content=content,
        by=actor.name,
        party=actor.party,
        filed_at=now,
    )
    return Draft(
        filed=(filed,),
        documents=(
            Document(digest=original, kind="mud", body=sent.content),
            Document(digest=signature, kind="mud-signature", body=sent.signature),
            Document(digest=content, kind="mud-facts", body=body),
        ),
        action="mud.file",
        subject=f"{model}/{release}" if release else model,
        detail={"mud": original, "signature": signature},
        models=frozenset({model}),
    )


def _filed_mud(reads: Documents, filed: Filed, now: datetime) -> FiledMud:
    found = content_of(reads, filed.content)
    until = usage_ends(filed, found)
    return FiledMud(
        filed=filed,
        facts=found["mud"],
        valid_until=until,
        is_stale=now >= until,
        left_out=(*found["left_out"]["inbound"], *found["left_out"]["outbound"]),
    )
