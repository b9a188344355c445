"""The log inside an export: leaves against their hashes, the tree they make, and who claims which leaf."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from policyengine.model.canonical import NotCanonicalError
from policyengine.services.exports.claims import NAMED_BY, Claim, Key, digest_of, key_of
from policyengine.services.exports.errors import ExportError
from policyengine.services.exports.faults import Fault
from policyengine.services.exports.layout import LEAVES, PROOF, leaf_from
from policyengine.services.exports.period import ExportRequest
from policyengine.services.exports.ports import ArchiveReader
from policyengine.services.exports.reading import checked_lines, parsed, whole
from policyengine.services.moments import micros
from policyengine.transparency.checkpoint import Checkpoint
from policyengine.transparency.errors import ProofError
from policyengine.transparency.leaf import Leaf, entry, leaf_hash
from policyengine.transparency.merkle import HASH_SIZE
from policyengine.transparency.multiproof import root_of


class OpenedLog:
    """Every leaf of the export, as much of each as later checks ask for."""

    def __init__(self, archive: ArchiveReader, request: ExportRequest) -> None:
        self._archive = archive
        self._start, self._end = micros(request.start), micros(request.end)
        self._named = defaultdict[Key, list[tuple[int, bytes]]](list)
        self._inside: dict[Key, tuple[str, int]] = {}  # decisions of the period that nothing claimed yet
        self._acts = defaultdict[str, list[int]](list)
        self.activations: dict[int, tuple[str, str]] = {}
        self.act_leaves: list[Leaf] = []
        self.count = 0

    def read(self, checkpoint: Checkpoint) -> Iterator[Fault]:
        """Yield what is wrong with the leaves themselves, and with the tree they must make."""
        faults: list[Fault] = []
        try:
            root = root_of(self._leaves(faults), self._proof(), size=checkpoint.size)
        except ProofError as cause:
            yield from faults
            yield Fault(code=cause.code, member=PROOF, record=None, message=cause.message)
            return
        yield from faults
        if root != checkpoint.root:
            message = "leaves and proof do not lead to the root that was signed"
            yield Fault(code="log.inclusion", member=PROOF, record=None, message=message)

    def missing(self, claim: Claim) -> Fault | None:
        """Return a fault unless the log has the leaf that a record claims."""
        self._inside.pop(claim.key, None)
        leaves = self._named.get(claim.key, [])
        if not leaves and claim.kind == "reservation":
            return None  # reserved before the period, so not in the export
        if any(said == claim.digest and claim.leaf in {None, index} for index, said in leaves):
            return None
        message = f"the log has no such {claim.kind}"
        return Fault(code="export.unlogged", member=claim.member, record=claim.number, message=message)

    def unclaimed(self) -> Iterator[Fault]:
        """Yield a fault for each decision of the period that the log has and the export does not."""
        for member, record in self._inside.values():
            yield Fault(
                code="export.omitted", member=member, record=record, message="the decision of this leaf is left out"
            )

    def has_act(self, subject: str, *, first: int, last: int) -> bool:
        """Tell whether a person did something about `subject` between two moments, both included."""
        return any(first <= at <= last for at in self._acts[subject])

    def _leaves(self, faults: list[Fault]) -> Iterator[tuple[int, bytes]]:
        names = [name for name in self._archive.names if name.startswith(f"{LEAVES}/") and name.endswith(".jsonl")]
        for name in names:
            for number, line in enumerate(checked_lines(self._archive, name), 1):
                try:
                    leaf = leaf_from(parsed(line))
                    record = parsed(leaf.record)
                    hashed = leaf_hash(entry(at_us=leaf.at_us, kind=leaf.kind, record=leaf.record, salt=leaf.salt))
                    self._learn(leaf, record, name, number)
                except (ValueError, KeyError, TypeError, AttributeError, NotCanonicalError) as cause:
                    raise ExportError("it is no leaf", code="export.record", member=name, record=number) from cause
                if hashed != leaf.leaf_hash:
                    message = "the record is not what the log committed to"
                    faults.append(Fault(code="export.leaf", member=name, record=number, message=message))
                self.count += 1
                yield leaf.index, leaf.leaf_hash

    def _learn(self, leaf: Leaf, record: Mapping[str, object], name: str, number: int) -> None:
        if leaf.kind == "act":
            self.act_leaves.append(leaf)
            self._acts[str(record["subject"])].append(leaf.at_us)
            detail = record["detail"]
            if isinstance(detail, dict) and record["action"] == "bundle.activate":
                self.activations[detail["generation"]] = (str(record["subject"]), str(record["actor"]))
        elif leaf.kind in NAMED_BY:
            key = key_of(leaf.kind, record)
            self._named[key].append((leaf.index, digest_of(leaf.kind, record)))
            if leaf.kind == "decision" and self._start <= leaf.at_us < self._end:
                self._inside[key] = (name, number)

    def _proof(self) -> Iterator[bytes]:
        content = whole(self._archive, PROOF)
        if len(content) % HASH_SIZE:
            raise ProofError("the proof is no list of hashes", code="log.inclusion")
        for at in range(0, len(content), HASH_SIZE):
            yield content[at : at + HASH_SIZE]
