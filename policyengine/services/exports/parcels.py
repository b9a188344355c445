"""Verifying one parcel: every decision of its devices made again, and all else said of them held against that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509

from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import decode
from policyengine.model.base64url import from_base64url
from policyengine.model.ids import Digest, digest_of
from policyengine.model.times import parse_timestamp
from policyengine.reports.csv_text import csv_line
from policyengine.services.checkins.judging import Judged, Memory
from policyengine.services.errors import MissingError
from policyengine.services.exports.assessing import DeviceSummary, in_framework, summary_of
from policyengine.services.exports.claims import Claim, claim
from policyengine.services.exports.documents import DocumentShelf
from policyengine.services.exports.errors import ExportError
from policyengine.services.exports.faults import MAX_FAULTS, Fault, fault_of
from policyengine.services.exports.intervals import Expected, Made
from policyengine.services.exports.layout import (
    BUNDLES,
    CERTIFICATES,
    DECISIONS,
    DEVICES,
    DOCUMENTS,
    RESULTS,
    VERDICTS,
    bundle_member,
    decision_from,
    segment,
)
from policyengine.services.exports.period import ExportRequest
from policyengine.services.exports.ports import ArchiveReader
from policyengine.services.exports.reading import checked_lines, digested_lines, lines, parsed, whole
from policyengine.services.exports.tables import decision_cells, finding_cells
from policyengine.services.exports.vouchers import Vouchers
from policyengine.services.moments import micros
from policyengine.services.policies import Policies, compiled

Line = dict[str, Any]
# What a record that is not one of ours raises while it is read.
_NO_RECORD = (PolicyEngineError, KeyError, TypeError, ValueError, AttributeError)


@dataclass(slots=True)
class Outcome:
    """What came of a parcel. `summaries` and `failed` are of each device, in order; `rows` are digests of CSV rows."""

    faults: list[Fault] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    summaries: list[DeviceSummary | None] = field(default_factory=list)
    failed: list[set[tuple[str, Digest]]] = field(default_factory=list)
    ended: list[tuple[str, int, int]] = field(
        default_factory=list
    )  # verdicts that no decision ended, from when to when
    decision_rows: list[bytes] = field(default_factory=list)
    finding_rows: list[bytes] = field(default_factory=list)
    serials: list[tuple[str, str]] = field(default_factory=list)
    replayed: int = 0
    certificates: int = 0
    results: int = 0

    def fault(self, code: str, member: str, record: int | None, message: str) -> None:
        """Note a fault, up to a number that nobody reads on from."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(code=code, member=member, record=record, message=message))


class Bench:
    """What parcels are verified with: documents, keys, and bundles compiled when a decision first names them."""

    def __init__(self, archive: ArchiveReader, request: ExportRequest) -> None:
        """Raise ExportError for keys that are none."""
        self.archive, self.request = archive, request
        self.memory = Memory(DocumentShelf(archive))
        self.vouchers = Vouchers(archive)
        self._bundles: dict[str, Policies] = {}
        self._commits = {line["digest"]: line["commit"] for line in bundle_lines(archive)}

    def policies(self, digest: Digest) -> Policies:
        """Return the bundle that `digest` names. Raises MissingError, CorruptBundleError."""
        if digest not in self._bundles:
            name = bundle_member(digest)
            if digest not in self._commits or name not in self.archive.names:
                raise MissingError(f"bundle `{digest}` is not in the export", code="export.bundle")
            content = whole(self.archive, name)
            if digest_of(content) != digest:
                raise MissingError(f"`{name}` is not the bundle of its name", code="export.bundle")
            self._bundles[digest] = compiled(decode(content), digest=digest, commit=self._commits[digest])
        return self._bundles[digest]

    def controls(self, rule: str, digest: Digest) -> list[str]:
        """Return the controls of the export's framework that a rule speaks to."""
        policies = self.policies(digest).bundle.policies
        policy = next((policy for name, policy in policies.items() if name == rule.partition("#")[0]), None)
        spoken_to = () if policy is None else policy.controls
        return [control for control in spoken_to if in_framework(control, self.request.framework)]


