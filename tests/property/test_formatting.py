"""`fmt` on documents laid out at random: nothing is lost, nothing changes, and a second run changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from policyengine.adapters.starter import starter_files
from policyengine.language.bundle import encode
from policyengine.language.compiler import compile_tree
from policyengine.language.formatting.formatter import formatted
from policyengine.language.nodes import plain
from policyengine.language.reader import read

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PACK = starter_files()
FILES = [(name, data) for name, data in PACK.items() if name.endswith(".yaml")]
DOCUMENTS = [plain(one.root) for name, data in FILES for one in read(name, data).documents]
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # a seed says it all: there is nothing to shrink
PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")


class Scribe:
    """Writes a value as YAML in a random layout, with numbered comments wherever one may stand."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.comments: list[str] = []

    def comment(self) -> str:
        self.comments.append(f"# c{len(self.comments)}: [x]")
        return self.comments[-1]

    def above(self, indent: int) -> str:
        blank = "\n" * self.random.choice([0, 0, 0, 1, 3])
        return blank + (f"{' ' * indent}{self.comment()}\n" if self.random.random() < 0.1 else "")

    def behind(self) -> str:
        return f"  {self.comment()}\n" if self.random.random() < 0.1 else "\n"

    def scalar(self, value: object) -> str:
        if not isinstance(value, str):
            return str(value).lower()
        styles: list[Callable[[str], str]] = [lambda text: "'" + text.replace("'", "''") + "'"]
        if PLAIN.fullmatch(value) and value not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n"):
            styles.append(str)
        return self.random.choice(styles)(value)

    def flow(self, value: object) -> str:
        """Return `value` on one line, or over several with comments."""
        if isinstance(value, dict):
            return "{" + self.joined([(f"{key}: ", one) for key, one in value.items()]) + "}"
        if isinstance(value, list):
            return "[" + self.joined([("", one) for one in value]) + "]"
        return self.scalar(value)

    def joined(self, entries: list[tuple[str, object]]) -> str:
        text = self.random.choice(["", " "])
        for number, (key, one) in enumerate(entries):
            text += f",{self.gap()}" if number else ""
            text += f"{key}{self.flow(one)}"
        return text

    def gap(self) -> str:
        return f" {self.comment()}\n{' ' * 40}" if self.random.random() < 0.02 else " "

    def block(self, value: object, indent: int) -> str:
        """Return what stands behind a key: `value` beside it, or below it indented deeper than `indent`."""
        if not isinstance(value, dict | list) or not value or self.random.random() < 0.3:
            return f" {self.flow(value)}{self.behind()}"
        deeper = indent + self.random.randint(1, 4)
        return self.behind() + self.lines(value, deeper)

    def lines(self, value: object, indent: int) -> str:
        lead = " " * indent
        if isinstance(value, dict):
            entries = list(value.items())
            text = "".join(f"{self.above(indent)}{lead}{key}:{self.block(one, indent)}" for key, one in entries)
        else:
            assert isinstance(value, list)
            text = "".join(f"{self.above(indent)}{lead}-{self.block(one, indent)}" for one in value)
        return text + (f"{lead}{self.comment()}\n" if self.random.random() < 0.1 else "")


@settings(max_examples=300, deadline=None, phases=QUICK)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 2**32))
def test_a_document_in_any_layout_keeps_what_it_says_and_every_comment(document: object, seed: int) -> None:
    scribe = Scribe(seed)
    text = scribe.lines(document, 0)
    result = formatted("a.yaml", text.encode())
    assert result.text is not None, (result.diagnostics, text)
    assert sorted(re.findall(r"# c\d+: \[x\]", result.text)) == sorted(scribe.comments), text
    assert [plain(one.root) for one in read("a.yaml", result.text.encode()).documents] == [document]
    assert formatted("a.yaml", result.text.encode()).text == result.text, text


@settings(max_examples=100, deadline=None, phases=QUICK)
@given(st.sampled_from(DOCUMENTS), st.integers(0, 2**32))
def test_the_comments_of_a_document_in_order_stay_in_order(document: object, seed: int) -> None:
    """The documents of the starter pack have their keys in order, so nothing is moved past anything."""
    scribe = Scribe(seed)
    result = formatted("a.yaml", scribe.lines(document, 0).encode())
    assert result.text is not None
    assert re.findall(r"# c\d+: \[x\]", result.text) == written_order(scribe)


def written_order(scribe: Scribe) -> list[str]:
    return scribe.comments


@settings(max_examples=15, deadline=None, phases=QUICK)
@given(st.integers(0, 2**32))
def test_a_repository_compiles_to_the_same_bundle_before_and_after(seed: int) -> None:
    scribe = Scribe(seed)
    messy = {name: scribbled(scribe, name, data) for name, data in PACK.items()}
    neat = {name: formatted(name, data).text.encode() if is_yaml(name) else data for name, data in messy.items()}  # type: ignore[union-attr]
    assert without_places(messy) == without_places(neat)


def is_yaml(name: str) -> bool:
    return name.endswith(".yaml")


def scribbled(scribe: Scribe, name: str, data: bytes) -> bytes:
    if not is_yaml(name):
        return data
    return "---\n".join(scribe.lines(plain(one.root), 0) for one in read(name, data).documents).encode()


def without_places(files: dict[str, bytes]) -> object:
    """Return the bundle of `files` as JSON without lines and columns: formatting is about them."""
    bundle = compile_tree(files, now=NOW).bundle
    assert bundle is not None
    return json.loads(encode(bundle), object_hook=without_place)


def without_place(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name not in ("line", "column")}
