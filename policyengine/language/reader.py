"""Strict YAML: bytes to nodes with places, or diagnostics; never an exception.

libyaml's event stream is read with an explicit stack, so that depth, anchors and tags are refused where they stand,
before anything is built from them. What a file may hold is the part of YAML that all readers agree on: UTF-8 without
byte order mark, LF line ends, mappings with unique text keys, no anchors, aliases, tags, directives or merge keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from yaml import CSafeLoader, YAMLError
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from policyengine.language.nodes import Atom, Document, Fields, Items, Scalar, YamlNode
from policyengine.language.scalars import ScalarProblem, resolve
from policyengine.model.diagnostic import Diagnostic, Level

MAX_FILE_BYTES = 1024 * 1024  # the largest file of a thousand-rule pack has 200 KiB; more is a mistake or an attack
MAX_DEPTH = 32  # the deepest document of our schemas has 9 levels
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"  # its own limit of 1,000, where it looks that far ahead of us

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_QUOTE_HELP = "write the text itself, or put it in quotes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRead:
    """What one file holds. `broken` are the documents in which something was refused: they are only good for names."""

    documents: tuple[Document, ...] = ()
    broken: tuple[Document, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def read(file: str, data: bytes) -> FileRead:
    """Return the YAML documents of `data`, with every reason to refuse one; work is bounded by MAX_FILE_BYTES."""
    if len(data) > MAX_FILE_BYTES:
        return _refused(file, "yaml.too-large", f"the file has {len(data)} bytes, the limit is {MAX_FILE_BYTES}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        return _wrong_encoding(file, data, problem.start)
    return _read_text(file, text)


def _read_text(file: str, text: str) -> FileRead:
    found: list[Diagnostic] = []
    if text.startswith("\ufeff"):
        text = text[1:]
        found.append(
            _error(file, 1, 1, "yaml.bom", "the file starts with a byte order mark", "save it as UTF-8 without BOM")
        )
    if "\r" in text:
        line, column = _position(text, text.index("\r"))
        advice = "save the file with LF line ends; in .gitattributes: `*.yaml text eol=lf`"
        found.append(_error(file, line, column, "yaml.line-end", "the line ends with a carriage return", advice))
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        line, column = _position(text, forbidden.start())
        return FileRead(diagnostics=(*found, _control(file, line, column, forbidden.group())))
    return _Composer(file=file, source=text, found=found).compose()


def _position(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _wrong_encoding(file: str, data: bytes, start: int) -> FileRead:
    line, column = _position(data[:start].decode("utf-8"), start)
    found = _error(file, line, column, "yaml.encoding", "the file is not UTF-8", "save it as UTF-8 without BOM")
    return FileRead(diagnostics=(found,))


def _refused(file: str, code: str, message: str) -> FileRead:
    return FileRead(diagnostics=(_error(file, 1, 1, code, message, "split it into several files"),))


def _control(file: str, line: int, column: int, character: str) -> Diagnostic:
    message = f"the character U+{ord(character):04X} is not allowed"
    advice = "remove it: control and text-direction characters make a file read differently from how it looks"
    return _error(file, line, column, "yaml.control-character", message, advice)


def _error(file: str, line: int, column: int, code: str, message: str, advice: str) -> Diagnostic:
    return Diagnostic(
        file=file, line=line, column=column, code=code, severity=Level.ERROR, message=message, help=advice
    )


def _no_document(file: str) -> Diagnostic:
    return Diagnostic(
        file=file,
        line=1,
        column=1,
        code="yaml.no-document",
        severity=Level.WARNING,
        message="the file holds no document",
        help="write one, or remove the file",
    )


@dataclass(slots=True)
class _Frame:
    """A collection being read; `key` is the mapping key that waits for its value."""

    line: int
    column: int
    is_mapping: bool
    items: list[YamlNode] = field(default_factory=list)
    entries: dict[str, YamlNode] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)
    key: Scalar | None = None

    def closed(self) -> YamlNode:
        if self.is_mapping:
            return Fields(self.line, self.column, self.entries, self.keys)
        return Items(self.line, self.column, tuple(self.items))


def _where(event: Event) -> tuple[int, int, int]:
    """Return line and column from 1, and character index from 0, of the start of `event`."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1, mark.index) if mark else (1, 1, 0)


class _StopReadingError(Exception):
    """The rest of the file cannot be read; its reason is already reported."""


