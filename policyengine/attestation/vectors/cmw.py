"""Test vectors of the format `cmw`: a wrapper in CBOR, in JSON or in a certificate.

A case with a key is judged with the evidence inside; one without says only whether the wrapper is well formed. Claims
are the wrapper's parts as they came.
"""

from __future__ import annotations

from typing import Any

from cbor2 import CBORTag

from policyengine.attestation import cbor
from policyengine.attestation.anchors import TrustAnchors
from policyengine.attestation.cmw import extension as cmw_extension
from policyengine.attestation.cmw import wrapper as cmw
from policyengine.attestation.errors import UnsupportedMediaTypeError
from policyengine.attestation.vectors.case import Case, Files, Judged, judged, moment, nonce_of
from policyengine.attestation.verifier import verify

_read = cbor.reader_of(range(2**63))


def judge(case: Case, files: Files, anchors: TrustAnchors) -> Judged:
    """Return what became of `case`."""
    (name,) = case["files"]
    content = files[name]
    if name.endswith(".der"):
        return Judged(accepted=cmw_extension.wrapper_of(content) is not None)
    media_type = cmw.JSON if name.endswith(".json") else cmw.CBOR
    if case.get("key"):
        return _judged_inside(case, content, media_type, anchors)
    if media_type == cmw.JSON:
        cmw.read_json_wrapper(content)
        return Judged(accepted=True)
    cmw.read_cbor_wrapper(content)
    return Judged(accepted=True, claims=_shown(_read(content)))


def _judged_inside(case: Case, content: bytes, media_type: str, anchors: TrustAnchors) -> Judged:
    try:
        found = verify(
            content, media_type=media_type, nonce=nonce_of(case), anchors=anchors, endorsements=None, now=moment(case)
        )
    except UnsupportedMediaTypeError as error:
        return Judged(accepted=False, failed=(error.code,))
    return judged(found)


def _shown(value: Any) -> Any:
    if isinstance(value, CBORTag):
        return {"tag": value.tag, "value": value.value}
    return {key: _shown(each) for key, each in value.items()} if hasattr(value, "items") else value
