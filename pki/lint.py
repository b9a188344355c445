"""Every clause that a certificate of ours must keep, checked over the exact bytes before a real signature exists.

The TBSCertificate is wrapped with an empty signature and read back by `cryptography`, an implementation that had no
part in encoding it; what it reads is compared with the standard and with the plan (the clauses stand in
pki.clauses). `Linted` has no other maker than `lint`, and `Authority.sign` takes nothing else.
"""

from __future__ import annotations

import hashlib

from cryptography import x509

from pki import der
from pki.candidate import Candidate
from pki.certificates import raw_fields
from pki.clauses import CLAUSES
from pki.errors import DerError, IssuanceError, LintError
from pki.reading import UNREADABLE, tolerant
from pki.reservation import Reservation
from pki.tbs import Plan

MAX_TBS_BYTES = 8 * 1024  # ours are half a kilobyte; a larger one means something got in that should not
_EMPTY_SIGNATURE = der.bit_string(b"")
_SEAL = object()


class Linted:
    """TBSCertificate bytes that broke no clause: the right to ask for one signature by one issuer.

    Redeemed at most once, whatever becomes of the attempt.
    """

    __slots__ = ("_unused", "plan", "reservation", "tbs")

    def __init__(self, tbs: bytes, plan: Plan, *, seal: object) -> None:
        if seal is not _SEAL:
            raise IssuanceError("only lint makes what can be signed", code="issue.unlinted")
        self.tbs = tbs
        self.plan = plan
        self.reservation = _reservation(tbs, plan)
        self._unused = [True]

    def redeem(self) -> bytes:
        """Return the bytes to sign, once; raises IssuanceError `issue.redeemed` ever after."""
        try:
            self._unused.pop()  # atomic: of two threads only one gets it
        except IndexError as cause:
            raise IssuanceError("this certificate was already handed to the signer", code="issue.redeemed") from cause
        return self.tbs


def _reservation(tbs: bytes, plan: Plan) -> Reservation:
    return Reservation(
        issuer=plan.issuer.thumbprint,
        serial=f"{plan.serial:x}",
        tbs_sha256="sha256:" + hashlib.sha256(tbs).hexdigest(),
        subject=",".join(f"{name}={value}" for name, value in plan.subject),
        key=plan.key.thumbprint,
        not_before=plan.not_before,
        not_after=plan.not_after,
        profile=plan.terms.profile,
        profile_digest=plan.terms.digest,
        authorization=plan.authorization,
    )


def lint(tbs: bytes, plan: Plan) -> Linted:
    """Return the token for `tbs` if it breaks no clause and is what `plan` says.

    Raises LintError with every violation: (check id, clause, what was seen).
    """
    candidate = read_back(tbs, plan)
    violations = [
        (clause.id, clause.citation, seen) for clause in CLAUSES if (seen := clause.check(candidate)) is not None
    ]
    if violations:
        raise LintError(violations)
    return Linted(tbs, plan, seal=_SEAL)


def read_back(tbs: bytes, plan: Plan) -> Candidate:
    """Return `tbs` as parsed by an implementation that did not write it; raises LintError `lint.encoding`."""
    if len(tbs) > MAX_TBS_BYTES:
        raise LintError([("lint.size", "RFC 5280 section 4.1", f"{len(tbs)} bytes")])
    encoded = der.sequence(tbs, plan.issuer.algorithm.identifier, _EMPTY_SIGNATURE)
    try:
        with tolerant():
            certificate = x509.load_der_x509_certificate(encoded)
            found = tuple(certificate.extensions)
            _ = certificate.subject
        return Candidate(
            raw=raw_fields(tbs, outer_algorithm=plan.issuer.algorithm.identifier),
            certificate=certificate,
            extensions={extension.oid.dotted_string: extension for extension in found},
            values={type(extension.value): extension.value for extension in found},
            start=certificate.not_valid_before_utc,
            end=certificate.not_valid_after_utc,
            plan=plan,
        )
    except x509.DuplicateExtension as cause:
        seen = f"extension {cause.oid.dotted_string} stands twice"
        raise LintError([("lint.duplicate-extension", "RFC 5280 section 4.2", seen)]) from cause
    except (DerError, *UNREADABLE) as cause:
        raise LintError([("lint.encoding", "RFC 5280 section 4.1", "bytes cannot be read back")]) from cause
