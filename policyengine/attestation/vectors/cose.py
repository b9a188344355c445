"""Test vectors of the format `cose`: COSE_Sign1 as RFC 9052 has it, apart from evidence.

Evidence is judged more strictly than these examples need: its message is tagged and its algorithm is signed. What an
application may decide otherwise is decided here, beside the door and not in it: the context says COSE_Sign1, so the
tag may be absent (section 2), and an algorithm may stand in the unprotected header (section 3.1).
"""

from __future__ import annotations

from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.checks import Outcome, nothing_failed
from policyengine.attestation.cose import SIGN1, ForeignEnvelope, Sign1, check_sign1, read_sign1
from policyengine.attestation.signatures import BY_ID
from policyengine.attestation.vectors.case import Case, Files, Judged

_ALG = 1


def judge(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
    """Return whether the message of `case` verifies; `external_aad` is in hexadecimal."""
    name = next(name for name in case["files"] if name.endswith(".cbor"))
    message = read_sign1(files[name])
    if not isinstance(message, ForeignEnvelope):
        message = _of_this_application(message)
    external = bytes.fromhex(case.get("external_aad") or "")
    found = check_sign1(message, signers=anchors.signers, algorithms=BY_ID, external=external)
    failed = tuple(check.id for check in found.checks if check.result is Outcome.FAIL)
    return Judged(accepted=nothing_failed(found.checks) and found.signer is not None, failed=failed)


def _of_this_application(message: Sign1) -> Sign1:
    tagged = message._replace(tag=SIGN1)
    if message.headers or _ALG not in message.unprotected:
        return tagged
    rest = {label: value for label, value in message.unprotected.items() if label != _ALG}
    # An empty protected header is signed as no bytes (section 4.4), however it was sent.
    return tagged._replace(headers={_ALG: message.unprotected[_ALG]}, protected=b"", unprotected=rest)
