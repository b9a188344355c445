"""VEX: a model's vendor or staff say of vulnerabilities in a release whether it is affected, and facts name who did.

A statement turns no rule off by itself: policies say whose word counts, by `vuln[].vex` and `vuln[].vex_by`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from policyengine.model.ids import digest_of
from policyengine.services.actors import Principal
from policyengine.services.changes import Document
from policyengine.services.errors import ConflictError, InvalidRequestError
from policyengine.services.filed import Filed, Filing
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Store
from policyengine.services.scope import missing
from policyengine.services.supply.cabinet import Cabinet, Draft, of_release
from policyengine.services.supply.entitled import demand_own, demand_visible
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import Inventory, inventory_of
from policyengine.supply.vex import Scope, VexDocument, read_vex, statements_bytes, vex_of

MAX_DOCUMENTS = 4  # of one release: its vendor's, and one of each who looks into it; each is said anew under its name


@dataclass(frozen=True, slots=True, kw_only=True)
class FiledVex:
    """A VEX document on file, and what it says."""

    filed: Filed
    vex: VexDocument


class Statements:
    """The use cases."""

    def __init__(self, store: Store, policies: PolicyShelf, cabinet: Cabinet) -> None:
        self._store = store
        self._policies = policies
        self._cabinet = cabinet

    def file(self, actor: Principal, model: str, release: str, content: bytes) -> FiledVex:
        """Return a document of VEX statements once it is on file, in place of the one of that name.

        Raises ForbiddenError, MissingError (`sbom.missing`: what the release consists of is not known),
        InvalidRequestError (`vex.*`; `vex.product`: nothing in it is about the release), ConflictError
        (`vex.too-many`), UnavailableError.
        """
        demand_own(self._policies, actor, model, release)
        try:
            vex = read_vex(content)
        except SupplyError as cause:
            raise InvalidRequestError(cause.message, code=cause.code, path=cause.path) from cause
        said = statements_bytes(vex)
        original = Document(digest=digest_of(content), kind="vex", body=content)
        kept = Document(digest=digest_of(said), kind="statements", body=said)

        def draft(now: datetime) -> Draft:
            _demand_about(vex, self._inventory(model, release))
            self._demand_room(model, release, vex.document)
            return of_release(
                Filing.VEX,
                actor,
                now,
                about=(model, release),
                name=vex.document,
                original=original,
                content=kept,
                detail={"document": vex.document, "statements": len(vex.statements)},
            )

        return FiledVex(filed=self._cabinet.file(actor, draft).filed[0], vex=vex)

    def list(self, viewer: Principal, model: str, release: str) -> tuple[FiledVex, ...]:
        """Return the VEX documents on file of a release, by their names. Raises ForbiddenError, MissingError."""
        demand_visible(self._policies, viewer, model)
        found = self._store.filed(Filing.VEX, model=model, release=release)
        return tuple(FiledVex(filed=each, vex=vex_of(self._cabinet.content(each.content))) for each in found)

    def _inventory(self, model: str, release: str) -> Inventory:
        found = self._store.filed(Filing.SBOM, model=model, release=release)
        if not found:
            raise missing("no SBOM of that release is on file; file it first", "sbom.missing")
        return inventory_of(self._cabinet.content(found[0].content))

    def _demand_room(self, model: str, release: str, name: str) -> None:
        names = {each.name for each in self._store.filed(Filing.VEX, model=model, release=release)}
        if name not in names and len(names) >= MAX_DOCUMENTS:
            raise ConflictError(f"{MAX_DOCUMENTS} documents of that release are on file", code="vex.too-many")


def _demand_about(vex: VexDocument, inventory: Inventory) -> None:
    """Raise InvalidRequestError unless a statement is about the release: else it is another's, or misspelt."""
    scope = Scope(inventory)
    if all(scope.of(statement) == frozenset() for statement in vex.statements):
        raise InvalidRequestError(
            "no statement is about this release: its products are none of the SBOM's names, references or package URLs",
            code="vex.product",
        )
