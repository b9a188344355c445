"""A TPM 2.0 quote held to every requirement on it: what it selects, what it digests, and which key made it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from policyengine.attestation.anchors import TrustedKey
from policyengine.attestation.checks import Check, Requirement
from policyengine.attestation.tpm import algorithms
from policyengine.attestation.tpm import statement as tpm_statement
from policyengine.attestation.tpm.evidence import Pcrs, TpmEvidence
from policyengine.attestation.tpm.keys import ENDORSEMENT, lacking, qualified_name
from policyengine.attestation.tpm.structures import (
    DECRYPT,
    FIXED_PARENT,
    FIXED_TPM,
    MAX_CACHED,
    QUOTE,
    RESTRICTED,
    SENSITIVE_DATA_ORIGIN,
    SIGN,
    PublicArea,
    Quoted,
)

RULES = tpm_statement.rules("tpm.", QUOTE, "TPM_ST_ATTEST_QUOTE 0x8018")
# A restricted key signs no digest that TPM_GENERATED_VALUE could precede, so it cannot sign a forged quote; the fixed
# ones never leave the TPM that made them.
AK_REQUIRED = RESTRICTED | SIGN | FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN

ATTRIBUTES = Requirement(
    id="tpm.ak-attributes",
    clause="TPM 2.0 Part 2 section 8.3",
    expected="restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin, not decrypt",
)
NAME_HASH = Requirement(
    id="tpm.name-alg", clause="TPM 2.0 Part 1 section 16", expected="an AK named with SHA-256, 384 or 512"
)
QUALIFIED = Requirement(
    id="tpm.qualified-signer",
    clause="TPM 2.0 Part 1, Qualified Name",
    expected="a signer below the EK shown, or a primary key of the endorsement hierarchy",
)
SELECTION = Requirement(
    id="tpm.pcr-selection", clause="TPM 2.0 Part 2 section 10.9.7", expected="at least one PCR, no bank twice"
)
BANK = Requirement(
    id="tpm.pcr-bank", clause="TCG Algorithm Registry section 4", expected="PCRs of SHA-256, 384 or 512 banks only"
)
VALUES = Requirement(
    id="tpm.pcr-values", clause="TPM 2.0 Part 2 section 10.12.4", expected="values of exactly the PCRs selected"
)
DIGEST = Requirement(
    id="tpm.pcr-digest", clause="TPM 2.0 Part 3 section 18.4", expected="the digest of the values as selected"
)


class Standing(Enum):
    """Where the evidence proves the AK to stand; elsewhere the TPM obfuscates its counters and version."""

    BELOW_EK = "below the EK shown"
    PRIMARY = "primary in the endorsement hierarchy"
    UNPROVEN = "unproven"


class JudgedQuote(NamedTuple):
    """The checks of a quote. `signer` is None unless the signature of that trusted key verified.

    `candidates` are the trusted keys it may come from: what else this AK signed is judged against the same.
    """

    checks: tuple[Check, ...]
    candidates: tuple[TrustedKey, ...]
    signer: TrustedKey | None
    standing: Standing


def judge_quote(evidence: TpmEvidence, *, nonce: bytes, signers: tpm_statement.Signers) -> JudgedQuote:
    """Return what becomes of every requirement on the quote in `evidence`."""
    quote, ak = evidence.quote, evidence.ak
    candidates, trusted = tpm_statement.trusted(quote, ak, signers)
    stated, signer = tpm_statement.check_statement(quote, RULES, nonce=nonce, ak=ak, candidates=candidates)
    quoted = quote.attest.body
    standing, steady = _steady(
        ak,
        evidence.ek,
        quote.attest.signer,
        quoted if type(quoted) is Quoted else None,
        evidence.pcrs,
        quote.signature.hash,
    )
    checks = (*stated, trusted, tpm_statement.strength(candidates), *steady)
    return JudgedQuote(checks, candidates, signer, standing)


@lru_cache(maxsize=MAX_CACHED)  # nothing of it changes until the device starts something else
def _steady(
    ak: PublicArea | None,
    ek: PublicArea | None,
    signer: bytes,
    quoted: Quoted | None,
    pcrs: Pcrs | None,
    hash_: int,
) -> tuple[Standing, tuple[Check, ...]]:
    """Return where the AK stands, and the checks of keys and PCRs, which no nonce and no signature is part of."""
    standing, qualified = standing_of(signer, ak, ek, QUALIFIED)
    shown = _PCR_UNREACHED if quoted is None else _pcr_checks(quoted, pcrs, hash_)
    return standing, (_attributes(ak), _name_hash(ak), qualified, *shown)


def judge_ak(ak: PublicArea) -> tuple[Check, Check]:
    """Return checks `tpm.ak-attributes` and `tpm.name-alg` of an attestation key that has signed nothing yet."""
    return _attributes(ak), _name_hash(ak)


def _attributes(ak: PublicArea | None) -> Check:
    if ak is None:
        return ATTRIBUTES.absent
    wrong = lacking(ak, required=AK_REQUIRED, forbidden=DECRYPT)
    return ATTRIBUTES.failed(wrong) if wrong else ATTRIBUTES.passed


def _name_hash(ak: PublicArea | None) -> Check:
    if ak is None:
        return NAME_HASH.absent
    believed = ak.name_hash in algorithms.BELIEVED
    return NAME_HASH.passed if believed else NAME_HASH.failed(f"hash {ak.name_hash:#06x}")


def standing_of(
    signer: bytes, ak: PublicArea | None, ek: PublicArea | None, requirement: Requirement
) -> tuple[Standing, Check]:
    """Return where the AK that calls itself `signer` stands; the check fails only where it is not below an EK shown.

    The equation binds a truthful AK: an AK that was never activated with this EK could state any parent.
    """
    if ak is None or ak.name_hash not in algorithms.BELIEVED:
        return Standing.UNPROVEN, requirement.absent
    parent = qualified_name(ENDORSEMENT, ek) if ek else None
    if parent is not None and signer == qualified_name(parent, ak):
        return Standing.BELOW_EK, requirement.passed
    if signer == qualified_name(ENDORSEMENT, ak):
        return Standing.PRIMARY, requirement.passed
    if ek is None:
        return Standing.UNPROVEN, requirement.absent
    return Standing.UNPROVEN, requirement.failed(signer.hex())


_PCR_UNREACHED = (SELECTION.unreached, BANK.unreached, VALUES.unreached, DIGEST.unreached)


def _pcr_checks(quoted: Quoted, pcrs: Pcrs | None, hash_: int) -> tuple[Check, ...]:
    banks = [selection.hash for selection in quoted.selections if selection.pcrs]
    weak = [bank for bank in banks if bank not in algorithms.BELIEVED]
    sound = bool(banks) and len(set(banks)) == len(banks)
    return (
        SELECTION.passed if sound else SELECTION.failed(f"{len(banks)} selections, {len(set(banks))} banks"),
        BANK.failed(f"bank {_bank_name(weak[0])}") if weak else BANK.passed,
        *_value_checks(quoted, pcrs, hash_),
    )


def _bank_name(identifier: int) -> str:
    return algorithms.BANKS.get(identifier, (f"{identifier:#06x}", 0))[0]


def _value_checks(quoted: Quoted, pcrs: Pcrs | None, hash_: int) -> tuple[Check, Check]:
    if pcrs is None:
        return VALUES.absent, DIGEST.absent
    banks = pcrs.banks
    values = [banks.get(_bank_name(each.hash), {}).get(pcr) for each in quoted.selections for pcr in each.pcrs]
    problem = _values_problem(quoted, pcrs)
    shown = VALUES.failed(problem) if problem else VALUES.passed
    known = [value for value in values if value is not None]
    believed = algorithms.BELIEVED.get(hash_)
    if believed is None or len(known) != len(values):
        return shown, DIGEST.unreached
    digest = believed.digest(b"".join(known))
    return shown, DIGEST.passed if digest == quoted.pcr_digest else DIGEST.failed(quoted.pcr_digest.hex())


def _values_problem(quoted: Quoted, pcrs: Pcrs) -> str | None:
    """Return how the values shown are not those of the PCRs selected, each with a digest's size, or None."""
    unseen = {bank for bank, values in pcrs.banks.items() if values}
    for each in quoted.selections:
        bank, size = algorithms.BANKS.get(each.hash, (_bank_name(each.hash), 0))
        values = pcrs.banks.get(bank, {})
        unseen.discard(bank)
        different = values.keys() ^ each.pcrs
        if different:
            return f"{bank}:{min(different)} is {'not selected' if min(different) in values else 'selected'}"
        if any([len(value) != size for value in values.values()]):  # noqa: C419 - a list is faster for eight PCRs
            return f"a value of {bank} with another size than {size} bytes"
    return f"{min(unseen)} is not selected" if unseen else None


def selected_values(evidence: TpmEvidence) -> Mapping[algorithms.Hash, Mapping[int, bytes]]:
    """Return the values of the PCRs selected, by bank; of a quote that passed every check, so all are there."""
    quoted, pcrs = evidence.quote.attest.body, evidence.pcrs
    return selected_pcrs(quoted, pcrs) if type(quoted) is Quoted and pcrs is not None else {}


@lru_cache(maxsize=MAX_CACHED)
def selected_pcrs(quoted: Quoted, pcrs: Pcrs) -> Mapping[algorithms.Hash, Mapping[int, bytes]]:
    """Return the values in `pcrs` of those in `quoted`, by bank, whose digests are believed."""
    believed = [each for each in quoted.selections if each.pcrs and each.hash in algorithms.BELIEVED]
    banks = {algorithms.BELIEVED[each.hash]: each.pcrs for each in believed}
    return {bank: {pcr: pcrs.banks[bank.bank][pcr] for pcr in numbers} for bank, numbers in banks.items()}
