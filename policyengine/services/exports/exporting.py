"""Making an export: one pass over the devices in scope, then what they refer to, then what follows from it all.

Everything is read as of one signed checkpoint of the log; memory holds a step of devices, digests and leaf numbers.
"""

from __future__ import annotations

import heapq
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from policyengine.errors import quoted
from policyengine.model.canonical import canonical
from policyengine.model.ids import Digest
from policyengine.reports.assessment import Assessment
from policyengine.reports.evidence_page import as_page
from policyengine.reports.oscal import as_oscal
from policyengine.services.actors import Principal, Right, demand, demand_whole_fleet
from policyengine.services.errors import InvalidRequestError, MissingError
from policyengine.services.exports import layout
from policyengine.services.exports.gathering import Gathering
from policyengine.services.exports.manifest import Manifest, seal
from policyengine.services.exports.period import ExportRequest, demand_period
from policyengine.services.exports.ports import ArchiveWriter, ExportStore
from policyengine.services.exports.read_me import READ_ME
from policyengine.services.exports.records import CsvTable, write_records
from policyengine.services.exports.retention import demand_kept
from policyengine.services.exports.tables import act_cells, control_cells, waiver_cells
from policyengine.services.history.log import TransparencyLog
from policyengine.services.log_ports import LogKey
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import Clock, ResultSigner
from policyengine.services.records import Activation
from policyengine.transparency.checkpoint import open_checkpoint
from policyengine.transparency.leaf import Leaf
from policyengine.transparency.multiproof import multiproof
from policyengine.transparency.tiles import TILE_WIDTH, Hashes, nodes_from

_TILES_KEPT = 64  # tiles of the log kept while a proof is made; neighbouring leaves ask for the same


class Keys(NamedTuple):
    """What signs and what was signed with: the log's key, that of results, and all CAs as PEM."""

    log: LogKey
    results: ResultSigner
    cas: bytes


class Exports:
    """Writes evidence exports; changes nothing."""

    def __init__(
        self, store: ExportStore, clock: Clock, *, shelf: PolicyShelf, log: TransparencyLog, keys: Keys
    ) -> None:
        self._store, self._clock, self._shelf, self._log, self._keys = store, clock, shelf, log, keys

    def accepted(self, actor: Principal, request: ExportRequest) -> ExportRequest:
        """Return `request` once `actor` may have it and its period is over.

        Raises ForbiddenError: an export holds the whole bundle, so it is not for those who see some models only; and
        InvalidRequestError.
        """
        demand(actor, Right.AUDIT)
        demand_whole_fleet(actor)
        demand_kept(self._store, request.start, path="from")
        return demand_period(request, now=self._clock.now())

    def write(self, actor: Principal, request: ExportRequest, archive: ArchiveWriter) -> Manifest:
        """Write the export into `archive`; the same records and log give the same bytes.

        Raises ForbiddenError, InvalidRequestError, MissingError for a record whose content is gone, ForkError,
        ExportTooLargeError.
        """
        accepted = self.accepted(actor, request)
        self._demand_known(accepted)
        note = self._log.sealed()
        checkpoint = open_checkpoint(note, key=self._keys.log.verifier)
        gathering = Gathering(self._store, self._shelf, archive, accepted, size=checkpoint.size)
        gathering.run()
        writing = _Writing(self._store, archive, accepted, gathering)
        writing.bundles()
        writing.documents(layout.FACTS, gathering.facts)
        writing.documents(layout.PRIORS, gathering.priors)
        writing.log(checkpoint.size)
        writing.conclusions(origin=checkpoint.origin, size=checkpoint.size)
        self._keep_keys(archive, note)
        manifest = Manifest(
            request=accepted,
            origin=checkpoint.origin,
            log_size=checkpoint.size,
            decisions=gathering.decisions,
            devices=len(gathering.devices),
            members=tuple(archive.members),
        )
        seal(archive, manifest, self._keys.log)
        return manifest

    def _demand_known(self, request: ExportRequest) -> None:
        """Raise InvalidRequestError for a framework of which no bundle in force has a control."""
        activations = self._store.activations_between(request.start, request.end)
        bundles = (self._shelf.by_digest(activation.digest).bundle for activation in activations)
        frameworks = {control.partition(":")[0] for bundle in bundles for control in bundle.controls}
        if request.framework is not None and request.framework not in frameworks:
            known = ", ".join(sorted(frameworks)) or "none at all"
            raise InvalidRequestError(
                f"no control of framework {quoted(request.framework)} was in force; there are {known}",
                code="request.framework",
                path="framework",
            )

    def _keep_keys(self, archive: ArchiveWriter, note: bytes) -> None:
        archive.plain(layout.CHECKPOINT, note)
        archive.plain(layout.VKEY, f"{self._keys.log.verifier}\n".encode())
        archive.plain(layout.CAS, self._keys.cas)
        archive.plain(layout.RESULT_KEYS, canonical(dict(self._keys.results.jwks())))
        archive.plain(layout.READ_ME, READ_ME.encode())


