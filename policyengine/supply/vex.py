"""VEX: what a supplier says of vulnerabilities in its release: OpenVEX 0.2.0, and CycloneDX 1.4 to 1.6 (both JSON)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from policyengine.model.canonical import canonical
from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.model.times import InvalidTimeError, format_timestamp, parse_timestamp
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import Component, Inventory
from policyengine.supply.reading import Members

MAX_VEX_BYTES = 4 * 1024 * 1024
MAX_STATEMENTS = 4096  # a few of each vulnerability that a release can have as facts
MAX_PRODUCTS = 1024  # of one statement
MAX_NAMES = 64
MAX_NAMED = 131_072  # components that all statements of a release name: 32 each of 4,096, matched in a second or two
STATUSES = ("not_affected", "affected", "fixed", "under_investigation")

_READ = Members("vex")
_OPENVEX = "https://openvex.dev/ns"
# OpenVEX specification 0.2.0, status justifications.
_JUSTIFICATIONS = frozenset(
    {
        "component_not_present",
        "vulnerable_code_not_present",
        "vulnerable_code_not_in_execute_path",
        "vulnerable_code_cannot_be_controlled_by_adversary",
        "inline_mitigations_already_exist",
    }
)
# CycloneDX 1.6, vulnerabilities[].analysis.state.
_STATES = {
    "not_affected": "not_affected",
    "false_positive": "not_affected",
    "exploitable": "affected",
    "resolved": "fixed",
    "resolved_with_pedigree": "fixed",
    "in_triage": "under_investigation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is said of one vulnerability, by any of its names, in `products`, or of some of them in `parts` only."""

    names: tuple[str, ...]
    status: str
    products: tuple[str, ...]
    parts: tuple[str, ...]
    at: datetime | None
    justification: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VexDocument:
    """A document by its own name, and its statements."""

    format: str
    document: str
    statements: tuple[Statement, ...]


def read_vex(content: bytes) -> VexDocument:
    """Return what a VEX document says.

    Raises SupplyError: `vex.json`, `vex.format`, `vex.shape`, `vex.too-many`, `vex.too-long`, `vex.time`,
    `vex.status`, `vex.justification` (not affected, and no reason given), `vex.empty`.
    """
    try:
        document = read_json(content, max_bytes=MAX_VEX_BYTES)
    except InvalidJsonError as cause:
        raise SupplyError(cause.message, code="vex.json") from cause
    if isinstance(document, dict) and str(document.get("@context", "")).startswith(_OPENVEX):
        found = _openvex(document)
    elif isinstance(document, dict) and document.get("bomFormat") == "CycloneDX":
        found = _cyclonedx(document)
    else:
        raise SupplyError("neither OpenVEX nor CycloneDX (as JSON)", code="vex.format")
    if not found.statements:
        raise SupplyError("it says nothing of any vulnerability", code="vex.empty")
    return found


def _openvex(document: Mapping[str, Any]) -> VexDocument:
    listed = _READ.listed(document, "statements", "$", limit=MAX_STATEMENTS)
    made = _time(document, ("last_updated", "timestamp"), "$")
    statements = [
        _openvex_statement(_READ.members(each, f"$.statements[{at}]"), made, f"$.statements[{at}]")
        for at, each in enumerate(listed)
    ]
    name = _READ.text(document, "@id", "$")
    return VexDocument(format="OpenVEX", document=name, statements=tuple(statements))


def _openvex_statement(given: Mapping[str, Any], made: datetime | None, path: str) -> Statement:
    about = _READ.members(given.get("vulnerability"), f"{path}.vulnerability")
    aliases = _READ.listed(about, "aliases", f"{path}.vulnerability", limit=MAX_NAMES)
    names = [_READ.text(about, "name", f"{path}.vulnerability"), *(each for each in aliases if isinstance(each, str))]
    status, justification = given.get("status"), given.get("justification")
    if status not in STATUSES:
        raise _READ.refused(f"one of {', '.join(STATUSES)} is expected", f"{path}.status", "status")
    if justification is not None and justification not in _JUSTIFICATIONS:
        raise _READ.refused("no justification of OpenVEX", f"{path}.justification", "justification")
    if status == "not_affected" and justification is None and not given.get("impact_statement"):
        raise _READ.refused("`not_affected` needs a justification or impact_statement", path, "justification")
    products: list[str] = []
    parts: list[str] = []
    for at, each in enumerate(_READ.listed(given, "products", path, limit=MAX_PRODUCTS)):
        place = f"{path}.products[{at}]"
        product = _READ.members(each, place)
        products.extend(_identifiers(product, place))
        for inner, part in enumerate(_READ.listed(product, "subcomponents", place, limit=MAX_PRODUCTS)):
            parts.extend(_identifiers(_READ.members(part, place), f"{place}.subcomponents[{inner}]"))
    return Statement(
        names=tuple(dict.fromkeys(names)),
        status=status,
        products=tuple(products),
        parts=tuple(parts),
        at=_time(given, ("last_updated", "timestamp"), path) or made,
        justification=justification,
    )


def _identifiers(given: Mapping[str, Any], path: str) -> Iterator[str]:
    own = _READ.text_or_none(given, "@id", path)
    if own is not None:
        yield own
    others = _READ.members(given.get("identifiers", {}), f"{path}.identifiers")
    purl = _READ.text_or_none(others, "purl", f"{path}.identifiers")
    if purl is not None:
        yield purl