@dataclass(slots=True)
class _Composer:
    file: str
    source: str
    found: list[Diagnostic]
    stack: list[_Frame] = field(default_factory=list)
    whole: list[Document] = field(default_factory=list)
    broken: list[Document] = field(default_factory=list)
    root: YamlNode | None = None
    errors_before: int = 0

    def compose(self) -> FileRead:
        parser = CSafeLoader(self.source)
        try:
            self._consume(parser)
        except _StopReadingError:
            self._keep_rest()
        except MarkedYAMLError as problem:
            self._syntax(problem)
            self._keep_rest()
        except YAMLError:
            self._add_at(1, 1, "yaml.syntax", "this is not YAML", "")
        finally:
            parser.dispose()
        if not (self.whole or self.broken or self.found):
            self.found.append(_no_document(self.file))
        return FileRead(documents=tuple(self.whole), broken=tuple(self.broken), diagnostics=tuple(self.found))

    def _consume(self, parser: CSafeLoader) -> None:
        while True:
            event = parser.get_event()
            match event:
                case ScalarEvent():
                    self._scalar(event)
                case CollectionStartEvent():
                    self._open(event)
                case AliasEvent():
                    self._alias(event)
                case DocumentStartEvent():
                    self._start_document(event)
                case DocumentEndEvent():
                    self._end_document()
                case StreamEndEvent():
                    return
                case StreamStartEvent():
                    pass
                case _:
                    self._close()

    def _start_document(self, event: DocumentStartEvent) -> None:
        self.root = None
        self.errors_before = len(self.found)
        if event.version or event.tags:
            self._add(
                event, "yaml.directive", "YAML directives are not allowed", "remove the line that starts with `%`"
            )

    def _end_document(self) -> None:
        if self.root is None:
            return
        document = Document(file=self.file, source=self.source, root=self.root)
        (self.whole if len(self.found) == self.errors_before else self.broken).append(document)

    def _keep_rest(self) -> None:
        """Keep what was read of the document in which reading stopped: its name keeps references to it quiet."""
        while self.stack:
            self._close()
        if self.root is not None:
            self.broken.append(Document(file=self.file, source=self.source, root=self.root, cut=True))

    def _open(self, event: CollectionStartEvent) -> None:
        self._check_decoration(event, event.tag)
        if self._expects_key():
            advice = "write a plain key; templates such as {{ name }} are not expanded here"
            self._add(event, "yaml.key", "a key must be text", advice)
            raise _StopReadingError
        if len(self.stack) >= MAX_DEPTH:
            self._add(event, "yaml.too-deep", _TOO_DEEP, "")
            raise _StopReadingError
        is_mapping = isinstance(event, MappingStartEvent)
        assert is_mapping or isinstance(event, SequenceStartEvent)  # noqa: S101 - libyaml has no third collection
        line, column, _ = _where(event)
        self.stack.append(_Frame(line, column, is_mapping))

    def _close(self) -> None:
        self._place(self.stack.pop().closed())

    def _place(self, node: YamlNode) -> None:
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is not None:
            self._place_value(frame, frame.key, node)

    def _place_value(self, frame: _Frame, key: Scalar, node: YamlNode) -> None:
        frame.key = None
        name = str(key.value)
        if name in frame.entries:
            first = frame.keys[name].line
            message = f"the key `{name[:80]}` is already set on line {first}"
            self._add_at(key.line, key.column, "yaml.duplicate-key", message, "remove one of the two")
        else:
            frame.entries[name] = node
            frame.keys[name] = key

    def _scalar(self, event: ScalarEvent) -> None:
        self._check_decoration(event, event.tag)
        if self._expects_key():
            self.stack[-1].key = Scalar(*_where(event), self._key(event))
        else:
            self._place(Scalar(*_where(event), self._value(event)))

    def _expects_key(self) -> bool:
        return bool(self.stack) and self.stack[-1].is_mapping and self.stack[-1].key is None

    def _key(self, event: ScalarEvent) -> str:
        if event.value == "<<" and not event.style:
            self._add(event, "yaml.merge", "merge keys are not allowed", "write the keys out")
        elif not event.style and not isinstance(resolve(event.value), str):
            shown = event.value[:40]
            self._add(event, "yaml.key", f"the key `{shown}` is not text", f'put it in quotes: "{shown}"')
        return event.value

    def _value(self, event: ScalarEvent) -> Atom:
        if not event.style:
            return self._plain(event)
        forbidden = _FORBIDDEN.search(event.value) if event.style == '"' else None
        if forbidden:
            line, column, _ = _where(event)
            self.found.append(_control(self.file, line, column, forbidden.group()))
            return None
        return event.value

    def _plain(self, event: ScalarEvent) -> Atom:
        if not event.value and not self.stack:
            self._add(event, "yaml.empty-document", "this document is empty", "remove the `---` or write a document")
            return None
        value = resolve(event.value)
        if isinstance(value, ScalarProblem):
            self._add(event, value.code, value.message, value.help)
            return None
        return value

    def _alias(self, event: AliasEvent) -> None:
        self._add(event, "yaml.alias", "aliases are not allowed", _QUOTE_HELP)
        if self._expects_key():
            self.stack[-1].key = Scalar(*_where(event), "*")
        else:
            self._place(Scalar(*_where(event), None))

    def _check_decoration(self, event: NodeEvent, tag: str | None) -> None:
        if event.anchor is not None:
            self._add(event, "yaml.anchor", "anchors are not allowed", _QUOTE_HELP)
        if tag is not None:
            self._add(event, "yaml.tag", f"the tag `{tag[:80]}` is not allowed", _QUOTE_HELP)

    def _syntax(self, problem: MarkedYAMLError) -> None:
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if "\t" in "".join(self.source.split("\n")[line - 1 : line])[: column + 1]:
            self._add_at(line, column, "yaml.tab", "a tab stands where only spaces may", "indent with spaces")
            return
        reason = problem.problem or "unexpected end"
        if reason == _LIBYAML_TOO_DEEP:
            self._add_at(line, column, "yaml.too-deep", _TOO_DEEP, "")
            return
        self._add_at(line, column, "yaml.syntax", f"this is not YAML: {reason}", "check indentation and quotes")

    def _add(self, event: Event, code: str, message: str, advice: str) -> None:
        line, column, _ = _where(event)
        self._add_at(line, column, code, message, advice)

    def _add_at(self, line: int, column: int, code: str, message: str, advice: str) -> None:
        self.found.append(_error(self.file, line, column, code, message, advice))
