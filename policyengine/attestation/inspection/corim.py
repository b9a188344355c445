"""CoRIMs and their tags for people: every key under the name that the draft gives it, the tags inside opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cbor2 import CBORTag

from policyengine.attestation.corim import comid
from policyengine.attestation.corim.document import moment, named, read_item, read_meta
from policyengine.attestation.corim.grammar import Shape, Walk, is_array, is_map, refuse
from policyengine.attestation.cose import ForeignEnvelope, read_sign1
from policyengine.attestation.errors import MalformedEvidenceError
from policyengine.attestation.inspection.parts import Vocabulary

_DRAFT = "draft-ietf-rats-corim section"
_META = 8  # the label of corim-meta in the protected header

VOCABULARY = Vocabulary(
    general=f"{_DRAFT} 4.1",
    clauses={
        "alg": "RFC 9052 section 3.1",
        "kid": "RFC 9052 section 3.1",
        "x5chain": "RFC 9360 section 2",
        "content-type": f"{_DRAFT} 4.2.1",
        "meta": f"{_DRAFT} 4.2.3",
        "signature": "RFC 9052 section 4.4",
        "corim.id": f"{_DRAFT} 4.1.1",
        "tags": f"{_DRAFT} 4.1.2",
        "dependent-rims": f"{_DRAFT} 4.1.3",
        "profile": f"{_DRAFT} 4.1.4",
        "corim.entities": f"{_DRAFT} 4.1.5",
        "rim-validity": f"{_DRAFT} 7.3",
        "signature-validity": f"{_DRAFT} 7.3",
        "coswid": "RFC 9393 section 2.3",
        "comid": f"{_DRAFT} 5.1",
        "tag-identity": f"{_DRAFT} 5.1.1",
        "comid.entities": f"{_DRAFT} 5.1.2",
        "linked-tags": f"{_DRAFT} 5.1.3",
        "triples": f"{_DRAFT} 5.1.4",
        "class": f"{_DRAFT} 5.1.4.2",
        "instance": f"{_DRAFT} 5.1.4.3",
        "mkey": f"{_DRAFT} 5.1.4.4.1",
        "mval": f"{_DRAFT} 5.1.4.4.2",
        "mval.version": f"{_DRAFT} 5.1.4.4.3",
        "svn": f"{_DRAFT} 5.1.4.4.4",
        "flags": f"{_DRAFT} 5.1.4.4.5",
        "raw-value": f"{_DRAFT} 5.1.4.4.6",
        "raw-value-mask": f"{_DRAFT} 5.1.4.4.6",
        "mac-addr": f"{_DRAFT} 5.1.4.4.7",
        "ip-addr": f"{_DRAFT} 5.1.4.4.7",
        "cryptokeys": f"{_DRAFT} 5.1.4.5",
        "authorized-by": f"{_DRAFT} 5.1.4.5",
        "integrity-registers": f"{_DRAFT} 5.1.4.6",
        "int-range": f"{_DRAFT} 5.1.4.7",
        "digests": f"{_DRAFT} 7.7",
        "reference-triples": f"{_DRAFT} 5.1.5",
        "endorsed-triples": f"{_DRAFT} 5.1.6",
        "conditional-endorsement-triples": f"{_DRAFT} 5.1.7",
        "conditional-endorsement-series-triples": f"{_DRAFT} 5.1.8",
        "identity-triples": f"{_DRAFT} 5.1.9",
        "attest-key-triples": f"{_DRAFT} 5.1.10",
        "membership-triples": f"{_DRAFT} 5.1.11.1",
        "dependency-triples": f"{_DRAFT} 5.1.11.2",
        "coswid-triples": f"{_DRAFT} 5.1.12",
        "cotl": f"{_DRAFT} 6.1",
        "tl-validity": f"{_DRAFT} 7.3",
    },
    names={"signed": {1: "alg", 3: "content-type", 4: "kid", _META: "meta", 33: "x5chain"}},
)
_TAGS: Mapping[int, tuple[str, Shape]] = {
    comid.COSWID_TAG: ("coswid", comid.COSWID),
    comid.COMID_TAG: ("comid", comid.COMID),
    comid.COTL_TAG: ("cotl", comid.COTL),
}


def signed_corim(content: bytes) -> Mapping[str, object]:
    """Return a signed CoRIM by names; raises MalformedEvidenceError."""
    message = read_sign1(content)
    if isinstance(message, ForeignEnvelope):
        raise MalformedEvidenceError("inspect.unknown", "no signed CoRIM")
    headers = dict(message.headers)
    if _META in headers:
        walk = Walk()
        meta = read_meta(headers[_META])
        comid.META(meta, "meta", walk)
        headers[_META] = _by_name(meta, "meta", walk)
    signature = f"{len(message.signature)} bytes"
    return {"signed": headers, **unsigned_corim(message.payload), "signature": signature}


def unsigned_corim(content: bytes) -> Mapping[str, object]:
    """Return a CoRIM by names; raises MalformedEvidenceError."""
    item, walk = read_item(content), Walk()
    if type(item) is not CBORTag or item.tag != comid.CORIM_TAG:
        refuse("corim", f"not tag {comid.CORIM_TAG}")
    comid.CORIM(item.value, "corim", walk)
    corim = _by_name(item.value, "corim", walk)
    return {"corim": corim | {"tags": [_opened(each.tag, each.value) for each in item.value[1]]}}


def tag(content: bytes) -> Mapping[str, object]:
    """Return one tag of a CoRIM that stands alone, a CoMID also without its tag; raises MalformedEvidenceError."""
    item = read_item(content)
    if type(item) is CBORTag and type(item.value) is bytes:
        return _opened(item.tag, item.value)
    return _read(*((item.tag, item.value) if type(item) is CBORTag else (comid.COMID_TAG, item)))


def _opened(number: int, content: bytes) -> Mapping[str, object]:
    return _read(number, read_item(content))


def _read(number: int, value: Any) -> Mapping[str, object]:
    if number not in _TAGS:
        refuse("tag", f"{number} is no tag of a CoRIM")
    (name, shape), walk = _TAGS[number], Walk()
    shape(value, name, walk)
    return {name: _by_name(value, name, walk)}


def _by_name(value: Any, path: str, walk: Walk) -> Any:
    """Return `value` with the names that the grammar met, at the paths that the grammar writes."""
    if type(value) is CBORTag:
        return _tagged(value, path, walk)
    if is_map(value):
        named_items = ((walk.names.get((path, key), str(key)), item) for key, item in value.items())
        return {name: _by_name(item, f"{path}.{name}", walk) for name, item in named_items}
    if is_array(value):
        return [_by_name(item, f"{path}[{at}]", walk) for at, item in enumerate(value)]
    return value


def _tagged(item: CBORTag, path: str, walk: Walk) -> Any:
    if item.tag == 1:
        return moment(item.value)
    if item.tag in {comid.UUID_TAG, comid.OID_TAG, comid.URI_TAG}:
        return named(item)
    if item.tag == comid.MIN_SVN_TAG:
        return f"at least {item.value}"
    return _by_name(item.value, path, walk)
