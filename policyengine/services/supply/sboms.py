"""SBOMs of releases: a model's vendor or staff file them, everyone who sees the model reads them.

An SBOM adds facts and endorses nothing, so it needs no sign-off (docs/adr/0037-what-is-filed.md).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from policyengine.errors import quoted
from policyengine.model.ids import digest_of
from policyengine.services.actors import PersonRole, Principal, Right, demand
from policyengine.services.changes import SALT_SIZE, Act, Document, FileDocuments
from policyengine.services.errors import ConflictError, ForbiddenError, InvalidRequestError, UnavailableError
from policyengine.services.filed import Filed, Filing
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, Entropy, Store
from policyengine.services.scope import missing
from policyengine.services.supply.deriving import release_facts
from policyengine.services.supply.shelf import SupplyShelf
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import Inventory, inventory_bytes, inventory_of
from policyengine.supply.sbom import read_sbom

MAX_ATTEMPTS = 5  # times a document is filed again because another one came in between

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}", re.ASCII)  # as of releases that are proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledSbom:
    """An SBOM on file and what it lists."""

    filed: Filed
    inventory: Inventory


class Sboms:
    """The use cases."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, *, policies: PolicyShelf, supplies: SupplyShelf
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._policies = policies
        self._supplies = supplies

    def file(self, actor: Principal, model: str, release: str, content: bytes) -> FiledSbom:
        """Return the SBOM of a release once it is on file; the one before stays stored and in the log.

        Raises ForbiddenError (not the model's vendor), MissingError, InvalidRequestError (`sbom.*`),
        UnavailableError (other documents come in without pause).
        """
        demand(actor, Right.PROPOSE)
        self._demand_own(actor, model)
        if not _RELEASE.fullmatch(release):
            raise InvalidRequestError("a version is 1 to 64 letters, digits and `.+_-`", code="request.version")
        inventory = _read(content)
        _demand_of(inventory, release)
        for _ in range(MAX_ATTEMPTS):
            try:
                return self._file(actor, model, release, content, inventory)
            except ConflictError as conflict:
                if conflict.code != "state.moved":
                    raise
        raise UnavailableError("other documents are being filed", code="state.contended", retry_after=1)

    def _file(self, actor: Principal, model: str, release: str, content: bytes, inventory: Inventory) -> FiledSbom:
        seen, now = self._store.filing_mark(), self._clock.now()
        parts, facts = inventory_bytes(inventory), release_facts(inventory)
        original = digest_of(content)
        sbom = Filed(
            kind=Filing.SBOM,
            model=model,
            release=release,
            name="",
            original=original,
            content=digest_of(parts),
            by=actor.name,
            party=actor.party,
            filed_at=now,
        )
        derived = Filed(
            kind=Filing.FACTS,
            model=model,
            release=release,
            name="",
            original=original,
            content=digest_of(facts),
            by=actor.name,
            party=actor.party,
            filed_at=now,
        )
        documents = (
            Document(digest=original, kind="sbom", body=content),
            Document(digest=sbom.content, kind="inventory", body=parts),
            Document(digest=derived.content, kind="release-facts", body=facts),
        )
        act = Act(
            actor=actor.name,
            at=now,
            action="sbom.file",
            subject=f"{model}/{release}",
            detail={"sbom": original, "format": inventory.format, "components": len(inventory.components)},
            salt=self._entropy.draw(SALT_SIZE),
        )
        self._store.apply(
            FileDocuments(filed=(sbom, derived), documents=documents, seen=seen, models=frozenset({model}), act=act)
        )
        self._supplies.forget()
        return FiledSbom(filed=sbom, inventory=inventory)

    def list(self, viewer: Principal, model: str) -> tuple[FiledSbom, ...]:
        """Return the SBOMs on file of a model, by release. Raises ForbiddenError, MissingError."""
        self._demand_visible(viewer, model)
        found = self._store.filed(Filing.SBOM, model=model)
        return tuple(FiledSbom(filed=each, inventory=self._inventory(each)) for each in found)

    def original(self, viewer: Principal, model: str, release: str) -> tuple[Filed, bytes]:
        """Return an SBOM as it was sent. Raises ForbiddenError, MissingError."""
        self._demand_visible(viewer, model)
        found = self._store.filed(Filing.SBOM, model=model, release=release)
        content = self._store.document(found[0].original) if found else None
        if content is None:
            raise missing("no SBOM of that release is on file", "sbom.missing")
        return found[0], content

    def _inventory(self, filed: Filed) -> Inventory:
        content = self._store.document(filed.content)
        if content is None:
            raise missing("the SBOM is not stored", "document.missing")
        return inventory_of(json.loads(content))

    def _demand_own(self, actor: Principal, model: str) -> None:
        """Raise unless `actor` sees the model and is staff or speaks for its vendor."""
        vendor = self._demand_visible(actor, model)
        if actor.role is PersonRole.VENDOR and actor.party not in {None, vendor}:
            raise ForbiddenError("only the model's vendor and staff may file its SBOMs", permission="release")

    def _demand_visible(self, viewer: Principal, model: str) -> str:
        """Return whose model it is; raises MissingError for one that is not there for `viewer`."""
        demand(viewer, Right.READ)
        found = self._policies.active().policies.bundle.fleet.models.get(model)
        if found is None or (viewer.models is not None and model not in viewer.models):
            raise missing("there is no such model", "model.missing")
        return found.vendor


def _read(content: bytes) -> Inventory:
    try:
        return read_sbom(content)
    except SupplyError as cause:
        if cause.code == "sbom.reader-missing":
            raise UnavailableError(cause.message, code=cause.code) from cause
        raise InvalidRequestError(cause.message, code=cause.code, path=cause.path) from cause


def _demand_of(inventory: Inventory, release: str) -> None:
    """Raise InvalidRequestError where the SBOM says to be of another version: the usual mistake, and a silent one."""
    subject = inventory.subject
    if subject is not None and subject.version not in {None, release}:
        raise InvalidRequestError(
            f"the SBOM is of version {quoted(subject.version or '')}, not of {quoted(release)}",
            code="sbom.subject",
            path="$.metadata.component.version",
        )
