"""What a check of evidence asks for, and what a code of a refusal means: by id, for people who were refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import ModuleType

from policyengine.attestation import cose, cose_mac0, jose, malformed_codes, pop, renewal
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.cca import claims as cca_claims
from policyengine.attestation.check_pages import page_of
from policyengine.attestation.checks import Requirement
from policyengine.attestation.cmw import wrapper as cmw
from policyengine.attestation.corim import appraisal as corim
from policyengine.attestation.dice import rules as dice_rules
from policyengine.attestation.eat import appraisal as eat
from policyengine.attestation.eat import bundle as eat_bundle
from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat import result_claims as ear_claims
from policyengine.attestation.eat import submods as eat_submods
from policyengine.attestation.psa import claims as psa_claims
from policyengine.attestation.tpm import appraisal as tpm
from policyengine.attestation.tpm import certify as tpm_certify
from policyengine.attestation.tpm import ek, iak
from policyengine.attestation.tpm import quote as tpm_quote
from policyengine.attestation.tpm import statement as tpm_statement
from policyengine.services.checkins import counters, refusal_codes
from policyengine.services.gates import refusal_codes as gate_codes

_STATING: tuple[ModuleType, ...] = (
    *(
        cca,
        cca_claims,
        cmw,
        corim,
        cose,
        cose_mac0,
        counters,
        dice_rules,
        ear_claims,
        eat,
        eat_bundle,
        eat_claims,
        eat_submods,
    ),
    *(ek, iak, jose, pop, psa_claims, renewal, tpm, tpm_certify, tpm_quote, tpm_statement),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckExplanation:
    """A check or a code: by which clause, when it passes, what a refusal means, where to read on; None: not said."""

    check: str
    clause: str | None
    passes_when: str | None
    meaning: str | None
    documentation: str | None


def explain_check(check_id: str) -> CheckExplanation | None:
    """Return what `check_id` asks for or, as the code of a refusal, means; None if it is neither here."""
    found = requirements().get(check_id)
    malformed = malformed_codes.MEANINGS.get(check_id)
    refusal, page = _refusal(check_id)
    if found is None and malformed is None and refusal is None:
        return None
    clause = malformed_codes.clause_of(check_id) if malformed is not None else None
    return CheckExplanation(
        check=check_id,
        clause=found.clause if found is not None else clause,
        passes_when=found.expected if found is not None else None,
        meaning=malformed or refusal,
        documentation=page,
    )


def _refusal(code: str) -> tuple[str | None, str | None]:
    """Return what the code of a refusal means, and the page that explains it or the check of that name."""
    for found in (refusal_codes, gate_codes):
        if code in found.MEANINGS:
            return found.MEANINGS[code], found.PAGE
    return None, page_of(code)


def explained() -> Iterator[str]:
    """Yield every check and code that can be explained here."""
    yield from requirements()
    yield from malformed_codes.MEANINGS
    yield from refusal_codes.MEANINGS
    yield from gate_codes.MEANINGS


@cache
def requirements() -> Mapping[str, Requirement]:
    """Return every requirement on evidence, by check id."""
    stated = (each for module in _STATING for value in vars(module).values() for each in _within(value))
    return {each.id: each for each in stated}


def _within(value: object) -> Iterator[Requirement]:
    if isinstance(value, Requirement):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _within(item)
    elif isinstance(value, dict):
        yield from _within(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from (
            each for each in (getattr(value, one.name) for one in fields(value)) if isinstance(each, Requirement)
        )
