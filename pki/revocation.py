"""Why a certificate of ours is revoked (RFC 5280 section 5.3.1)."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """A CRLReason that a person can give; the value is its name in the standard.

    Left out are `certificateHold`, which is no revocation, `removeFromCRL`, which is for delta lists only, and the two
    that speak of an authority's own key.
    """

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
