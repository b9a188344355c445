"""What the code of malformed evidence says of the bytes, and which document says what well-formed is."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.attestation.cbor_scan import MAX_BYTES, MAX_DEPTH, MAX_ITEMS
from policyengine.attestation.tpm.eventlog import MAX_EVENTS, MAX_LOG

_KIB, _MIB = 1024, 1024 * 1024

MEANINGS: Mapping[str, str] = {
    "cbor.empty": "there are no bytes",
    "cbor.truncated": "the bytes end inside an item",
    "cbor.trailing": "the bytes go on after the item",
    "cbor.size": f"there are more than {MAX_BYTES // _KIB} KiB",
    "cbor.depth": f"items are nested deeper than {MAX_DEPTH}",
    "cbor.items": f"there are more than {MAX_ITEMS} containers or items",
    "cbor.duplicate-key": "a map has a key twice",
    "cbor.key-type": "a map has a key that is neither integer nor text",
    "cbor.indefinite": "a length is indefinite",
    "cbor.reserved": "a length is of a reserved form",
    "cbor.tag": "a tag stands where the format has no use for it",
    "cbor.utf8": "a text is not UTF-8",
    "cbor.float": "a number is not finite",
    "cbor.simple": "a simple value is not false, true or null",
    "cbor.invalid": "the decoder refuses the bytes for a reason of its own",
    "cose.structure": "this is no COSE_Sign1 with attached payload",
    "cose.x5chain": "the certificate list in a header is none",
    "psa.claims": "the payload is no map of claims",
    "cca.claims": "a payload is no map of claims",
    "jose.structure": "this is not three parts with two dots",
    "jose.size": f"there are more than {MAX_BYTES // _KIB} KiB",
    "jose.base64url": "a part is not the one base64url form of its bytes",
    "jose.json": "header or payload is no JSON object, repeats a key, or has a number that is none",
    "eat.bundle": "a bundle is no main token with named claims sets beside it",
    "eat.claims": "the payload is no map of claims",
    "eat.unsigned": "claims without a signature, by their media type",
    "cmw.structure": "this is no record, tag or collection, or a wrapper is the value of a record",
    "cmw.json": "this is not one strict JSON document",
    "cmw.certificate": "a certificate or its extension cannot be read",
    "evidence.media-type": "no format answers to the media type",
    "dice.certificate": "not one certificate of version 3 in strict DER, or not a CDI certificate",
    "dice.extension": "an extension is not what its standard says",
    "tpm.container": "this is no map with the parts of TPM evidence",
    "tpm.truncated": "the bytes end inside a structure",
    "tpm.trailing": "the bytes go on after a structure",
    "tpm.size": "a structure is larger than any TPM makes",
    "tpm.count": "more banks or PCRs are selected than a TPM has",
    "tpm.value": "a truth value is neither 0 nor 1",
    "tpm.key-type": "a public area is neither RSA nor ECC",
    "tpm.key": "a public area is no key",
    "tpm.ek-certificate": "the EK's chain is not of certificates",
    "tpm.iak-certificate": "the AK's chain is not of certificates",
    "tpm.ek": "the EK can wrap nothing",
    "eventlog.truncated": "the log ends inside a record",
    "eventlog.size": f"the log is over {MAX_LOG // _MIB} MiB",
    "eventlog.count": f"the log has more than {MAX_EVENTS} records",
    "eventlog.header": "the header announces what cannot be",
    "eventlog.algorithms": "the header announces algorithms that cannot be",
    "eventlog.digests": "a record has other digests than announced",
    "eventlog.pcr": "a record extends a PCR that does not exist",
    "eventlog.startup-locality": "a startup locality is named late, twice or unknown",
    "corim.structure": "the bytes are no CoRIM; the message has the path to what is wrong",
}
# By the code or its first part: the document that says what well-formed is.
_CLAUSES: Mapping[str, str] = {
    "cbor": "RFC 8949 section 5.3.1",
    "cca": "draft-ffm-rats-cca-token-03 section 4",
    "cmw": "RFC 9999 section 3",
    "corim": "draft-ietf-rats-corim section 4.1",
    "cose": "RFC 9052 section 4.2",
    "dice": "RFC 5280 section 4.1",
    "eat": "RFC 9711 section 4",
    "eat.bundle": "RFC 9711 section 5",
    "eat.unsigned": "RFC 9711 section 9.1",
    "evidence": "RFC 9782 section 2",
    "eventlog": "TCG PC Client Platform Firmware Profile section 10.2",
    "jose": "RFC 7515 section 7.1",
    "psa": "RFC 9783 section 4",
    "tpm": "TPM 2.0 Part 2 section 4",
}


def clause_of(code: str) -> str:
    """Return the clause that bytes refused with `code` do not meet; of a code of another package, what evidence is."""
    return _CLAUSES.get(code, _CLAUSES.get(code.partition(".")[0], "RFC 9334 section 8"))
