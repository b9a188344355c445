"""The one way to file: what is new, and what follows from it for the releases that it is about, in one transaction.

What follows is derived from all that is on file. So it is filed only as long as nothing else was filed since it was
read; else it is derived again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from policyengine.model.ids import Digest, digest_of
from policyengine.model.times import parse_timestamp
from policyengine.services.actors import Principal
from policyengine.services.changes import SALT_SIZE, Act, Document, FileDocuments
from policyengine.services.errors import ConflictError, InvalidRequestError, UnavailableError
from policyengine.services.filed import Filed, Filing
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.supply.deriving import KnownVulnerabilities, Said, release_facts
from policyengine.services.supply.shelf import SupplyShelf, content_of
from policyengine.supply.advisories import by_package
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import inventory_of
from policyengine.supply.pack import advisories_of, covered_by, exploited_of, scores_of
from policyengine.supply.vex import vex_of

MAX_ATTEMPTS = 5  # times a document is filed again because another one came in between


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be filed: documents with their places, the act that does it, and the releases it is about.

    Something follows for `releases`; devices of their models, and of `models`, are decided again.
    """

    filed: tuple[Filed, ...]
    documents: tuple[Document, ...]
    action: str
    subject: str
    detail: Mapping[str, object] = field(default_factory=dict)
    releases: tuple[tuple[str, str], ...] = ()
    models: frozenset[str] = frozenset()


def of_release(
    kind: Filing,
    actor: Principal,
    now: datetime,
    *,
    about: tuple[str, str],
    original: Document,
    content: Document,
    name: str = "",
    detail: Mapping[str, object],
) -> Draft:
    """Return the draft of one document about a model's release: what was sent, and what was read out of it."""
    model, release = about
    filed = Filed(
        kind=kind,
        model=model,
        release=release,
        name=name,
        original=original.digest,
        content=content.digest,
        by=actor.name,
        party=actor.party,
        filed_at=now,
    )
    return Draft(
        filed=(filed,),
        documents=(original, content),
        action=f"{kind.value}.file",
        subject=f"{model}/{release}",
        detail={kind.value: original.digest, **detail},
        releases=(about,),
    )


class Cabinet:
    """Reads and files documents; devices of the models that a draft is about are decided again."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, supplies: SupplyShelf) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._supplies = supplies

    def file(self, actor: Principal, draft: Callable[[datetime], Draft]) -> Draft:
        """Return what `draft` made of the present moment, once it is on file; raises what it raises.

        Raises InvalidRequestError where what follows is too much to say (`vex.too-many`), UnavailableError when other
        documents come in without pause.
        """
        for _ in range(MAX_ATTEMPTS):
            seen, now = self._store.filing_mark(), self._clock.now()
            try:
                made = draft(now)
                change = self._change(actor, made, seen, now)
            except SupplyError as cause:
                raise InvalidRequestError(cause.message, code=cause.code, path=cause.path) from cause
            try:
                self._store.apply(change)
            except ConflictError as conflict:
                if conflict.code != "state.moved":
                    raise
            else:
                self._supplies.forget()
                return made
        raise UnavailableError("other documents are being filed", code="state.contended", retry_after=1)

    def content(self, digest: Digest) -> Any:
        """Return the parsed JSON document of that digest. Raises MissingError."""
        return content_of(self._store, digest)

    def _change(self, actor: Principal, draft: Draft, seen: int, now: datetime) -> FileDocuments:
        drawer = _Drawer(self, self._store.filed(Filing.SBOM, Filing.VEX, Filing.FEED), draft)
        derived = [drawer.derived(model, release) for model, release in draft.releases]
        act = Act(
            actor=actor.name,
            at=now,
            action=draft.action,
            subject=draft.subject,
            detail=draft.detail,
            salt=self._entropy.draw(SALT_SIZE),
        )
        return FileDocuments(
            filed=(*draft.filed, *(filed for filed, _ in derived)),
            documents=(*draft.documents, *(document for _, document in derived)),
            seen=seen,
            models=draft.models.union(model for model, _ in draft.releases),
            act=act,
        )


class _Drawer:
    """What will be on file once a draft is: its documents before those stored."""

    def __init__(self, cabinet: Cabinet, stored: Sequence[Filed], draft: Draft) -> None:
        self._cabinet = cabinet
        self._new = {document.digest: document.body for document in draft.documents}
        self._places = {_place(each): each for each in (*stored, *draft.filed)}
        self._known: KnownVulnerabilities | None = None

    def derived(self, model: str, release: str) -> tuple[Filed, Document]:
        """Return what follows for a release with an SBOM on file, and where it is filed."""
        sbom = self._places[(Filing.SBOM, model, release, "")]
        inventory = inventory_of(self._content(sbom.content))
        facts = release_facts(inventory, self._vulnerabilities(), self._said(model, release))
        document = Document(digest=digest_of(facts), kind="release-facts", body=facts)
        filed = Filed(
            kind=Filing.FACTS,
            model=model,
            release=release,
            name="",
            original=sbom.original,
            content=document.digest,
            by=sbom.by,
            party=sbom.party,
            filed_at=sbom.filed_at,
        )
        return filed, document

    def _said(self, model: str, release: str) -> list[Said]:
        filed = [each for each in self._places.values() if each.kind is Filing.VEX]
        return [
            Said(
                statements=vex_of(self._content(each.content)).statements,
                by=each.party or each.by,
                filed_at=each.filed_at,
            )
            for each in filed
            if (each.model, each.release) == (model, release)
        ]

    def _vulnerabilities(self) -> KnownVulnerabilities:
        if self._known is None:
            feeds = {each.name: each for each in self._places.values() if each.kind is Filing.FEED}
            heads = {name: self._content(each.content) for name, each in feeds.items()}
            said = {name: self._content(head["content"]) for name, head in heads.items()}
            self._known = KnownVulnerabilities(
                packages=by_package(advisories_of(said["osv"])) if "osv" in said else None,
                covered=covered_by(said["osv"]) if "osv" in said else frozenset(),
                exploited=exploited_of(said["kev"]) if "kev" in said else None,
                scores=scores_of(said["epss"]) if "epss" in said else None,
                origins={
                    name: (parse_timestamp(head["observed_at"]), feeds[name].original) for name, head in heads.items()
                },
            )
        return self._known

    def _content(self, digest: Digest) -> Any:
        new = self._new.get(digest)
        return self._cabinet.content(digest) if new is None else json.loads(new)


def _place(filed: Filed) -> tuple[Filing, str, str, str]:
    return filed.kind, filed.model, filed.release, filed.name
