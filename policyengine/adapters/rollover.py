"""A planned rollover of the issuing CA, and of the root where a ceremony says so: prepare, publish, switch, retire.

1. *Prepare*: the root's key comes from its safe for a moment. In a folder of its own a successor is made: key,
   certificate, OCSP responder. With a new root there are two cross-certificates as well: the old root vouches for the
   new issuing CA (for devices that were away), and the new root for the old one (for relying parties that are new).
2. *Publish*: CA bundle, EST and trust bundle tell of both; the old CA issues.
3. *Switch*: the new CA issues; lists, OCSP and TLS go on for certificates of both.
4. *Retire*: the old CA is served and believed no longer.

Each cross-certificate is for an issuing CA, not for a root: below a root of path length 1 another root could not have
an issuing CA. The folder of a successor appears whole or not at all, and each step is one rename (rollover_state.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.authority import Authority, issuer_of
from pki.certificates import key_info
from pki.hierarchy import Founding, certify_issuing, certify_root, cross_check
from pki.keys import KeyType, spki_of
from pki.ports import Signer
from pki.reservation import Registrar
from policyengine.adapters.authority import (
    CROSS,
    FORMER_CROSS,
    Services,
    authority_in,
    certificate_in,
    certify_responder,
    issuing_signer,
    made_signer,
)
from policyengine.adapters.ceremony import CeremonyLog
from policyengine.adapters.hsm import read_place
from policyengine.adapters.keyfile import generate, open_signer, write_key
from policyengine.adapters.rollover_state import (
    FIRST,
    Rollover,
    RolloverError,
    RolloverState,
    read_rollover,
    write_rollover,
)
from policyengine.adapters.successors import ROTATION, following, name_of, next_number, put_in_place

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootKey:
    """Where the present root's key is, for as long as the ceremony takes."""

    file: Path
    passphrase: bytes


class Rotation:
    """Prepares the successor of the CA that issues in `directory`."""

    def __init__(
        self,
        directory: Path,
        *,
        passphrase: bytes,
        root: RootKey,
        now: datetime,
        entropy: Entropy,
    ) -> None:
        """Raise RolloverError unless there is one CA and this is its root's key, KeyFileError, PassphraseError."""
        self._directory = directory
        self._passphrase = passphrase
        self._now = now
        self._entropy = entropy
        self._rollover = read_rollover(directory)
        self._rollover.demand(RolloverState.STEADY)
        self._registrar = Registrar()
        self._ledger = CeremonyLog(directory / "ceremony.jsonl", self._registrar, now=now)
        self._old = directory / self._rollover.current
        place = self._old / "issuing.hsm.json"
        self._token = read_place(place)[0] if place.exists() else None
        self._old_root = certificate_in(self._old / "root.pem")
        signer = open_signer(root.file, passphrase=root.passphrase)
        if spki_of(signer.public_key) != key_info(self._old_root.public_bytes(Encoding.DER)):
            name = self._old_root.subject.rfc4514_string()
            raise RolloverError(
                f"`{root.file}` is not the key of `{name}`, the root in service", code="rotate.root-key"
            )
        self._above = Authority(issuer=issuer_of(self._old_root), signer=signer, registrar=self._registrar)
        self._number = next_number(directory)

    def issuing(self, domains: tuple[str, ...] = ()) -> Rollover:
        """Make a new issuing CA below the present root, bound to the names of the old one and to `domains`.

        Return the state. Raises NameRefusedError, ProfileError, LintError, IssuanceError, HsmError, OSError.
        """

        def make(work: Path) -> None:
            (work / "root.pem").write_bytes((self._old / "root.pem").read_bytes())
            self._successor(work, self._above, self._old_root, domains)

        return self._made(make)

    def root(self, domains: tuple[str, ...] = ()) -> Rollover:
        """Make a new root and an issuing CA below it, cross-certified with the old ones; else as `issuing`."""

        def make(work: Path) -> None:
            key = generate(KeyType.P256)
            write_key(work / "root.key", key, passphrase=self._passphrase, entropy=self._entropy)
            signer = open_signer(work / "root.key", passphrase=self._passphrase)
            made = certify_root(self._founding(()), signer, self._ledger, self._registrar, self._entropy)
            (work / "root.pem").write_text(made.pem)
            above = Authority(issuer=issuer_of(made.certificate), signer=signer, registrar=self._registrar)
            fresh = self._successor(work, above, made.certificate, domains)
            cross = self._certified(self._above, fresh, self._founding(domains), self._old_root)
            (work / CROSS).write_text(cross)
            (work / FORMER_CROSS).write_text(self._former(above, made.certificate))

        return self._made(make)

    def _successor(self, work: Path, above: Authority, root: x509.Certificate, domains: tuple[str, ...]) -> Signer:
        """Make issuing key, certificate and OCSP responder in `work`."""
        founding = self._founding(domains)
        signer = made_signer(work, self._token, founding.fleet_name, passphrase=self._passphrase, entropy=self._entropy)
        (work / "issuing.pem").write_text(self._certified(above, signer, founding, root))
        own = authority_in(work, passphrase=self._passphrase, registrar=self._registrar)
        services = Services(authority=own, ledger=self._ledger, now=self._now, entropy=self._entropy, by=ROTATION)
        certify_responder(work, own, services, fleet=founding.fleet_name, passphrase=self._passphrase)
        return signer

    def _former(self, above: Authority, root: x509.Certificate) -> str:
        """Return the old issuing CA as the new root certifies it: same name, same key."""
        issuing = certificate_in(self._old / "issuing.pem")
        signer = issuing_signer(self._old, passphrase=self._passphrase)
        founding = replace(self._founding(()), fleet_name=name_of(issuing))
        return self._certified(above, signer, founding, root)

    def _certified(self, above: Authority, signer: Signer, founding: Founding, root: x509.Certificate) -> str:
        made = certify_issuing(founding, above, signer, self._ledger, self._entropy)
        cross_check(made.certificate, root, at=self._now)
        return made.pem

    def _founding(self, more: tuple[str, ...]) -> Founding:
        issuing = certificate_in(self._old / "issuing.pem")
        return following(issuing, name_of(issuing), number=self._number, domains=more, now=self._now)

    def _made(self, make: Callable[[Path], None]) -> Rollover:
        return put_in_place(self._directory, self._rollover, self._number, now=self._now, make=make)


