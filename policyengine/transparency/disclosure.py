"""A leaf laid open: the private record and salt behind its commitment, and the receipt that the log holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.model.base64url import base64url, from_base64url
from policyengine.model.strict_json import read_json
from policyengine.transparency.checkpoint import Checkpoint
from policyengine.transparency.errors import ProofError
from policyengine.transparency.leaf import entry
from policyengine.transparency.notes import VerifierKey
from policyengine.transparency.receipt import parse_receipt, verify_receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What an authorised reader gets of one leaf. `record` is canonical JSON as it was hashed."""

    index: int
    at_us: int
    kind: str
    record: bytes
    salt: bytes
    receipt: bytes

    @property
    def entry(self) -> bytes:
        """The public bytes of the leaf."""
        return entry(at_us=self.at_us, kind=self.kind, record=self.record, salt=self.salt)

    @property
    def document(self) -> Mapping[str, object]:
        """The disclosure as JSON; the salt is base64url, record and receipt are text byte for byte."""
        return {
            "index": self.index,
            "at_us": self.at_us,
            "kind": self.kind,
            "record": self.record.decode(),
            "salt": base64url(self.salt),
            "receipt": self.receipt.decode(),
        }


def read_disclosure(content: bytes) -> Disclosure:
    """Return the disclosure in a JSON document; raises InvalidJsonError, ProofError `log.disclosure`."""
    match read_json(content):
        case {
            "index": int(index),
            "at_us": int(at_us),
            "kind": str(kind),
            "record": str(record),
            "salt": str(salt),
            "receipt": str(receipt),
        }:
            pass
        case _:
            raise _malformed()
    raw = from_base64url(salt)
    if raw is None:
        raise _malformed()
    return Disclosure(index=index, at_us=at_us, kind=kind, record=record.encode(), salt=raw, receipt=receipt.encode())


def verify_disclosure(disclosed: Disclosure, *, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint under which the log of `key` holds exactly this record at this place.

    Raises ProofError, NoteError.
    """
    if parse_receipt(disclosed.receipt).index != disclosed.index:
        raise ProofError("the receipt is for another leaf", code="log.inclusion")
    return verify_receipt(disclosed.receipt, entry=disclosed.entry, key=key)


def _malformed() -> ProofError:
    return ProofError("this is no disclosed leaf of a log", code="log.disclosure")
