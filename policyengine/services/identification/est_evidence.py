"""That evidence in a certification request is by the device that asks: TLS or a one-time token says which that is.

1. A device that is enrolled has a pinned key: all evidence is by it, as at a check-in.
2. One that is not is known by the key that its certificate in TLS proved, or by that in the request, which a one-time
   token enrols: all evidence is by that key.
"""

from __future__ import annotations

from dataclasses import replace

from policyengine.attestation.formats import Verified
from policyengine.services.identification.claimants import Claimant, Question, is_pop, proven_spki, refused
from policyengine.services.identification.identity import by_pinned_key, check_bounds
from policyengine.services.identification.idevid_identity import possession
from policyengine.services.identification.signing_keys import same_key
from policyengine.services.requests import EvidenceItem


def attested(question: Question, claimant: Claimant) -> Claimant:
    """Return `claimant` with what its evidence says; raises as `identity.identify` does for evidence of others."""
    check_bounds(question.request)
    if claimant.view.state is not None:
        return by_pinned_key(question, claimant.view)
    return replace(claimant, verified=tuple(_own(question, item, claimant) for item in question.request.evidence))


def _own(question: Question, item: EvidenceItem, claimant: Claimant) -> Verified:
    if not is_pop(item):
        return same_key(question, item, claimant.view, claimant.spki)
    proof, binding = possession(question)
    if proven_spki(binding.key) != claimant.spki:
        raise refused("the proof of possession is of another key than the one that asks", "binding.evidence-key")
    return proof
