"""The documents of a tree, sorted by kind: those to compile, and the names of those that are refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from policyengine.language.diagnostics import Report
from policyengine.language.layout import check_kind, check_path
from policyengine.language.nodes import Document, text
from policyengine.language.page import Page
from policyengine.language.reader import read
from policyengine.language.schema import check_shape, kind_of
from policyengine.model.diagnostic import Diagnostic

_NAMED_BY_OWNER = frozenset({"Policy", "Binding"})


@dataclass(slots=True)
class Documents:
    """Pages by kind and full name, in the order of their files; and the full names of refused documents by kind."""

    report: Report
    pages: dict[str, dict[str, Page]] = field(default_factory=dict)
    refused: dict[str, set[str]] = field(default_factory=dict)
    refused_tests: set[str] = field(default_factory=set)  # the policies that refused tests are about

    def of(self, kind: str) -> list[Page]:
        """Return the pages of `kind`."""
        return list(self.pages.get(kind, {}).values())

    def refused_of(self, kind: str) -> set[str]:
        """Return the names of the documents of `kind` that are already reported as wrong."""
        return self.refused.get(kind, set())


def full_name(page: Page) -> str:
    """Return the document's name, with its owner where names are the owner's: `owner/policy`."""
    return f"{page.owner}/{page.name}" if page.kind in _NAMED_BY_OWNER else page.name


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedDocument:
    """A document of a known kind. It is `refused` when anything about its form, shape or place is wrong."""

    document: Document
    kind: str
    refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """What one file holds, and everything wrong with the form, shape and place of its documents."""

    diagnostics: tuple[Diagnostic, ...] = ()
    documents: tuple[SortedDocument, ...] = ()


def read_file(path: str, data: bytes) -> ReadFile:
    """Return the documents of the file at `path`; what it says depends on nothing but path and data."""
    misplaced = check_path(path)
    if misplaced is not None:
        return ReadFile(diagnostics=(misplaced,))
    report = Report()
    found = read(path, data)
    report.extend(found.diagnostics)
    broken = [_sorted(document, report) for document in found.broken]
    whole = [_sorted(document, report) for document in found.documents]
    documents = [replace(one, refused=True) for one in broken if one is not None]
    documents.extend(one for one in whole if one is not None)
    return ReadFile(diagnostics=tuple(report.found), documents=tuple(documents))


def _sorted(document: Document, report: Report) -> SortedDocument | None:
    wrong = check_shape(document)
    report.extend(wrong)
    kind = kind_of(document)
    if kind is None:
        return None
    placed = check_kind(Page(document=document, kind=kind, report=report))
    return SortedDocument(document=document, kind=kind, refused=bool(wrong) or not placed)


def gather(read_files: Iterable[ReadFile], report: Report) -> Documents:
    """Return the documents of `read_files`; names that are used twice go to `report`."""
    documents = Documents(report=report)
    for one in (one for read_one in read_files for one in read_one.documents):
        page = Page(document=one.document, kind=one.kind, report=report)
        if one.refused:
            documents.refused.setdefault(one.kind, set()).add(full_name(page))
            if one.kind == "PolicyTest":
                documents.refused_tests.add(text(page.spec, "policy") or "")
        elif not _is_repeated(documents, page):
            documents.pages.setdefault(one.kind, {})[full_name(page)] = page
    return documents


def _is_repeated(documents: Documents, page: Page) -> bool:
    """Return whether there is already a document of this kind and name; reports it."""
    others = documents.pages.get(page.kind, {})
    if page.kind == "Fleet" and others:
        page.error(page.node("kind"), "name.duplicate", "a repository describes one fleet", "keep one Fleet document")
        return True
    first = others.get(full_name(page))
    if first is None:
        return False
    where = first.place(first.node("metadata", "name"))
    message = f"the {page.kind} `{full_name(page)}` is already in `{where.file}` on line {where.line}"
    page.error(page.node("metadata", "name"), "name.duplicate", message, "rename one of the two")
    return True
