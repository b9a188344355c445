"""The device protocol's JSON: bytes to values, strictly; base64url without padding, one spelling a value."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from policyengine.attestation.tpm.evidence import MAX_CHAIN
from policyengine.model.ids import DeviceId, device_id
from policyengine.model.strict_json import read_json
from policyengine.model.times import InvalidTimeError, parse_timestamp
from policyengine.services.checkins.checkin import CheckInRequest, EvidenceItem
from policyengine.services.checkins.renewals import RenewalRequest
from policyengine.services.errors import InvalidRequestError
from policyengine.services.gateways.reports import MAX_REPORTS, Said
from policyengine.services.identification.activation import ActivationRequest
from policyengine.services.identification.identity import MAX_EVIDENCE

MAX_MEDIA_TYPE = 256  # type, subtype and one `eat_profile` URI

_TEXT = re.compile(r"[A-Za-z0-9_-]+")
_LAST_OF = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}  # RFC 4648 section 3.5: unused bits are zero
_CHECKIN_KEYS = frozenset({"nonce", "evidence", "csr", "reported", "token", "key", "activation"})
_REPORT_KEYS = frozenset({"device_id", "reported", "observed_at"})
_RENEWAL_KEYS = frozenset({"nonce", "certificate", "csr", "statement"})
_ACTIVATION_KEYS = frozenset({"nonce", "ek", "ak", "ek_chain"})


def read_challenge(body: bytes) -> DeviceId | None:
    """Return the device id that a challenge request names; an empty body names none."""
    document = _object(read_json(body), "") if body else {}
    _only(document, frozenset({"device_id"}), "")
    return device_id(_string(document["device_id"], "device_id")) if "device_id" in document else None


def read_checkin(body: bytes) -> CheckInRequest:
    """Return the check-in that `body` holds; raises InvalidJsonError and InvalidRequestError with the member's path."""
    document = _object(read_json(body), "")
    _only(document, _CHECKIN_KEYS, "")
    if "nonce" not in document or "evidence" not in document:
        raise _invalid("nonce" if "nonce" not in document else "evidence", "is missing")
    return CheckInRequest(
        nonce=_bytes(document["nonce"], "nonce"),
        evidence=_evidence(document["evidence"]),
        digest=hashlib.sha256(body).digest(),
        csr=_bytes(document["csr"], "csr") if "csr" in document else None,
        reported=_object(document["reported"], "reported") if "reported" in document else None,
        token=_string(document["token"], "token") if "token" in document else None,
        key=_bytes(document["key"], "key") if "key" in document else None,
        activation=_bytes(document["activation"], "activation") if "activation" in document else None,
    )


def read_reports(body: bytes) -> tuple[Said, ...]:
    """Return what a gateway reports; raises InvalidJsonError and InvalidRequestError with the member's path."""
    document = _object(read_json(body), "")
    _only(document, frozenset({"reports"}), "")
    entries = document.get("reports")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_REPORTS:
        raise _invalid("reports", f"is not a list of 1 to {MAX_REPORTS} reports")
    return tuple(_said(_object(entry, f"reports[{at}]"), f"reports[{at}]") for at, entry in enumerate(entries))


def _said(entry: Mapping[str, object], path: str) -> Said:
    _only(entry, _REPORT_KEYS, f"{path}.")
    for missing in sorted({"device_id", "reported"} - entry.keys()):
        raise _invalid(f"{path}.{missing}", "is missing")
    return Said(
        device_id=device_id(_string(entry["device_id"], f"{path}.device_id")),
        reported=_object(entry["reported"], f"{path}.reported"),
        observed_at=_moment(entry["observed_at"], f"{path}.observed_at") if "observed_at" in entry else None,
    )


def read_activation(body: bytes) -> ActivationRequest:
    """Return the TPM's request for a credential; raises InvalidJsonError and InvalidRequestError."""
    document = _object(read_json(body), "")
    _only(document, _ACTIVATION_KEYS, "")
    for missing in sorted(_ACTIVATION_KEYS - document.keys()):
        raise _invalid(missing, "is missing")
    chain = document["ek_chain"]
    if not isinstance(chain, list) or not 0 < len(chain) <= MAX_CHAIN:
        raise _invalid("ek_chain", f"is not a list of 1 to {MAX_CHAIN} certificates")
    return ActivationRequest(
        nonce=_bytes(document["nonce"], "nonce"),
        ek=_bytes(document["ek"], "ek"),
        ak=_bytes(document["ak"], "ak"),
        ek_chain=tuple(_bytes(each, f"ek_chain[{at}]") for at, each in enumerate(chain)),
    )


def read_renewal(body: bytes) -> RenewalRequest:
    """Return the renewal by the old key that `body` holds; raises InvalidJsonError and InvalidRequestError."""
    document = _object(read_json(body), "")
    _only(document, _RENEWAL_KEYS, "")
    for missing in sorted(_RENEWAL_KEYS - document.keys()):
        raise _invalid(missing, "is missing")
    return RenewalRequest(
        nonce=_bytes(document["nonce"], "nonce"),
        certificate=_bytes(document["certificate"], "certificate"),
        csr=_bytes(document["csr"], "csr"),
        statement=_item(document["statement"], "statement"),
    )


def _evidence(value: object) -> tuple[EvidenceItem, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_EVIDENCE:
        raise _invalid("evidence", f"is not a list of 1 to {MAX_EVIDENCE} items")
    return tuple(_item(item, f"evidence[{at}]") for at, item in enumerate(value))


def _item(value: object, path: str) -> EvidenceItem:
    item = _object(value, path)
    if item.keys() != {"type", "value"}:
        raise _invalid(path, "does not have exactly the members `type` and `value`")
    media_type = _string(item["type"], f"{path}.type")
    if not (0 < len(media_type) <= MAX_MEDIA_TYPE and media_type.isascii() and media_type.isprintable()):
        raise _invalid(f"{path}.type", f"is not a media type of at most {MAX_MEDIA_TYPE} characters")
    return EvidenceItem(media_type=media_type, value=_bytes(item["value"], f"{path}.value"))


def _object(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _invalid(path, "is not an object")
    return value


def _only(document: Mapping[str, object], known: frozenset[str], path: str) -> None:
    unknown = sorted(document.keys() - known)
    if unknown:
        raise _invalid(f"{path}{unknown[0][:64]}", "is not known here")


def _string(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _invalid(path, "is not a string")
    return value


def _moment(value: object, path: str) -> datetime:
    try:
        return parse_timestamp(_string(value, path))
    except InvalidTimeError as cause:
        raise _invalid(path, "is not a time as RFC 3339 has it, with zone") from cause


def _bytes(value: object, path: str) -> bytes:
    text = _string(value, path)
    rest = len(text) % 4
    if not _TEXT.fullmatch(text) or rest == 1 or (rest and text[-1] not in _LAST_OF[rest]):
        raise _invalid(path, "is not base64url without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _invalid(path: str, what: str) -> InvalidRequestError:
    shown = path.encode("ascii", "backslashreplace").decode()
    subject = f"`{shown}`" if shown else "the body"
    return InvalidRequestError(f"{subject} {what}", path=shown)
