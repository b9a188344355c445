"""The demo's folder: a policy repository whose history shows every party at work, vendors' test CAs, and the plan."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from policyengine.adapters.git_history import Author, commit, start
from policyengine.adapters.starter import starter_files, write_tree
from policyengine.errors import PolicyEngineError
from policyengine.simulation.documents import planned_document, read_planned
from policyengine.simulation.plan import PlannedDevice
from policyengine.simulation.vendor import VendorCa

LIVENESS = "operations/liveness.yaml"
_FRESH = re.compile(rb"fresh: 24h")
_OWNED = re.compile(r"(?:vendors|reference-values)/([^/]+)/")
_PARTIES = ("it", "engineering", "operations")


class StalePackError(PolicyEngineError):
    """The starter pack no longer has the line that the demo changes."""

    code = "demo.stale-pack"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSite:
    """Where the demo keeps its things."""

    directory: Path

    @property
    def policies(self) -> Path:
        """The policy repository."""
        return self.directory / "policies"

    @property
    def data(self) -> Path:
        """The server's data directory."""
        return self.directory / "data"

    @property
    def plan(self) -> Path:
        """Which devices there are and how they behave (JSON)."""
        return self.directory / "plan.json"

    @property
    def vendors(self) -> Path:
        """The vendors' test CAs."""
        return self.directory / "vendors"


def write_policies(site: DemoSite, vendors: Mapping[str, VendorCa], *, fresh: str) -> str:
    """Write the policy repository with one commit a party, and return the last commit's id.

    The vendors' example roots are replaced by the test CAs' roots; the last commit, by operations, shortens how long
    evidence counts as fresh to `fresh`, so that a silent device can be watched going stale. Raises StalePackError.
    """
    files = {**starter_files(), **_roots(vendors)}
    write_tree(site.policies, files)
    start(site.policies)
    for party, paths in _by_party(files).items():
        commit(site.policies, paths, message=f"{party}: first policies", author=_author(party))
    return _shorten(site, files[LIVENESS], fresh)


def _shorten(site: DemoSite, text: bytes, fresh: str) -> str:
    changed, count = _FRESH.subn(f"fresh: {fresh}".encode(), text)
    if count != 1:
        raise StalePackError(f"`{LIVENESS}` has {count} lines with `fresh: 24h`, the demo needs one")
    (site.policies / LIVENESS).write_bytes(changed.replace(b"version: 1.0.0", b"version: 1.0.1"))
    return commit(
        site.policies,
        [LIVENESS],
        message=f"operations: on the demo line evidence is fresh for {fresh} only",
        author=_author("operations"),
    )


def _roots(vendors: Mapping[str, VendorCa]) -> dict[str, bytes]:
    return {
        f"trust-anchors/{name.removeprefix('vendor-')}-idevid-root.pem": ca.root.public_bytes(Encoding.PEM)
        for name, ca in vendors.items()
    }


def _by_party(files: Iterable[str]) -> dict[str, list[str]]:
    """Return the paths by the party that commits them, IT first because it keeps fleet and parties."""
    parties: dict[str, list[str]] = {party: [] for party in _PARTIES}
    for path in files:
        owned = _OWNED.match(path)
        first = path.split("/", 1)[0]
        party = owned[1] if owned else first if first in _PARTIES else "it"
        parties.setdefault(party, []).append(path)
    return parties


def _author(party: str) -> Author:
    return Author(name=party, email=f"{party}@kestrel.example")


def write_vendor(site: DemoSite, ca: VendorCa) -> None:
    """Keep a vendor's test CA below the site, for the process that simulates its factory."""
    site.vendors.mkdir(parents=True, exist_ok=True)
    key = ca.issuing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = ca.issuing.public_bytes(Encoding.PEM) + ca.root.public_bytes(Encoding.PEM)
    (site.vendors / f"{ca.vendor}.pem").write_bytes(key + chain)


def read_vendors(site: DemoSite) -> dict[str, VendorCa]:
    """Return the vendors' test CAs that write_vendor kept, by vendor."""
    return {path.stem: _vendor(path) for path in sorted(site.vendors.glob("*.pem"))}


def _vendor(path: Path) -> VendorCa:
    content = path.read_bytes()
    key = load_pem_private_key(content, password=None)
    issuing, root = x509.load_pem_x509_certificates(content)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StalePackError(f"`{path}` does not hold a P-256 key")
    return VendorCa(vendor=path.stem, root=root, issuing=issuing, issuing_key=key)


def write_plan(site: DemoSite, plan: Iterable[PlannedDevice]) -> None:
    """Keep the plan below the site."""
    document = {"devices": [planned_document(planned) for planned in plan]}
    site.plan.write_text(json.dumps(document, indent=1), encoding="utf-8")


def read_plan(site: DemoSite) -> tuple[PlannedDevice, ...]:
    """Return the plan that write_plan kept."""
    document = json.loads(site.plan.read_text(encoding="utf-8"))
    return tuple(read_planned(planned) for planned in document["devices"])
