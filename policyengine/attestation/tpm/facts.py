"""Facts that a believed TPM check-in gives (`boot`, `pcrs`, `software`, `tpm`); what it does not prove is absent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from policyengine.attestation.reference import Comparison, Match, add_matches, compare
from policyengine.attestation.tpm.algorithms import SHA256, Hash
from policyengine.attestation.tpm.ek import JudgedEndorsement, tpm_identity
from policyengine.attestation.tpm.eventlog_facts import boot_facts, firmware_version
from policyengine.attestation.tpm.evidence import Pcrs, TpmEvidence
from policyengine.attestation.tpm.quote import Standing, selected_pcrs, selected_values
from policyengine.attestation.tpm.structures import MAX_CACHED, Attest, Quoted
from policyengine.model.endorsements import ReferenceValues

_DIGESTS = {"sha256": "sha-256", "sha384": "sha-384", "sha512": "sha-512"}
_SHA256_PCR = f"{SHA256.bank}:"
_CRTM = "s-crtm"  # the static core root of trust for measurement: the firmware that measures first


def facts_of(
    evidence: TpmEvidence,
    *,
    standing: Standing,
    endorsement: JudgedEndorsement,
    endorsements: ReferenceValues | None,
    now: datetime,
) -> dict[str, object]:
    """Return the groups that `evidence`, of which no check failed, proves; compared with `endorsements` at `now`."""
    attest, pcrs = evidence.quote.attest, evidence.pcrs
    digests = _digests(attest.body, pcrs) if type(attest.body) is Quoted and pcrs is not None else {}
    groups: dict[str, object] = {"pcrs": dict(digests)}
    boot: dict[str, object] = {}
    if evidence.log is not None or endorsements is not None:
        values = selected_values(evidence)
        boot = _boot(evidence, values)
        rows = _rows(evidence, values, digests, endorsements)
        comparison = _compared(rows, endorsements, now)
        if comparison.svn is not None:
            boot["svn"] = comparison.svn
        groups |= {"endorsement": comparison.endorsement, "software": rows}
    if standing is not Standing.UNPROVEN:
        boot["reset_count"] = attest.reset_count
        groups["tpm"] = _tpm(attest, standing, endorsement)
    groups["boot"] = boot
    return {name: group for name, group in groups.items() if group}


@lru_cache(maxsize=MAX_CACHED)
def _digests(quoted: Quoted, pcrs: Pcrs) -> Mapping[str, str]:
    values = selected_pcrs(quoted, pcrs)
    return {f"{bank.bank}:{pcr}": value.hex() for bank, each in values.items() for pcr, value in each.items()}


def _boot(evidence: TpmEvidence, values: Mapping[Hash, Mapping[int, bytes]]) -> dict[str, object]:
    """Return what the log says, by the first quoted bank that shows it: all banks replayed, so they do not differ."""
    if evidence.log is None:
        return {}
    found = (boot_facts(evidence.log, bank, pcrs.keys()) for bank, pcrs in values.items())
    return next((facts for facts in found if facts), {})


def _rows(
    evidence: TpmEvidence,
    values: Mapping[Hash, Mapping[int, bytes]],
    pcrs: Mapping[str, str],
    endorsements: ReferenceValues | None,
) -> list[dict[str, object]]:
    """Return what is measured as components.

    A PCR stands for all that was measured into it, in order: it is a component where reference values name it, as
    `sha256:4`. A digest in a log proves less, because what runs can always extend a good digest too.
    """
    if endorsements is None:
        return _crtm(evidence, values)
    named = endorsements.names
    rows = [_row(name, digest) for name, digest in pcrs.items() if name in named and name.startswith(_SHA256_PCR)]
    return rows + _crtm(evidence, values)


_NOT_COMPARED = Comparison(matches=())


def _compared(rows: list[dict[str, object]], endorsements: ReferenceValues | None, now: datetime) -> Comparison:
    """Return what came of comparing those of `rows` that the reference values know; they are told in the rows."""
    if endorsements is None:
        return _NOT_COMPARED
    known = [row for row in rows if row["name"] in endorsements.names and row["digest_alg"] == "sha-256"]
    if not known:
        return _NOT_COMPARED
    comparison = compare([(str(row["name"]), str(row["digest"])) for row in known], endorsements=endorsements, now=now)
    add_matches(known, comparison)
    return comparison


def _row(name: str, digest: str) -> dict[str, object]:
    return {"name": name, "type": "pcr", "digest": digest, "digest_alg": "sha-256", "match": Match.NONE.value}


def _crtm(evidence: TpmEvidence, values: Mapping[Hash, Mapping[int, bytes]]) -> list[dict[str, object]]:
    if evidence.log is None:
        return []
    for bank, pcrs in values.items():
        found = firmware_version(evidence.log, bank, pcrs.keys())
        if found is not None:
            row = _row(_CRTM, found.digest.hex())
            return [row | {"type": "firmware", "version": found.version, "digest_alg": _DIGESTS[bank.bank]}]
    return []


def _tpm(attest: Attest, standing: Standing, endorsement: JudgedEndorsement) -> dict[str, object]:
    """Return what is known of a TPM whose AK is proven to stand in it."""
    tpm: dict[str, object] = {"fw_version": firmware_text(attest.firmware_version)}
    if endorsement.path is not None and standing is Standing.BELOW_EK:
        stated = tpm_identity(endorsement.path.leaf)
        tpm |= {name: stated[name] for name in ("manufacturer", "model") if name in stated}
    return tpm


@lru_cache(maxsize=256)  # versions of TPMs in use are a handful
def firmware_text(version: int) -> str:
    """Return a firmware version as vendors write it: four numbers of 16 bits (`7.85.4555.0`)."""
    return ".".join(str(version >> shift & 0xFFFF) for shift in (48, 32, 16, 0))
