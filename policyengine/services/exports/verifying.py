"""Verifying an export: no server, no network, no clock; the log's key, and nothing else from outside.

1. The manifest is signed by the log's key, and names the members there are.
2. Each member is, byte for byte, the one in the manifest. Only a file that passes this is looked into further.
3. The checkpoint is signed by the log's key; leaves are what the log committed to, and lead to its root.
4. Each decision is made again from bundle, facts and prior, and comes out the same; its leaf is in the log; no decision
   of the period that has a leaf is left out; verdicts open and close where decisions say so.
5. Certificates are signed by a CA of the export and have their leaves; attestation results are signed.
6. Bundles were put in force by acts in the log; tables, page and OSCAL say what the records say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest

from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import decode
from policyengine.model.ids import Digest, digest_of
from policyengine.model.times import parse_timestamp
from policyengine.reports.assessment import Assessment
from policyengine.reports.csv_text import csv_line
from policyengine.services.exports.assessing import Assessor, Catalogue
from policyengine.services.exports.errors import ExportError
from policyengine.services.exports.exporting import conclusions
from policyengine.services.exports.faults import MAX_FAULTS, Fault, fault_of
from policyengine.services.exports.layout import CHECKPOINT, CSV, DEVICES, MANIFEST, VKEY, bundle_member
from policyengine.services.exports.manifest import Manifest, read_manifest
from policyengine.services.exports.opened_log import OpenedLog
from policyengine.services.exports.parcels import Bench, Outcome, bundle_lines, verify_parcel
from policyengine.services.exports.ports import ArchiveReader
from policyengine.services.exports.reading import altered_members, checked_lines, whole
from policyengine.services.exports.tables import HEADS, Cells, act_cells, control_cells, waiver_cells
from policyengine.services.records import Activation, BundleRecord
from policyengine.transparency.checkpoint import Checkpoint, open_checkpoint
from policyengine.transparency.errors import NoteError
from policyengine.transparency.notes import MAX_NOTE, VerifierKey, parse_vkey

# Verifies the parcels of these numbers, in order; a caller with several processes brings its own, and they have begun
# when the context is entered.
Spread = Callable[[Iterable[int]], AbstractContextManager[Iterable[Outcome]]]


@dataclass(slots=True)
class Verification:
    """What was checked, and what is wrong; `manifest` None: nothing of the file could be believed."""

    manifest: Manifest | None = None
    faults: list[Fault] = field(default_factory=list)
    leaves: int = 0
    replayed: int = 0
    certificates: int = 0
    results: int = 0

    @property
    def verified(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def add(self, faults: Iterable[Fault]) -> None:
        """Note faults, up to a number that nobody reads on from."""
        self.faults.extend(list(faults)[: MAX_FAULTS - len(self.faults)])


def key_inside(archive: ArchiveReader) -> VerifierKey:
    """Return the log's key that the export brings along, for callers that have no other. Raises ExportError."""
    try:
        return parse_vkey(archive.plain(VKEY, limit=MAX_NOTE).decode("ascii", "replace"))
    except NoteError as cause:
        raise ExportError(cause.message, code=cause.code, member=VKEY) from cause


def verify(archive: ArchiveReader, key: VerifierKey, spread: Spread | None = None) -> Verification:
    """Return what is wrong with an export; faults are a result, never an error."""
    found = Verification()
    try:
        found.manifest = read_manifest(archive, key)
        found.add(altered_members(archive, found.manifest))
        if found.verified:
            _Inside(archive, found.manifest, found).check(key, spread)
    except PolicyEngineError as cause:
        found.add([fault_of(cause, member=MANIFEST)])
    return found


