"""Signing revocation lists: a holder of the issuing key that can sign lists and nothing else.

It takes entries and a plan, never bytes to sign, so no certificate can come out of it (pki.authority is the only way
to one).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pki import der
from pki.crl_encoding import ListPlan, encode_list
from pki.errors import IssuanceError
from pki.ports import Signer
from pki.signing import demand_signer_of, verified_signature
from pki.tbs import Issuer


class ListAuthority:
    """Signs revocation lists for one issuer."""

    __slots__ = ("_signer", "issuer")

    def __init__(self, *, issuer: Issuer, signer: Signer) -> None:
        """Raise IssuanceError `issue.signer` unless the signer's key is the issuer's."""
        demand_signer_of(issuer, signer)
        self.issuer = issuer
        self._signer = signer

    def sign_list(self, plan: ListPlan, entries: Iterable[bytes], *, now: datetime) -> bytes:
        """Return the DER CRL. The signer's answer is verified before it leaves.

        Raises IssuanceError: `issue.other-issuer`, `issue.issuer-expired`, `issue.list-times` when the list would not
        be current at `now`, `issue.signature`.
        """
        if plan.issuer is not self.issuer:
            raise IssuanceError("planned for another issuer", code="issue.other-issuer")
        if not plan.this_update <= now < plan.next_update:
            raise IssuanceError("the list is not current when it is made", code="issue.list-times")
        if now > self.issuer.not_after:
            raise IssuanceError("the issuer has expired", code="issue.issuer-expired")
        tbs = encode_list(plan, entries)
        signature = verified_signature(self._signer, tbs)
        return der.sequence(tbs, self.issuer.algorithm.identifier, der.bit_string(signature))
