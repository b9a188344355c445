"""A successor that a company certifies: a request goes out, a certificate comes back, and the rollover is prepared.

The key waits in `pending` inside the authority's folder; until its certificate comes, nothing else changes. Below the
same root as before, every client that trusts the old CA trusts the new one. Below another root, the company's old root
must vouch for the new CA as well, or devices that were away could not reach the server after the switch.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pki.authority import Authority, issuer_of
from pki.ca_request import ca_request, demand_fit
from pki.certificates import load_certificate, split_certificates, thumbprint
from pki.chain import ANY_LEAF, validate_path
from pki.hierarchy import Founding
from pki.ports import Signer
from pki.reservation import Registrar, pem_text
from policyengine.adapters.authority import (
    CROSS,
    AuthorityMissingError,
    Entropy,
    Services,
    certificate_in,
    certify_responder,
    issuing_signer,
    made_signer,
)
from policyengine.adapters.ceremony import CeremonyLog
from policyengine.adapters.hsm import read_place
from policyengine.adapters.keyfile import sync_directory
from policyengine.adapters.rollover_state import Rollover, RolloverError, RolloverState, read_rollover
from policyengine.adapters.successors import ROTATION, following, name_of, next_number, put_in_place

PENDING = "pending"
PLAN = "plan.json"


def request_successor(
    directory: Path,
    *,
    passphrase: bytes,
    fleet: str | None,
    domains: tuple[str, ...],
    now: datetime,
    entropy: Entropy,
) -> str:
    """Make the key of a successor that waits for its certificate, and return the PEM request for it.

    `fleet` None: as the issuing CA's subject says. Raises RolloverError (`rotate.state`, `rotate.requested`,
    `rotate.subject`), NameRefusedError, HsmError, and ProfileError `profile.domains` where neither the CA nor `domains`
    names one.
    """
    rollover = read_rollover(directory)
    rollover.demand(RolloverState.STEADY)
    if (directory / PENDING).exists():
        raise RolloverError("a request is out already: install its certificate, or abandon it", code="rotate.requested")
    old = directory / rollover.current
    issuing, number = certificate_in(old / "issuing.pem"), next_number(directory)
    founding = following(issuing, fleet or name_of(issuing), number=number, domains=domains, now=now)
    place = old / "issuing.hsm.json"
    token = read_place(place)[0] if place.exists() else None
    with tempfile.TemporaryDirectory(dir=directory, prefix=".ceremony-") as outer:
        work = Path(outer) / PENDING
        work.mkdir(mode=0o700)
        signer = made_signer(work, token, founding.fleet_name, passphrase=passphrase, entropy=entropy)
        request = ca_request(founding, signer)
        plan = {"number": number, "fleet": founding.fleet_name, "domains": founding.domains}
        (work / PLAN).write_text(json.dumps(plan, sort_keys=True) + "\n", encoding="utf-8")
        work.rename(directory / PENDING)
        sync_directory(directory)
    return request


def install_successor(
    directory: Path, certificates: bytes, *, cross: bytes | None, passphrase: bytes, now: datetime, entropy: Entropy
) -> Rollover:
    """Prepare the rollover to what the company certified (PEM: issuing CA, its issuers, root) and return its state.

    `cross` is the same CA certified below the present root, where the root is another one. Raises RolloverError
    (`rotate.state`, `rotate.no-request`, `rotate.cross`), AuthorityMissingError, IssuanceError `ca.*`, PathError.
    """
    rollover = read_rollover(directory)
    rollover.demand(RolloverState.STEADY)
    pending = directory / PENDING
    number, founding = _plan(pending, now)
    signer = issuing_signer(pending, passphrase=passphrase)
    issuing, *above = map(load_certificate, split_certificates(certificates))
    demand_fit(issuing, founding, signer)
    if not above:
        raise AuthorityMissingError("the file ends with the issuing CA: add the company's CAs and its root")
    validate_path(issuing, intermediates=above[:-1], anchors=above[-1:], at=now, rules=ANY_LEAF)
    old_root = certificate_in(directory / rollover.current / "root.pem")
    crossed = _cross(cross, founding, signer, old_root, now=now)
    if not crossed and thumbprint(above[-1]) != thumbprint(old_root):
        message = (
            "another root: devices that know only the present one need --cross, the new CA as that root certifies it"
        )
        raise RolloverError(message, code="rotate.cross")

    def make(work: Path) -> None:
        shutil.copytree(pending, work, dirs_exist_ok=True)
        (work / PLAN).unlink()
        (work / "issuing.pem").write_text(pem_text([issuing, *above[:-1]]))
        (work / "root.pem").write_text(pem_text(above[-1:]))
        if crossed:
            (work / CROSS).write_text(pem_text(crossed))
        registrar = Registrar()
        ledger = CeremonyLog(directory / "ceremony.jsonl", registrar, now=now)
        own = Authority(issuer=issuer_of(issuing), signer=signer, registrar=registrar)
        services = Services(authority=own, ledger=ledger, now=now, entropy=entropy, by=ROTATION)
        certify_responder(work, own, services, fleet=founding.fleet_name, passphrase=passphrase)

    prepared = put_in_place(directory, rollover, number, now=now, make=make)
    shutil.rmtree(pending)
    return prepared


def withdraw_request(directory: Path) -> bool:
    """Forget a request whose certificate did not come, with its key; return whether there was one."""
    if not (directory / PENDING).exists():
        return False
    shutil.rmtree(directory / PENDING)
    sync_directory(directory)
    return True


def _cross(
    content: bytes | None, founding: Founding, signer: Signer, old_root: x509.Certificate, *, now: datetime
) -> Sequence[x509.Certificate]:
    """Return the CA as the present root certifies it, and the CAs between, without the root."""
    if content is None:
        return ()
    issuing, *above = map(load_certificate, split_certificates(content))
    demand_fit(issuing, founding, signer)
    between = [each for each in above if thumbprint(each) != thumbprint(old_root)]
    validate_path(issuing, intermediates=between, anchors=[old_root], at=now, rules=ANY_LEAF)
    return issuing, *between


def _plan(pending: Path, now: datetime) -> tuple[int, Founding]:
    try:
        plan = json.loads((pending / PLAN).read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise RolloverError(
            "no request is out: make one with `pki rotate request`", code="rotate.no-request"
        ) from cause
    founding = Founding(fleet_name=plan["fleet"], domains=tuple(plan["domains"]), addresses=(), now=now, by=ROTATION)
    return plan["number"], founding
