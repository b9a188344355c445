"""An issuing CA of ours under a company's existing root: a request goes out, a certificate comes back.

Until it does, the key waits in `ca.pending` beside the authority's place. What comes back is a file with the issuing
CA's certificate, the company's CAs above it, and its root. The authority appears whole or not at all; there is no root
key.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pki.authority import Authority, issuer_of
from pki.ca_request import ca_request, demand_fit
from pki.certificates import load_certificate, split_certificates
from pki.chain import ANY_LEAF, validate_path
from pki.hierarchy import CEREMONY, Founding
from pki.reservation import Registrar, pem_text
from policyengine.adapters.authority import (
    AuthorityExistsError,
    AuthorityMissingError,
    Entropy,
    FleetNames,
    Services,
    certify_servers,
    issuing_signer,
    made_signer,
)
from policyengine.adapters.ceremony import CeremonyLog
from policyengine.adapters.hsm import TokenPlace
from policyengine.adapters.keyfile import sync_directory

PENDING = "ca.pending"
PLAN = "plan.json"


def request_authority(
    directory: Path,
    *,
    passphrase: bytes,
    names: FleetNames,
    now: datetime,
    entropy: Entropy,
    token: TokenPlace | None = None,
) -> str:
    """Make an issuing key that waits for its certificate, and return the PEM request for it.

    Raises AuthorityExistsError, NameRefusedError, ProfileError, HsmError, OSError.
    """
    pending = directory.with_name(PENDING)
    for each in (directory, pending):
        if each.exists():
            raise AuthorityExistsError(f"`{each}` exists and is not overwritten")
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".ceremony-") as outer:
        work = Path(outer) / PENDING
        work.mkdir(mode=0o700)
        signer = made_signer(work, token, names.fleet, passphrase=passphrase, entropy=entropy)
        request = ca_request(_founding(names, now), signer)
        plan = {"fleet": names.fleet, "domains": names.domains, "hosts": names.hosts}
        (work / PLAN).write_text(json.dumps(plan, sort_keys=True) + "\n", encoding="utf-8")
        work.rename(pending)
        sync_directory(directory.parent)
    return request


def demand_request(directory: Path) -> FleetNames:
    """Return the names for which a request waits beside `directory`.

    Raises AuthorityExistsError where there is an authority, AuthorityMissingError without a request.
    """
    if directory.exists():
        raise AuthorityExistsError(f"`{directory}` exists and is not overwritten")
    return _names(directory.with_name(PENDING))


def accept_certificate(
    directory: Path, certificates: bytes, *, passphrase: bytes, now: datetime, entropy: Entropy
) -> x509.Certificate:
    """Complete the authority with what the company gave (PEM: issuing CA, its issuers, root) and return the first.

    Raises AuthorityExistsError, AuthorityMissingError without a request, IssuanceError `ca.*`, PathError when there is
    no path to the last certificate, LintError `within-issuer-constraints` for a host outside the company's constraints.
    """
    names, pending = demand_request(directory), directory.with_name(PENDING)
    issuing, *above = map(load_certificate, split_certificates(certificates))
    signer = issuing_signer(pending, passphrase=passphrase)
    demand_fit(issuing, _founding(names, now), signer)
    if not above:
        raise AuthorityMissingError("the file ends with the issuing CA: add the company's CAs and its root")
    validate_path(issuing, intermediates=above[:-1], anchors=above[-1:], at=now, rules=ANY_LEAF)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".ceremony-") as outer:
        work = Path(shutil.copytree(pending, Path(outer) / "ca"))
        (work / PLAN).unlink()
        (work / "issuing.pem").write_text(pem_text([issuing, *above[:-1]]))
        (work / "root.pem").write_text(pem_text(above[-1:]))
        registrar = Registrar()
        ledger = CeremonyLog(work / "ceremony.jsonl", registrar, now=now)
        authority = Authority(issuer=issuer_of(issuing), signer=signer, registrar=registrar)
        services = Services(authority=authority, ledger=ledger, now=now, entropy=entropy, by=CEREMONY)
        certify_servers(work, services, names, passphrase=passphrase)
        work.rename(directory)
        sync_directory(directory.parent)
    shutil.rmtree(pending)
    return issuing


def _founding(names: FleetNames, now: datetime) -> Founding:
    domains = (*names.domains, *names.host_names)
    return Founding(fleet_name=names.fleet, domains=domains, addresses=names.host_addresses, now=now)


def _names(pending: Path) -> FleetNames:
    try:
        plan = json.loads((pending / PLAN).read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise AuthorityMissingError(f"`{pending}` is missing: make a request with --csr-out first") from cause
    return FleetNames(fleet=plan["fleet"], domains=tuple(plan["domains"]), hosts=tuple(plan["hosts"]))
