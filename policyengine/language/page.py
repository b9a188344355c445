"""A document under compilation: its parts, and the report that its mistakes go to."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.language.diagnostics import Report
from policyengine.language.inside import position_inside
from policyengine.language.nodes import Document, Fields, Scalar, Step, YamlNode, at, fields, text
from policyengine.model.diagnostic import Diagnostic, Level
from policyengine.model.policy import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A document whose shape is right, of a known kind."""

    document: Document
    kind: str
    report: Report

    @property
    def file(self) -> str:
        """The path of its file in the repository."""
        return self.document.file

    @property
    def root(self) -> YamlNode:
        """The whole document."""
        return self.document.root

    @property
    def spec(self) -> Fields:
        """Its `spec`."""
        return fields(self.root, "spec")

    @property
    def name(self) -> str:
        """Its `metadata.name`."""
        return text(self.root, "metadata", "name") or ""

    @property
    def owner(self) -> str:
        """Its `metadata.owner`; empty when it names none."""
        return text(self.root, "metadata", "owner") or ""

    def node(self, *path: Step) -> YamlNode:
        """Return the node at `path` from the top, or the top itself when there is none: a place to report at."""
        return at(self.root, *path) or self.root

    def place(self, node: YamlNode) -> Place:
        """Return where `node` stands."""
        return self.document.place(node)

    def error(self, node: YamlNode, code: str, message: str, advice: str = "") -> None:
        """Report at `node` what keeps the tree from compiling."""
        self._add(Level.ERROR, (node.line, node.column), code, message, advice)

    def error_inside(self, scalar: Scalar, offset: int, code: str, message: str, advice: str = "") -> None:
        """Report at character `offset` of `scalar`'s value what keeps the tree from compiling."""
        self._add(Level.ERROR, position_inside(self.document.source, scalar, offset), code, message, advice)

    def warning_inside(self, scalar: Scalar, offset: int, code: str, message: str, advice: str = "") -> None:
        """Report at character `offset` of `scalar`'s value what is probably not meant."""
        self._add(Level.WARNING, position_inside(self.document.source, scalar, offset), code, message, advice)

    def warning(self, node: YamlNode, code: str, message: str, advice: str = "") -> None:
        """Report at `node` what is probably not meant."""
        self._add(Level.WARNING, (node.line, node.column), code, message, advice)

    def info(self, node: YamlNode, code: str, message: str, advice: str = "") -> None:
        """Report at `node` what is worth knowing."""
        self._add(Level.INFO, (node.line, node.column), code, message, advice)

    def _add(self, level: Level, position: tuple[int, int], code: str, message: str, advice: str) -> None:
        line, column = position
        advice = advice or f"`policyengine explain {code}` says what is allowed and why"
        self.report.add(
            Diagnostic(
                file=self.file, line=line, column=column, code=code, severity=level, message=message, help=advice
            )
        )
