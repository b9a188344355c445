"""Every requirement that a module of a format states, also those in its tables."""

from __future__ import annotations

from types import ModuleType

from policyengine.attestation import cose, cose_mac0, jose, pop
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.cca import claims as cca_claims
from policyengine.attestation.checks import stated_in
from policyengine.attestation.cmw import wrapper as cmw
from policyengine.attestation.eat import appraisal as eat
from policyengine.attestation.eat import bundle as eat_bundle
from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat import result_claims as ear_claims
from policyengine.attestation.eat import submods as eat_submods
from policyengine.attestation.psa import claims as psa_claims
from policyengine.services.checkins import counters

PAGES: dict[str, tuple[ModuleType, ...]] = {
    "evidence.md": (cose, cose_mac0, psa_claims, pop, counters),
    "evidence-cca.md": (cca, cca_claims),
    "evidence-wrappers.md": (cmw, ear_claims),
    "evidence-eat.md": (jose, eat, eat_bundle, eat_claims, eat_submods),
}
_ELSEWHERE = (cose, psa_claims, pop, counters)  # have vectors or tests of their own


def of_formats() -> set[str]:
    modules = [module for page in PAGES.values() for module in page if module not in _ELSEWHERE]
    return {each.id for module in modules for each in stated_in(vars(module))}
