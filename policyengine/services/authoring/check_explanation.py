"""What a check of evidence asks for, and what a code of a refusal means: by id, for people who were refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policyengine.attestation import malformed_codes, renewal
from policyengine.attestation.check_pages import page_of
from policyengine.attestation.checks import Requirement, stated_in
from policyengine.attestation.corim import appraisal as corim
from policyengine.attestation.registry import Registry
from policyengine.attestation.verifier import READABLE
from policyengine.services.authoring.other_codes import OTHERS, subject_of
from policyengine.services.checkins import counters, refusal_codes
from policyengine.services.gates import refusal_codes as gate_codes

# Checks of what is no evidence of a format: signed endorsements, requests of devices whose certificate ended, and what
# a device sent before.
_ELSEWHERE = stated_in(vars(corim), vars(renewal), vars(counters))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckExplanation:
    """A check or a code: by which clause, when it passes, what a refusal means, where to read on; None: not said."""

    check: str
    clause: str | None
    passes_when: str | None
    meaning: str | None
    documentation: str | None


def explain_check(check_id: str, registry: Registry = READABLE) -> CheckExplanation | None:
    """Return what `check_id` asks for or, as the code of a refusal, means; None if it is neither here.

    Checks are those of the formats in `registry`, which may have more of them than ours.
    """
    found = requirements(registry).get(check_id)
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


def explain_code(code: str, registry: Registry = READABLE) -> CheckExplanation | None:
    """Return what `explain_check` does or, for any other code of a finding, a command or the API, what it speaks of."""
    found = explain_check(code, registry)
    subject = subject_of(code) if found is None else None
    if subject is None:
        return found
    return CheckExplanation(
        check=code, clause=None, passes_when=None, meaning=subject.meaning, documentation=subject.page
    )


def _refusal(code: str) -> tuple[str | None, str | None]:
    """Return what the code of a refusal means, and the page that explains it or the check of that name."""
    for found in (refusal_codes, gate_codes):
        if code in found.MEANINGS:
            return found.MEANINGS[code], found.PAGE
    return None, page_of(code)


def explained(registry: Registry = READABLE) -> Iterator[str]:
    """Yield every check and code that can be explained here."""
    yield from requirements(registry)
    yield from malformed_codes.MEANINGS
    yield from refusal_codes.MEANINGS
    yield from gate_codes.MEANINGS


def explained_codes(registry: Registry = READABLE) -> Iterator[str]:
    """Yield every code that can be explained here, of subjects their first part."""
    yield from explained(registry)
    yield from OTHERS


def requirements(registry: Registry = READABLE) -> Mapping[str, Requirement]:
    """Return every requirement on evidence, by check id."""
    return {**registry.requirements, **{each.id: each for each in _ELSEWHERE}}
