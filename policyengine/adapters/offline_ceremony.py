"""A key ceremony on a machine of its own: one offline root, issuing CAs below it, their OCSP signers, the root's list.

    root/root.key root.pem root.crl
    NAME/issuing.key issuing.pem ocsp.key ocsp.pem      for each issuing CA
    ceremony.jsonl        every serial reserved and every certificate signed
    transcript.jsonl      every step with the SHA-256 of what it left

A ceremony that was interrupted goes on where it stopped, with the same plan. A step is written down when it begins and
when it is done, and its file appears whole or not at all, so what an interrupted step left is finished. What is done is
checked against the transcript and never written again; a file that the transcript does not know, or that changed, stops
everything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509

from pki.authority import Authority, Order, issue, issuer_of
from pki.builtin import ocsp_signer_terms
from pki.certificates import load_certificate, split_certificates
from pki.crl_encoding import ListPlan
from pki.crl_issuing import ListAuthority
from pki.hierarchy import CEREMONY, Founding, certify_issuing, certify_root, cross_check, demand_names
from pki.keys import KeyType
from pki.request import held_key
from pki.reservation import Registrar
from pki.tbs import SERIAL_ENTROPY
from policyengine.adapters.ceremony import CeremonyLog
from policyengine.adapters.keyfile import generate, open_signer, write_key
from policyengine.errors import CodedError

ROOT_LIST_LIFETIME = timedelta(days=366)  # the root is opened once a year to say that its CAs are not revoked
Entropy = Callable[[int], bytes]


class CeremonyError(CodedError):
    """The ceremony cannot go on: another plan, or a file that is not what the transcript says."""

    code = "ceremony.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonyPlan:
    """What is made: one root, and an issuing CA for each name, bound to its domains."""

    fleet: str
    issuing: tuple[tuple[str, tuple[str, ...]], ...]
    key: KeyType

    def __post_init__(self) -> None:
        """Raise what would end the ceremony half-way: CeremonyError `ceremony.plan`, NameRefusedError, ProfileError."""
        folders: set[str] = set()
        for name, domains in self.issuing:
            if name.casefold() in folders:  # some file systems know no case
                raise CeremonyError(f"issuing CA `{name}` is named twice: each has one folder", code="ceremony.plan")
            folders.add(name.casefold())
            demand_names(f"{self.fleet} {name}", domains)

    @property
    def digest(self) -> str:
        """What the transcript holds a resumed ceremony to."""
        plain = [self.fleet, [[name, list(domains)] for name, domains in self.issuing], self.key.value]
        return "sha256:" + hashlib.sha256(json.dumps(plain).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: the file it leaves, and how it is made."""

    file: Path
    make: Callable[[], None]


