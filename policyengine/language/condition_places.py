"""Where a character of a condition stands in its file: bundles name the line of a rule only, reports the column too."""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.language.inside import position_inside
from policyengine.language.nodes import Document, Scalar, at, items
from policyengine.language.reader import read
from policyengine.model.policy import Place, Rule


class ConditionPlaces:
    """The conditions in the files of one policy repository, path to content; each file is read once, when needed."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._documents: dict[str, tuple[Document, ...]] = {}

    def place(self, rule: Rule, offset: int, *, let: str | None = None) -> Place:
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
        if (node.line, node.column) == (rule.place.line, rule.place.column):
            found = at(node, "require") if let is None else at(document.root, "spec", "let", let)
            return found if isinstance(found, Scalar) else None
    return None
