"""Checking a tree again when little changed: the same diagnostics as compiling all of it, in a fraction of the time.

What is wrong with a policy, its bindings, tests and waivers (a *unit*) depends on these documents and on fleet,
parties, facts and controls, and on nothing else: a unit is compiled again only when one of those changed. Units with
a waiver, and documents about a policy that does not exist, are always judged anew: the one depends on the time, the
other on the names of all policies. Where names clash, or a document stands where its kind does not belong, everything
is compiled.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from policyengine.language.compiler import UNBOUND, analyse, unbound
from policyengine.language.diagnostics import Report, in_order
from policyengine.language.documents import ReadFile, SortedDocument, full_name, read_file
from policyengine.language.layout import is_about_a_policy, is_document
from policyengine.language.nodes import text
from policyengine.language.page import Page
from policyengine.language.regions import with_ends
from policyengine.language.remembered import Entry, Remembered, Summary
from policyengine.model.corim import CorimReader, no_reader
from policyengine.model.diagnostic import Diagnostic
from policyengine.model.ids import PolicyName

_SURROUNDINGS = ("fleet.yaml", "parties.yaml", "facts/", "controls/")  # what every policy is compiled against
_UNITS = frozenset({"Policy", "Binding", "PolicyTest", "Waiver"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Everything wrong with a tree, in order, and what to remember for the next time."""

    diagnostics: tuple[Diagnostic, ...]
    remembered: Remembered


def check_tree(
    files: Mapping[str, bytes], *, now: datetime, remembered: Remembered, corims: CorimReader = no_reader
) -> Checked:
    """Return what `compile_tree` says of `files` at `now`, doing again only what `remembered` does not hold."""
    return _Check(files, now, corims, remembered).run()


class _Check:
    def __init__(self, files: Mapping[str, bytes], now: datetime, corims: CorimReader, remembered: Remembered) -> None:
        self.files = files
        self.now = now
        self.corims = corims
        self.remembered = remembered
        self.keys = {path: _file_key(path, files[path]) for path in sorted(filter(is_document, files))}
        self.read: dict[str, ReadFile] = {}
        self.summaries = {path: self._summary(path) for path in self.keys}
        self.units = _units(self.summaries)

    def run(self) -> Checked:
        if self._needs_everything():
            unit_keys: dict[str, str] = {}
        else:
            unit_keys = dict(self._unit_keys())
        known = {unit: self.remembered.units[key] for unit, key in unit_keys.items() if key in self.remembered.units}
        found = self._compiled(frozenset(known))
        by_unit = self._by_unit(found, frozenset(known))
        reading = (one for summary in self.summaries.values() for one in summary.diagnostics)
        kept = {unit: known.get(unit, by_unit.get(unit, ())) for unit in self.units}
        every = (*reading, *by_unit.get("", ()), *(one for unit in kept.values() for one in unit), *self._unbound())
        return Checked(
            diagnostics=in_order(every),
            remembered=Remembered(
                files={self.keys[path]: summary for path, summary in self.summaries.items()},
                units={key: kept[unit] for unit, key in unit_keys.items()},
            ),
        )

    def _read(self, path: str) -> ReadFile:
        if path not in self.read:
            self.read[path] = read_file(path, self.files[path])
        return self.read[path]

    def _summary(self, path: str) -> Summary:
        known = self.remembered.files.get(self.keys[path])
        return known if known is not None else _summarised(self._read(path), {path: self.files[path]})

    def _needs_everything(self) -> bool:
        """Return whether a document may matter to others in a way that its place does not tell."""
        entries = [(path, one) for path, summary in self.summaries.items() for one in summary.entries]
        names = Counter((one.kind, "" if one.kind == "Fleet" else one.name) for _, one in entries if not one.refused)
        strays = any(one.kind not in _UNITS and is_about_a_policy(path) for path, one in entries)
        return strays or any(count > 1 for count in names.values())

    def _unit_keys(self) -> Iterator[tuple[str, str]]:
        """Yield each unit that can be remembered, with the digest of everything it depends on."""
        around = hashlib.sha256()
        for path in sorted(self.files):
            if path.startswith(_SURROUNDINGS):
                around.update(_file_key(path, self.files[path]).encode())
        lines = {path: self.files[path].split(b"\n") for path in self.keys if is_about_a_policy(path)}
        for unit, members in self.units.items():
            kinds = {entry.kind for _, entry, _ in members}
            if "Policy" in kinds and "Waiver" not in kinds:
                yield unit, _unit_key(around.hexdigest(), members, lines)

    def _compiled(self, known: frozenset[str]) -> tuple[Diagnostic, ...]:
        """Return what the compiler says of all files but those that hold nothing but units that are `known`."""
        wanted = {path: self._read(path) for path in self.keys if not self._is_known(path, known)}
        names = [
            PolicyName(one.name)
            for summary in self.summaries.values()
            for one in summary.entries
            if one.kind == "Policy"
        ]
        there = {one for path in wanted for one in self.summaries[path].entries if one.kind == "Policy"}
        elsewhere = frozenset(names) - {PolicyName(one.name) for one in there}
        found = analyse(wanted, self.files, now=self.now, corims=self.corims, elsewhere=elsewhere).diagnostics
        return with_ends((one for one in found if one.code != UNBOUND), self.files)

    def _policies(self, paths: Iterable[str]) -> frozenset[PolicyName]:
        entries = (one for path in paths for one in self.summaries[path].entries)
        return frozenset(PolicyName(one.name) for one in entries if one.kind == "Policy")

    def _is_known(self, path: str, known: frozenset[str]) -> bool:
        return is_about_a_policy(path) and all(one.policy in known for one in self.summaries[path].entries)

    def _by_unit(self, found: Iterable[Diagnostic], known: frozenset[str]) -> dict[str, tuple[Diagnostic, ...]]:
        """Return `found` by unit; those of no unit under an empty name, those of `known` units not at all."""
        sorted_in: dict[str, list[Diagnostic]] = defaultdict(list)
        for one in found:
            unit = self._unit_at(one.file, one.line)
            if unit not in known:
                sorted_in[unit].append(one)
        return {unit: tuple(each) for unit, each in sorted_in.items()}

    def _unit_at(self, path: str, line: int) -> str:
        summary = self.summaries.get(path, Summary())
        before = [one for one in summary.entries if one.line <= line] or list(summary.entries[:1])
        return before[-1].policy if before and before[-1].kind in _UNITS else ""

    def _unbound(self) -> Iterator[Diagnostic]:
        entries = [(path, one) for path, summary in self.summaries.items() for one in summary.entries]
        bindings = [one for _, one in entries if one.kind == "Binding"]
        if any(one.refused for one in bindings):
            return
        bound = {one.policy for one in bindings}
        notes = (
            unbound(path, one.named_at)
            for path, one in entries
            if one.kind == "Policy" and not one.refused and one.name not in bound
        )
        yield from with_ends(notes, self.files)