def publish(directory: Path, *, now: datetime) -> Rollover:
    """Tell relying parties of the successor as well. Raises RolloverError `rotate.state`."""
    rollover = read_rollover(directory)
    rollover.demand(RolloverState.PREPARED)
    return _kept(
        directory, rollover.after(RolloverState.PUBLISHED, at=now, current=rollover.current, other=rollover.other)
    )


def switch(directory: Path, *, now: datetime) -> Rollover:
    """Let the successor issue from the next start of the server on. Raises RolloverError `rotate.state`."""
    rollover = read_rollover(directory)
    rollover.demand(RolloverState.PUBLISHED)
    assert rollover.other is not None  # noqa: S101 - INVARIANT: of every state but `steady`
    return _kept(
        directory, rollover.after(RolloverState.SWITCHED, at=now, current=rollover.other, other=rollover.current)
    )


def retire(directory: Path, *, now: datetime) -> Rollover:
    """Serve and believe the old CA no longer; who asks whether that locks anybody out has asked before.

    Raises RolloverError `rotate.state`.
    """
    rollover = read_rollover(directory)
    rollover.demand(RolloverState.SWITCHED)
    return _kept(directory, rollover.after(RolloverState.STEADY, at=now, current=rollover.current, other=None))


def abandon(directory: Path, *, now: datetime) -> Rollover:
    """Give a successor up that has not issued yet; its files stay. Raises RolloverError `rotate.state`."""
    rollover = read_rollover(directory)
    rollover.demand(RolloverState.PREPARED, RolloverState.PUBLISHED)
    return _kept(directory, rollover.after(RolloverState.STEADY, at=now, current=rollover.current, other=None))


def _kept(directory: Path, rollover: Rollover) -> Rollover:
    write_rollover(directory, rollover)
    return rollover


def retired_keys(directory: Path, rollover: Rollover) -> tuple[Path, ...]:
    """Return the private keys of CAs that are out of service, for a person to destroy."""
    folders = [directory / FIRST, *sorted(directory.glob("g[0-9]*"))]
    served = {directory / name for name in rollover.served}
    return tuple(folder / "issuing.key" for folder in folders if folder not in served)


def issuers_ever(directory: Path) -> tuple[x509.Certificate, ...]:
    """Return every issuing CA that ever stood in `directory`, in service or not: what it signed stays on record."""
    files = (folder / "issuing.pem" for folder in [directory / FIRST, *sorted(directory.glob("g[0-9]*"))])
    return tuple(certificate_in(file) for file in files if file.exists())
