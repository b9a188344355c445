"""The structures that evidence and endorsements are made of, each recognised by its bytes. A new one adds one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pki.certificates import certificate_facts, load_certificate, split_certificates
from policyengine.attestation.inspection import clauses, corim
from policyengine.attestation.inspection.parts import Vocabulary
from policyengine.attestation.tpm.claims import attest_claims
from policyengine.attestation.tpm.eventlog import PCRS, read_log
from policyengine.attestation.tpm.keys import name_of, thumbprint_of
from policyengine.attestation.tpm.structures import ATTRIBUTE_NAMES, read_attest, read_public, read_signature

MAX_DATA = 64  # bytes shown of what one record of an event log says it measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A structure that is recognised by how it begins and by being read to its end."""

    name: str
    vocabulary: Vocabulary
    begins: Callable[[bytes], bool]
    read: Callable[[bytes], Mapping[str, object]]


def _attest(content: bytes) -> Mapping[str, object]:
    return attest_claims(read_attest(content))


def _public(content: bytes) -> Mapping[str, object]:
    area = read_public(content)
    return {
        "name": name_of(area),
        "thumbprint": thumbprint_of(area),
        "type": area.type,
        "name_hash": area.name_hash,
        "attributes": ", ".join(name for bit, name in ATTRIBUTE_NAMES.items() if area.attributes & bit),
        "scheme": area.scheme,
        "scheme_hash": area.scheme_hash,
        "size": area.size,
        "unique": list(area.unique),
    }


def _sized_public(content: bytes) -> Mapping[str, object]:
    return _public(content[2:])


def _signature(content: bytes) -> Mapping[str, object]:
    signature = read_signature(content)
    return {"scheme": signature.scheme, "hash": signature.hash, "parts": list(signature.parts)}


def _log(content: bytes) -> Mapping[str, object]:
    log = read_log(content)
    events = [
        {"pcr": each.pcr, "type": f"{each.type:#010x}", "digests": each.digests, "data": each.data[:MAX_DATA]}
        for each in log.events
    ]
    return {"banks": list(log.banks), "startup_locality": log.startup_locality, "event": events}


def _certificate(content: bytes) -> Mapping[str, object]:
    found = [certificate_facts(load_certificate(each)) for each in split_certificates(content)]
    return {"certificate": found} if len(found) > 1 else found[0]


def _is_signed_corim(content: bytes) -> bool:
    return content[:1] == b"\xd2" and b"\xd9\x01\xf5" in content


def _is_sized(content: bytes) -> bool:
    return len(content) > 4 and int.from_bytes(content[:2], "big") == len(content) - 2


def _is_log(content: bytes) -> bool:
    """Return whether a first record of the old form may stand here: a PCR, and a digest of no or of some event."""
    return len(content) > 32 and int.from_bytes(content[:4], "little") < PCRS


STRUCTURES: tuple[Structure, ...] = (
    Structure(
        name="TPMS_ATTEST",
        vocabulary=clauses.ATTEST,
        begins=lambda content: content[:4] == b"\xffTCG",
        read=_attest,
    ),
    Structure(name="TPM2B_PUBLIC", vocabulary=clauses.PUBLIC, begins=_is_sized, read=_sized_public),
    Structure(
        name="TPMT_PUBLIC",
        vocabulary=clauses.PUBLIC,
        begins=lambda content: content[:2] in {b"\x00\x01", b"\x00\x23"},
        read=_public,
    ),
    Structure(
        name="TPMT_SIGNATURE",
        vocabulary=clauses.TPM_SIGNATURE,
        begins=lambda content: content[:2] in {b"\x00\x14", b"\x00\x16", b"\x00\x18"},
        read=_signature,
    ),
    Structure(name="TCG event log", vocabulary=clauses.EVENT_LOG, begins=_is_log, read=_log),
    Structure(
        name="X.509 certificate",
        vocabulary=clauses.CERTIFICATE,
        begins=lambda content: content[:1] == b"\x30" or b"-----BEGIN CERTIFICATE" in content,
        read=_certificate,
    ),
    Structure(
        name="signed CoRIM",
        vocabulary=corim.VOCABULARY,
        begins=_is_signed_corim,
        read=corim.signed_corim,
    ),
    Structure(
        name="unsigned CoRIM",
        vocabulary=corim.VOCABULARY,
        begins=lambda content: content[:3] == b"\xd9\x01\xf5",
        read=corim.unsigned_corim,
    ),
    Structure(
        name="tag of a CoRIM",
        vocabulary=corim.VOCABULARY,
        # Tags 505, 506 and 508, or the bare map of a CoMID.
        begins=lambda content: (
            content[:3] in {b"\xd9\x01\xf9", b"\xd9\x01\xfa", b"\xd9\x01\xfc"} or content[:1] > b"\xa0"
        ),
        read=corim.tag,
    ),
)
