"""Package URLs (ECMA-427), read by packageurl-python."""

from __future__ import annotations

from packageurl import PackageURL

from policyengine.errors import quoted
from policyengine.supply.errors import SupplyError


def normal_purl(text: str, path: str) -> str:
    """Return a package URL in its normal form; raises SupplyError (`sbom.purl`)."""
    return str(parsed_purl(text, path).to_string())


def parsed_purl(text: str, path: str) -> PackageURL:
    """Return the parts of a package URL; raises SupplyError (`sbom.purl`)."""
    try:
        return PackageURL.from_string(text)
    except ValueError as cause:
        raise SupplyError(f"{quoted(text)} is no package URL", code="sbom.purl", path=path) from cause


def package_of(text: str) -> str:
    """Return which package a package URL in its normal form is about: without version, qualifiers and subpath."""
    return text.partition("#")[0].partition("?")[0].partition("@")[0]
