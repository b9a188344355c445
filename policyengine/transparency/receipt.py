"""Receipts: an inclusion proof with its checkpoint in one text, verified offline (C2SP tlog-proof)."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.transparency.base64text import decoded, encoded
from policyengine.transparency.checkpoint import Checkpoint, open_checkpoint
from policyengine.transparency.errors import ProofError
from policyengine.transparency.leaf import leaf_hash
from policyengine.transparency.merkle import HASH_SIZE, MAX_PROOF, verify_inclusion
from policyengine.transparency.notes import VerifierKey

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """That an entry is leaf `index` of the log that `checkpoint` (a signed note) describes."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    @property
    def text(self) -> bytes:
        """The receipt as it is stored and sent."""
        hashes = "".join(encoded(step) + "\n" for step in self.path)
        return f"{HEADER}\nindex {self.index}\n{hashes}\n".encode() + self.checkpoint


def parse_receipt(text: bytes) -> Receipt:
    """Return the receipt that `text` spells; raises ProofError `log.receipt`."""
    head, found, checkpoint = text.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if len(lines) > 1 and lines[1].startswith("extra "):
        del lines[1]  # opaque and unauthenticated by definition
    if not found or len(lines) < 2 or lines[0] != HEADER or not lines[1].startswith("index "):
        raise _malformed()
    number = lines[1].removeprefix("index ")
    if not number.isdigit() or len(number) > 19 or str(int(number)) != number:
        raise _malformed()
    if len(lines) - 2 > MAX_PROOF:
        raise _malformed()
    return Receipt(index=int(number), path=tuple(map(_hash, lines[2:])), checkpoint=checkpoint)


def verify_receipt(text: bytes, *, entry: bytes, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint that `text` leads to, once it is signed by `key` and contains `entry`.

    Raises ProofError, NoteError.
    """
    receipt = parse_receipt(text)
    checkpoint = open_checkpoint(receipt.checkpoint, key=key)
    verify_inclusion(
        receipt.path, index=receipt.index, size=checkpoint.size, leaf=leaf_hash(entry), root=checkpoint.root
    )
    return checkpoint


def _hash(line: str) -> bytes:
    found = decoded(line)
    if found is None or len(found) != HASH_SIZE:
        raise _malformed()
    return found


def _malformed() -> ProofError:
    return ProofError("this is no receipt of a log", code="log.receipt")
