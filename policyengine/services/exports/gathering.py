"""The pass over the devices of an export: their records, and what has to be remembered of them for the rest of it."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from policyengine.model.canonical import canonical
from policyengine.model.ids import DeviceId, Digest
from policyengine.services.errors import MissingError
from policyengine.services.exports.assessing import Assessor, Catalogue, DeviceSummary, in_framework, summary_of
from policyengine.services.exports.layout import (
    CERTIFICATES,
    DECISIONS,
    DEVICES,
    DOCUMENTS,
    PARCEL,
    RESULTS,
    VERDICTS,
    certificate_line,
    decision_line,
    device_line,
    segment,
    verdict_line,
)
from policyengine.services.exports.period import ExportRequest
from policyengine.services.exports.ports import ArchiveWriter, ExportStore, Placed
from policyengine.services.exports.records import CsvTable, Lines
from policyengine.services.exports.tables import decision_cells, finding_cells
from policyengine.services.policies import PolicyShelf
from policyengine.services.records import Device, Verdict


class Gathering:
    """Writes what an export has of each device, and keeps digests, serial numbers and leaf indexes.

    `leaves_before` are those of records from before the period; `documents` are names of facts and priors.
    """

    def __init__(
        self, store: ExportStore, shelf: PolicyShelf, archive: ArchiveWriter, request: ExportRequest, *, size: int
    ) -> None:
        self._store, self._shelf, self._request, self._size = store, shelf, request, size
        self.catalogue = Catalogue()
        self.assessor = Assessor(request, self.catalogue)
        self.devices: set[str] = set()
        self.serials: set[tuple[str, str]] = set()
        self.leaves_before = array("q")
        self.facts: dict[bytes, None] = {}  # in the order of first use: neighbours are looked for together
        self.priors: dict[bytes, None] = {}
        self.decisions = 0
        self._archive = archive
        self._parcel: dict[str, Lines] = {}
        self._tables = {name: CsvTable(archive, name) for name in ("decisions", "findings")}

    def run(self) -> None:
        """Write everything about the devices in scope, a parcel after the other."""
        for number, devices in enumerate(self._store.devices_in(self._request.scope), 1):
            self._parcel = {folder: Lines(self._archive, segment(folder, number)) for folder in PARCEL}
            self._step(devices)
            for lines in self._parcel.values():
                lines.close()
        for table in self._tables.values():
            table.close()

    def _add(self, folder: str, record: bytes) -> None:
        self._parcel[folder].add(record + b"\n")

    def know(self, digest: Digest) -> None:
        """Learn of a bundle. Raises MissingError, CorruptBundleError."""
        if digest in self.catalogue:
            return
        record = self._store.bundle(digest)
        if record is None:
            raise MissingError(f"bundle `{digest}` is not published", code="bundle.missing", digest=digest)
        self.catalogue.add(record, self._shelf.by_digest(digest).bundle)

    def _step(self, devices: Sequence[Device]) -> None:
        ids = [device.id for device in devices]
        summaries, failed = self._decisions(ids), self._verdicts(ids)
        for device in devices:
            if device.id in summaries and device.id not in failed:  # an act ended its verdicts before the period
                self.leaves_before.extend(self._store.acts_about(device.id))
            self._add(DEVICES, device_line(device))
            self.assessor.device(summaries.get(device.id), failed.get(device.id, ()))
            self.devices.add(device.id)
        self._certificates(ids)
        self._results(ids)

    def _decisions(self, ids: Sequence[DeviceId]) -> dict[DeviceId, DeviceSummary]:
        request, last = self._request, dict[DeviceId, bytes]()
        for placed in self._store.decisions_of(ids, start=request.start, end=request.end, size=self._size):
            self._decision(placed)
            last[placed.record.device_id] = placed.record.document
        return {device: summary_of(json.loads(document), request.framework) for device, document in last.items()}

    def _decision(self, placed: Placed) -> None:
        record, line = placed.record, decision_line(placed)
        self.decisions += 1
        self._add(DECISIONS, line)
        self._add(DOCUMENTS, record.document)
        self._tables["decisions"].add(decision_cells(json.loads(line)))
        self.know(record.bundle)
        self.facts[bytes.fromhex(record.facts_shared[7:])] = None
        if record.prior is not None:
            self.priors[bytes.fromhex(record.prior[7:])] = None
        if placed.leaf is not None and record.decided_at < self._request.start:
            self.leaves_before.append(placed.leaf)

    def _verdicts(self, ids: Sequence[DeviceId]) -> dict[DeviceId, set[tuple[str, Digest]]]:
        request, failed = self._request, defaultdict[DeviceId, set[tuple[str, Digest]]](set)
        for found in self._store.verdicts_of(ids, start=request.start, end=request.end):
            self._verdict(found)
            rules = failed[found.device_id]
            if found.result == "fail":
                rules.add((found.rule, found.bundle))
        return failed

    def _verdict(self, found: Verdict) -> None:
        self.know(found.bundle)
        ended = found.valid_to is not None and found.valid_to < self._request.end
        line = verdict_line(found if ended else replace(found, valid_to=None))
        self._add(VERDICTS, line)
        controls = self.catalogue.controls_of(found.rule, found.bundle)
        spoken_to = [control for control in controls if in_framework(control, self._request.framework)]
        self._tables["findings"].add(finding_cells(json.loads(line), spoken_to))

    def _certificates(self, ids: Sequence[DeviceId]) -> None:
        request = self._request
        for placed in self._store.certificates_of(ids, start=request.start, end=request.end, size=self._size):
            self._add(CERTIFICATES, certificate_line(placed))
            self.serials.add((placed.record.issuer, placed.record.serial))
            if placed.leaf is not None and placed.record.not_before < request.start:
                self.leaves_before.append(placed.leaf)

    def _results(self, ids: Sequence[DeviceId]) -> None:
        for device, reply in self._store.results_of(ids):
            document = json.loads(reply)
            jws = document.get("attestation_result")
            if jws is not None:
                self._add(RESULTS, canonical({"device": device, "attestation_result": jws}))

    def is_in_scope(self, kind: str, record: bytes) -> bool:
        """Tell whether a leaf's record is about the devices written, or about none in particular."""
        if self._request.scope.is_whole or kind == "check-ins":
            return True
        content = json.loads(record)
        match kind:
            case "certificate-status":
                return (content["issuer"], content["serial"]) in self.serials
            case "act":
                return content["subject"] in self.devices or content["subject"].startswith("sha256:")
            case _:
                return content.get("device") in self.devices