class OfflineCeremony:
    """One ceremony in one directory."""

    def __init__(
        self, directory: Path, plan: CeremonyPlan, *, passphrase: bytes, now: datetime, entropy: Entropy
    ) -> None:
        self._directory = directory
        self._plan = plan
        self._passphrase = passphrase
        self._now = now
        self._entropy = entropy
        self._registrar = Registrar()
        self._transcript = directory / "transcript.jsonl"
        self._ledger = CeremonyLog(directory / "ceremony.jsonl", self._registrar, now=now)

    def run(self) -> Iterator[tuple[str, str]]:
        """Yield (file, `made` or `was there`) step by step.

        Raises CeremonyError, and what keys and issuing raise; call again after mending to go on.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        done = self._done()
        for step in self._steps():
            name = step.file.relative_to(self._directory).as_posix()
            if name in done:
                self._demand_unchanged(step.file, done[name])
                yield name, "was there"
                continue
            self._begin(step.file, name)
            if not step.file.exists():
                step.make()
            self._record(step=name, sha256=_digest(step.file))
            yield name, "made"

    def _begin(self, file: Path, name: str) -> None:
        begun = self._lines()[-1].get("begins") == name
        if file.exists() and not begun:
            raise CeremonyError(f"`{name}` is there, and the transcript does not know it")
        file.parent.mkdir(exist_ok=True, mode=0o700)
        if not begun:
            self._record(begins=name)

    def _steps(self) -> Iterator[Step]:
        root = self._directory / "root"
        yield self._key_step(root / "root.key")
        yield Step(file=root / "root.pem", make=self._root)
        for name, domains in self._plan.issuing:
            folder = self._directory / name
            yield self._key_step(folder / "issuing.key")
            yield Step(file=folder / "issuing.pem", make=partial(self._issuing, folder, domains))
            yield self._key_step(folder / "ocsp.key")
            yield Step(file=folder / "ocsp.pem", make=partial(self._responder, folder))
        yield Step(file=root / "root.crl", make=self._root_list)

    def _key_step(self, file: Path) -> Step:
        def make() -> None:
            write_key(file, generate(self._plan.key), passphrase=self._passphrase, entropy=self._entropy)

        return Step(file=file, make=make)

    def _root(self) -> None:
        signer = open_signer(self._directory / "root" / "root.key", passphrase=self._passphrase)
        made = certify_root(self._founding(()), signer, self._ledger, self._registrar, self._entropy)
        _write(self._directory / "root" / "root.pem", made.pem.encode())

    def _issuing(self, folder: Path, domains: tuple[str, ...]) -> None:
        above = self._opened(self._directory / "root", "root")
        signer = open_signer(folder / "issuing.key", passphrase=self._passphrase)
        made = certify_issuing(self._founding(domains, zone=folder.name), above, signer, self._ledger, self._entropy)
        cross_check(made.certificate, _certificate(self._directory / "root" / "root.pem"), at=self._now)
        _write(folder / "issuing.pem", made.pem.encode())

    def _responder(self, folder: Path) -> None:
        signer = open_signer(folder / "ocsp.key", passphrase=self._passphrase)
        fields = {"fleet.name": f"{self._plan.fleet} {folder.name}"}
        order = Order(terms=ocsp_signer_terms(), key=held_key(signer), fields=fields, authorization=CEREMONY)
        entropy = self._entropy(SERIAL_ENTROPY)
        made = issue(self._opened(folder, "issuing"), self._ledger, order, now=self._now, entropy=entropy)
        _write(folder / "ocsp.pem", made.pem.encode())

    def _root_list(self) -> None:
        folder = self._directory / "root"
        issuer = issuer_of(_certificate(folder / "root.pem"))
        lists = ListAuthority(issuer=issuer, signer=open_signer(folder / "root.key", passphrase=self._passphrase))
        now = self._now.replace(microsecond=0)
        plan = ListPlan(issuer=issuer, number=1, this_update=now, next_update=now + ROOT_LIST_LIFETIME)
        _write(folder / "root.crl", lists.sign_list(plan, (), now=now))

    def _opened(self, folder: Path, name: str) -> Authority:
        signer = open_signer(folder / f"{name}.key", passphrase=self._passphrase)
        issuer = issuer_of(_certificate(folder / f"{name}.pem"))
        return Authority(issuer=issuer, signer=signer, registrar=self._registrar)

    def _founding(self, domains: tuple[str, ...], *, zone: str | None = None) -> Founding:
        name = self._plan.fleet if zone is None else f"{self._plan.fleet} {zone}"
        return Founding(fleet_name=name, domains=domains, addresses=(), now=self._now)

    def _done(self) -> dict[str, str]:
        """Return the finished steps by file, beginning the transcript if there is none."""
        if not self._transcript.exists():
            self._record(step="plan", sha256=self._plan.digest)
        first, *lines = self._lines()
        if first["sha256"] != self._plan.digest:
            raise CeremonyError("this directory holds a ceremony of another plan")
        return {line["step"]: line["sha256"] for line in lines if "step" in line}

    def _lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._transcript.read_text(encoding="utf-8").splitlines()]

    def _demand_unchanged(self, file: Path, digest: str) -> None:
        if not file.exists() or _digest(file) != digest:
            raise CeremonyError(f"`{file.relative_to(self._directory)}` is not what the transcript says")

    def _record(self, **line: str) -> None:
        with self._transcript.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": self._now.isoformat(), **line}, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _digest(file: Path) -> str:
    return "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()


def _certificate(file: Path) -> x509.Certificate:
    return load_certificate(split_certificates(file.read_bytes())[0])


def _write(file: Path, content: bytes) -> None:
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_bytes(content)
    fresh.replace(file)
