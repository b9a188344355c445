"""The documents of a tree, sorted by kind: those to compile, and the names of those that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from policyengine.language.diagnostics import Report
from policyengine.language.layout import check_kind, check_path, is_document
from policyengine.language.nodes import Document
from policyengine.language.page import Page
from policyengine.language.reader import read
from policyengine.language.schema import check_shape, kind_of

_NAMED_BY_OWNER = frozenset({"Policy", "Binding"})


@dataclass(slots=True)
class Documents:
    """Pages by kind and full name, in the order of their files; and the full names of refused documents by kind."""

    report: Report
    pages: dict[str, dict[str, Page]] = field(default_factory=dict)
    refused: dict[str, set[str]] = field(default_factory=dict)

    def of(self, kind: str) -> list[Page]:
        """Return the pages of `kind`."""
        return list(self.pages.get(kind, {}).values())

    def refused_of(self, kind: str) -> set[str]:
        """Return the names of the documents of `kind` that are already reported as wrong."""
        return self.refused.get(kind, set())


def full_name(page: Page) -> str:
    """Return the document's name, with its owner where names are the owner's: `owner/policy`."""
    return f"{page.owner}/{page.name}" if page.kind in _NAMED_BY_OWNER else page.name


def read_documents(files: Mapping[str, bytes], report: Report) -> Documents:
    """Return the documents of `files`; everything wrong with their form, shape or place goes to `report`."""
    documents = Documents(report=report)
    for path in sorted(filter(is_document, files)):
        misplaced = check_path(path)
        if misplaced is not None:
            report.add(misplaced)
            continue
        found = read(path, files[path])
        report.extend(found.diagnostics)
        for document in found.broken:
            report.extend(check_shape(document))
            _refuse(documents, document)
        for document in found.documents:
            _sort_in(documents, document)
    return documents


def _refuse(documents: Documents, document: Document) -> None:
    kind = kind_of(document)
    if kind is not None:
        page = Page(document=document, kind=kind, report=documents.report)
        documents.refused.setdefault(kind, set()).add(full_name(page))


def _sort_in(documents: Documents, document: Document) -> None:
    wrong = check_shape(document)
    documents.report.extend(wrong)
    kind = kind_of(document)
    if kind is None:
        return
    page = Page(document=document, kind=kind, report=documents.report)
    placed = check_kind(page)
    if wrong or not placed:
        _refuse(documents, document)
    elif not _is_repeated(documents, page):
        documents.pages.setdefault(kind, {})[full_name(page)] = page


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