class _Inside:
    """Steps 3 to 6, on a file that is as it was written."""

    def __init__(self, archive: ArchiveReader, manifest: Manifest, found: Verification) -> None:
        self._archive, self._manifest, self._found = archive, manifest, found
        self._log = OpenedLog(archive, manifest.request)
        self._catalogue = Catalogue()
        self._in_force: list[tuple[Activation, BundleRecord]] = []

    def check(self, key: VerifierKey, spread: Spread | None) -> None:
        """Note everything that is wrong. Raises PolicyEngineError where nothing further can be checked."""
        checkpoint = self._checkpoint(key)
        numbers = range(1, 1 + sum(name.startswith(f"{DEVICES}/") for name in self._archive.names) // 2)
        with (spread or self._here)(numbers) as outcomes:
            self._found.add(self._log.read(checkpoint))
            self._found.leaves = self._log.count
            self._found.add(self._bundles())
            assessor = Assessor(self._manifest.request, self._catalogue)
            self._parcels(outcomes, assessor)
        self._found.add(self._log.unclaimed())
        if self._found.replayed != self._manifest.decisions and self._found.verified:
            self._found.add([_fault(MANIFEST, "it counts other decisions than there are")])
        self._found.add(self._conclusions(assessor, checkpoint))

    def _here(self, numbers: Iterable[int]) -> AbstractContextManager[Iterable[Outcome]]:
        bench = Bench(self._archive, self._manifest.request)
        return nullcontext(map(partial(verify_parcel, bench), numbers))

    def _parcels(self, outcomes: Iterable[Outcome], assessor: Assessor) -> None:
        rows = _Rows(self._archive)
        for outcome in outcomes:
            self._take(outcome, assessor)
            self._found.add(rows.take(outcome))
        self._found.add(rows.finish())

    def _checkpoint(self, key: VerifierKey) -> Checkpoint:
        try:
            checkpoint = open_checkpoint(whole(self._archive, CHECKPOINT), key=key)
        except PolicyEngineError as cause:
            raise ExportError(cause.message, code=cause.code, member=CHECKPOINT) from cause
        if (checkpoint.origin, checkpoint.size) != (self._manifest.origin, self._manifest.log_size):
            raise ExportError("the checkpoint is not the one of the manifest", member=CHECKPOINT)
        return checkpoint

    def _bundles(self) -> Iterator[Fault]:
        in_force: list[tuple[Activation, BundleRecord]] = []
        for line in bundle_lines(self._archive):
            record = BundleRecord(
                digest=Digest(line["digest"]),
                commit=line["commit"],
                published_at=parse_timestamp(line["published_at"]),
                published_by=line["published_by"],
            )
            name = bundle_member(record.digest)
            content = whole(self._archive, name) if name in self._archive.names else b""
            if digest_of(content) != record.digest:
                yield _fault(name, "it is not the bundle of its name")
                continue
            self._catalogue.add(record, decode(content))
            for each in line["activations"]:
                activation = Activation(
                    generation=each["generation"],
                    digest=record.digest,
                    activated_at=parse_timestamp(each["activated_at"]),
                    actor=each["actor"],
                )
                in_force.append((activation, record))
                if self._log.activations.get(activation.generation) != (record.digest, activation.actor):
                    yield _fault(name, f"no act in the log puts it in force as generation {activation.generation}")
        self._in_force = sorted(in_force, key=lambda each: each[0].generation)

    def _take(self, outcome: Outcome, assessor: Assessor) -> None:
        found = self._found
        found.add(outcome.faults)
        found.replayed += outcome.replayed
        found.certificates += outcome.certificates
        found.results += outcome.results
        found.add(fault for claim in outcome.claims if (fault := self._log.missing(claim)) is not None)
        for device, first, last in outcome.ended:
            if not self._log.has_act(device, first=first, last=last):
                found.add([_fault(f"device {device}", "verdicts ended when neither a decision nor an act ended them")])
        for summary, failed in zip(outcome.summaries, outcome.failed, strict=False):
            assessor.device(summary, failed)

    def _conclusions(self, assessor: Assessor, checkpoint: Checkpoint) -> Iterator[Fault]:
        assessment = assessor.assessment(
            origin=checkpoint.origin,
            log_size=checkpoint.size,
            decisions=self._found.replayed,
            in_force=self._in_force,
        )
        for name, content in conclusions(assessment):
            if whole(self._archive, name) != content:
                yield _fault(name, "it does not say what the records say")
        for name, rows in _tables(assessment, self._log).items():
            yield from _compared(self._archive, name, rows)


def _tables(found: Assessment, log: OpenedLog) -> dict[str, Sequence[Cells]]:
    return {
        "controls": [control_cells(row) for row in found.controls],
        "waivers": [waiver_cells(row) for row in found.waivers],
        "acts": [act_cells(leaf) for leaf in log.act_leaves],
    }


def _compared(archive: ArchiveReader, name: str, rows: Sequence[Cells]) -> Iterator[Fault]:
    wanted = [csv_line(cells).removesuffix(b"\n") for cells in (HEADS[name], *rows)]
    for number, (seen, line) in enumerate(zip_longest(checked_lines(archive, CSV[name]), wanted), 1):
        if seen != line:
            yield _fault(CSV[name], "the row does not say what the records say", number)
            return


class _Rows:
    """The tables of decisions and findings, held against the rows that parcels computed."""

    def __init__(self, archive: ArchiveReader) -> None:
        self._lines = {name: enumerate(checked_lines(archive, CSV[name]), 1) for name in ("decisions", "findings")}
        for name, lines in self._lines.items():
            if next(lines, (0, b""))[1] != csv_line(HEADS[name]).removesuffix(b"\n"):
                raise ExportError("the heads of the table are others", code="export.table", member=CSV[name], record=1)

    def take(self, outcome: Outcome) -> Iterator[Fault]:
        """Yield the first row of each table that is not the one its record makes."""
        for name, digests in {"decisions": outcome.decision_rows, "findings": outcome.finding_rows}.items():
            for digest in digests:
                number, line = next(self._lines[name], (0, b""))
                if hashlib.sha256(line).digest() != digest:
                    yield _fault(CSV[name], "the row does not say what its record says", number or None)
                    break

    def finish(self) -> Iterator[Fault]:
        """Yield a fault for each table with rows beyond the records."""
        for name, lines in self._lines.items():
            number, _ = next(lines, (0, b""))
            if number:
                yield _fault(CSV[name], "the row is of no record", number)


def _fault(member: str, message: str, record: int | None = None) -> Fault:
    return Fault(code="export.contradiction", member=member, record=record, message=message)


def report_document(found: Verification, *, key: VerifierKey | None, key_given: bool) -> str:
    """Return a verification as one JSON document."""
    manifest = found.manifest
    document: dict[str, object] = {
        "verified": found.verified,
        "key": None if key is None else str(key),
        "key_from": "caller" if key_given else "export",
        "leaves": found.leaves,
        "replayed": found.replayed,
        "certificates": found.certificates,
        "attestation_results": found.results,
        "faults": [
            {"code": each.code, "member": each.member, "record": each.record, "message": each.message}
            for each in found.faults
        ],
    }
    if manifest is not None:
        document |= {**manifest.request.document, "origin": manifest.origin, "log_size": manifest.log_size}
        document |= {"devices": manifest.devices, "decisions": manifest.decisions}
    return json.dumps(document)