def bundle_lines(archive: ArchiveReader) -> list[Line]:
    """Return the records of bundles."""
    names = [name for name in archive.names if name.startswith(f"{BUNDLES}/") and name.endswith(".jsonl")]
    return [parsed(line) for name in names for line in lines(archive, name)]


class _Records:
    """Records of one member of a parcel, taken device by device."""

    def __init__(self, archive: ArchiveReader, folder: str, number: int) -> None:
        self.name = segment(folder, number)
        self._lines = checked_lines(archive, self.name)
        self.number = 0
        self._next = self._read()

    def of(self, device: str) -> Iterator[tuple[int, Line]]:
        """Yield the records of `device`, which come next if there are any."""
        while self._next is not None and self._next["device"] == device:
            found, self._next = self._next, self._read()
            yield self.number - (self._next is not None), found

    @property
    def is_spent(self) -> bool:
        """Whether every record was of a device of the parcel."""
        return self._next is None

    def _read(self) -> Line | None:
        line = next(self._lines, None)
        if line is None:
            return None
        self.number += 1
        return parsed(line)


def verify_parcel(bench: Bench, number: int) -> Outcome:
    """Return what came of parcel `number`; never raises for what the export says."""
    work = _Parcel(bench, number)
    try:
        work.run()
    except ExportError as cause:
        work.outcome.faults.append(fault_of(cause, member=work.place[0]))
    except _NO_RECORD as cause:
        work.outcome.fault("export.record", work.place[0], work.place[1], f"it is no record: {cause}")
    return work.outcome


