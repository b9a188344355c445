"""Test vectors of the format `corim`: signed and unsigned CoRIMs, and bare tags that are only to be decoded.

`corim.cbor` is a CoRIM; unsigned, it counts as come over an authenticated channel. `tag.cbor` is a CoMID or a CoRIM
that must decode. `preimage.cbor` is what the signature's hash envelope is over. The indexes use example profiles beside
real ones; they mean nothing, so these runs know them, and no one else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cbor2 import CBORTag

from policyengine.attestation.anchor_files import load_anchors
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.corim import comid
from policyengine.attestation.corim.appraisal import JudgedCorim, judge_conveyed, judge_signed
from policyengine.attestation.corim.document import moment, read_corim, read_meta, read_tag
from policyengine.attestation.corim.profiles import PROFILES, Profile
from policyengine.attestation.cose import ForeignEnvelope, Sign1, read_sign1
from policyengine.attestation.documents import plain
from policyengine.attestation.vectors.case import Case, Files, Judged
from policyengine.attestation.vectors.case import moment as moment_of

_EXAMPLES = (
    Profile(id=f"http://example.com/{name}-profile", extends=True, refusal=lambda _: None)
    for name in ("example", "test")
)
PROFILES_OF_VECTORS: Mapping[str, Profile] = {**PROFILES, **{each.id: each for each in _EXAMPLES}}
_UNSIGNED = b"\xd9\x01\xf5"  # tag 501


def judge(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
    """Return what becomes of one case; raises MalformedEvidenceError."""
    if "tag.cbor" in files:
        content = files["tag.cbor"]
        _ = read_corim(content) if content.startswith(_UNSIGNED) else read_tag(content)
        return Judged(accepted=True)
    content, now = files["corim.cbor"], moment_of(case)
    if content.startswith(_UNSIGNED):
        found = judge_conveyed(content, now=now, profiles=PROFILES_OF_VECTORS)
        said: object = None if found.corim is None else shown(found.corim.content)
        return _judged(found, {"tag": comid.CORIM_TAG, "value": said})
    trusted = load_anchors([files["root.pem"]]) if "root.pem" in files else anchors
    preimage = files.get("preimage.cbor")
    found = judge_signed(content, signers=trusted, now=now, preimage=preimage, profiles=PROFILES_OF_VECTORS)
    return _judged(found, _claims(read_sign1(content), found))


def _judged(found: JudgedCorim, claims: Mapping[str, object]) -> Judged:
    return Judged(accepted=found.accepted, failed=found.failed, claims=claims)


def _claims(message: Sign1 | ForeignEnvelope, found: JudgedCorim) -> dict[str, object]:
    """Return what a signed CoRIM says in the terms of an index: tags as `{tag, value}`, times in ISO 8601."""
    if isinstance(message, ForeignEnvelope) or found.corim is None:
        return {}
    meta = message.headers.get(8)
    return {
        "content_type": message.headers.get(3),
        "meta": {} if meta is None else shown(read_meta(meta)),
        "payload": {"tag": comid.CORIM_TAG, "value": shown(found.corim.content)},
    }


def shown(value: Any) -> object:
    """Return a decoded item for JSON."""
    if isinstance(value, CBORTag):
        if value.tag == 1:
            return moment(value.value).isoformat()
        return {"tag": value.tag, "value": shown(value.value)}
    if isinstance(value, Mapping):
        return {str(key): shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return plain(value)
