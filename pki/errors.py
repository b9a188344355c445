"""The root of every error that pki raises on purpose.

`pki` is the lowest floor and cannot see `policyengine.errors`; this root has the same shape (`code`, `message`,
`fields`), so the places that map errors to HTTP statuses and exit codes treat both alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class PkiError(Exception):
    """Something the caller can act on: a stable `code`, a sentence, and structured `fields`."""

    code = "pki.fault"

    def __init__(self, message: str, *, code: str | None = None, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields
        if code is not None:
            self.code = code


class DerError(PkiError):
    """The bytes are not the DER that was expected at this place (X.690 section 10)."""

    code = "der.malformed"


class NameRefusedError(PkiError):
    """A subject or alternative name is outside the strict allow-list; `code` says how."""

    code = "name.refused"


class ProfileError(PkiError):
    """A certificate profile says something that no certificate could honour."""

    code = "profile.invalid"


class TierIssuesNothingError(ProfileError):
    """The profile does not name this tier, so nothing is issued and the current certificate is held."""

    code = "profile.tier-issues-nothing"


class RequestError(PkiError):
    """A certification request that cannot be believed: malformed, oversized, or without proof of possession."""

    code = "csr.malformed"


class KeyRefusedError(PkiError):
    """A public key of a kind, size or encoding that nobody may have certified here."""

    code = "key.refused"


class LintError(PkiError):
    """The certificate about to be signed breaks at least one clause; `violations` lists them all."""

    code = "lint.failed"

    def __init__(self, violations: Sequence[tuple[str, str, str]]) -> None:
        first = violations[0]
        super().__init__(
            f"certificate breaks {first[1]}: {first[2]}",
            violations=[{"id": check, "clause": clause, "seen": seen} for check, clause, seen in violations],
        )
        self.violations = tuple(violations)


class IssuanceError(PkiError):
    """The authority refuses to sign: wrong token, used token, or an issuer that may not issue now."""

    code = "issue.refused"


class PathError(PkiError):
    """No certification path from the certificate to a given anchor holds (RFC 5280 section 6.1)."""

    code = "path.refused"
