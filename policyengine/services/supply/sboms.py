"""SBOMs of releases: a model's vendor or staff file them, everyone who sees the model reads them.

An SBOM adds facts and endorses nothing, so it needs no sign-off (docs/adr/0037-what-is-filed.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policyengine.errors import quoted
from policyengine.model.ids import digest_of
from policyengine.services.actors import Principal
from policyengine.services.changes import Document
from policyengine.services.errors import InvalidRequestError, UnavailableError
from policyengine.services.filed import Filed, Filing
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Store
from policyengine.services.scope import missing
from policyengine.services.supply.cabinet import Cabinet, Draft, of_release
from policyengine.services.supply.entitled import demand_own, demand_visible
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import Inventory, inventory_bytes, inventory_of
from policyengine.supply.sbom import read_sbom


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledSbom:
    """An SBOM on file and what it lists."""

    filed: Filed
    inventory: Inventory


class Sboms:
    """The use cases."""

    def __init__(self, store: Store, policies: PolicyShelf, cabinet: Cabinet) -> None:
        self._store = store
        self._policies = policies
        self._cabinet = cabinet

    def file(self, actor: Principal, model: str, release: str, content: bytes) -> FiledSbom:
        """Return the SBOM of a release once it is on file; the one before stays stored and in the log.

        Raises ForbiddenError (not the model's vendor), MissingError, InvalidRequestError (`sbom.*`),
        UnavailableError (other documents come in without pause).
        """
        demand_own(self._policies, actor, model, release)
        inventory = _read(content)
        _demand_of(inventory, release)
        parts = inventory_bytes(inventory)
        original = Document(digest=digest_of(content), kind="sbom", body=content)
        listed = Document(digest=digest_of(parts), kind="inventory", body=parts)

        def draft(now: datetime) -> Draft:
            return of_release(
                Filing.SBOM,
                actor,
                now,
                about=(model, release),
                original=original,
                content=listed,
                detail={"format": inventory.format, "components": len(inventory.components)},
            )

        return FiledSbom(filed=self._cabinet.file(actor, draft).filed[0], inventory=inventory)

    def list(self, viewer: Principal, model: str) -> tuple[FiledSbom, ...]:
        """Return the SBOMs on file of a model, by release. Raises ForbiddenError, MissingError."""
        demand_visible(self._policies, viewer, model)
        found = self._store.filed(Filing.SBOM, model=model)
        return tuple(FiledSbom(filed=each, inventory=self._inventory(each)) for each in found)

    def original(self, viewer: Principal, model: str, release: str) -> tuple[Filed, bytes]:
        """Return an SBOM as it was sent. Raises ForbiddenError, MissingError."""
        demand_visible(self._policies, viewer, model)
        found = self._store.filed(Filing.SBOM, model=model, release=release)
        content = self._store.document(found[0].original) if found else None
        if content is None:
            raise missing("no SBOM of that release is on file", "sbom.missing")
        return found[0], content

    def _inventory(self, filed: Filed) -> Inventory:
        return inventory_of(self._cabinet.content(filed.content))


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
