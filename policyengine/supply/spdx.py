"""SPDX SBOMs, JSON of versions 2.2 and 2.3, read by spdx-tools; files and snippets are no packages and left aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spdx_tools.spdx.model import ChecksumAlgorithm, SpdxNoAssertion, SpdxNone
from spdx_tools.spdx.parser.error import SPDXParsingError
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser

from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import MAX_COMPONENTS, Component, Inventory, demand_distinct
from policyengine.supply.purl import normal_purl
from policyengine.supply.reading import Members

VERSIONS = ("SPDX-2.2", "SPDX-2.3")
MAX_RELATIONSHIPS = 65_536  # sixteen of each package
MAX_REFERENCES = 64  # of one package

_READ = Members("sbom")
_DOCUMENT = "SPDXRef-DOCUMENT"
_KEPT = ("spdxVersion", "SPDXID", "name", "dataLicense", "documentNamespace", "creationInfo", "documentDescribes")


def read_spdx(document: Mapping[str, Any]) -> Inventory:
    """Return what the parsed document lists. Raises SupplyError (`sbom.*`)."""
    if document.get("spdxVersion") not in VERSIONS:
        raise SupplyError(f"{', '.join(VERSIONS)} are read here", code="sbom.version", path="$.spdxVersion")
    packages = _READ.listed(document, "packages", "$", limit=MAX_COMPONENTS + 1)
    for at, package in enumerate(packages):
        place = f"$.packages[{at}]"
        _READ.listed(_READ.members(package, place), "externalRefs", place, limit=MAX_REFERENCES)
    subject_id = _described(document)
    parsed = _parsed({name: document[name] for name in _KEPT if name in document} | {"packages": packages})
    components = tuple(_component(each, f"$.packages[{at}]") for at, each in enumerate(parsed))
    demand_distinct(components, tuple(f"$.packages[{at}]" for at in range(len(components))))
    subject = next((each for each in components if each.ref == subject_id), None)
    listed = tuple(each for each in components if each is not subject)
    if len(listed) > MAX_COMPONENTS:
        raise _READ.refused(f"more than {MAX_COMPONENTS} packages", "$.packages", "too-many")
    return Inventory(
        format=document["spdxVersion"].replace("-", " "),
        document=_READ.text_or_none(document, "documentNamespace", "$"),
        subject=subject,
        components=listed,
        whole=True,
    )


def _parsed(document: Mapping[str, Any]) -> list[Any]:
    try:
        packages: list[Any] = JsonLikeDictParser().parse(dict(document)).packages
    except SPDXParsingError as cause:
        said = "; ".join(str(each) for each in cause.get_messages())[:300]
        text = said.encode("ascii", "backslashreplace").decode()
        raise SupplyError(f"not SPDX: {text}", code="sbom.component", path="$") from cause
    except (AttributeError, KeyError, TypeError, ValueError) as cause:
        # NOTE: the library takes the types of some members for granted and fails in these four ways where they differ.
        raise SupplyError("a member has another type than SPDX gives it", code="sbom.component", path="$") from cause
    return packages


def _described(document: Mapping[str, Any]) -> str | None:
    """Return the one package that the document describes, None if it describes none or several."""
    found = [each for each in _READ.listed(document, "documentDescribes", "$", limit=MAX_COMPONENTS) if each]
    for at, item in enumerate(_READ.listed(document, "relationships", "$", limit=MAX_RELATIONSHIPS)):
        relation = _READ.members(item, f"$.relationships[{at}]")
        if relation.get("relationshipType") == "DESCRIBES" and relation.get("spdxElementId") == _DOCUMENT:
            found.append(relation.get("relatedSpdxElement"))
    named = {each for each in found if isinstance(each, str)}
    return named.pop() if len(named) == 1 else None


def _component(package: Any, path: str) -> Component:
    purls = [each.locator for each in package.external_references if each.reference_type == "purl"]
    given = {"name": package.name, "version": package.version, "purl": purls[0] if purls else None}
    purl = _READ.text_or_none(given, "purl", path)
    sums = (each.value for each in package.checksums if each.algorithm is ChecksumAlgorithm.SHA256)
    return Component(
        ref=package.spdx_id,
        name=_READ.text(given, "name", path),
        version=_READ.text_or_none(given, "version", path),
        purl=None if purl is None else normal_purl(purl, path),
        license=_license(package, path),
        digest=_READ.sha256(next(sums, None), path),
    )


def _license(package: Any, path: str) -> str | None:
    """Return the licence that was concluded, else the one declared."""
    for said in (package.license_concluded, package.license_declared):
        if said is not None and not isinstance(said, SpdxNoAssertion | SpdxNone):
            return _READ.text_or_none({"license": str(said)}, "license", path)
    return None