class _Writing:
    """What an export holds beside its devices."""

    def __init__(
        self, store: ExportStore, archive: ArchiveWriter, request: ExportRequest, gathering: Gathering
    ) -> None:
        self._store, self._archive, self._request, self._gathering = store, archive, request, gathering
        self._in_force = store.activations_between(request.start, request.end)

    def bundles(self) -> None:
        """Write every bundle in force in the period or named by a decision, and the waivers in them."""
        activations = defaultdict[Digest, list[Activation]](list)
        for activation in self._in_force:
            self._gathering.know(activation.digest)
            activations[activation.digest].append(activation)
        catalogue = self._gathering.catalogue
        lines = (layout.bundle_line(record, activations[record.digest]) for record in catalogue.records)
        write_records(self._archive, layout.BUNDLES, lines)
        for record in catalogue.records:
            self._gathering.leaves_before.extend(self._store.acts_about(record.digest))
            member = self._archive.member(layout.bundle_member(record.digest))
            member.write(self._content(record.digest))
            member.close()
        waivers = (layout.waiver_line(waiver, bundles) for waiver, bundles in catalogue.waivers())
        write_records(self._archive, layout.WAIVERS, waivers)

    def documents(self, folder: str, digests: Iterable[bytes]) -> None:
        """Write the documents that `digests` name, in their order."""
        write_records(self._archive, folder, (self._content(Digest(f"sha256:{each.hex()}")) for each in digests))

    def log(self, size: int) -> None:
        """Write the leaves of the period and those behind earlier records, and the one proof for all of them."""
        indexes = array("q")
        write_records(self._archive, layout.LEAVES, self._leaf_lines(size, indexes))
        proof = self._archive.member(layout.PROOF)
        for step in multiproof(indexes, size, nodes_from(_by_tile(self._store.log_hashes))):
            proof.write(step)
        proof.close()

    def conclusions(self, *, origin: str, size: int) -> None:
        """Write what follows from the records."""
        records = {record.digest: record for record in self._gathering.catalogue.records}
        found = self._gathering.assessor.assessment(
            origin=origin,
            log_size=size,
            decisions=self._gathering.decisions,
            in_force=[(each, records[each.digest]) for each in self._in_force],
        )
        for name, content in conclusions(found):
            member = self._archive.member(name)
            member.write(content)
            member.close()
        _write_tables(self._archive, found)

    def _leaf_lines(self, size: int, indexes: array[int]) -> Iterator[bytes]:
        """Yield the lines of all leaves, note where they stand, and write the table of those that are acts."""
        acts = CsvTable(self._archive, "acts")
        for leaf in self._leaves(size):
            if not indexes or leaf.index > indexes[-1]:
                indexes.append(leaf.index)
                yield layout.leaf_line(leaf)
                if leaf.kind == "act":
                    acts.add(act_cells(leaf))
        acts.close()

    def _leaves(self, size: int) -> Iterator[Leaf]:
        before = sorted(index for index in set(self._gathering.leaves_before) if index < size)
        earlier = self._store.leaves_at(before)
        inside = self._store.leaves_between(self._request.start, self._request.end, size=size)
        wanted = (leaf for leaf in inside if self._gathering.is_in_scope(leaf.kind, leaf.record))
        return heapq.merge(earlier, wanted, key=lambda leaf: leaf.index)

    def _content(self, digest: Digest) -> bytes:
        content = self._store.document(digest)
        if content is None:
            raise MissingError(f"document `{digest}` is not stored", code="document.missing", digest=digest)
        return content


def conclusions(found: Assessment) -> Sequence[tuple[str, bytes]]:
    """Return the members that follow from an assessment, for people and for programs."""
    return ((layout.REPORT, as_page(found).encode()), (layout.OSCAL, as_oscal(found).encode()))


def _write_tables(archive: ArchiveWriter, found: Assessment) -> None:
    controls, waivers = CsvTable(archive, "controls"), CsvTable(archive, "waivers")
    for control in found.controls:
        controls.add(control_cells(control))
    for waiver in found.waivers:
        waivers.add(waiver_cells(waiver))
    controls.close()
    waivers.close()


def _by_tile(hashes: Hashes) -> Hashes:
    """Return `hashes`, read a tile at a time and kept for the next who asks."""

    @lru_cache(maxsize=_TILES_KEPT)
    def tile(level: int, number: int) -> Sequence[bytes]:
        return hashes(level, number * TILE_WIDTH, TILE_WIDTH)

    def some(level: int, start: int, count: int) -> Sequence[bytes]:
        at = start % TILE_WIDTH  # INVARIANT: only full subtrees within one tile are asked for (merkle.py)
        return tile(level, start // TILE_WIDTH)[at : at + count]

    return some
