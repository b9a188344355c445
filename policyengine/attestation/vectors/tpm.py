"""Test vectors of the formats `tpm`, `ekcert` and `eventlog`, whose parts lie in several files, to a verdict.

Beside the keys of any index (`attestation.vectors`): `attest.bin` and `sig.bin` are what was signed and by what, `ak.*`
is the key that the case says is trusted, `type: certify` says that it is no quote. These go the way of a container,
except that parts which other makers do not send may be absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes

from pki.certificates import load_certificate, split_certificates
from pki.errors import PathError
from policyengine.attestation.anchor_files import load_anchors
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Check, Outcome
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.tpm import appraisal as tpm
from policyengine.attestation.tpm import eventlog_replay
from policyengine.attestation.tpm.algorithms import BELIEVED_BANKS, SHA1, Hash
from policyengine.attestation.tpm.certify import judge_certification
from policyengine.attestation.tpm.claims import attest_claims
from policyengine.attestation.tpm.ek import judge_endorsement, tpm_identity
from policyengine.attestation.tpm.eventlog import read_log
from policyengine.attestation.tpm.evidence import Certification, Pcrs, TpmEvidence, pcrs_of, statement
from policyengine.attestation.tpm.keys import key_of
from policyengine.attestation.tpm.statement import trusted
from policyengine.attestation.tpm.structures import PublicArea, read_public
from policyengine.attestation.vectors.case import Case, Files, Judged, moment, nonce_of
from policyengine.model.ids import digest_of

FORMATS = ("tpm", "ekcert", "eventlog")

# Old logs have nothing else; a quote of this bank is refused, so no fact ever comes from it.
SHA1_BANK = Hash(id=SHA1, bank="sha1", size=20, suffix="1", signing=hashes.SHA1(), new=hashlib.sha1)  # noqa: S303 - replayed, not trusted


def judge(case: Case, files: Files, _anchors: TrustAnchors) -> Judged:
    """Return what became of `case`, whose keys are among its files; raises MalformedEvidenceError."""
    if case["format"] == "eventlog":
        return _log(files["eventlog.bin"])
    if case["format"] == "ekcert":
        return _endorsement(files, moment(case))
    if case.get("type") == "certify":
        return _certification(files, nonce_of(case))
    return _quote(files, nonce_of(case), moment(case))


def _quote(files: Files, nonce: bytes, now: datetime) -> Judged:
    ak, anchors = _ak(files)
    log = files.get("eventlog.bin")
    parts = TpmEvidence(
        quote=statement(files["attest.bin"], files["sig.bin"]),
        ak=ak,
        pcrs=_pcrs(files.get("pcrs.json")),
        ek=_ek(files),
        log=None if log is None else read_log(log),
    )
    found = tpm.judge(
        parts,
        digest=digest_of(files["attest.bin"]),
        media_type=tpm.MEDIA_TYPE,
        nonce=nonce,
        anchors=anchors,
        endorsements=None,
        now=now,
    )
    claims = attest_claims(parts.quote.attest) | _pcr_claims(parts.pcrs)
    if parts.log is not None:
        claims["eventlog_replays"] = tpm.REPLAY.passed in found.checks
    return Judged(accepted=found.accepted, failed=found.failed, facts=found.facts, claims=claims)


def _pcr_claims(pcrs: Pcrs | None) -> dict[str, object]:
    if pcrs is None or not pcrs.banks:
        return {}
    bank, values = next(iter(pcrs.banks.items()))
    return {"pcr_bank": bank, "pcrs": {str(pcr): value.hex() for pcr, value in values.items()}}


def _certification(files: Files, nonce: bytes) -> Judged:
    ak, anchors = _ak(files)
    certification = Certification(
        statement=statement(files["attest.bin"], files["sig.bin"]), public=read_public(files["certified.tpmt"])
    )
    candidates, is_trusted = trusted(certification.statement, ak, anchors.signers)
    checks, certified = judge_certification(certification, nonce=nonce, ak=ak, ek=_ek(files), candidates=candidates)
    failed = _failed((is_trusted, *checks))
    return Judged(
        accepted=not failed and certified is not None,
        failed=failed,
        claims=attest_claims(certification.statement.attest),
    )


def _ak(files: Files) -> tuple[PublicArea | None, TrustAnchors]:
    if "ak.tpmt" not in files:
        return None, load_anchors([files["ak.pem"]])
    ak = read_public(files["ak.tpmt"])
    return ak, TrustAnchors(keys=(key_of(ak),))


def _ek(files: Files) -> PublicArea | None:
    return read_public(files["ek.tpmt"]) if "ek.tpmt" in files else None


def _pcrs(content: bytes | None) -> Pcrs | None:
    if content is None:
        return None
    try:
        banks: Mapping[str, Mapping[str, str]] = json.loads(content)
        shown = [
            (bank, tuple(map(int, each)), tuple(map(bytes.fromhex, each.values()))) for bank, each in banks.items()
        ]
    except (ValueError, TypeError, AttributeError) as cause:
        raise MalformedEvidenceError("tpm.container", "`pcrs.json` is no map of banks to values by PCR") from cause
    return pcrs_of(tuple(shown))


def _endorsement(files: Files, now: datetime) -> Judged:
    """Judge every EK certificate among `files` with the public area of the same name; authorities are `*-ca-*`."""
    roots = tuple(_certificate(files[name]) for name in files if "-ca-root" in name)
    above = tuple(split_certificates(files[name])[0] for name in files if "-ca-" in name and "-root" not in name)
    leaves = [name for name in files if name == "cert.pem" or (name.startswith("ek-") and name.endswith(".der"))]
    checks: list[Check] = []
    claims: dict[str, object] = {}
    for name in leaves:
        leaf = split_certificates(files[name])[0]
        area = files.get(name.replace(".der", ".tpmt")) if name.endswith(".der") else None
        public = None if area is None else read_public(area)
        found = judge_endorsement(public, (leaf, *above), anchors=roots, now=now)
        checks += found.checks
        claims |= {f"tpm_{key}": value for key, value in tpm_identity(_certificate(leaf)).items()}
    failed = _failed(tuple(checks))
    return Judged(accepted=bool(leaves) and not failed, failed=failed, claims=claims)


def _certificate(content: bytes) -> Any:
    try:
        return load_certificate(split_certificates(content)[0])
    except PathError as cause:
        raise MalformedEvidenceError("tpm.ek-certificate", cause.message) from cause


def _failed(checks: tuple[Check, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check.id for check in checks if check.result is Outcome.FAIL))


def _log(content: bytes) -> Judged:
    log = read_log(content)
    name = "sha256" if "sha256" in log.banks else log.banks[0]
    bank = BELIEVED_BANKS.get(name, SHA1_BANK)
    values = eventlog_replay.replay(log, bank)
    failed = (tpm.DATA.id,) if eventlog_replay.false_data(log, bank) else ()
    claims: dict[str, object] = {
        "bank": name,
        "banks": list(log.banks),
        "events": len(log.events),
        "pcrs": {str(pcr): value.hex() for pcr, value in values.items()},
    }
    return Judged(accepted=not failed, failed=failed, claims=claims)
