"""SBOMs: which format a document is in is what it says itself; the libraries that read it are loaded here only."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from policyengine.model.strict_json import InvalidJsonError, read_json
from policyengine.supply.errors import SupplyError
from policyengine.supply.inventory import Inventory

MAX_SBOM_BYTES = 16 * 1024 * 1024  # MAX_COMPONENTS with 4 KiB each: files, texts of licences and evidence beside them


def read_sbom(content: bytes) -> Inventory:
    """Return what an SBOM lists: CycloneDX 1.4 to 1.6 or SPDX 2.2 and 2.3, as JSON.

    Raises SupplyError: `sbom.json` (not strict JSON, too large, too deep), `sbom.format`, `sbom.version`, `sbom.shape`,
    `sbom.too-many`, `sbom.too-long`, `sbom.duplicate-ref`, `sbom.purl`, `sbom.component`, `sbom.reader-missing`.
    """
    try:
        document = read_json(content, max_bytes=MAX_SBOM_BYTES)
    except InvalidJsonError as cause:
        raise SupplyError(cause.message, code="sbom.json") from cause
    if isinstance(document, dict) and document.get("bomFormat") == "CycloneDX":
        found = _reader("cyclonedx").read_cyclonedx(document)
    elif isinstance(document, dict) and "spdxVersion" in document:
        found = _reader("spdx").read_spdx(document)
    else:
        raise SupplyError("neither CycloneDX nor SPDX 2 (as JSON)", code="sbom.format")
    if not isinstance(found, Inventory):
        raise TypeError("a reader returned no inventory")
    return found


def _reader(name: str) -> Any:
    try:
        return import_module(f"policyengine.supply.{name}")
    except ModuleNotFoundError as cause:
        raise SupplyError(
            f"`{cause.name}` is not installed here; install `policyengine[sbom]`", code="sbom.reader-missing"
        ) from cause