class _Parcel:
    def __init__(self, bench: Bench, number: int) -> None:
        self._bench, self._number = bench, number
        self.outcome = Outcome()
        self.place: tuple[str, int | None] = (segment(DEVICES, number), None)

    def run(self) -> None:
        """Go through the devices, each with its records."""
        archive, number = self._bench.archive, self._number
        folders = (DECISIONS, VERDICTS, CERTIFICATES, RESULTS)
        records = {folder: _Records(archive, folder, number) for folder in folders}
        documents = digested_lines(archive, segment(DOCUMENTS, number))
        for at, line in enumerate(checked_lines(archive, segment(DEVICES, number)), 1):
            self.place = (segment(DEVICES, number), at)
            device = parsed(line)["id"]
            self.outcome.devices.append(device)
            decisions = list(records[DECISIONS].of(device))
            verdicts = list(records[VERDICTS].of(device))
            expected = self._expected(decisions, verdicts)
            self._decisions(decisions, documents, expected)
            self._verdicts(device, verdicts, expected)
            self._each(records[CERTIFICATES], device, self._certificate)
            self._each(records[RESULTS], device, self._result)
        for each in records.values():
            if not each.is_spent:
                self.outcome.fault("export.record", each.name, each.number, "the record is of no device of the parcel")
        if next(documents, None) is not None:
            self.outcome.fault(
                "export.record", segment(DOCUMENTS, number), None, "there are more documents than decisions"
            )

    def _expected(self, decisions: list[tuple[int, Line]], verdicts: list[tuple[int, Line]]) -> Expected:
        """Return the intervals to be; some may end by no decision: a person let the device have another key."""
        made = {line["decided_at"] for _, line in decisions}
        ends = {line["valid_to"] for _, line in verdicts if line["valid_to"] is not None}
        resets = sorted(ends - made)
        return Expected([parse_timestamp(text) for text in resets])

    def _decisions(
        self, decisions: list[tuple[int, Line]], documents: Iterator[tuple[str, bytes]], expected: Expected
    ) -> None:
        document: bytes | None = None
        for number, line in decisions:
            self.place = (segment(DECISIONS, self._number), number)
            digest, document = next(documents, ("", b""))
            if f"sha256:{digest}" == line["document"]:
                self._decision(number, line, document, expected)
            else:
                name = segment(DOCUMENTS, self._number)
                self.outcome.fault("export.document", name, number, "it is not the document that the decision names")
            self.outcome.decision_rows.append(hashlib.sha256(csv_line(decision_cells(line))[:-1]).digest())
        summary = None if document is None else summary_of(json.loads(document), self._bench.request.framework)
        self.outcome.summaries.append(summary)

    def _decision(self, number: int, line: Line, document: bytes, expected: Expected) -> None:
        member, at = segment(DECISIONS, self._number), number
        made = decision_from(line, document)
        try:
            again = self._bench.memory.replayed(made, self._bench.policies(made.bundle))
        except PolicyEngineError as cause:
            self.outcome.fault("export.decision", member, at, f"it cannot be made again: {cause.message}")
            return
        self.outcome.replayed += 1
        self._compare(at, line, document, again)
        expected.follow(Made(at=made.decided_at, id=made.decision_id, findings=again.decision.findings))
        said = {
            "device": made.device_id,
            "decision": again.id,
            "document": line["document"],
            "outcome": again.outcome,
        }
        self.outcome.claims.append(claim("decision", said, leaf=line["leaf"], member=member, number=at))

    def _compare(self, at: int, line: Line, document: bytes, again: Judged) -> None:
        decision, member = again.decision, segment(DECISIONS, self._number)
        if again.document != document:
            self.outcome.fault("export.decision", member, at, "made again from its inputs, it comes out differently")
        previous = None if decision.previous_tier is None else decision.previous_tier.name.lower()
        said = {
            "decision_id": again.id,
            "device": decision.device_id,
            "facts": decision.facts,
            "tier": decision.tier.name.lower(),
            "decided_tier": decision.decided_tier.name.lower(),
            "previous_tier": previous,
        }
        for name, value in said.items():
            if line[name] != value:
                self.outcome.fault("export.decision", member, at, f"`{name}` is not what the decision says")

    def _verdicts(self, device: str, verdicts: list[tuple[int, Line]], expected: Expected) -> None:
        request, member = self._bench.request, segment(VERDICTS, self._number)
        expected.finish(request.end)
        failed = set[tuple[str, Digest]]()
        for number, line in verdicts:
            self.place = (member, number)
            if not expected.takes(line):
                self.outcome.fault("export.verdict", member, number, "no decision opens and closes such an interval")
            digest = Digest(line["bundle"])
            if line["result"] == "fail":
                failed.add((line["rule"], digest))
            row = csv_line(finding_cells(line, self._bench.controls(line["rule"], digest)))
            self.outcome.finding_rows.append(hashlib.sha256(row[:-1]).digest())
        if expected.left and not verdicts and expected.last is not None:
            self.outcome.ended.append((device, micros(expected.last), micros(request.start)))
        elif expected.left:
            message = f"{expected.left} verdicts that decisions on `{device}` make are missing"
            self.outcome.fault("export.verdict", member, None, message)
        self.outcome.ended.extend((device, micros(at), micros(at)) for at in expected.resets)
        self.outcome.failed.append(failed)

    def _each(self, records: _Records, device: str, check: Callable[[int, Line], None]) -> None:
        for number, line in records.of(device):
            self.place = (records.name, number)
            check(number, line)

    def _certificate(self, number: int, line: Line) -> None:
        member = segment(CERTIFICATES, self._number)
        certificate = x509.load_der_x509_certificate(from_base64url(line["certificate"]) or b"")
        try:
            self._bench.vouchers.demand_issued(certificate)
        except PolicyEngineError as cause:
            self.outcome.fault(cause.code, member, number, cause.message)
        if f"{certificate.serial_number:x}" != line["serial"]:
            self.outcome.fault("export.certificate", member, number, "it has another serial number")
        self.outcome.certificates += 1
        keys = {"issuer": line["issuer"], "serial": line["serial"], "device": line["device"]}
        issued: Mapping[str, object] = {**keys, "decision": line["decision"], "lineage": line["lineage"]}
        tbs = hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()
        reserved: Mapping[str, object] = {**keys, "decision": line["decision"], "tbs": tbs}
        self.outcome.serials.append((line["issuer"], line["serial"]))
        self.outcome.claims += [
            claim("certificate", issued, leaf=line["leaf"], member=member, number=number),
            claim("reservation", reserved, leaf=None, member=member, number=number),
        ]

    def _result(self, number: int, line: Line) -> None:
        member = segment(RESULTS, self._number)
        self.outcome.results += 1
        try:
            claims = self._bench.vouchers.result(line["attestation_result"])
        except PolicyEngineError as cause:
            self.outcome.fault(cause.code, member, number, cause.message)
            return
        if claims.get("sub") != line["device"]:
            self.outcome.fault("export.result", member, number, "the result is of another device")
