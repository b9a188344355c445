"""Evidence that must be refused, each for one check: the other half of the mutation table.

A new format adds its cases to `CASES`. A case names the one check that refuses it; `beside` are checks that refuse it
too, because no evidence can fail the one without them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policyengine.attestation.checks import Outcome
from policyengine.attestation.formats import Verified
from policyengine.attestation.renewal import check_renewal
from policyengine.attestation.tpm import certify as tpm_certify
from policyengine.simulation.cose import cose_sign1
from tests.support import vector_folder
from tests.unit.attestation import test_pop, test_tpm_checks, tpm_device

OWN = tuple(Path(__file__).parents[1] / "vectors" / name for name in ("attestation", "formats", "dice", "corim"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether evidence was believed, and the checks it failed."""

    accepted: bool
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeCase:
    """Evidence with one defect, the check that finds it, and how to judge it."""

    name: str
    check: str
    judge: Callable[[], Verdict]
    beside: tuple[str, ...] = ()


def of(verified: Verified) -> Verdict:
    """Return the verdict in `verified`."""
    return Verdict(accepted=verified.accepted, failed=verified.failed)


def _own_vectors() -> Iterator[NegativeCase]:
    for folder in OWN:
        for case in vector_folder.index(folder):
            if len(case["failed"]) == 1:
                judge = functools.partial(_vector, folder, case)
                yield NegativeCase(name=case["id"], check=case["failed"][0], judge=judge)


def _vector(folder: Path, case: vector_folder.Case) -> Verdict:
    found = vector_folder.result(folder, case)
    return Verdict(accepted=bool(found.accepted), failed=found.failed)


def _tpm() -> Iterator[NegativeCase]:
    for check, make in test_tpm_checks.CASES.items():
        yield NegativeCase(name=f"tpm/{check}", check=check, judge=lambda make=make: _tpm_verdict(*make()))
    yield NegativeCase(
        name="tpm/certification signed with SHA-1",
        check="tpm.certify-hash",
        judge=lambda: _tpm_verdict(*test_tpm_checks.BOTH["tpm.certify-hash"]()),
        beside=("tpm.certify-scheme",),
    )
    yield NegativeCase(name="tpm/time stamp, without a log", check="tpm.type", judge=_time_as_quote)
    yield NegativeCase(name="tpm/request for another key", check="binding.csr-key", judge=_other_key_requested)


def _tpm_verdict(found: dict[str, object], trust: Any) -> Verdict:
    return of(tpm_device.appraised(found, trust=trust))


def _time_as_quote() -> Verdict:
    """A log would be missed by its own check, since a time stamp quotes nothing that it could lead to."""
    found, trust = test_tpm_checks.quote(kind=0x8019)
    return _tpm_verdict({key: value for key, value in found.items() if key != "eventlog"}, trust)


def _other_key_requested() -> Verdict:
    check = tpm_certify.csr_key("sha256:certified", requested="sha256:requested")
    refused = check.result is not Outcome.PASS
    return Verdict(accepted=not refused, failed=(check.id,) if refused else ())


def _pop() -> Iterator[NegativeCase]:
    for check, evidence in test_pop.REFUSED.items():
        yield NegativeCase(
            name=f"pop/{check}", check=check, judge=lambda evidence=evidence: of(test_pop.judged(evidence))
        )
    for name in ("of another vendor", "self made with the anchor's name"):
        yield NegativeCase(
            name=f"pop/chain {name}",
            check="pop.chain",
            judge=lambda name=name: of(test_pop.judged(test_pop.CHAINS[name])),
        )


def _renewal() -> Iterator[NegativeCase]:
    old, other = test_pop.DEVICE, test_pop.OTHER
    yield NegativeCase(
        name="renewal/signed by another key",
        check="renewal.signature",
        judge=lambda: _renewal_verdict(cose_sign1(other, b"this request")),
    )
    yield NegativeCase(
        name="renewal/of another request",
        check="renewal.statement",
        judge=lambda: _renewal_verdict(cose_sign1(old, b"another request")),
    )


def _renewal_verdict(message: bytes) -> Verdict:
    checks = check_renewal(message, key=test_pop.DEVICE.public_key(), statement=b"this request")
    return Verdict(
        accepted=all(check.result is Outcome.PASS for check in checks if check.id.startswith("renewal.")),
        failed=tuple(check.id for check in checks if check.result is Outcome.FAIL),
    )


CASES: tuple[NegativeCase, ...] = (*_own_vectors(), *_tpm(), *_pop(), *_renewal())
