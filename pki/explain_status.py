"""What OCSP requests and responses say, in the words of a colleague."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.x509 import ocsp

from pki.certificates import name_text
from pki.errors import PkiError
from pki.explained import Explained, Lines, moment_text, unreadable
from pki.ocsp_request import CertId, parse_ocsp_request
from pki.reading import UNREADABLE, tolerant
from pki.signatures import BELIEVED_ALGORITHMS


def explain_status_request(data: bytes) -> Explained:
    """Return which certificates an OCSP request asks about."""
    try:
        request = parse_ocsp_request(data)
    except PkiError as refused:
        return unreadable("ocsp-request", refused.message)
    nonce = f"{len(request.nonce)} octets" if request.nonce else "none: an answer made earlier will do"
    asked = [line for each in request.asked for line in _asked(each)]
    return Explained(kind="ocsp-request", heading="OCSP request", lines=[*asked, ("nonce", nonce)])


def _asked(each: CertId) -> Lines:
    return [
        ("asks about", f"serial {each.serial:x}"),
        ("of issuer's key", f"{each.digest or each.digest_oid} {each.issuer_key.hex()}"),
        ("of issuer named", f"{each.digest or each.digest_oid} {each.issuer_name.hex()}"),
    ]


def explain_status(data: bytes, *, now: datetime) -> Explained:
    """Return what an OCSP response says; its signature is not checked, because the issuer is not in it."""
    try:
        with tolerant():
            response = ocsp.load_der_ocsp_response(data)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                said = response.response_status.name.lower().replace("_", " ")
                return Explained(kind="ocsp-response", heading="OCSP response", lines=[("answer", f"none: {said}")])
            return _successful(response, now)
    except UNREADABLE as cause:
        return unreadable("ocsp-response", f"response cannot be read: {str(cause)[:200] or type(cause).__name__}")


def _carried(value: x509.ExtensionType) -> tuple[str, str]:
    if isinstance(value, x509.OCSPNonce):  # RFC 9654 section 2
        return ("nonce", f"{len(value.nonce)} octets, to be those of the request")
    return ("also carries", value.oid.dotted_string)


def _successful(response: ocsp.OCSPResponse, now: datetime) -> Explained:
    lines: Lines = [("made", moment_text(response.produced_at_utc)), ("answered by", _responder(response))]
    warnings: list[str] = []
    for single in response.responses:
        lines += _single(single)
        if single.next_update_utc is None:
            warnings.append("it does not say until when it holds")
        elif not single.this_update_utc <= now <= single.next_update_utc:
            warnings.append("it is not current")
    lines += [_carried(found.value) for found in response.extensions]
    if response.signature_algorithm_oid.dotted_string not in BELIEVED_ALGORITHMS:
        warnings.append(f"its signature algorithm {response.signature_algorithm_oid.dotted_string} is not believed")
    lines += [("with certificate", name_text(each.subject)) for each in response.certificates]
    return Explained(
        kind="ocsp-response", heading="OCSP response", lines=lines, warnings=tuple(dict.fromkeys(warnings))
    )


def _responder(response: ocsp.OCSPResponse) -> str:
    if response.responder_name is not None:
        return name_text(response.responder_name)
    return f"key {response.responder_key_hash.hex()}" if response.responder_key_hash else "nobody"


def _single(single: ocsp.OCSPSingleResponse) -> Lines:
    state = single.certificate_status.name.lower()
    if single.revocation_time_utc is not None:
        reason = single.revocation_reason.value if single.revocation_reason else "unspecified"
        state = f"revoked at {moment_text(single.revocation_time_utc)}, {reason}"
    end = moment_text(single.next_update_utc) if single.next_update_utc else "not said"
    return [
        (f"serial {single.serial_number:x}", state),
        ("holds", f"{moment_text(single.this_update_utc)} to {end}"),
    ]
