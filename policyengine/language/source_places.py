"""Where parts of documents stand in their files: bundles name the line of a rule only, reports the column of a part."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.language.inside import position_inside
from policyengine.language.nodes import Document, Scalar, YamlNode, at, items
from policyengine.language.reader import read
from policyengine.model.policy import Place, Rule


class SourcePlaces:
    """The documents in the files of one policy repository, path to content; each file is read once, when needed."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._documents: dict[str, tuple[Document, ...]] = {}

    def below(self, place: Place, *path: str) -> Place:
        """Return where the node at `path` below the document or rule at `place` stands; `place` if there is none."""
        for document in self._of(place.file):
            for node in (document.root, *items(document.root, "spec", "rules")):
                if _stands_at(node, place):
                    found = at(node, *path)
                    return place if found is None else document.place(found)
        return place

    def condition(self, rule: Rule, offset: int, *, let: str | None = None) -> Place:
        """Return where character `offset` of the rule's condition stands, or of its let `let`.

        The rule's own place where its file does not hold it: a bundle that other files were compiled to.
        """
        for document in self._of(rule.place.file):
            written = _condition(document, rule, let)
            if written is not None:
                line, column = position_inside(document.source, written, offset)
                return Place(file=rule.place.file, line=line, column=column)
        return rule.place

    def _of(self, file: str) -> tuple[Document, ...]:
        if file not in self._documents:
            self._documents[file] = read(file, self._files.get(file, b"")).documents
        return self._documents[file]


def _condition(document: Document, rule: Rule, let: str | None) -> Scalar | None:
    """Return where the rule's condition or its let is written in `document`, None if the rule is not there."""
    for node in items(document.root, "spec", "rules"):
        if _stands_at(node, rule.place):
            found = at(node, "require") if let is None else at(document.root, "spec", "let", let)
            return found if isinstance(found, Scalar) else None
    return None


def _stands_at(node: YamlNode, place: Place) -> bool:
    return (node.line, node.column) == (place.line, place.column)