def _cyclonedx(document: Mapping[str, Any]) -> VexDocument:
    listed = _READ.listed(document, "vulnerabilities", "$", limit=MAX_STATEMENTS)
    made = _time(_READ.members(document.get("metadata", {}), "$.metadata"), ("timestamp",), "$.metadata")
    statements = [
        _cyclonedx_statement(given, made, path)
        for at, each in enumerate(listed)
        if "analysis" in (given := _READ.members(each, path := f"$.vulnerabilities[{at}]"))
    ]
    name = _READ.text(document, "serialNumber", "$")
    return VexDocument(format="CycloneDX", document=name, statements=tuple(statements))


def _cyclonedx_statement(given: Mapping[str, Any], made: datetime | None, path: str) -> Statement:
    place = f"{path}.analysis"
    analysis = _READ.members(given["analysis"], place)
    state, justification = analysis.get("state"), _READ.text_or_none(analysis, "justification", place)
    if state not in _STATES:
        raise _READ.refused(f"one of {', '.join(_STATES)} is expected", f"{place}.state", "status")
    if state == "not_affected" and justification is None and not analysis.get("detail"):
        raise _READ.refused("`not_affected` needs a justification or detail", place, "justification")
    references = _READ.listed(given, "references", path, limit=MAX_NAMES)
    others = [_READ.text(_READ.members(each, path), "id", f"{path}.references") for each in references]
    affects = _READ.listed(given, "affects", path, limit=MAX_PRODUCTS)
    return Statement(
        names=tuple(dict.fromkeys([_READ.text(given, "id", path), *others])),
        status=_STATES[state],
        products=tuple(_READ.text(_READ.members(each, path), "ref", f"{path}.affects") for each in affects),
        parts=(),
        at=_time(analysis, ("lastUpdated", "firstIssued"), place) or made,
        justification=justification,
    )


def _time(given: Mapping[str, Any], names: tuple[str, ...], path: str) -> datetime | None:
    for name in names:
        text = _READ.text_or_none(given, name, path)
        if text is not None:
            try:
                return parse_timestamp(text)
            except InvalidTimeError as cause:
                raise SupplyError(cause.message, code="vex.time", path=f"{path}.{name}") from cause
    return None


class Scope:
    """What the identifiers of statements name in one release: looked up, as there are many of both."""

    def __init__(self, inventory: Inventory) -> None:
        self._links = f"urn:cdx:{(inventory.document or '').removeprefix('urn:uuid:')}/"
        self._subject = frozenset() if inventory.subject is None else frozenset(_identifiers_of(inventory.subject))
        named: dict[str, set[str]] = {}
        for component in inventory.components:
            for identifier in _identifiers_of(component):
                named.setdefault(identifier, set()).add(component.ref)
        self._named = {identifier: frozenset(refs) for identifier, refs in named.items()}
        self._left = MAX_NAMED

    def of(self, statement: Statement) -> frozenset[str] | None:
        """Return the references of the components that a statement is about; None: all, as it is about the release.

        Raises SupplyError (`vex.too-many`) after MAX_NAMED references.
        """
        is_whole = any(self._local(each) in self._subject for each in statement.products)
        if is_whole and not statement.parts:
            return None
        if statement.parts and not is_whole:
            return frozenset()
        ids = statement.parts or statement.products
        found = [refs for each in ids if (refs := self._named.get(self._local(each))) is not None]
        self._left -= sum(map(len, found))
        if self._left < 0:
            raise SupplyError(f"the statements name components more than {MAX_NAMED} times", code="vex.too-many")
        return frozenset().union(*found)

    def _local(self, identifier: str) -> str:
        """Return what a BOM-Link to this document names inside it; another document's names nothing here."""
        if identifier.startswith(self._links):
            return unquote(identifier.partition("#")[2])
        return identifier


def _identifiers_of(component: Component) -> Iterator[str]:
    """Yield a component's reference and its package URL: whole, without qualifiers, and without version."""
    yield component.ref
    if component.purl is not None:
        plain = component.purl.partition("#")[0].partition("?")[0]
        yield from (component.purl, plain, plain.partition("@")[0])


def statements_bytes(found: VexDocument) -> bytes:
    """Return the canonical JSON of a document, which is kept."""
    rows = [_row(each) for each in found.statements]
    return canonical({"format": found.format, "document": found.document, "statements": rows})


def _row(statement: Statement) -> dict[str, object]:
    row: dict[str, object] = {
        "names": list(statement.names),
        "status": statement.status,
        "products": list(statement.products),
        "parts": list(statement.parts),
    }
    if statement.at is not None:
        row["at"] = format_timestamp(statement.at)
    if statement.justification is not None:
        row["justification"] = statement.justification
    return row


def vex_of(document: Mapping[str, Any]) -> VexDocument:
    """Return the document whose parsed JSON this is; the inverse of `statements_bytes`."""
    return VexDocument(
        format=document["format"],
        document=document["document"],
        statements=tuple(
            Statement(
                names=tuple(row["names"]),
                status=row["status"],
                products=tuple(row["products"]),
                parts=tuple(row["parts"]),
                at=parse_timestamp(row["at"]) if "at" in row else None,
                justification=row.get("justification"),
            )
            for row in document["statements"]
        ),
    )
