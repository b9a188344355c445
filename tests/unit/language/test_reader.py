from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policyengine.language.nodes import Atom, Fields, at, plain
from policyengine.language.reader import MAX_DEPTH, MAX_FILE_BYTES, FileRead, read


def codes(content: bytes | str) -> list[str]:
    return [one.code for one in read("f.yaml", as_bytes(content)).diagnostics]


def value(content: str) -> object:
    found = read("f.yaml", content.encode())
    assert found.diagnostics == ()
    (document,) = found.documents
    return plain(document.root)


def as_bytes(content: bytes | str) -> bytes:
    return content.encode() if isinstance(content, str) else content


def test_every_value_keeps_its_line_and_column() -> None:
    (document,) = read("f.yaml", b"a:\n  b: [1, two]\n").documents
    node = at(document.root, "a", "b", 1)
    assert node is not None
    assert (node.line, node.column, plain(node)) == (2, 10, "two")


def test_every_key_keeps_its_line_and_column() -> None:
    (document,) = read("f.yaml", "ä: 1\n   \nb: 2\n".encode()).documents
    assert isinstance(document.root, Fields)
    key = document.root.keys["b"]
    assert (key.line, key.column) == (3, 1)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-12", -12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("4.2.1", "4.2.1"),
        ("2026-11-23", "2026-11-23"),
        ("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("24h", "24h"),
        ("-x", "-x"),
        ('"yes"', "yes"),
        ("'010'", "010"),
        ("00:11:22:33:44:55", "00:11:22:33:44:55"),
    ],
)
def test_a_plain_value_is_what_all_readers_take_it_for(written: str, meant: Atom) -> None:
    found = value(f"a: {written}\n")
    assert found == {"a": meant}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(meant)


@pytest.mark.parametrize("written", ["yes", "No", "ON", "off", "y", "N", "True", "FALSE"])
def test_a_word_that_some_readers_take_for_a_boolean_is_refused(written: str) -> None:
    """YAML 1.1 knows 22 spellings of the booleans, YAML 1.2 six."""
    assert codes(f"a: {written}\n") == ["yaml.boolean"]


@pytest.mark.parametrize(
    "written",
    [
        "010",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "+5",
        "1.",
        ".5",
        ".inf",
        "-.INF",
        ".nan",
        "12:30",
        "1:2:3",
        "9" * 17,
        "1e999",
    ],
)
def test_a_number_that_readers_take_differently_is_refused(written: str) -> None:
    assert codes(f"a: {written}\n") == ["yaml.number"]


@pytest.mark.parametrize("written", ["", "~", "null", "Null"])
def test_a_missing_value_is_refused(written: str) -> None:
    assert codes(f"a: {written}\n") == ["yaml.null"]


@pytest.mark.parametrize("key", ["1", "true", "yes", "null", "1.5", "2:30"])
def test_a_key_that_is_not_text_is_refused(key: str) -> None:
    assert codes(f"{key}: a\n") == ["yaml.key"]


def test_a_template_in_braces_is_refused_with_advice() -> None:
    (found,) = read("f.yaml", b"a: {{ x }}\n").diagnostics
    assert (found.code, "template" in found.help) == ("yaml.key", True)


def test_a_bomb_of_aliases_is_refused_before_anything_grows() -> None:
    levels = "\n".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 9))
    found = codes(f"a0: &a0 [x, x]\n{levels}\n")
    assert set(found) == {"yaml.anchor", "yaml.alias"}


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a:\n "], ids=["lists", "mappings", "dashes", "lines"])
def test_deep_nesting_is_refused(opening: str) -> None:
    deep = opening * 100_000
    if "\n" in opening:
        deep = "".join(" " * level + "a:\n" for level in range(1000))
    assert codes(deep) == ["yaml.too-deep"]


def test_nesting_to_the_limit_is_read() -> None:
    assert codes("[" * MAX_DEPTH + "]" * MAX_DEPTH) == []


def test_ten_megabytes_are_refused_unread() -> None:
    assert codes(b"a" * 10_000_000) == ["yaml.too-large"]


def test_a_file_of_the_largest_size_is_read() -> None:
    content = b"a: b\n" + b"#" * (MAX_FILE_BYTES - 5)
    assert codes(content) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_another_encoding_is_refused(encoding: str) -> None:
    (found,) = codes("a: ü\n".encode(encoding))
    assert found in ("yaml.encoding", "yaml.control-character")


@pytest.mark.parametrize("character", ["\0", "\x07", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ufeff"])
def test_a_character_that_hides_or_reorders_text_is_refused(character: str) -> None:
    assert codes(f"a: x{character}y\n") == ["yaml.control-character"]


@pytest.mark.parametrize("escape", ["\\0", "\\x07", "\\u202e", "\\N"])
def test_an_escaped_control_character_is_refused(escape: str) -> None:
    assert codes(f'a: "x{escape}y"\n') == ["yaml.control-character"]


def test_an_escaped_surrogate_is_refused() -> None:
    assert codes('a: "\\ud800"\n') == ["yaml.syntax"]


def test_a_tab_in_a_comment_or_text_is_harmless() -> None:
    assert codes('a: "x\ty" # tab\there\n') == []


def test_a_value_of_a_repeated_key_does_not_replace_the_first() -> None:
    found = read("f.yaml", b"a: 1\na: 2\n")
    assert [plain(one.root) for one in found.broken] == [{"a": 1}]


def test_documents_before_a_syntax_error_are_kept() -> None:
    found = read("f.yaml", b"a: 1\n---\nb: [\n")
    assert [plain(one.root) for one in found.documents] == [{"a": 1}]
    assert [one.code for one in found.diagnostics] == ["yaml.syntax"]


def test_a_document_with_a_mistake_is_kept_apart_from_whole_ones() -> None:
    found = read("f.yaml", b"a: yes\n---\nb: 2\n")
    assert ([plain(one.root) for one in found.broken], [plain(one.root) for one in found.documents]) == (
        [{"a": None}],
        [{"b": 2}],
    )


@given(st.binary(max_size=2000))
@example(b"\xef\xbb\xbf")
@example(b"? - a\n: - b\n")
@example(b"%TAG ! !\n---\n!x a\n")
@example(b"&a : *a")
def test_any_bytes_give_documents_or_diagnostics(content: bytes) -> None:
    assert isinstance(read("f.yaml", content), FileRead)


@given(st.text(alphabet="ab:-[]{}\"'|>&*!%#?,. \n\t012", max_size=200))
def test_any_yaml_like_text_gives_documents_or_diagnostics(content: str) -> None:
    found = read("f.yaml", content.encode())
    assert all(one.line >= 1 and one.column >= 1 for one in found.diagnostics)
    assert found.documents or found.diagnostics
