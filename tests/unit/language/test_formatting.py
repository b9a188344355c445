"""`fmt` changes how a file looks, never what it says: each case is a text and its canonical form."""

from __future__ import annotations

import pytest

from policyengine.language.formatting.formatter import formatted

HEAD = "apiVersion: policyengine/v1\nkind: Fleet\nmetadata: {name: north}\n"


def canonical(text: str) -> str:
    result = formatted("fleet.yaml", text.encode())
    assert result.text is not None, result.diagnostics
    return result.text


def of_spec(text: str) -> str:
    """Return the canonical form of a document whose `spec` is `text`, without the lines above it."""
    return canonical(f"{HEAD}spec:\n{text}").removeprefix(HEAD).removeprefix("spec:\n")


def test_keys_stand_in_the_order_of_their_schema() -> None:
    mixed = "spec: {zones: [a], sites: [b]}\nkind: Fleet\nmetadata: {name: x}\napiVersion: policyengine/v1\n"
    lines = canonical(mixed).splitlines()
    assert [line.split(":")[0] for line in lines] == ["apiVersion", "kind", "metadata", "spec"]
    assert lines[3] == "spec: {sites: [b], zones: [a]}"


def test_a_comment_moves_with_its_key() -> None:
    assert of_spec("  # the zones\n  zones: [a] # all\n  sites: [b]\n") == (
        "  sites: [b]\n  # the zones\n  zones: [a] # all\n"
    )


def test_names_an_author_chose_keep_their_order() -> None:
    text = "  models:\n    z: {vendor: a}\n    b: {vendor: a}\n"
    assert of_spec(text) == text


def test_two_spaces_a_level_and_lists_below_their_key() -> None:
    assert of_spec("      sites:\n      - a\n      -   b\n") == "  sites:\n    - a\n    - b\n"


def test_a_list_in_brackets_that_is_too_long_goes_on_in_the_next_line() -> None:
    names = [f"plant-{number:03}" for number in range(20)]
    first, second = of_spec(f"  sites: [{','.join(names)}]\n").splitlines()
    assert (first[:20], first[-1], second[:10], second[-1]) == ("  sites: [plant-000,", ",", "    plant-", "]")
    assert len(first) <= 120


def test_a_mapping_in_braces_that_is_too_long_gets_lines() -> None:
    vendor = "v" * 100
    assert of_spec(f"  models: {{gw: {{vendor: {vendor}, class: gateway}}}}\n") == (
        f"  models:\n    gw:\n      vendor: {vendor}\n      class: gateway\n"
    )


def test_a_comment_inside_brackets_gets_the_list_lines() -> None:
    assert of_spec("  sites: [a, # first\n    b] # last\n") == "  sites:\n    - a # first\n    - b\n    # last\n"


def test_an_empty_list_keeps_its_comment() -> None:
    assert of_spec("  sites: [ # none yet\n  ]\n") == "  sites: [] # none yet\n"


@pytest.mark.parametrize(
    "scalar",
    ["plain text", '"two"', "'one'", '"a # b"', "'it''s'", '"\\u00e9 \\" \\\\"', "a#b", "a: b".replace(": ", ":")],
)
def test_a_value_on_one_line_stays_as_it_is_quoted(scalar: str) -> None:
    assert of_spec(f"  sites: [{scalar}]\n") == f"  sites: [{scalar}]\n"


@pytest.mark.parametrize(
    "text",
    [
        "  sites: |\n    one\n      two\n\n    three\n",
        "  sites: >-\n    folded\n    text\n",
        "  sites: |2\n      starts with spaces\n    end\n",
        "  sites: |+\n    kept\n\n",
        "  sites: | # why\n    one\n",
        '  sites: "a\n    b"\n',
        "  sites: a\n    b\n",
    ],
    ids=["literal", "folded", "indented", "kept", "comment", "quoted", "plain"],
)
def test_a_canonical_text_of_several_lines_stays(text: str) -> None:
    assert of_spec(text) == text


def test_a_block_of_text_is_moved_as_a_whole() -> None:
    assert of_spec("     sites: |\n           one\n             two\n") == "  sites: |\n    one\n      two\n"


def test_comments_at_the_end_of_a_list_stay_in_it() -> None:
    text = "  sites:\n    - a\n    # - b\n  # about zones\n  zones: [c]\n"
    assert of_spec(text) == text


def test_one_blank_line_is_kept_and_more_are_not() -> None:
    assert of_spec("\n\n  sites: [a]\n\n\n  # c\n\n  zones: [b]\n\n") == "  sites: [a]\n\n  # c\n\n  zones: [b]\n"


def test_comments_around_documents_stay_where_they_are() -> None:
    text = f"# one\n{HEAD}# end of one\n---\n# two\n{HEAD}# end\n"
    assert canonical(text) == text


def test_a_line_that_ends_documents_is_dropped() -> None:
    assert canonical(f"---\n{HEAD}...\n") == HEAD


def test_a_file_of_comments_stays_one() -> None:
    assert canonical("# nothing yet\n") == "# nothing yet\n"


def test_windows_line_ends_and_byte_order_mark_are_mended() -> None:
    assert canonical("\ufeff" + HEAD.replace("\n", "\r\n")) == HEAD


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "yaml.syntax"),
        ("a: *b", "yaml.alias"),
        ("a: 1\na: 2\n", "yaml.duplicate-key"),
        ("kind: Deployment\n", "schema.kind"),
        ("\x00", "yaml.control-character"),
    ],
)
def test_a_file_that_cannot_be_read_as_policy_is_refused(text: str, code: str) -> None:
    result = formatted("a.yaml", text.encode())
    assert (result.text, code) == (None, result.diagnostics[0].code)


def test_a_file_in_another_encoding_is_refused() -> None:
    assert formatted("a.yaml", "kind: Fleet".encode("utf-16")).text is None
