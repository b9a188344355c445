"""CycloneDX SBOMs, JSON of versions 1.4 to 1.6: each component is read by cyclonedx-python-lib.

The library reads a whole document in time that grows faster than its components, drops what has the same reference
twice, and takes numbers for names. So what holds components together is read here, strictly, and each one by the
library. The graph of dependencies is not read: a cycle in it changes nothing that we say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cyclonedx.exception import CycloneDxException
from cyclonedx.model import HashAlgorithm
from cyclonedx.model.component import Component as Listed
from cyclonedx.model.license import LicenseExpression

from policyengine.errors import quoted
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import MAX_COMPONENTS, Component, Inventory, demand_distinct
from policyengine.supply.purl import normal_purl
from policyengine.supply.reading import Members

VERSIONS = ("1.4", "1.5", "1.6")
MAX_STATEMENTS = 1024  # compositions; a document has one for each part whose parts it speaks of

_READ = Members("sbom")
_TAKEN = ("type", "name", "version", "purl", "licenses", "hashes")
_SHA256 = HashAlgorithm.SHA_256
_WHOLE = "complete"
_UNSAID = "not_specified"


def read_cyclonedx(document: Mapping[str, Any]) -> Inventory:
    """Return what the parsed document lists. Raises SupplyError (`sbom.*`)."""
    version = document.get("specVersion")
    if version not in VERSIONS:
        raise SupplyError(f"CycloneDX {', '.join(VERSIONS)} are read here", code="sbom.version", path="$.specVersion")
    placed = tuple(_flat(document, "$"))
    components = tuple(_component(each, place) for each, place in placed)
    places = tuple(place for _, place in placed)
    metadata = _READ.members(document.get("metadata", {}), "$.metadata")
    described = metadata.get("component")
    subject = None if described is None else _component(_READ.members(described, _SUBJECT), _SUBJECT)
    if subject is not None:
        demand_distinct((subject, *components), (_SUBJECT, *places))
    else:
        demand_distinct(components, places)
    return Inventory(
        format=f"CycloneDX {version}",
        document=_READ.text_or_none(document, "serialNumber", "$"),
        subject=subject,
        components=components,
        whole=_is_whole(document),
    )


_SUBJECT = "$.metadata.component"


def _flat(document: Mapping[str, Any], path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each component with its place, those inside others as well, and no more than MAX_COMPONENTS."""
    waiting = [(document, path)]
    count = 0
    while waiting:
        outer, place = waiting.pop()
        for at, item in enumerate(_READ.listed(outer, "components", place, limit=MAX_COMPONENTS)):
            inner = f"{place}.components[{at}]"
            count += 1
            if count > MAX_COMPONENTS:
                raise _READ.refused(f"more than {MAX_COMPONENTS} components", inner, "too-many")
            component = _READ.members(item, inner)
            waiting.append((component, inner))
            yield component, inner


def _component(given: Mapping[str, Any], path: str) -> Component:
    name, version = _READ.text(given, "name", path), _READ.text_or_none(given, "version", path)
    purl = _READ.text_or_none(given, "purl", path)
    _READ.text(given, "type", path)
    try:
        read = Listed.from_json({name: given[name] for name in _TAKEN if name in given})
    except (CycloneDxException, ValueError, TypeError, KeyError, AttributeError) as cause:
        # NOTE: the library documents no error of its own for a member of another type, so these four are caught too.
        raise SupplyError(f"{quoted(name)} is no CycloneDX component", code="sbom.component", path=path) from cause
    return Component(
        ref=_READ.text_or_none(given, "bom-ref", path) or path,
        name=name,
        version=version,
        purl=None if purl is None else normal_purl(purl, f"{path}.purl"),
        license=_license(read, path),
        digest=_READ.sha256(next((each.content for each in read.hashes if each.alg is _SHA256), None), path),
    )


def _license(read: Any, path: str) -> str | None:
    """Return one SPDX expression: an expression as it stands, several licences joined by AND, names as references."""
    said = sorted(_expression(each) for each in read.licenses)
    return _READ.text_or_none({"licenses": " AND ".join(said)}, "licenses", path)


def _expression(said: Any) -> str:
    if isinstance(said, LicenseExpression):
        return str(said.value)
    return str(said.id or f"LicenseRef-{'-'.join(str(said.name).split())}")


def _is_whole(document: Mapping[str, Any]) -> bool:
    """Return false where the document says of any of its parts that it does not list all of it."""
    compositions = _READ.listed(document, "compositions", "$", limit=MAX_STATEMENTS)
    said = [
        _READ.members(each, f"$.compositions[{at}]").get("aggregate", _UNSAID) for at, each in enumerate(compositions)
    ]
    return all(each == _WHOLE for each in said)
