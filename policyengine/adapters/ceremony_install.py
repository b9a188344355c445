"""From a ceremony's folder of one issuing CA to the authority that a server opens: copied, checked, and made complete.

The root's key is not needed and not looked for. The server gets keys of its own for results, OCSP and TLS; the OCSP
signer of the ceremony stays for a responder elsewhere. The authority appears whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from pki.chain import ANY_LEAF, validate_path
from pki.hierarchy import CEREMONY
from pki.reservation import Registrar
from policyengine.adapters.authority import (
    AuthorityExistsError,
    AuthorityMissingError,
    FleetNames,
    Services,
    authority_in,
    certificate_in,
    certify_servers,
)
from policyengine.adapters.ceremony import CeremonyLog
from policyengine.adapters.keyfile import sync_directory

Entropy = Callable[[int], bytes]

COPIED = ("issuing.key", "issuing.pem")


def install_ceremony(
    directory: Path,
    zone: Path,
    root: Path,
    *,
    passphrase: bytes,
    names: FleetNames,
    now: datetime,
    entropy: Entropy,
) -> None:
    """Make the authority in `directory` of the issuing CA in folder `zone` and the root's certificate in file `root`.

    Raises AuthorityExistsError; AuthorityMissingError for a folder without an issuing CA; PassphraseError;
    IssuanceError `issue.signer` where key and certificate do not belong together; PathError where the root did not
    certify it; LintError for a host outside the CA's names.
    """
    if directory.exists():
        raise AuthorityExistsError(f"`{directory}` exists and is not overwritten")
    for name in COPIED:
        if not (zone / name).is_file():
            raise AuthorityMissingError(f"`{zone / name}` is missing: name the ceremony's folder of one issuing CA")
    issuing, top = certificate_in(zone / "issuing.pem"), certificate_in(root)
    validate_path(issuing.public_bytes(Encoding.DER), intermediates=(), anchors=(top,), at=now, rules=ANY_LEAF)
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".ceremony-") as outer:
        work = Path(outer) / "ca"
        work.mkdir(mode=0o700)
        for name in COPIED:
            shutil.copy2(zone / name, work / name)
        shutil.copy2(root, work / "root.pem")
        registrar = Registrar()
        ledger = CeremonyLog(work / "ceremony.jsonl", registrar, now=now)
        authority = authority_in(zone, passphrase=passphrase, registrar=registrar)
        services = Services(authority=authority, ledger=ledger, now=now, entropy=entropy, by=CEREMONY)
        certify_servers(work, services, names, passphrase=passphrase)
        work.rename(directory)
        sync_directory(directory.parent)