_Member = tuple[str, Entry, int]  # a file, a document in it, and the line after its last (0: to the end)


def _units(summaries: Mapping[str, Summary]) -> dict[str, list[_Member]]:
    """Return the documents about each policy, in the order of files and lines."""
    units: dict[str, list[_Member]] = defaultdict(list)
    for path, summary in summaries.items():
        ends = [after.line for _, after in pairwise(summary.entries)] + [0]
        for entry, end in zip(summary.entries, ends, strict=bool(summary.entries)):
            if entry.kind in _UNITS:
                units[entry.policy].append((path, entry, end))
    return dict(units)


def _file_key(path: str, data: bytes) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape") + b"\0" + data).hexdigest()


def _unit_key(around: str, members: Iterable[_Member], lines: Mapping[str, list[bytes]]) -> str:
    digest = hashlib.sha256(around.encode())
    for path, entry, end in members:
        part = b"\n".join(lines.get(path, [])[entry.line - 1 : end - 1 if end else None])
        digest.update(f"\0{path}\0{entry.line}\0{entry.refused}\0{len(part)}\0".encode("utf-8", "surrogateescape"))
        digest.update(part)
    return digest.hexdigest()


def _summarised(found: ReadFile, files: Mapping[str, bytes]) -> Summary:
    entries = sorted(map(_entry, found.documents), key=lambda one: one.line)
    return Summary(entries=tuple(entries), diagnostics=with_ends(found.diagnostics, files))


def _entry(one: SortedDocument) -> Entry:
    page = Page(document=one.document, kind=one.kind, report=Report())
    name = page.node("metadata", "name")
    return Entry(
        kind=one.kind,
        name=full_name(page),
        refused=one.refused,
        line=page.root.line,
        policy=full_name(page) if one.kind == "Policy" else text(page.spec, "policy") or "",
        named_at=(name.line, name.column),
    )
